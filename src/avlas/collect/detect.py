"""What is plugged into this machine: serial ports, each asked politely which receiver it is, and software radios.

A port somebody has open is left alone: one that an active receiver here uses, one with a lock on it, and one
that any program whose open files can be seen has open. Questions set nothing: they are the first ones of each
driver's set-up, ended before anything is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import serialx

from avlas.collect.drivers.asking import AskingDriver
from avlas.collect.drivers.heard import Notice
from avlas.collect.drivers.kinds import KINDS
from avlas.collect.line import open_line, why
from avlas.collect.spec import SpecError, parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ASKED: Final = ("im871a", "iu891a", "amb8465", "cul", "rc1180")
"""Kinds that are asked for, in this order; the answer may turn out to be a sister's (im170a, amb3665)."""
SISTERS: Final = {"iM170A": "im170a", "AMB3665": "amb3665", "iU893A-XL": "iu893a"}
LISTEN_FOR: Final = 0.6
"""Seconds an answer is waited for."""
SOFTWARE_RADIOS: Final = {"0bda:2832", "0bda:2838"}
"""USB ids of the DVB-T sticks with RTL2832U that librtlsdr is made for."""


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port as the system lists it; ``usb`` is vendor:product, empty for one that is no USB device."""

    path: str
    usb: str = ""
    product: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found at a place.

    ``state``: ``receiver`` (then ``kind`` and ``spec`` are known), ``unknown``
    (nobody answered), ``in_use`` (``by`` names the receiver, if it is one of ours), ``not_asked`` (no USB
    device: it may be anything), ``unusable`` (``problem`` says why).
    """

    port: Port
    state: str
    kind: str = ""
    spec: str = ""
    model: str = ""
    by: str = ""
    problem: Notice | None = None
    says: Mapping[str, str | int | float] = field(default_factory=dict)


def serial_ports() -> list[Port]:
    """The serial ports of this machine, by their lasting names where there are such."""
    return [
        Port(
            str(one.device),
            f"{one.vid:04x}:{one.pid:04x}" if one.vid is not None and one.pid is not None else "",
            one.product or "",
            one.serial_number or "",
        )
        for one in serialx.list_serial_ports()
    ]


def software_radios(devices: Path = Path("/sys/bus/usb/devices")) -> list[Found]:
    """RTL-SDR sticks, found by their USB id; they are not opened."""

    def read(device: Path, name: str) -> str:
        with contextlib.suppress(OSError):
            return (device / name).read_text(encoding="utf-8", errors="replace").strip()
        return ""

    found = []
    for device in sorted(devices.glob("*")):
        usb = f"{read(device, 'idVendor')}:{read(device, 'idProduct')}"
        if usb in SOFTWARE_RADIOS:
            serial = read(device, "serial")
            spec = f"rtl_wmbus:run/{serial}" if serial.isalnum() and serial.isascii() else "rtl_wmbus:run"
            port = Port(f"usb {device.name}", usb, read(device, "product"), serial)
            found.append(Found(port, "receiver", "rtl_wmbus", spec, "RTL-SDR"))
    return found


def find_receivers(used: Mapping[str, str], ports: Iterable[Port] | None = None) -> list[Found]:
    """Everything plugged in. ``used``: specs of active receivers and what each is called."""
    busy = {}
    for spec, name in used.items():
        with contextlib.suppress(SpecError):
            parsed = parse_spec(spec)
            if parsed.road == "serial":
                busy[os.path.realpath(parsed.where)] = name

    async def all_of_them() -> list[Found]:
        opened = await asyncio.to_thread(opened_devices)
        listed = await asyncio.to_thread(serial_ports) if ports is None else ports
        return list(await asyncio.gather(*(_look_at(port, busy, opened) for port in listed)))

    return [*asyncio.run(all_of_them()), *software_radios()]


def opened_devices(processes: Path = Path("/proc")) -> set[str]:
    """Devices that programs have open, as far as this user may see; this program's own are left out."""
    found = set()
    for process in processes.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(descriptor.readlink())
                    if target.startswith("/dev/"):
                        found.add(target)
    return found


async def _look_at(port: Port, busy: Mapping[str, str], opened: set[str]) -> Found:
    device = os.path.realpath(port.path)  # noqa: ASYNC240 - a look at a few links in /dev
    if device in busy or device in opened:
        return Found(port, "in_use", by=busy.get(device, ""))
    if not port.usb and not Path(device).name.startswith(("ttyAMA", "ttyACM")):
        return Found(port, "not_asked")
    for kind in ASKED:
        spec = parse_spec(f"{kind}:{port.path}")
        try:
            found = await _ask(port, kind)
        except serialx.SerialException:
            return Found(port, "unknown")  # it was pulled out meanwhile
        except OSError as error:
            problem = why(error, spec)
            if problem.text_id == "port_busy":
                return Found(port, "in_use")
            return Found(port, "unusable", problem=problem)
        if found is not None:
            return found
    return Found(port, "unknown")


async def _ask(port: Port, kind: str) -> Found | None:
    """Whether a port answers as this kind; None when not. Raises OSError when it can't be opened."""
    driver = KINDS[kind].make(KINDS[kind].link_modes[0])
    assert isinstance(driver, AskingDriver)
    line = await open_line(parse_spec(f"{kind}:{port.path}"))
    loop = asyncio.get_running_loop()
    end = loop.time() + LISTEN_FOR
    try:
        line.write(driver.begin())
        while not driver.met and (left := end - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                data = await asyncio.wait_for(line.read(), left)
                if not data:
                    break
                for event in driver.feed(data):
                    if isinstance(event, Notice) and event.text_id == "receiver_another":
                        model = str(event.detail["found"])
                        sister = SISTERS.get(model)
                        return _receiver(port, sister, model, {}) if sister else None
                if not driver.met:
                    line.write(driver.to_send())
        if driver.met or not driver.at_first:
            line.write(driver.farewell)
        if not driver.met:
            return None
        return _receiver(port, SISTERS.get(driver.model, kind), driver.model, driver.identity)
    finally:
        await asyncio.sleep(0.02)  # let the farewell go out
        await line.close()


def _receiver(port: Port, kind: str, model: str, says: Mapping[str, str | int | float]) -> Found:
    return Found(port, "receiver", kind, f"{kind}:{port.path}", model, says=dict(says))
