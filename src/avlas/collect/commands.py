"""``avlas collect`` and ``avlas import``: telegrams from receivers and from recorded files."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from avlas.collect import texts
from avlas.collect.drivers.heard import Notice
from avlas.collect.drivers.kinds import LINK_MODES
from avlas.collect.receiver import Received
from avlas.collect.recorded import NotRecorded, Recording
from avlas.collect.spec import EXAMPLES, SpecError, make_driver, parse_spec, usual_link_mode
from avlas.system.terminal import language

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from avlas.collect.detect import Found
    from avlas.meters.ingest import IngestResult
    from avlas.meters.models import Collector
    from avlas.system.models import Utility

T = TypeVar("T")
SHOWN_PROBLEMS: Final = 20
"""Seconds a batch may take before the next one is made smaller: other writers must get their turn."""
PATIENCE: Final = 300.0
"""Seconds a locked or full database is waited for before an import gives up."""


def say(text_id: str, **detail: object) -> str:
    """The sentence ``text_id`` in the language of the person at the terminal."""
    return texts.say(text_id, language(), **detail)


# ---- avlas collect


def add_collect_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``avlas collect``."""
    modes = ", ".join(LINK_MODES)
    parser.add_argument(
        "--receiver",
        action="append",
        metavar="SPEC",
        default=[],
        help=say("collect_receiver", examples=EXAMPLES),
    )
    parser.add_argument("--utility", metavar="NAME", help=say("utility_option"))
    parser.add_argument("--link-mode", choices=list(LINK_MODES), help=say("collect_link_mode", modes=modes))


def run_collect(args: argparse.Namespace) -> int:
    """Listen until stopped (SIGTERM, Ctrl-C) or all sources given have ended. Exit status 1: not begun."""
    import django

    django.setup()
    from avlas.collect.collector import run_collectors
    from avlas.system.terminal import chosen_utility, terminal_language

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    with terminal_language():
        only: list[int] | None = None
        if args.receiver:
            try:
                for spec in args.receiver:
                    make = parse_spec(spec)
                    if make.road != "file":
                        make_driver(make, args.link_mode or "")
            except SpecError as error:
                return _refuse(texts.words(error.notice, language()))
            utility = chosen_utility(args.utility)
            if utility is None:
                return 1
            only = [_collector(utility, spec, args.link_mode).pk for spec in args.receiver]
        run_collectors(only, on_idle=lambda: print(say("no_collectors"), file=sys.stderr))
    return 0


def _collector(utility: Utility, spec: str, link_mode: str | None) -> Collector:
    """The collector with this spec, made when it is missing; files and stdin then run only when asked for."""
    from avlas.meters.models import Collector

    parsed = parse_spec(spec)
    if parsed.link_mode:
        link_mode, spec = parsed.link_mode, str(replace(parsed, link_mode=""))
    found = Collector.objects.filter(utility=utility, spec=spec).first()
    if found is None:
        return Collector.objects.create(
            utility=utility,
            name=_free_name(utility, spec),
            spec=spec,
            link_mode=link_mode or usual_link_mode(parsed),
            active=parsed.road not in ("stdin", "file"),
        )
    if link_mode and found.link_mode != link_mode:
        found.link_mode = link_mode
        found.save(update_fields=["link_mode"])
    return found


def _free_name(utility: Utility, wanted: str) -> str:
    from avlas.meters.models import Collector

    taken = set(Collector.objects.filter(utility=utility).values_list("name", flat=True))
    name, number = wanted[:70], 2
    while name in taken:
        name = f"{wanted[:70]} ({number})"
        number += 1
    return name


# ---- avlas receivers


