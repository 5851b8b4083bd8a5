"""A utility with meters of its own, and telegrams of theirs, for collectors and imports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from avlas.meters import formats, layouts
from avlas.meters.adopt import add_meter
from avlas.meters.directory import Directory
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.simulate import samples
from avlas.system import secrets
from avlas.system.models import Utility

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from avlas.simulate.meter import SimulatedMeter


@pytest.fixture(autouse=True)
def nothing_remembered(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.DATA = tmp_path / "data"
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    for known in (Directory, formats, layouts, secrets):
        known.forget()
    yield
    for known in (Directory, formats, layouts, secrets):
        known.forget()


@dataclass
class Town:
    """A utility with four MULTICAL 403, adopted and with keys, and one that is not its own."""

    utility: Utility
    meters: list[SimulatedMeter]
    stranger: SimulatedMeter

    def telegrams(self, start: datetime, hours: int, *, strangers: bool = False) -> list[samples.Sent]:
        """Each meter's telegram of each hour."""
        fleet = [*self.meters, self.stranger] if strangers else self.meters
        return list(samples.recording(fleet, hours, seed=5, start=start, interval_s=3600))


@pytest.fixture
def town(transactional_db: None) -> Town:
    from avlas.decode.link import address

    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    *meters, stranger = samples.meters("multical403", 5, 5)
    for meter in meters:
        add_meter(utility, address(meter.address))
        add_key(utility, meter.identification, meter.key.hex(), Who(), "KAM")
    return Town(utility, meters, stranger)


@pytest.fixture
def lately() -> datetime:
    """Two days ago on the hour."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
