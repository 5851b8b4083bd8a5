"""The weather of an invented town in the middle of Sweden, hour by hour, for any year.

Season, fronts of different length and the day's course; nothing is remembered, so any hour can be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avlas.simulate import noise

if TYPE_CHECKING:
    from avlas.simulate.almanac import Hours
    from avlas.simulate.noise import Floats

LATITUDE = 60.1
LONGITUDE = 14.6
_MEAN_C, _SWING_C = 5.8, 11.2
_MEMORY_H = 240  # how far back a heavy building feels the weather


@dataclass(frozen=True, slots=True)
class Weather:
    """Deterministic weather from a seed."""

    seed: int

    def outdoor_c(self, hours: Hours) -> Floats:
        """Outdoor temperature [°C], mean of each hour (whole hours since 1970 UTC)."""
        season = self._season(hours)
        winter = 0.5 * (1.0 - season)
        days = hours / 24.0
        fronts = (
            3.4 * self._wave("fronts-a", days / 9.0)
            + 3.0 * self._wave("fronts-b", days / 3.7)
            + 1.1 * self._wave("fronts-c", days / 0.9)
        )
        swing = (0.9 + 4.1 * np.clip(season + 0.55, 0.0, 1.4)) * (0.35 + 0.8 * (1.0 - self.cloud(hours)))
        course = np.cos(2.0 * np.pi * (hours % 24 - 13.2) / 24.0)
        mean = _MEAN_C + _SWING_C * season
        return np.asarray(mean + fronts * (0.6 + 0.95 * winter) + swing * course)

    def cloud(self, hours: Hours) -> Floats:
        """Cloud cover, 0 clear to 1 overcast."""
        return np.clip(0.58 + 0.42 * self._wave("cloud", hours / 31.0), 0.0, 1.0)

    def sun(self, hours: Hours) -> Floats:
        """Sunshine on a slope to the south, 0 to about 1, of the hour's middle."""
        days = (hours / 24.0) % 365.25
        declination = np.radians(-23.44) * np.cos(2.0 * np.pi * (days + 10.0) / 365.25)
        angle = np.radians(15.0) * ((hours % 24) + 0.5 + LONGITUDE / 15.0 - 12.0)
        tilted = np.radians(LATITUDE - 35.0)  # a roof of 35 degrees sees the sun as from further south
        rise = np.sin(np.radians(LATITUDE)) * np.sin(declination) + np.cos(np.radians(LATITUDE)) * np.cos(
            declination
        ) * np.cos(angle)
        straight = np.sin(tilted) * np.sin(declination) + np.cos(tilted) * np.cos(declination) * np.cos(angle)
        clear = np.where(rise > 0.0, np.clip(straight, 0.0, 1.0) * np.clip(rise * 6.0, 0.0, 1.0), 0.0)
        return np.asarray(clear * (1.0 - 0.78 * self.cloud(hours)))

    def felt_c(self, hours: Hours, memory_h: float) -> Floats:
        """Outdoor temperature as a building with this time constant feels it (contiguous ``hours`` only).

        A finite exponential mean over the last ten days, so that it does not matter where one starts.
        """
        long = np.arange(hours[0] - _MEMORY_H, hours[-1] + 1)
        weights = np.exp(-np.arange(_MEMORY_H + 1) / memory_h)
        return np.convolve(self.outdoor_c(long), weights / weights.sum(), mode="valid")

    @staticmethod
    def _season(hours: Hours) -> Floats:
        """-1 in the cold of late January, +1 in the warmth of late July."""
        return np.asarray(-np.cos(2.0 * np.pi * ((hours / 24.0 - 25.0) % 365.2425) / 365.2425))

    def _wave(self, topic: str, at: Floats) -> Floats:
        return noise.wave(noise.keys(self.seed, topic, 0), at)
