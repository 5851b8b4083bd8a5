"""Each hidden fault can be seen where it is said to be, from when it is said to have begun, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from avlas.simulate.faults import TEXTS
from avlas.simulate.town import Fault, Meter, Town

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
Values = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def town() -> Town:
    return Town.build(now=NOW)


def span(town: Town, meter: int, begins: datetime, days: float) -> Values:
    """Hourly values of some days, of one meter."""
    first = np.datetime64(begins.replace(tzinfo=None, minute=0, second=0), "s")
    return town.values(meter, first + np.arange(round(days * 24) + 1) * np.timedelta64(1, "h"))


def before_and_after(town: Town, fault: Fault, days: float, meter: int = -1) -> tuple[Values, Values]:
    which = fault.meters[meter]
    later = fault.since + timedelta(hours=26)
    return span(town, which, fault.since - timedelta(days=days + 1), days), span(town, which, later, days)


def grown(values: Values, code: str) -> float:
    return float(values[code][-1] - values[code][0])


def bits(values: Values) -> set[int]:
    return {int(each) for each in values["info_code"]}


CHECKS: dict[str, Callable[[Town, Fault], None]] = {}


def check(function: Callable[[Town, Fault], None]) -> Callable[[Town, Fault], None]:
    CHECKS[function.__name__] = function
    return function


@check
def open_bypass(town: Town, fault: Fault) -> None:
    summer = span(town, fault.meters[0], datetime(2026, 7, 1, tzinfo=UTC), 21)
    assert np.median(summer["return_temperature_c"]) > 50
    assert np.median(summer["temperature_difference_k"]) < 12
    assert summer["volume_flow_m3h"].min() > 0.05
    before = span(town, fault.meters[0], fault.since - timedelta(days=20), 18)
    assert np.median(before["temperature_difference_k"]) > 30


@check
def swapped_sensors(town: Town, fault: Fault) -> None:
    after = span(town, fault.meters[0], fault.since + timedelta(days=2), 30)
    assert (after["flow_temperature_c"] < after["return_temperature_c"]).all()
    assert grown(after, "energy_heat_kwh") == 0
    assert grown(after, "volume_m3") > 1
    assert grown(after, "energy_flow_m3c") < grown(after, "energy_return_m3c")
    assert bits(after) == {0x80}


@check
def stopped_meter(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 14)
    assert grown(before, "volume_m3") > 1
    assert grown(after, "volume_m3") == grown(after, "energy_heat_kwh") == 0
    assert set(after["power_kw"]) == set(after["volume_flow_m3h"]) == {0}
    assert bits(after) == {0}
    assert after["flow_temperature_c"].min() > 50


@check
def exchange(town: Town, fault: Fault) -> None:
    old, new = (town.meters[m] for m in fault.meters)
    assert old.dismounted_at is not None
    assert old.dismounted_at == new.mounted_at
    before = span(town, old.index, old.dismounted_at - timedelta(days=14), 14)
    after = span(town, new.index, old.dismounted_at, 14)
    assert 0.2 < grown(before, "volume_m3") / grown(after, "volume_m3") < 5


@check
def roll_over(town: Town, fault: Fault) -> None:
    around = span(town, fault.meters[0], fault.since - timedelta(days=2), 4)["energy_heat_kwh"]
    step = np.diff(around)
    assert (step < 0).sum() == 1
    assert around.max() > 9_990_000
    assert around[-1] < 20_000
    fall = int(np.argmin(step))
    assert 0 <= step[fall] + 10_000_000 < 4 * np.median(step)
    assert abs(fall - 48) <= 2


@check
def low_battery(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 10)
    assert (bits(before), bits(after)) == ({0}, {0x2})
    assert grown(after, "energy_heat_kwh") > 0


@check
def water_leak(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 9)
    assert np.diff(before["volume_m3"]).min() < 0.005
    assert np.diff(after["volume_m3"]).min() >= 0.037
    codes = sorted(bits(after))
    assert all(code & 0x4 for code in codes)
    duration = [int(code) >> 10 & 7 for code in after["info_code"]]
    assert duration == sorted(duration)
    assert duration[-1] > duration[0] > 0
    assert bits(before) == {0}


@check
def input_leak(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 14)
    assert np.diff(after["input_a"]).min() > 0.049
    assert grown(after, "input_a") > grown(before, "input_a") + 14
    assert (bits(before), bits(after)) in [({0}, {64}), ({0}, {0x1000})]


@check
def silent_collector(town: Town, fault: Fault) -> None:
    (collector,) = fault.collectors
    assert fault.until is not None
    meters = np.array(
        [
            m
            for m in town.readable().tolist()
            if town.hears(collector, m) is not None and town.meters[m].dismounted_at is None
        ]
    )
    (piece,) = town.history(chunk=1000, meters=meters)
    slots = piece.slots
    begins, ends = (np.datetime64(each.replace(tzinfo=None), "s") for each in (fault.since, fault.until))
    silent = (slots >= begins) & (slots < ends)
    assert silent.sum() > 60
    assert not (piece.collector[:, silent] == collector).any()
    assert (piece.collector[:, slots >= ends] == collector).any(axis=0).all()
    lost = (piece.collector < 0)[:, silent].mean()
    assert lost > 1.5 * (piece.collector < 0)[:, slots >= ends].mean()
    times = np.full(len(meters), begins + np.timedelta64(3600, "s"))
    assert np.isnan(town.receive(collector, meters, times)).all()


@check
def wrong_clock(town: Town, fault: Fault) -> None:
    assert town.meters[fault.meters[0]].clock_error > timedelta(hours=2)
    others = [m for m in town.meters if m.index not in fault.meters]
    assert all(abs(m.clock_error) < timedelta(minutes=2) for m in others)


@check
def fouled_exchanger(town: Town, fault: Fault) -> None:
    one_year_apart = [span(town, fault.meters[0], NOW - timedelta(days=days), 14) for days in (390, 25)]
    returned = [grown(v, "energy_return_m3c") / grown(v, "volume_m3") for v in one_year_apart]
    assert returned[1] > returned[0] + 8
    needed = [grown(v, "volume_m3") / grown(v, "energy_heat_kwh") for v in one_year_apart]
    assert needed[1] > 1.2 * needed[0]


@check
def wrong_pulse_value(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 28)
    assert 4 < grown(after, "input_a") / grown(before, "input_a") < 25


@check
def swapped_customers(town: Town, fault: Fault) -> None:
    one, other = (town.meters[m] for m in fault.meters)
    assert (one.point, one.true_point) == (other.true_point, other.point)
    left = [p for p in fault.points if town.points[p].occupancies[-1].ends is not None]
    assert len(left) == 1  # the books say that nobody lives there ...
    (in_the_books,) = (m for m in (one, other) if m.point == left[0])
    summer = span(town, in_the_books.index, NOW - timedelta(days=110), 40)
    truly = span(town, one.index if in_the_books is other else other.index, NOW - timedelta(days=110), 40)
    taps = [(np.diff(v["volume_m3"]) > 0.02).sum() for v in (summer, truly)]
    assert taps[0] > taps[1] + 20  # ... yet hot water is drawn


@check
def set_back_at_wrong_time(town: Town, fault: Fault) -> None:
    def night_over_day(values: Values) -> float:
        power = values["power_kw"][:-1].reshape(-1, 24).mean(axis=0)
        return float(power[:4].mean() / power[8:14].mean())

    midnight = timedelta(hours=9)  # NOW is at 09 UTC; so the spans begin at midnight
    before = span(town, fault.meters[0], fault.since - timedelta(days=28) - midnight, 28)
    after = span(town, fault.meters[0], fault.since + timedelta(days=1) - midnight, 28)
    assert night_over_day(before) < 0.85
    assert night_over_day(after) > 1.25 * night_over_day(before)


@check
def air(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 10)
    assert bits(before) == {0}
    (code,) = bits(after) - {0}
    assert code in {0x100, 4096}
    on = after["info_code"] == code
    assert 0.1 < on.mean() < 0.6
    assert (after["volume_flow_m3h"][on] == 0).all()
    assert grown(after, "error_hours") == on[:-1].sum()


@check
def sensor_open(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 6)
    assert set(after["return_temperature_c"]) == {185.0}
    assert bits(after) <= {0x10, 4}
    assert (bits(before), 0 in bits(after)) == ({0}, False)
    assert grown(after, "energy_heat_kwh") == 0 == after["power_kw"].max()
    assert grown(after, "volume_m3") > 0.5


@check
def sensor_short(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 3)
    assert set(after["flow_temperature_c"]) == {0.0}
    assert (bits(before), bits(after)) == ({0}, {0x20})
    assert grown(after, "energy_heat_kwh") == 0
    assert grown(after, "volume_m3") > 0.1


@check
def backwards(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 12)
    assert grown(before, "volume_m3") > 0
    assert grown(after, "volume_m3") < 0
    assert np.diff(after["volume_m3"]).max() <= 0
    assert all(code & 0x2 for code in bits(after))


@check
def poor_radio(town: Town, fault: Fault) -> None:
    (piece,) = town.history(meters=[fault.meters[0], 5])
    share = (piece.collector >= 0)[:, -1440:].mean(axis=1)
    seldom, often = (share[piece.meters.tolist().index(meter)] for meter in (fault.meters[0], 5))
    assert 0 < seldom < 0.15
    assert often > 0.9


@check
def wrong_key(town: Town, fault: Fault) -> None:
    meter = town.meters[fault.meters[0]]
    assert meter.key is not None
    assert meter.registered_key not in {None, meter.key}
    assert meter.index not in town.readable()
    assert [m.index for m in town.meters if m.ours and m.key != m.registered_key] == [meter.index]


@check
def water_never_zero(town: Town, fault: Fault) -> None:
    before, after = before_and_after(town, fault, 14)
    assert np.diff(before["volume_m3"]).min() == 0
    assert np.diff(after["volume_m3"]).min() >= 0.013
    assert bits(after) == {0}


@check
def vacated_home(town: Town, fault: Fault) -> None:
    point = town.points[fault.points[0]]
    assert point.occupancies[-1].ends is None
    summer = span(town, fault.meters[0], fault.since + timedelta(days=1), 20)
    earlier = span(town, fault.meters[0], fault.since - timedelta(days=60), 55)
    assert (np.diff(earlier["volume_m3"]) > 0.03).sum() > 15
    assert (np.diff(summer["volume_m3"]) > 0.03).sum() == 0


@check
def hunting_valve(town: Town, fault: Fault) -> None:
    def uneven(values: Values) -> float:
        used = np.diff(values["volume_m3"])
        return float(np.abs(np.diff(used)).mean() / used.mean())

    before, after = before_and_after(town, fault, 10)
    assert uneven(after) > 3 * uneven(before)
    assert uneven(after) > 1


@check
def unknown_meter(town: Town, fault: Fault) -> None:
    meter: Meter = town.meters[fault.meters[0]]
    assert (meter.ours, meter.registered, meter.point) == (True, False, None)
    assert meter.mounted_at is not None
    assert abs(meter.mounted_at - fault.since) < timedelta(hours=2)
    assert any(town.hears(c.index, meter.index) is not None for c in town.collectors)
    after = span(town, meter.index, fault.since + timedelta(hours=2), 2)
    assert grown(after, "energy_heat_kwh") > 0


def test_every_fault_has_its_check() -> None:
    assert set(CHECKS) == set(TEXTS)
    assert len(TEXTS) >= 14


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_the_fault_can_be_seen(town: Town, code: str) -> None:
    found = [fault for fault in town.faults if fault.code == code]
    assert found, f"no {code} in the default town"
    for fault in found:
        CHECKS[code](town, fault)


@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds_hide_nearly_all_kinds_too(seed: int) -> None:
    assert len({fault.code for fault in Town.build(seed=seed, now=NOW).faults}) >= 21


def test_no_meter_has_two_faults(town: Town) -> None:
    touched = [meter for fault in town.faults for meter in fault.meters]
    assert len(touched) == len(set(touched))


def test_info_codes_are_only_where_a_fault_is(town: Town) -> None:
    faulty = {meter for fault in town.faults for meter in fault.meters}
    well = [m.index for m in town.meters if m.true_point is not None and m.index not in faulty]
    times = np.datetime64("2025-11-01T00:00:00") + np.arange(380) * np.timedelta64(1, "D")
    codes = town.values(well, times)["info_code"]
    assert np.nanmax(codes) == 0
