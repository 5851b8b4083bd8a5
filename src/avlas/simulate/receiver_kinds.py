"""The simulated receivers by the names the command line knows them by."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from avlas.simulate import receivers, usb_receivers

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVERS: dict[str, Callable[..., Any]] = {
    "im871a": receivers.Im871a,
    "iu891a": usb_receivers.Iu891a,
    "amb8465": usb_receivers.Amber,
    "amb3665": partial(usb_receivers.Amber, 169),
    "rc1180": usb_receivers.Rc1180,
    "cul": usb_receivers.Cul,
    "rtl_wmbus": receivers.RtlWmbus,
    "rtl_433": usb_receivers.Rtl433,
    "hex": receivers.HexLines,
    "hextty": partial(usb_receivers.RawModem, text=True),
    "rawtty": usb_receivers.RawModem,
    "rawtty_crc": partial(usb_receivers.RawModem, crcs="a"),
    "simulation": receivers.SimulationLines,
}
