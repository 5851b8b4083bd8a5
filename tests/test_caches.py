"""What is remembered of telegrams is bounded: damage, noise and forgery invent contents without end."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import random
from collections.abc import Iterator
from functools import _lru_cache_wrapper

import avlas.decode
import avlas.meters
from avlas.decode import records, vif
from avlas.decode.batch import Keyring, batch, headers
from avlas.decode.compact import Layouts
from avlas.decode.link import address

MOST = 4096  # some 0.5 KB each


def caches() -> Iterator[tuple[str, _lru_cache_wrapper]]:  # type: ignore[type-arg]
    for package in (avlas.decode, avlas.meters):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" in found.name:
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, _lru_cache_wrapper) and value.__module__ == module.__name__:
                    yield f"{found.name}.{name}", value


def test_every_cache_of_something_said_is_bounded():
    found = dict(caches())
    assert "avlas.decode.vif.describe" in found
    told = {name: cache.cache_parameters()["maxsize"] for name, cache in found.items()
            if inspect.signature(cache).parameters}  # fmt: skip
    assert {name: size for name, size in told.items() if size is None or size > MOST} == {}


def test_random_telegrams_fill_the_caches_no_further():
    noise = random.Random(5)
    frames = []
    for _ in range(6000):
        content = b"\x78" + noise.randbytes(40)
        frames.append(bytes([10 + len(content) - 1, 0x44]) + noise.randbytes(8) + content)
    layouts = Layouts.shipped()
    batch(headers(frames, wired=False), None, Keyring(), layouts)
    full = [cache.cache_info() for cache in (address, vif.describe, records.describe_dib)]
    assert all(info.currsize <= MOST for info in full)
    assert max(info.currsize for info in full) == MOST, "else this test shows nothing"
