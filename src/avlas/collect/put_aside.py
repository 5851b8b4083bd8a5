"""Telegrams kept in a file while the database can't take them: at a stop, and those no code could store.

One line a telegram: seconds UTC, dBm (or -), radio or wired, hex.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from avlas.collect.drivers.heard import Heard
from avlas.collect.receiver import Received

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def put(path: Path, received: Iterable[Received]) -> None:
    """Add telegrams to the file, which is safe on the disk afterwards. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as file:
        for one in received:
            rssi = "-" if one.heard.rssi_dbm is None else f"{one.heard.rssi_dbm:g}"
            road = "wired" if one.heard.wired else "radio"
            file.write(f"{one.at!r} {rssi} {road} {one.heard.frame.hex()}\n")
        file.flush()
        os.fsync(file.fileno())


def take(path: Path) -> list[Received]:
    """The telegrams of the file, each once; none without a file. Lines a crash cut off are passed over."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            at, rssi, road, frame = line.split(" ")
            heard = Heard(
                bytes.fromhex(frame), None, None if rssi == "-" else float(rssi), wired=road == "wired"
            )
            found.append(Received(heard, float(at)))
        except ValueError:
            continue
    return list(dict.fromkeys(found))
