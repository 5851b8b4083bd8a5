"""The invented town: the same from the same seed, physically whole, and big when it must be."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from avlas.simulate.layouts import TYPES
from avlas.simulate.meter import SimulatedMeter
from avlas.simulate.town import Town

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
COUNTERS = (
    "energy_heat_kwh", "energy_cooling_kwh", "volume_m3", "energy_flow_m3c", "energy_return_m3c", "input_a",
    "electricity_import_kwh", "electricity_export_kwh", "operating_hours", "error_hours",
)  # fmt: skip


@pytest.fixture(scope="module")
def town() -> Town:
    return Town.build(now=NOW)


def moments(first: str, last: str, step: str = "1h") -> np.ndarray:
    size = np.timedelta64(int(step[:-1]), step[-1])
    return np.arange(np.datetime64(first, "s"), np.datetime64(last, "s"), size)


DAYS = moments("2025-10-24T23:00", "2026-11-23T00:00", "1D")


def at_faults(town: Town, *codes: str) -> set[int]:
    return {meter for fault in town.faults if not codes or fault.code in codes for meter in fault.meters}


def whole_time(town: Town, medium: str) -> np.ndarray:
    """Meters of this medium that sat at their point all the time and have no fault."""
    return np.array(
        [
            m.index
            for m in town.meters
            if m.medium == medium
            and m.point is not None
            and m.dismounted_at is None
            and m.mounted_at is not None
            and m.mounted_at < town.begin
            and m.index not in at_faults(town)
        ]
    )


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for code, values in one.items():
        np.testing.assert_array_equal(values, other[code], err_msg=code)


# --- the same, whoever asks ---


def test_the_same_seed_and_now_give_the_same_town(town: Town) -> None:
    again = Town.build(300, 1, now=NOW)
    assert again.points == town.points
    assert again.meters == town.meters
    assert again.customers == town.customers
    assert again.collectors == town.collectors
    assert again.faults == town.faults
    same(again.values(range(40), DAYS), town.values(range(40), DAYS))


def test_another_seed_gives_another_town(town: Town) -> None:
    other = Town.build(300, 2, now=NOW)
    assert [p.address for p in other.points] != [p.address for p in town.points]
    assert [m.key for m in other.meters] != [m.key for m in town.meters]


def test_a_value_does_not_depend_on_what_else_is_asked(town: Town) -> None:
    meters = np.arange(0, len(town.meters), 7)
    times = moments("2026-08-30T00:00", "2026-09-20T00:00", "37m")
    together = Town.build(now=NOW).values(meters, times)
    rng = np.random.default_rng(1)
    alone = Town.build(now=NOW)
    for column in rng.choice(len(times), 12, replace=False).tolist():
        for row in rng.choice(len(meters), 4, replace=False).tolist():
            single = alone.values(int(meters[row]), times[column : column + 1])
            for code, values in single.items():
                np.testing.assert_array_equal(values[0], together[code][row, column], err_msg=code)


def test_history_tells_what_values_tell(town: Town) -> None:
    meters = town.readable()[5:45]
    piece = next(Town.build(now=NOW).history(chunk=40, meters=meters))
    assert piece.collector.shape == (40, len(piece.slots))
    assert set(piece.meters.tolist()) == set(meters.tolist())
    told = town.values(piece.meters, piece.heard_at)
    heard = piece.collector >= 0
    assert heard.mean() > 0.9
    for code, values in piece.values.items():
        np.testing.assert_array_equal(values[heard], told[code][heard], err_msg=code)
        assert np.isnan(values[~heard]).all()


def test_the_future_goes_on_where_history_ends(town: Town) -> None:
    meters = whole_time(town, "heat")[:20]
    later = town.values(meters, moments("2026-11-20T00:00", "2027-06-01T00:00", "1D"))
    assert (np.diff(later["energy_heat_kwh"], axis=1) >= 0).all()
    assert (later["energy_heat_kwh"][:, -1] > later["energy_heat_kwh"][:, 0]).all()


def test_before_the_beginning_there_are_no_values(town: Town) -> None:
    early = np.array([np.datetime64(town.begin.replace(tzinfo=None), "s") - np.timedelta64(1, "s")])
    assert np.isnan(town.values(0, early)["error_hours"]).all()


# --- meters count as meters do ---


def test_counters_never_go_back(town: Town) -> None:
    backwards = at_faults(town, "backwards", "roll_over")
    meters = np.array([m.index for m in town.meters if m.true_point is not None and m.index not in backwards])
    for times in (DAYS, moments("2026-10-01T00:00", "2026-10-02T00:00", "97s")):
        values = town.values(meters, times)
        for code in COUNTERS:
            step = np.diff(values[code], axis=1)
            assert (np.isnan(step) | (step >= 0)).all(), code


def test_counters_show_whole_steps_in_the_meters_own_unit(town: Town) -> None:
    factor = {"kWh": 1.0, "MWh": 1e-3, "GJ": 3.6e-3, "m³": 1.0, "m³·°C": 1.0}
    units = Counter()
    for meter in town.meters:
        values = town.values(meter.index, DAYS[::40])
        for code, (unit, decimals) in meter.sent.items():
            if code in values and unit in factor:
                shown = values[code][~np.isnan(values[code])] * factor[unit] * 10**decimals
                np.testing.assert_allclose(shown, np.round(shown), atol=1e-4, err_msg=f"{meter.model} {code}")
                units[code, unit] += 1
    assert {unit for code, unit in units if code == "energy_heat_kwh"} == {"kWh", "MWh", "GJ"}


def test_momentary_values_agree_with_the_counters(town: Town) -> None:
    meters = whole_time(town, "heat")
    hours = moments("2026-10-05T00:00", "2026-10-12T00:00")
    values = town.values(meters, hours)
    used = values["energy_heat_kwh"][:, -1] - values["energy_heat_kwh"][:, 0]
    power = values["power_kw"][:, :-1].sum(axis=1)
    np.testing.assert_allclose(power, used, rtol=0.05, atol=16)


def test_every_meter_can_say_it_over_the_radio(town: Town) -> None:
    at = NOW + timedelta(minutes=5)
    seconds = np.array([np.datetime64(at.replace(tzinfo=None), "s")])
    seen = set()
    for meter in town.meters:
        if meter.mounted_at is None or meter.dismounted_at is not None:
            continue
        shown = {code: v[0] for code, v in town.values(meter.index, seconds).items() if not np.isnan(v[0])}
        info = int(shown.pop("info_code"))
        sender = SimulatedMeter(TYPES[meter.type_name], meter.identification, meter.key)
        assert len(sender.telegram(shown, at, info_code=info, compact=False)) > 20
        seen.add(meter.type_name)
    assert len(seen) >= 25
    assert {TYPES[name].security for name in seen} == {"ell-ctr", "mode 5", "mode 7", "none"}


# --- physics ---


def test_energy_is_volume_times_temperature_difference(town: Town) -> None:
    for medium in ("heat", "cooling"):
        meters = whole_time(town, medium)
        values = town.values(meters, DAYS[[0, -1]])
        grown = {code: v[:, -1] - v[:, 0] for code, v in values.items()}
        energy = grown["energy_heat_kwh" if medium == "heat" else "energy_cooling_kwh"]
        kelvin_m3 = np.abs(grown["energy_flow_m3c"] - grown["energy_return_m3c"])
        # water weighs 0.96 to 1.00 kg/l between 6 and 95 °C, so k lies between these
        assert ((energy / kelvin_m3 > 1.115) & (energy / kelvin_m3 < 1.170)).all(), medium


def test_temperatures_are_those_of_a_swedish_network(town: Town) -> None:
    meters = whole_time(town, "heat")
    values = town.values(meters, moments("2025-10-25T00:00", "2026-11-20T00:00", "13h"))
    t1, t2 = values["flow_temperature_c"], values["return_temperature_c"]
    assert t1.min() > 50
    assert t1.max() < 105
    assert (t2 < t1).all()
    assert t2.min() > 8
    volume = values["volume_m3"][:, -1] - values["volume_m3"][:, 0]
    cooled = (values["energy_heat_kwh"][:, -1] - values["energy_heat_kwh"][:, 0]) / volume / 1.15
    assert 30 < np.median(cooled) < 45
    cold = np.argmin(town.outdoor_c(moments("2025-10-25T00:00", "2026-11-20T00:00", "13h")))
    warm = np.argmax(town.outdoor_c(moments("2025-10-25T00:00", "2026-11-20T00:00", "13h")))
    assert np.median(t1[:, cold]) > np.median(t1[:, warm]) + 10


def test_far_from_the_plant_the_water_is_cooler(town: Town) -> None:
    meters = whole_time(town, "heat")
    away = np.array(
        [
            np.hypot(p.latitude - town.plants[0][0], (p.longitude - town.plants[0][1]) / 2)
            for p in (town.points[town.meters[m].point or 0] for m in meters.tolist())
        ]
    )
    t1 = town.values(meters, moments("2026-01-10T00:00", "2026-02-10T00:00", "5h"))["flow_temperature_c"]
    assert np.corrcoef(away, t1.mean(axis=1))[0, 1] < -0.9


def test_heat_follows_the_weather(town: Town) -> None:
    meters = whole_time(town, "heat")
    used = np.diff(town.values(meters, DAYS)["energy_heat_kwh"], axis=1)
    outdoor = town.outdoor_c(DAYS[:-1, None] + np.arange(24) * np.timedelta64(1, "h")).mean(axis=1)
    cold = outdoor < 12
    for row in used:
        assert np.corrcoef(row[cold], outdoor[cold])[0, 1] < -0.55
    assert np.corrcoef(used.sum(axis=0)[cold], outdoor[cold])[0, 1] < -0.93
    july, january = used[:, 250:281].sum(axis=1), used[:, 69:100].sum(axis=1)
    assert np.median(july / january) < 0.2


def profile(town: Town, meters: np.ndarray, code: str, days: slice, start: str) -> np.ndarray:
    """Use by civil hour in summer time, mean over the meters."""
    times = moments(start, str(np.datetime64(start) + np.timedelta64(28, "D"))) - np.timedelta64(2, "h")
    used = np.diff(town.values(meters, np.append(times, times[-1:] + 3600))[code], axis=1).sum(axis=0)
    by_day = used.reshape(28, 24).reshape(4, 7, 24)
    return by_day[:, days].mean(axis=(0, 1))


def of_kind(town: Town, medium: str, *kinds: str) -> np.ndarray:
    return np.array(
        [m for m in whole_time(town, medium) if town.points[town.meters[m].point or 0].kind.code in kinds]
    )


def test_hot_water_is_drawn_mornings_and_evenings(town: Town) -> None:
    blocks = of_kind(town, "heat", "apartments")
    working = profile(town, blocks, "energy_heat_kwh", slice(0, 5), "2026-06-29T00:00")
    assert working[7] > 2 * working[3]
    assert working[7] > 1.5 * working[11]
    assert working[19] > 2 * working[3]
    weekend = profile(town, blocks, "energy_heat_kwh", slice(5, 7), "2026-06-29T00:00")
    assert weekend[7] < 0.7 * working[7]


def test_offices_rest_at_night_and_in_weekends(town: Town) -> None:
    offices = of_kind(town, "heat", "office", "town_hall", "library", "preschool")
    working = profile(town, offices, "energy_heat_kwh", slice(0, 5), "2026-04-06T00:00")
    weekend = profile(town, offices, "energy_heat_kwh", slice(5, 7), "2026-04-06T00:00")
    assert working[6] > 1.4 * working[2]
    assert working[10] > 1.2 * weekend[10]


def test_cooling_is_for_summer_and_sunshine_goes_out(town: Town) -> None:
    cold = town.values(whole_time(town, "cooling"), DAYS)["energy_cooling_kwh"]
    assert ((cold[:, 280] - cold[:, 220]) > 1.5 * (cold[:, 130] - cold[:, 70])).all()
    both = town.values(whole_time(town, "heat/cooling"), DAYS)
    heat, cool = both["energy_heat_kwh"], both["energy_cooling_kwh"]
    assert ((heat[:, 130] - heat[:, 70]) > 10 * (heat[:, 280] - heat[:, 250])).all()
    assert (cool[:, 130] == cool[:, 70]).all()
    assert (cool[:, 290] > cool[:, 240]).all()
    power = town.values(whole_time(town, "electricity"), DAYS)
    out = power["electricity_export_kwh"][:, -1] - power["electricity_export_kwh"][:, 0]
    assert 0 < (out > 0).sum() < len(out)
    noon_and_night = town.values(
        whole_time(town, "electricity"), moments("2026-06-10T23:00", "2026-06-20T23:00", "12h")
    )["power_export_kw"]
    assert noon_and_night[:, 1::2].sum() > 0
    assert noon_and_night[:, ::2].sum() == 0


# --- what the utility has in its books ---


def test_points_customers_and_meters_hang_together(town: Town) -> None:
    assert len(town.points) == 300
    media = Counter(point.medium for point in town.points)
    assert set(media) == {"heat", "cooling", "heat/cooling", "water", "electricity", "pressure"}
    assert media["heat"] > 180
    assert len({point.facility for point in town.points}) == 300
    assert len({meter.identification for meter in town.meters}) == len(town.meters)
    keys = [meter.key for meter in town.meters if meter.key is not None]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {16}
    assert sum(meter.key is None for meter in town.meters) >= 5
    sitting = Counter(m.point for m in town.meters if m.point is not None and m.dismounted_at is None)
    assert set(sitting) == set(range(300))
    assert set(sitting.values()) == {1}
    stock = [m for m in town.meters if m.registered and m.point is None]
    assert stock
    assert all(m.mounted_at is None and m.registered_key is not None for m in stock)
    assert any(not meter.ours for meter in town.meters)
    assert sum(meter.wired for meter in town.meters) == 6
    assert sorted(m.primary_address for m in town.meters if m.wired) == [1, 2, 3, 4, 5, 6]
    for meter in town.meters:
        if meter.point is not None:
            assert meter.medium == town.points[meter.point].medium


def test_people_move(town: Town) -> None:
    moved = 0
    for point in town.points:
        stays = point.occupancies
        assert all(stay.begins < (stay.ends or NOW) for stay in stays)
        for before, after in pairwise(stays):
            assert before.ends is not None
            assert before.ends <= after.begins
            assert before.customer != after.customer
            moved += 1
    assert 8 <= moved <= 60
    assert town.customers == sorted(town.customers, key=lambda customer: customer.index)


def test_an_empty_home_draws_no_hot_water(town: Town) -> None:
    gaps = 0
    for meter in whole_time(town, "heat").tolist():
        stays = town.points[town.meters[meter].point or 0].occupancies
        if len(stays) == 2 and stays[0].ends and stays[1].begins - stays[0].ends > timedelta(days=10):
            empty = np.datetime64(stays[0].ends.replace(tzinfo=None), "s")
            times = empty + np.arange(0, 10 * 24) * np.timedelta64(1, "h")
            return_c = town.values(meter, times)["return_temperature_c"]
            power = town.values(meter, times)["power_kw"]
            assert power.max() < 3.5 * np.median(power) + 0.5
            assert return_c.std() < 4
            gaps += 1
    assert gaps


def test_nobody_is_real(town: Town) -> None:
    for customer in town.customers:
        assert customer.email.endswith("@example.com")
        number = customer.phone.removeprefix("070-1740")
        assert 605 <= int(number) <= 699
    assert all(re.fullmatch(r"99\d \d\d", point.postal_code) for point in town.points)
    assert all(meter.identification.startswith("99") for meter in town.meters)


def test_an_exchange_joins_two_meters(town: Town) -> None:
    (fault,) = (fault for fault in town.faults if fault.code == "exchange")
    old, new = (town.meters[m] for m in fault.meters)
    assert old.point == new.point
    assert old.dismounted_at == new.mounted_at
    assert abs(old.dismounted_at - fault.since) < timedelta(days=1)
    at = np.datetime64(new.mounted_at.replace(tzinfo=None), "s")
    around = at + np.array([-1, 0, 1]) * np.timedelta64(1, "h")
    before, after = town.values(old.index, around), town.values(new.index, around)
    assert np.isnan(before["volume_m3"]).tolist() == [False, False, True]
    assert np.isnan(after["volume_m3"]).tolist() == [True, False, False]
    assert after["energy_heat_kwh"][1] == 0
    assert after["volume_m3"][1] < 0.5
    assert before["energy_heat_kwh"][1] > 10_000


def test_month_values_are_stored_when_the_meters_own_clock_says_so(town: Town) -> None:
    (fault,) = (fault for fault in town.faults if fault.code == "wrong_clock")
    wrong, right = fault.meters[0], int(whole_time(town, "heat")[0])
    day, moment = town.target_at([wrong, right], moments("2026-11-05T00:00", "2026-11-05T01:00"))
    assert day[:, 0].tolist() == [date(2026, 11, 1)] * 2
    assert moment[0, 0] == np.datetime64("2026-10-31T20:13:00")
    assert abs(moment[1, 0] - np.datetime64("2026-10-31T23:00:00")) < np.timedelta64(90, "s")


# --- radio ---


def test_the_collectors_hear_the_town(town: Town) -> None:
    radio = [c for c in town.collectors if c.kind == "radio"]
    assert 2 <= len(radio) <= 4
    poor = at_faults(town, "poor_radio")
    for meter in town.meters:
        heard = [town.hears(c.index, meter.index) for c in radio]
        if meter.mounted_at is None or meter.wired:
            assert heard == [None] * len(radio)
        elif meter.index not in poor:
            assert max(value for value in heard if value is not None) > -106
    matrix = np.array([[town.hears(c.index, m.index) is not None for m in town.meters] for c in radio])
    assert not matrix[1:].all()  # none hears everything
    (bus,) = (c for c in town.collectors if c.kind == "mbus")
    assert [m.index for m in town.meters if town.hears(bus.index, m.index) is not None] == [
        m.index for m in town.meters if m.wired
    ]


def test_single_telegrams_get_lost_more_often_the_fainter_they_are(town: Town) -> None:
    strong, faint = [], []
    times = np.arange(300) * np.timedelta64(96, "s") + np.datetime64("2026-11-23T09:00:00")
    for meter in whole_time(town, "heat")[:60].tolist():
        for collector in range(3):
            rssi = town.hears(collector, meter)
            if rssi is not None:
                got = ~np.isnan(town.receive(collector, [meter] * 300, times))
                (strong if rssi > -100 else faint if rssi < -108 else []).append(got.mean())
    assert len(strong) > 20 < len(faint)
    assert min(strong) > 0.85
    assert np.mean(strong) > 0.9
    assert max(faint) < 0.65
    one = town.receive(0, [7, 9], times[:2])
    np.testing.assert_array_equal(one, Town.build(now=NOW).receive(0, [7, 9], times[:2]))


# --- size ---


@pytest.mark.parametrize("points", [1, 7, 40, 119])
def test_small_towns_have_as_many_points_as_asked(points: int) -> None:
    small = Town.build(points, 3, now=NOW)
    assert len(small.points) == points
    heard = sum(len(piece.meters) for piece in small.history())
    assert heard >= points - 1


def test_a_large_town_is_given_in_pieces() -> None:
    large = Town.build(3000, 1, now=NOW)
    assert len(large.points) == 3000
    assert len({(p.street, p.house_number, p.medium) for p in large.points}) > 2900
    pieces = large.history(chunk=50)
    first = next(pieces)
    assert len(first.meters) == 50
    assert all(values.shape == (50, len(first.slots)) for values in first.values.values())
    assert len({fault.code for fault in large.faults}) == 24
    live = large.values(np.arange(0, 3000, 10), np.array([np.datetime64("2026-11-23T09:30")]))
    assert live["volume_m3"].shape == (300, 1)


def test_history_is_hourly_at_last_and_daily_before(town: Town) -> None:
    slots = town.history_slots()
    steps = np.diff(slots) // np.timedelta64(3600, "s")
    assert set(steps.tolist()) == {24, 1}
    assert (steps == 1).sum() >= 60 * 24
    assert slots[0] <= np.datetime64("2025-10-24T00:00")
    assert slots[-1] == np.datetime64("2026-11-23T08:00:00")
    assert (np.diff(steps) <= 0).all()


def test_now_must_have_a_time_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        Town.build(now=datetime(2026, 11, 23))
    with pytest.raises(ValueError, match="at least one"):
        Town.build(0, now=NOW)
