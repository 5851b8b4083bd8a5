"""``avlas simulate``: telegrams, key files and receivers of invented meters, to try without hardware."""

from __future__ import annotations

import argparse
import heapq
import itertools
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from avlas.simulate import samples
from avlas.simulate.kem import KemMeter, kem_file
from avlas.simulate.layouts import TYPES
from avlas.simulate.line import Line, Terminal
from avlas.simulate.optical import OpticalMeter
from avlas.simulate.receiver_kinds import RECEIVERS
from avlas.simulate.receivers import Im871a

if TYPE_CHECKING:
    from avlas.simulate.meter import SimulatedMeter

_OPTICAL = {
    name for name, each in TYPES.items() if each.manufacturer == "KAM" and "energy_heat_kwh" in each.registers
}
_EXAMPLES = """\
examples:
  avlas simulate types
      the meter types there are
  avlas simulate telegrams --type multical403 | avlas decode
      eight telegrams with their key, explained
  avlas simulate telegrams --meters 20 --count 50 --format rtl_wmbus > heard.txt
      a recorded file to import; the same seed gives the same file again
  avlas simulate keys --meters 20 --password secret town.zip.kem
      the key file of the same twenty meters
  avlas simulate receiver --meters 20 --interval 1 --path /tmp/radio
      an iM871A that hears them, for: avlas collect --receiver im871a:/tmp/radio
  avlas simulate optical --type multical602 --path /tmp/head
      an optical head on a meter: answers KMP, registers and logs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``avlas simulate``."""
    parser.description = (
        "Invented meters, byte by byte as real ones send: nothing of it belongs to a real meter, and "
        "the same seed always gives the same numbers, keys and values."
    )
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parts = parser.add_subparsers(dest="part", required=True, metavar="WHAT")

    parts.add_parser("types", help="list the meter types")

    telegrams = parts.add_parser("telegrams", help="print telegrams")
    _fleet_arguments(telegrams)
    telegrams.add_argument("--count", type=_positive, default=8, help="telegrams of each meter (8)")
    telegrams.add_argument(
        "--start",
        type=_moment,
        default=datetime(2025, 1, 15, 6, 0, tzinfo=UTC),
        metavar="TIME",
        help="when the first one is sent, ISO 8601, UTC unless it says otherwise (2025-01-15T06:00)",
    )
    telegrams.add_argument(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help="time between telegrams of one meter (as its type sends)",
    )
    telegrams.add_argument(
        "--format",
        choices=("hex", "rtl_wmbus", "simulation"),
        default="hex",
        help="hex: a telegram and its key a line (default); rtl_wmbus: that program's lines, with time and "
        "signal; simulation: wmbusmeters' simulation file",
    )
    telegrams.add_argument("--no-keys", action="store_true", help="hex lines without the key")

    keys = parts.add_parser("keys", help="write a KEM file with the meters' keys")
    _fleet_arguments(keys)
    keys.add_argument("--password", required=True, help="up to 16 characters")
    keys.add_argument("--kem2", action="store_true", help="the newer format")
    keys.add_argument("--xml", action="store_true", help="the encrypted XML alone, not in a zip")
    keys.add_argument("file", type=Path, help="file to write, usually named .zip.kem or .zip.kem2")

    receiver = parts.add_parser("receiver", help="be a receiver on a serial line until Ctrl-C")
    _fleet_arguments(receiver)
    receiver.add_argument(
        "--kind", choices=sorted(RECEIVERS), default="im871a", help="which receiver (im871a)"
    )
    receiver.add_argument(
        "--path",
        type=Path,
        default=Path("simulated-receiver"),
        help="the serial port's path (simulated-receiver)",
    )
    receiver.add_argument(
        "--interval", type=_seconds, metavar="SECONDS", help="time between telegrams of one meter"
    )
    receiver.add_argument("--count", type=_positive, help="stop after that many telegrams")

    optical = parts.add_parser("optical", help="be an optical head on a meter until Ctrl-C")
    optical.add_argument(
        "--type",
        choices=sorted(_OPTICAL),
        default="multical403",
        metavar="TYPE",
        help="one of Kamstrup's heat meters (multical403); see: avlas simulate types",
    )
    optical.add_argument("--seed", type=int, default=1, help="another seed, other meters and values (1)")
    optical.add_argument(
        "--path",
        type=Path,
        default=Path("simulated-head"),
        help="the serial port's path (simulated-head)",
    )
    optical.add_argument(
        "--asleep", action="store_true", help="answer only after Enter, as after a key press"
    )


