"""Weather and calendar of the invented town."""

from __future__ import annotations

import numpy as np

from avlas.simulate.almanac import almanac, summer_time
from avlas.simulate.weather import Weather


def hours(first: str, last: str) -> np.ndarray:
    return np.arange(np.datetime64(first, "h").astype(np.int64), np.datetime64(last, "h").astype(np.int64))


def test_the_year_is_swedish() -> None:
    for seed in range(1, 6):
        outdoor = Weather(seed).outdoor_c(hours("2024-01-01", "2027-01-01"))
        assert 3.5 < outdoor.mean() < 8
        assert -30 < outdoor.min() < -12
        assert 24 < outdoor.max() < 35
        degree_days = np.maximum(17 - outdoor.reshape(-1, 24).mean(axis=1), 0).sum() / 3
        assert 3500 < degree_days < 4800


def test_any_hour_can_be_asked_alone() -> None:
    weather = Weather(1)
    year = hours("2026-01-01", "2027-01-01")
    outdoor, felt = weather.outdoor_c(year), weather.felt_c(year, 30.0)
    for at in (0, 17, 4000, 8700):
        assert weather.outdoor_c(year[at : at + 1])[0] == outdoor[at]
        np.testing.assert_allclose(
            weather.felt_c(year[at : at + 5], 30.0), felt[at : at + 5], rtol=0, atol=1e-9
        )
    assert felt.std() < outdoor.std()


def test_summer_days_swing_and_the_sun_sets() -> None:
    weather = Weather(1)
    july, december = hours("2026-07-01", "2026-08-01"), hours("2026-12-01", "2027-01-01")
    swing = np.ptp(weather.outdoor_c(july).reshape(-1, 24), axis=1).mean()
    assert swing > 5
    assert np.ptp(weather.outdoor_c(december).reshape(-1, 24), axis=1).mean() < swing
    assert weather.sun(july).reshape(-1, 24)[:, 22].max() == 0
    assert weather.sun(july).sum() > 4 * weather.sun(december).sum()


def test_summer_time_begins_and_ends_at_one_o_clock_utc() -> None:
    for year, begins, ends in ((2025, "03-30", "10-26"), (2026, "03-29", "10-25"), (2027, "03-28", "10-31")):
        span = hours(f"{year}-01-01", f"{year + 1}-01-01")
        changes = span[1:][np.diff(summer_time(span).astype(int)) != 0].astype("datetime64[h]")
        assert [str(each) for each in changes] == [f"{year}-{begins}T01", f"{year}-{ends}T01"]


def test_weekends_and_holidays_are_off() -> None:
    noon = lambda day: almanac(np.array([np.datetime64(f"{day}T11", "h").astype(np.int64)]))  # noqa: E731
    assert [bool(noon(day).off[0]) for day in ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert noon("2026-06-06").off[0]
    assert noon("2026-12-24").off[0]
    assert noon("2026-07-01").school_break[0]
    assert not noon("2026-05-04").school_break[0]
    assert noon("2026-07-01").clock[0] == 13
    assert noon("2026-12-01").clock[0] == 12
