"""How fast telegrams are taken in, and where the time goes.

    .venv/bin/python benchmarks/ingest.py [--meters 10000] [--database postgresql://...] [--profile]

Makes a database of its own (in a temporary folder, or at the address given, which must be empty), adopts so many
invented meters of mixed types with keys of their own, and takes in: one telegram of each (all decoded), the same
again (all repeats), a second and a third telegram of each in the same slot (the third all surplus), and one in the
next slot.
Prints telegrams a second, microseconds a telegram, and how much of it is decoding.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from datetime import UTC, datetime, timedelta

TYPES = ("multical403", "multical603", "multical403_gj", "multical21", "flowiq2200", "omnipower", "diehl_sharky",
         "diehl_hydrus", "multical602", "multical303")  # fmt: skip
START = datetime(2026, 11, 20, 6, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--database", default="")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-benchmark-") as folder:
        os.environ["AVLAS_DATA"] = folder
        os.environ["AVLAS_DATABASE"] = arguments.database
        os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
        import django

        django.setup()
        run(arguments.meters, profile=arguments.profile)


def run(count: int, *, profile: bool) -> None:
    import numpy as np
    from django.core.management import call_command
    from django.db import connection

    from avlas.decode import batch as decoding
    from avlas.meters import ingest as taking_in
    from avlas.meters import judge
    from avlas.meters.ingest import TelegramBatch, ingest
    from avlas.simulate import samples

    call_command("migrate", verbosity=0)
    print(f"{connection.vendor}, {count} meters of {len(TYPES)} types")
    meters = [meter for name in TYPES for meter in samples.meters(name, count // len(TYPES), 1)]
    collector = adopt_all(meters)
    moments = [
        START,
        START + timedelta(seconds=16),
        START + timedelta(seconds=32),
        START + timedelta(hours=1),
    ]
    sent = [[samples.next_telegram(m, moment, 7) for m in meters] for moment in moments]
    spent = {"decoding": 0.0}

    def timed(function):
        def inner(*arguments, **named):
            begun = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent["decoding"] += time.perf_counter() - begun

        return inner

    judge.batch, judge.headers = timed(decoding.batch), timed(decoding.headers)
    taking_in.headers = judge.headers

    def take_in(name, frames, moment):
        batch = TelegramBatch(
            collector, frames, np.full(len(frames), moment.timestamp()), np.full(len(frames), -70, np.float32)
        )
        spent["decoding"] = 0.0
        profiler = cProfile.Profile() if profile else None
        begun = time.perf_counter()
        if profiler:
            profiler.enable()
        result = ingest(batch)
        if profiler:
            profiler.disable()
        took = time.perf_counter() - begun
        each, own = 1e6 * took / len(frames), 1e6 * (took - spent["decoding"]) / len(frames)
        read = {state.name: number for state, number in result.states.items() if number}
        print(f"{name:28} {len(frames) / took:8.0f}/s {each:7.1f} us each, {own:6.1f} us besides decoding;"
              f" surplus {result.surplus} {read}")  # fmt: skip
        if profiler:
            pstats.Stats(profiler).sort_stats("cumulative").print_stats(35)

    take_in("first, everything decoded", sent[0], moments[0])
    take_in("the same again", sent[0], moments[0])
    take_in("second class of the slot", sent[1], moments[1])
    take_in("surplus of the slot", sent[2], moments[2])
    take_in("next slot", sent[3], moments[3])
    take_in("surplus of one meter", sent[3][:1] * count, moments[3] + timedelta(seconds=5))
    small = time.perf_counter()
    for start in range(0, 1000, 10):
        ingest(TelegramBatch(collector, sent[0][start : start + 10], np.full(10, START.timestamp() + 7200),
                             np.full(10, -70, np.float32)))  # fmt: skip
    print(f"batches of 10: {1e3 * (time.perf_counter() - small) / 100:.1f} ms each")


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
