"""How a receiver is written: ``im871a:/dev/ttyUSB0``, ``cul:tcp://host:port``, ``rtl_wmbus:run``, ...

    KIND:PORT[:BAUD]         a serial port of this machine
    KIND:tcp://HOST:PORT     a serial port behind ser2net, or a program that serves lines
    KIND:udp://HOST:PORT     the same over UDP; udp://:PORT takes what anybody sends to this machine's port
    KIND:stdin, file:PATH    standard input; a recorded file
    KIND:run[/STICK]         a program this machine has, started here; STICK is a software radio's number

Behind each may stand ``:MODES``, what to listen for: ``amb8465:/dev/ttyUSB0:c1,t1`` (see kinds.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from avlas.collect.drivers.heard import Notice
from avlas.collect.drivers.kinds import KINDS, link_modes, read_link_mode

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Driver

Road = Literal["serial", "tcp", "udp", "program", "stdin", "file"]
STICK: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
EXAMPLES: Final = (
    "im871a:/dev/ttyUSB0, amb8465:/dev/ttyUSB0:c1,t1, cul:tcp://host:port, rtl_wmbus:run, rtl_wmbus:stdin, "
    "rtl_wmbus:tcp://host:port, hex:udp://:port, hex:/dev/ttyUSB0:115200, file:/path/to/recording"
)


class SpecError(ValueError):
    """A receiver's description that can't be understood; ``notice`` says how to write one."""

    def __init__(self, text_id: str, **detail: str) -> None:
        super().__init__(text_id, detail)
        self.notice = Notice("error", text_id, detail)


@dataclass(frozen=True, slots=True)
class Spec:
    """Where a receiver is and what it speaks. ``link_mode`` is empty when the description names none."""

    driver: str
    road: Road
    where: str  # path of a port or file, "host:port", a stick's number, or ""
    baud_rate: int = 0
    link_mode: str = ""

    def __str__(self) -> str:
        mode = f":{self.link_mode}" if self.link_mode else ""
        return f"{self.driver}:{self.place}{mode}"

    @property
    def place(self) -> str:
        """Where it is, as it is written behind the kind."""
        if self.road in ("tcp", "udp"):
            return f"{self.road}://{self.where}"
        if self.road == "program":
            return f"run/{self.where}" if self.where else "run"
        if self.road == "serial" and self.baud_rate != default_baud_rate(self.driver):
            return f"{self.where}:{self.baud_rate}"
        return self.where or "stdin"

    @property
    def called(self) -> str:
        """What a person would call the place: port, host:port, program."""
        return self.driver if self.road == "program" else self.where or "stdin"


def parse_spec(text: str) -> Spec:
    """The Spec that ``text`` describes; SpecError when it describes none."""
    driver, colon, where = text.strip().partition(":")
    driver = driver.lower()
    if not colon or not where:
        raise SpecError("spec_none", spec=text, examples=EXAMPLES)
    if driver == "file":
        return Spec("file", "file", where.removeprefix("//"))
    if driver not in KINDS:
        raise SpecError("spec_driver", driver=driver, known=", ".join((*KINDS, "file")), examples=EXAMPLES)
    place, _, last = where.rpartition(":")
    mode = read_link_mode(last) if place else None
    if mode is None:
        return _place(text, driver, where)
    spec = replace(_place(text, driver, place), link_mode=mode)
    make_driver(spec)
    return spec


def _place(text: str, driver: str, where: str) -> Spec:
    if where in ("stdin", "-"):
        if KINDS[driver].asks:
            raise SpecError("spec_stdin", driver=driver, examples=EXAMPLES)
        return Spec(driver, "stdin", "")
    if where == "run" or where.startswith("run/"):
        stick = where.removeprefix("run").removeprefix("/")
        if not KINDS[driver].programs or (stick and not STICK.fullmatch(stick)):
            raise SpecError("spec_program", spec=text, known=", ".join(k for k in KINDS if KINDS[k].programs))
        return Spec(driver, "program", stick)
    scheme, separator, address = where.partition("://")
    if separator and scheme in ("tcp", "udp"):
        host, _, port = address.rstrip("/").rpartition(":")
        if (not host and scheme == "tcp") or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SpecError("spec_network", spec=text, driver=driver, road=scheme)
        return Spec(driver, "tcp" if scheme == "tcp" else "udp", f"{host}:{port}")
    port_name, _, rate = where.rpartition(":")
    if port_name and rate.isdecimal():
        return Spec(driver, "serial", port_name, int(rate))
    return Spec(driver, "serial", where, default_baud_rate(driver))


def default_baud_rate(driver: str) -> int:
    """The speed of a serial port when none is given."""
    return KINDS[driver].baud_rate


def usual_link_mode(spec: Spec) -> str:
    """What a receiver listens for when nobody says; c1t1 for one that is not told (it stands in its row)."""
    modes = () if spec.road == "file" else link_modes(KINDS[spec.driver], spec.road)
    return modes[0] if modes else "c1t1"


def make_driver(spec: Spec, link_mode: str = "") -> Driver:
    """The protocol machine a Spec names; SpecError when it has no such link mode.

    ``link_mode`` counts when the Spec names none itself; when it does not either, the usual one is taken.
    """
    kind = KINDS[spec.driver]
    known = link_modes(kind, spec.road)
    mode = spec.link_mode or link_mode or usual_link_mode(spec)
    if known and mode not in known:
        raise SpecError("spec_link_mode", mode=mode, known=", ".join(known))
    return kind.make(mode)
