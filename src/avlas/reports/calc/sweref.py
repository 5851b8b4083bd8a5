"""Plane coordinates of Sweden, SWEREF 99 TM and its twelve zones, to latitude and longitude and back.

Gauss-Krüger's projection by Krüger's series in the third flattening, as Lantmäteriet publishes it ("Gauss Conformal
Projection (Transverse Mercator), Krüger's formulas"), on the ellipsoid GRS 80; to well below a millimetre in Sweden.
SWEREF 99 and WGS 84 differ by about half a metre, which does not matter for finding a house.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_AXIS_M: Final = 6378137.0
_FLATTENING: Final = 1 / 298.257222101
_N: Final = _FLATTENING / (2 - _FLATTENING)
_E2: Final = _FLATTENING * (2 - _FLATTENING)
_RADIUS_M: Final = _AXIS_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)

_TO_PLANE: Final = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16 + 41 * _N**4 / 180,
    13 * _N**2 / 48 - 3 * _N**3 / 5 + 557 * _N**4 / 1440,
    61 * _N**3 / 240 - 103 * _N**4 / 140,
    49561 * _N**4 / 161280,
)
_FROM_PLANE: Final = (
    _N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 * _N**4 / 1440,
    17 * _N**3 / 480 - 37 * _N**4 / 840,
    4397 * _N**4 / 161280,
)
_TO_CONFORMAL: Final = (
    _E2,
    (5 * _E2**2 - _E2**3) / 6,
    (104 * _E2**3 - 45 * _E2**4) / 120,
    1237 * _E2**4 / 1260,
)
_FROM_CONFORMAL: Final = (
    _E2 + _E2**2 + _E2**3 + _E2**4,
    -(7 * _E2**2 + 17 * _E2**3 + 30 * _E2**4) / 6,
    (224 * _E2**3 + 889 * _E2**4) / 120,
    -4279 * _E2**4 / 1260,
)


@dataclass(frozen=True, slots=True)
class Projection:
    """A plane system: its central meridian (degrees east), scale there, and what is added to eastings (m)."""

    meridian: float
    scale: float = 1.0
    false_easting_m: float = 150_000.0

    def to_plane(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Give (northing, easting) in metres of a place in degrees."""
        phi, lam = math.radians(latitude), math.radians(longitude - self.meridian)
        sine = math.sin(phi)
        conformal = phi - sine * math.cos(phi) * _powers(_TO_CONFORMAL, sine**2)
        xi = math.atan2(math.tan(conformal), math.cos(lam))
        eta = math.atanh(math.cos(conformal) * math.sin(lam))
        terms = list(enumerate(_TO_PLANE, 1))
        north = xi + sum(b * math.sin(2 * k * xi) * math.cosh(2 * k * eta) for k, b in terms)
        east = eta + sum(b * math.cos(2 * k * xi) * math.sinh(2 * k * eta) for k, b in terms)
        return self.scale * _RADIUS_M * north, self.scale * _RADIUS_M * east + self.false_easting_m

    def to_degrees(self, northing_m: float, easting_m: float) -> tuple[float, float]:
        """Give (latitude, longitude) in degrees of a place in metres. Raises ValueError far outside the projection."""
        xi = northing_m / (self.scale * _RADIUS_M)
        eta = (easting_m - self.false_easting_m) / (self.scale * _RADIUS_M)
        if abs(xi) > math.pi / 2 or abs(eta) > 1:
            raise ValueError("no place on Earth has these coordinates")
        terms = list(enumerate(_FROM_PLANE, 1))
        north = xi - sum(d * math.sin(2 * k * xi) * math.cosh(2 * k * eta) for k, d in terms)
        east = eta - sum(d * math.cos(2 * k * xi) * math.sinh(2 * k * eta) for k, d in terms)
        sine = math.sin(north) / math.cosh(east)
        conformal = math.asin(sine)
        lam = math.atan2(math.sinh(east), math.cos(north))
        phi = conformal + sine * math.cos(conformal) * _powers(_FROM_CONFORMAL, sine**2)
        return math.degrees(phi), self.meridian + math.degrees(lam)


def _powers(factors: tuple[float, ...], x: float) -> float:
    return sum(factor * x**k for k, factor in enumerate(factors))


SYSTEMS: Final[dict[str, Projection]] = {
    "SWEREF 99 TM": Projection(15.0, 0.9996, 500_000.0),
    **{
        f"SWEREF 99 {int(meridian):02d} {round(meridian % 1 * 60):02d}": Projection(meridian)
        for meridian in (12.0, 13.5, 15.0, 16.5, 18.0, 14.25, 15.75, 17.25, 18.75, 20.25, 21.75, 23.25)
    },
}
"""The plane systems by name."""
