"""SWEREF 99 against the control points that Lantmäteriet published (SWEREF 99 TM, 2007-11-20), and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.sweref import SYSTEMS

CONTROL_POINTS = [
    (55.0, 12.75, 6097106.672, 356083.438),
    (55.0, 14.25, 6095048.642, 452024.069),
    (57.0, 12.75, 6319636.937, 363331.554),
    (57.0, 19.5, 6326392.707, 773251.054),
    (59.0, 11.25, 6546096.724, 284626.066),
    (59.0, 19.5, 6548757.206, 758410.519),
    (61.0, 12.75, 6764877.311, 378323.440),
    (61.0, 18.75, 6768593.345, 702745.127),
    (63.0, 12.0, 6989134.048, 348083.148),
    (63.0, 19.5, 6993565.630, 727798.671),
    (65.0, 13.5, 7209293.753, 429270.201),
    (69.0, 21.0, 7666089.698, 739639.195),
]


@pytest.mark.parametrize(("latitude", "longitude", "northing", "easting"), CONTROL_POINTS)
def test_the_published_control_points(latitude, longitude, northing, easting):
    system = SYSTEMS["SWEREF 99 TM"]
    assert system.to_plane(latitude, longitude) == pytest.approx((northing, easting), abs=0.0006, rel=0)
    assert system.to_degrees(northing, easting) == pytest.approx((latitude, longitude), abs=1e-8, rel=0)


def test_twelve_zones_with_their_own_meridians():
    assert len(SYSTEMS) == 13
    assert SYSTEMS["SWEREF 99 20 15"].to_plane(65.0, 20.25)[1] == 150_000.0
    assert SYSTEMS["SWEREF 99 13 30"].meridian == 13.5
    # on the central meridian a zone without scale is the TM's northing without its scale
    tm, zone = SYSTEMS["SWEREF 99 TM"], SYSTEMS["SWEREF 99 15 00"]
    assert zone.to_plane(60.0, 15.0)[0] * 0.9996 == pytest.approx(tm.to_plane(60.0, 15.0)[0], abs=1e-6)


@given(st.sampled_from(sorted(SYSTEMS)), st.floats(54, 71), st.floats(9, 27))
def test_there_and_back(name, latitude, longitude):
    system = SYSTEMS[name]
    back = system.to_degrees(*system.to_plane(latitude, longitude))
    assert back == pytest.approx((latitude, longitude), abs=1e-8)


@pytest.mark.parametrize("place", [(1e9, 500_000.0), (6_500_000.0, 1e9)])
def test_no_place_on_earth(place):
    with pytest.raises(ValueError, match="no place"):
        SYSTEMS["SWEREF 99 TM"].to_degrees(*place)
