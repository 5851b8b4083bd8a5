"""The ground plan of the invented town, looked at with a ruler."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from avlas.simulate import streets
from avlas.simulate.town import Town


@pytest.fixture(scope="module", params=[1, 2, 5])
def town(request: pytest.FixtureRequest) -> Town:
    return Town.build(300, request.param, now=datetime(2026, 11, 23, 9, tzinfo=UTC))


def metres(places: np.ndarray) -> np.ndarray:
    return np.column_stack([places[:, 0] * 111_320.0, places[:, 1] * 111_320.0 * np.cos(np.radians(60.1))])


def to_line(places: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance from each place to a line."""
    a, b = line[:-1], line[1:]
    along = b - a
    share = ((places[:, None] - a) * along).sum(axis=2) / (along**2).sum(axis=1)
    foot = a + np.clip(share, 0, 1)[..., None] * along
    return np.hypot(*(places[:, None] - foot).transpose(2, 0, 1)).min(axis=1)


def test_houses_stand_by_their_street_and_not_on_it_or_in_the_river(town: Town) -> None:
    lines = {(street.city, street.name): metres(street.line) for street in town.streets}
    assert len(lines) == len(town.streets) > 25  # no name twice
    places = metres(np.array([[p.latitude, p.longitude] for p in town.points]))
    for point, place in zip(town.points, places, strict=True):
        assert 8 < to_line(place[None], lines[point.city, point.street])[0] < 48
    for line in lines.values():
        assert to_line(places, line).min() > 8
    assert to_line(places, metres(town.rivers[0])).min() > 30


def test_even_numbers_on_one_side_and_rising_along_the_street(town: Town) -> None:
    for street in town.streets:
        line = metres(street.line)
        there = {
            p.house_number: p for p in town.points if p.street == street.name and " " not in p.house_number
        }
        if len(there) < 4:
            continue
        ends = [
            np.hypot(*(metres(np.array([[p.latitude, p.longitude]]))[0] - line[0])) for p in there.values()
        ]
        numbers = [int(number) for number in there]
        assert np.corrcoef(numbers, ends)[0, 1] > 0.8


def test_no_two_houses_on_one_spot(town: Town) -> None:
    places = metres(np.unique(np.array([[p.latitude, p.longitude] for p in town.points]), axis=0))
    away = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    assert away[~np.eye(len(places), dtype=bool)].min() > 12


def test_the_town_has_districts_and_a_mixture_of_buildings(town: Town) -> None:
    assert {point.district for point in town.points} == set(streets.DISTRICTS)
    kinds = {point.kind.code for point in town.points}
    assert kinds >= {
        "villa",
        "row_house",
        "apartments",
        "school",
        "swimming_hall",
        "shop",
        "office",
        "industry",
    }
    assert len(town.plants) == 1


def test_only_main_roads_cross_the_river(town: Town) -> None:
    river = metres(town.rivers[0])
    crossing = [street for street in town.streets if to_line(metres(street.line), river).min() < 10]
    assert crossing
    assert all(street.main for street in crossing)