def add_receivers_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``avlas receivers``."""
    parser.add_argument("--json", action="store_true", help=say("receivers_json"))


def run_receivers(args: argparse.Namespace) -> int:
    """List what is plugged in, with the spec to use. Exit status 1: no receiver was found."""
    from avlas.collect.detect import find_receivers

    found = find_receivers(_used_specs())
    for one in found:
        if args.json:
            print(json.dumps(as_json(one), ensure_ascii=False))
            continue
        by = f" ({one.by})" if one.by else ""
        told = (
            texts.words(one.problem, language())
            if one.problem
            else say(f"receivers_{one.state}", model=one.model, spec=one.spec, by=by)
        )
        about = " ".join(filter(None, (one.port.usb, one.port.product, one.port.serial)))
        print(f"{one.port.path}{f' ({about})' if about else ''}: {told}")
    if not found and not args.json:
        print(say("receivers_none"), file=sys.stderr)
    return 0 if any(one.state == "receiver" for one in found) else 1


def as_json(found: Found) -> dict[str, object]:
    """What was found at a place, for programs."""
    return {
        "port": found.port.path,
        "usb": found.port.usb,
        "product": found.port.product,
        "serial": found.port.serial,
        "state": found.state,
        "kind": found.kind,
        "model": found.model,
        "spec": found.spec,
        "used_by": found.by,
        "problem": texts.words(found.problem, language()) if found.problem else "",
        "says": dict(found.says),
    }


def _used_specs() -> dict[str, str]:
    """Specs of the active receivers and their names; none while there is no database yet."""
    import django

    django.setup()
    from django.db import DatabaseError

    from avlas.meters.models import Collector

    try:
        return dict(Collector.objects.filter(active=True).values_list("spec", "name"))
    except DatabaseError:
        return {}


# ---- avlas import


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``avlas import``."""
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help=say("import_files"))
    parser.add_argument("--utility", metavar="NAME", help=say("utility_option"))
    parser.add_argument("--heard-at", metavar="TIME", help=say("import_heard_at"))


def run_import(args: argparse.Namespace) -> int:
    """Take in recorded files. Exit status 0: telegrams were taken in (some lines may be bad), 1: none."""
    heard_at = None
    if args.heard_at:
        heard_at = moment(args.heard_at)
        if heard_at is None:
            return _refuse(say("import_bad_time", time=args.heard_at))
        if heard_at > datetime.now(UTC):
            return _refuse(say("import_future", time=args.heard_at))
    import django

    django.setup()
    from avlas.meters import surplus
    from avlas.system.secrets import check_master_key
    from avlas.system.terminal import chosen_utility, terminal_language

    with terminal_language():
        utility = chosen_utility(args.utility)
        if utility is None:
            return 1
        patiently(check_master_key)
        work = Import(patiently(lambda: _import_collector(utility)))
        for path in args.files:
            work.file(path, heard_at)
        patiently(surplus.add_all)
        work.summary()
    return 0 if work.result.telegrams else 1


