"""The town on the air: every meter sends in its own time, simulated receivers hand on what reaches them.

The telegrams travel over real serial lines (pseudo terminals) to the program's own drivers; the M-Bus
master's come in over the API. One thread sends for all meters, a second's telegrams at a time.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from avlas.demo.load import ADMINISTRATOR, receiver_path, simulated
from avlas.simulate.layouts import meter_type
from avlas.simulate.line import Line
from avlas.simulate.receivers import Im871a
from avlas.system import tokens
from avlas.system.models import ApiToken, User

if TYPE_CHECKING:
    from pathlib import Path

    from avlas.simulate.town import Town

_BUS_READ_EVERY_S = 600


class OnAir:
    """``with OnAir(town, data) as air: ...; air.begin(address)``: receivers first, then the meters send."""

    def __init__(self, town: Town, data: Path) -> None:
        self.town = town
        now = datetime.now(UTC)
        self._index = [
            meter.index
            for meter in town.meters
            if meter.true_point is not None and (meter.dismounted_at is None or meter.dismounted_at > now)
        ]
        self._meters = {index: simulated(town.meters[index]) for index in self._index}
        start = (
            int(now.timestamp() // 60 - 21_038_400) << 4
        )  # beyond anything sent before a restart this minute
        for meter in self._meters.values():
            meter.counter = start + int(now.second / 60 * 15)
        radio = [index for index in self._index if not town.meters[index].wired]
        self._radio = np.array(radio, np.int64)
        self._interval = np.array([town.meters[index].interval_s for index in radio], np.int64)
        self._phase = np.array([town.meters[index].phase_s for index in radio], np.int64)
        self._wired = [index for index in self._index if town.meters[index].wired]
        self._lines: dict[int, Line] = {}
        for collector in town.collectors:
            if collector.kind == "radio":
                path = receiver_path(data, collector.index)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lines[collector.index] = Line(Im871a(), path)
        self._targets: dict[int, tuple[Any, dict[str, float]]] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._token = _token() if self._wired else ""

    def __enter__(self) -> Self:
        for line in self._lines.values():
            line.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)
        for line in self._lines.values():
            line.stop()

    def begin(self, address: str) -> None:
        """Let the meters send, and the M-Bus master read its bus and tell the API at ``address``."""
        for work in (self._send, lambda: self._read_bus(address)):
            self._threads.append(threading.Thread(target=work, name="town", daemon=True))
            self._threads[-1].start()

    def _read_bus(self, address: str) -> None:
        masters = [collector.name for collector in self.town.collectors if collector.kind == "mbus"]
        while self._wired and masters:
            second = int(time.time())
            at = datetime.fromtimestamp(second, UTC)
            values = self.town.values(self._wired, np.array([np.datetime64(second, "s")]))
            frames = [
                self._frame(index, {code: float(column[place, 0]) for code, column in values.items()}, at)
                for place, index in enumerate(self._wired)
            ]
            post_telegrams(address, self._token, masters[0], [frame for frame in frames if frame is not None])
            if self._stop.wait(_BUS_READ_EVERY_S):
                return

    def _send(self) -> None:
        second = int(time.time())
        while not self._stop.is_set():
            second += 1
            self._stop.wait(max(0.0, second - time.time()))
            if time.time() - second > 30:  # the machine slept
                second = int(time.time())
            due = self._radio[(second - self._phase) % self._interval == 0]
            if len(due):
                self._send_radio(due, second)

    def _send_radio(self, due: np.ndarray, second: int) -> None:
        moment = np.full(len(due), np.datetime64(second, "s"))
        heard = {index: self.town.receive(index, due, moment) for index in self._lines}
        reached = ~np.all([np.isnan(level) for level in heard.values()], axis=0)
        due, heard = due[reached], {index: level[reached] for index, level in heard.items()}
        if not len(due):
            return
        at = datetime.fromtimestamp(second, UTC)
        values = self.town.values(due, np.array([np.datetime64(second, "s")]))
        self._refresh_targets(due, second)
        for place, index in enumerate(due.tolist()):
            frame = self._frame(index, {code: float(column[place, 0]) for code, column in values.items()}, at)
            if frame is None:
                continue
            for collector, level in heard.items():
                if not math.isnan(level[place]):
                    self._lines[collector].transmit(
                        frame, float(level[place]), at=at, mode=self.town.meters[index].radio_mode
                    )

    def _frame(self, index: int, values: dict[str, float], at: datetime) -> bytes | None:
        values = {code: value for code, value in values.items() if not math.isnan(value)}
        info = int(values.pop("info_code", 0))
        day, target = self._targets.get(index, (None, {}))
        with contextlib.suppress(ValueError):  # a value beyond its record: this telegram is not sent
            return self._meters[index].telegram(
                values,
                at,
                info_code=info,
                target_at=None if day is None else day.astype(object),
                target=target,
            )
        return None

    def _refresh_targets(self, due: np.ndarray, second: int) -> None:
        """Work out the month-start values of meters whose clock has passed one since they last sent."""
        dates, moments = self.town.target_at(due, np.array([np.datetime64(second, "s")]))
        for place, index in enumerate(due.tolist()):
            known = self._targets.get(index)
            if known is not None and known[0] == dates[place, 0]:
                continue
            if not any(f.source == "target_at" for f in meter_type(self.town.meters[index].type_name).fields):
                continue
            if moments[place, 0] < np.datetime64(self.town.begin.replace(tzinfo=None)):
                continue
            values = self.town.values(index, moments[place])
            found = {code: float(column[0]) for code, column in values.items() if not math.isnan(column[0])}
            self._targets[index] = (dates[place, 0], found)


def _token() -> str:
    """A token of the demo's administrator with which the simulated M-Bus master sends its telegrams."""
    user = User.objects.get(email=ADMINISTRATOR)
    ApiToken.objects.filter(utility=user.utility, name="M-Bus master").delete()  # of an earlier start
    return tokens.create(user.utility, "M-Bus master", ["telegrams:write"], created_by=user)[1]


def post_telegrams(address: str, token: str, collector: str, frames: list[bytes]) -> bool:
    """Send wired frames to the API; False when it didn't take them."""
    body = {
        "collector": collector,
        "telegrams": [{"frame": frame.hex(), "format": "wired"} for frame in frames],
    }
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{address}api/v1/telegrams",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
