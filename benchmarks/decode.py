"""How fast telegrams are decoded, against the project's own single decoder in the same run.

    .venv/bin/python benchmarks/decode.py [--meters 10000] [--seconds 20] [--profile | --crcs]

Invents meters with keys of their own, of 8 layouts (compact and full frames, AES-CTR of the extended link layer, mode
5), decodes their telegrams in random order in batches of several sizes, turn about with the single decoder, and prints
telegrams a second on one core, the medians of the ratios, and what is kept in memory for each meter. With --crcs
only how fast the link CRCs of formats A and B are checked and removed, whole batches against one frame at a time.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import resource
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from avlas.decode.batch import Keyring, batch, headers, without_crcs
from avlas.decode.compact import Layouts
from avlas.decode.link import strip_crcs
from avlas.decode.single import telegram
from avlas.simulate import samples
from avlas.simulate.frames import format_a, format_b

TYPES = ("multical403", "multical603", "multical403_gj", "multical21", "omnipower", "multical303_oms",
         "diehl_sharky", "sensus_iperl")  # fmt: skip
START = datetime(2026, 11, 20, 6, tzinfo=UTC)
SIZES = (10_000, 1_000, 256, 200, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--crcs", action="store_true", help="link CRCs only (ten seconds)")
    arguments = parser.parse_args()
    if arguments.crcs:
        link_crcs(min(arguments.seconds, 10))
        return
    names = arguments.types.split(",")
    chosen = random.Random(7)
    meters = [meter for name in names for meter in samples.meters(name, arguments.meters // len(names), 1)]
    chosen.shuffle(meters)
    rounds = [
        [
            samples.next_telegram(meter, START + timedelta(hours=hour, seconds=16 * hour), 7)
            for meter in meters
        ]
        for hour in range(3)
    ]
    layouts = Layouts.shipped()
    addresses = headers(rounds[0]).address.tolist()
    frames = [frame for part in rounds for frame in part][:4096]
    batch(
        headers(frames), None, ring_of(addresses[:4096], meters), layouts
    )  # what is kept once, whatever comes
    gc.collect()
    before = resident()
    ring = ring_of(addresses, meters)
    unread = 0
    for frames in rounds:
        for at in range(0, len(frames), 1000):
            unread += len(batch(headers(frames[at : at + 1000]), None, ring, layouts).errors)
    gc.collect()
    kept = resident() - before
    print(f"{len(meters)} meters of {len(names)} layouts, {unread} unread; {kept / len(meters):.0f} bytes"
          " a meter for keys, table and contexts")  # fmt: skip
    frames = [frame for part in rounds[1:] for frame in part]
    order = list(range(len(frames)))
    chosen.shuffle(order)
    frames = [frames[at] for at in order]
    if arguments.profile:
        profile(frames, ring, layouts)
        return
    keys = {frame: meters[at % len(meters)].key for frame, at in zip(frames, order, strict=True)}
    spent: dict[int, list[float]] = {size: [] for size in SIZES}
    ratios: dict[int, list[float]] = {size: [] for size in SIZES}
    end = time.perf_counter() + arguments.seconds
    while time.perf_counter() < end:
        some = chosen.sample(frames, 100)
        begun = time.process_time()
        for frame in some:
            telegram(frame, keys[frame], format="a", layouts=layouts)
        slow = (time.process_time() - begun) / len(some)
        for size in SIZES:
            at = chosen.randrange(max(1, len(frames) - size))
            count = max(1, 2_000 // size)
            parts = [frames[at : at + size]] * 1 if count == 1 else [
                chosen.sample(frames, size) for _ in range(count)
            ]  # fmt: skip
            begun = time.process_time()
            for part in parts:
                batch(headers(part), None, ring, layouts)
            each = (time.process_time() - begun) / sum(map(len, parts))
            spent[size].append(each)
            ratios[size].append(slow / each)
    for size in SIZES:
        print(f"batch {size:6}: {1 / statistics.median(spent[size]):9,.0f}/s (best {1 / min(spent[size]):9,.0f}/s),"
              f" {1e9 * statistics.median(spent[size]):6,.0f} ns each, {statistics.median(ratios[size]):5.1f} times"
              " the single decoder")  # fmt: skip


def link_crcs(seconds: float) -> None:
    """Frames of the layouts' lengths with their CRCs: the batch and the single way turn about."""
    chosen = random.Random(7)
    plain = [
        samples.next_telegram(meter, START, 7) for name in TYPES for meter in samples.meters(name, 250, 1)
    ]
    for form, add in (("a-crc", format_a), ("b-crc", format_b)):
        sent = [add(chosen.choice(plain)) for _ in range(10_000)]
        spent: dict[int, list[float]] = {size: [] for size in SIZES}
        ratios: dict[int, list[float]] = {size: [] for size in SIZES}
        end = time.perf_counter() + seconds / 2
        while time.perf_counter() < end:
            for size in SIZES:
                parts = [sent[at : at + size] for at in range(0, max(size, 2_000), size)]
                begun = time.process_time()
                for part in parts:
                    without_crcs(part, form)
                each = (time.process_time() - begun) / sum(map(len, parts))
                some = chosen.sample(sent, 500)
                begun = time.process_time()
                for frame in some:
                    strip_crcs(frame, form)
                spent[size].append(each)
                ratios[size].append((time.process_time() - begun) / len(some) / each)
        for size in SIZES:
            print(f"{form} batch {size:6}: {1e9 * statistics.median(spent[size]):6,.0f} ns each,"
                  f" {statistics.median(ratios[size]):4.1f} times the single way")  # fmt: skip


def ring_of(addresses: list[int], meters: list) -> Keyring:
    ring = Keyring()
    for address, meter in zip(addresses, meters, strict=False):
        ring.set(address, meter.key)
    return ring


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def profile(frames: list[bytes], ring: Keyring, layouts: Layouts) -> None:
    for size in (10_000, 256):
        parts = [frames[at : at + size] for at in range(0, len(frames) - size + 1, size)]
        profiler = cProfile.Profile()
        profiler.enable()
        for part in parts:
            batch(headers(part), None, ring, layouts)
        profiler.disable()
        print(f"-- batches of {size}")
        pstats.Stats(profiler).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore", over="ignore")
    main()