def moment(text: str) -> datetime | None:
    """The time a person means, in UTC (this machine's zone when none is given); None when it is no time."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


def _import_collector(utility: Utility) -> Collector:
    from avlas.meters.models import Collector

    found = Collector.objects.filter(utility=utility, spec="import").first()
    return found or Collector.objects.create(
        utility=utility, name=_free_name(utility, "import"), spec="import", status="stopped"
    )


def patiently(work: Callable[[], T]) -> T:
    """Do ``work``, again and again while the database is locked or full; its error is raised in the end."""
    from django.db import OperationalError, connection

    began = time.monotonic()
    wait, said = 1.0, False
    while True:
        try:
            return work()
        except OperationalError as error:
            connection.close()
            if "no such table" in str(error) or time.monotonic() - began > PATIENCE:
                raise
            if not said:
                said = True
                print("\n" + say("import_waits", reason=error), file=sys.stderr)
        time.sleep(wait)
        wait = min(wait * 2, 15.0)


class Import:
    """One run of ``avlas import``: files in, counts and problems kept for the summary."""

    def __init__(self, collector: Collector) -> None:
        from avlas.meters.ingest import IngestResult
        from avlas.meters.pace import Pace

        self.result: IngestResult = IngestResult()
        self._collector = collector
        self._problems: list[str] = []
        self._problem_count = 0
        self._bad_crc = 0
        self._notes: list[str] = []
        self._pace = Pace()

    def file(self, path: Path, heard_at: datetime | None) -> None:
        """Take in one file; what is wrong with it is kept for the summary."""
        try:
            recording = Recording(path, heard_at)
        except OSError as error:
            self._problem(say("import_unreadable", file=path, reason=error.strerror or error))
            return
        except NotRecorded:
            self._problem(say("import_not_recorded", file=path))
            return
        bar = Bar(path.name, recording.size)
        for batch in self._batches(recording):
            self._ingest(batch)
            bar.show(recording.position, self.result.telegrams)
        bar.done()
        self._bad_crc += recording.bad_crc
        if recording.without_time:
            source = "import_times_given" if heard_at else "import_times_file"
            local = recording.fallback_at.astimezone().isoformat(" ", "seconds")
            count = recording.without_time
            self._notes.append(say("import_times", file=path, count=count, time=local, source=say(source)))

    def summary(self) -> None:
        """Print what became of everything."""
        from avlas.meters.models import STATE_TEXTS, State

        result = self.result
        print(say("import_telegrams", count=result.telegrams))
        for state in State:
            if result.states[state]:
                print(f"  {STATE_TEXTS[state]}: {result.states[state]}")
        if result.surplus:
            print("  " + say("import_surplus", count=result.surplus))
        if self._bad_crc:
            print(say("import_bad_crc", count=self._bad_crc))
        print(say("import_meters", count=len(result.meters)))
        for note in self._notes:
            print(note)
        if result.states[State.UNKNOWN_METER]:
            print(say("import_adopt"))
        if self._problem_count:
            print(say("import_problems", count=self._problem_count))
            for problem in self._problems:
                print(f"  {problem}")
            if self._problem_count > SHOWN_PROBLEMS:
                print("  " + say("import_more_problems", count=self._problem_count - SHOWN_PROBLEMS))

    def _batches(self, recording: Recording) -> Iterator[list[Received]]:
        """Telegrams in batches of one road each; problems are noted on the way."""
        waiting: dict[bool, list[Received]] = {False: [], True: []}
        for number, event in recording:
            if isinstance(event, Notice):
                if event.level != "info":
                    self._problem(f"{recording.path}:{number}: " + texts.words(event, language()))
                continue
            assert event.heard_at is not None
            part = waiting[event.wired]
            part.append(Received(event, event.heard_at.timestamp()))
            if len(part) >= self._pace.size:
                yield part
                waiting[event.wired] = []
        yield from filter(None, waiting.values())

    def _ingest(self, batch: list[Received]) -> None:
        """Hand a batch in and let its time decide the size of the next."""
        from avlas.collect.collector import telegram_batch
        from avlas.meters.ingest import ingest

        telegrams = telegram_batch(self._collector.pk, batch)
        result = patiently(lambda: ingest(telegrams))
        self._pace.note(len(batch), result)
        self.result.add(result)

    def _problem(self, text: str) -> None:
        self._problem_count += 1
        if len(self._problems) < SHOWN_PROBLEMS:
            self._problems.append(text)


class Bar:
    """A progress bar on standard error; nothing when that is no terminal."""

    WIDTH = 30

    def __init__(self, name: str, size: int) -> None:
        self._name = name[:40]
        self._size = max(1, size)
        self._shown_at = 0.0
        self._terminal = sys.stderr.isatty()

    def show(self, position: int, telegrams: int) -> None:
        """Draw it, ten times a second at most."""
        now = time.monotonic()
        if not self._terminal or now - self._shown_at < 0.1:
            return
        self._shown_at = now
        part = min(1.0, position / self._size)
        full = round(part * self.WIDTH)
        bar = "#" * full + "-" * (self.WIDTH - full)
        text = f"\r{self._name} [{bar}] {part:4.0%}  " + say("import_progress", telegrams=telegrams)
        print(f"{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Take it away."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