def _fleet_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--type",
        action="append",
        choices=sorted(TYPES),
        metavar="TYPE",
        help="meter type, may be repeated (multical403); see: avlas simulate types",
    )
    parser.add_argument("--meters", type=_positive, default=1, help="meters of each type (1)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other meters and values (1)")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 0 when it went well, 1 with a message on standard error when not."""
    try:
        return _PARTS[args.part](args)
    except BrokenPipeError:
        raise  # the reader of the output has enough: not a fault
    except (ValueError, OSError) as error:
        sys.stderr.write(f"avlas simulate: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


def _fleet(args: argparse.Namespace) -> list[SimulatedMeter]:
    names = dict.fromkeys(args.type or ["multical403"])
    return [meter for name in names for meter in samples.meters(name, args.meters, args.seed)]


def _types(_: argparse.Namespace) -> int:
    for each in TYPES.values():
        way = "wired" if each.wired else f"{each.radio_mode} every {each.interval_s} s"
        sys.stdout.write(f"{each.name:26}{each.model:18}{each.medium:14}{way:20}{each.security}\n")
    return 0


def _telegrams(args: argparse.Namespace) -> int:
    fleet = _fleet(args)
    if args.format != "hex":
        _refuse_wired(fleet, f"a file of {args.format}")
    receiver = RECEIVERS[args.format]()
    for sent in samples.recording(
        fleet, args.count, seed=args.seed, start=args.start, interval_s=args.interval
    ):
        line = samples.recorded_file([sent], receiver).decode()
        if args.format == "hex" and not args.no_keys and sent.meter.key is not None:
            line = f"{line.rstrip()} {sent.meter.key.hex().upper()}\n"
        sys.stdout.write(line)
    return 0


def _keys(args: argparse.Namespace) -> int:
    meters = [KemMeter.of(meter) for meter in _fleet(args) if meter.key is not None]
    if not meters:
        raise ValueError("these meters send in clear and have no keys")
    content = kem_file(meters, args.password, version=2 if args.kem2 else 1, zipped=not args.xml)
    args.file.write_bytes(content)
    sys.stdout.write(f"{args.file}: {len(meters)} meters\n")
    return 0


def _receiver(args: argparse.Namespace) -> int:
    fleet = _fleet(args)
    _refuse_wired(fleet, "a radio receiver")
    receiver = RECEIVERS[args.kind]()
    with Line(receiver, args.path.absolute()) as line:
        sys.stdout.write(f"{line.path}\n")
        sys.stdout.flush()
        # Meters begin spread over their interval, as if each had been switched on at its own moment.
        steps = [args.interval or meter.type.interval_s for meter in fleet]
        due = [(steps[n] * n / len(fleet), n) for n in range(len(fleet))]
        heapq.heapify(due)
        began = time.monotonic()
        for number in itertools.count(1):
            at, n = due[0]
            time.sleep(max(0.0, began + at - time.monotonic()))
            meter, now = fleet[n], datetime.now(UTC)
            frame = samples.next_telegram(meter, now, args.seed)
            heard = line.transmit(frame, -60 - n % 40, at=now, mode=meter.type.radio_mode)
            state = "heard" if heard else _why_not(line, receiver)
            sys.stderr.write(f"{now:%H:%M:%S} {meter.identification} {meter.type.model}: {state}\n")
            if number == args.count:
                break
            heapq.heapreplace(due, (at + steps[n], n))
    return 0


def _optical(args: argparse.Namespace) -> int:
    (meter,) = samples.meters(args.type, 1, args.seed)
    head = OpticalMeter(
        meter, lambda: datetime.now(UTC), seed=args.seed, new=not meter.type.target_day_before
    )
    head.asleep = args.asleep
    with Terminal(head, args.path.absolute()) as line:
        sys.stdout.write(f"{line.path}\n")
        sys.stdout.flush()
        if head.asleep:
            sys.stderr.write(f"{meter.identification} {meter.type.model} is asleep: Enter wakes it\n")
            sys.stdin.readline()
            head.press_key()
        sys.stderr.write(f"{meter.identification} {meter.type.model} answers\n")
        threading.Event().wait()
    return 0


def _why_not(line: Line, receiver: object) -> str:
    if not line.is_open:
        return "nobody has the port open"
    if isinstance(receiver, Im871a) and not receiver.configured:
        return "the receiver has not been set up yet"
    return "the receiver is set to another radio mode"


def _refuse_wired(fleet: list[SimulatedMeter], what: str) -> None:
    wired = next((meter for meter in fleet if meter.type.wired), None)
    if wired is not None:
        raise ValueError(f"{wired.type.name} is read by wire: {what} cannot hold it")


_PARTS = {
    "types": _types,
    "telegrams": _telegrams,
    "keys": _keys,
    "receiver": _receiver,
    "optical": _optical,
}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= timedelta(days=1).total_seconds():
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400 seconds")
    return number


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2025-01-15T06:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
