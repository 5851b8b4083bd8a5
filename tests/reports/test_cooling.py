"""Volume-weighted temperatures, the seed's sample figures among them, and who could do better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.cooling import (
    GOOD,
    MIDDLING,
    POOR,
    Counted,
    Mark,
    Mode,
    excess_flow,
    kwh_per_m3k,
    levels,
    temperatures,
)

NAN = float("nan")


def counted(heat=NAN, cooling=NAN, volume=NAN, inlet=NAN, outlet=NAN, **steps):
    columns = [np.atleast_1d(np.array(one, np.float64)) for one in (heat, cooling, volume, inlet, outlet)]
    size = max(len(column) for column in columns)
    return Counted(*(np.broadcast_to(column, size).copy() for column in columns), **steps)


def marks(found, number=0):
    return Mark(int(found.marks[number]))


# Address, volume (m³), energy (kWh), outlet temperature (°C) of the sample report; None stands for N/A.
SAMPLE = [
    ("New Road", 4307.10, 5138.89, 48.83),
    ("Oak Street", 0.00, 0.00, None),
    ("Queens Road", 2314.20, 777.78, 38.67),
    ("Hill Street", 2258.00, 6555.56, 46.89),
    ("South Street", 11217.20, 2638.89, 37.78),
    ("Mill Lane", 666.51, 1658.33, 44.14),
    ("Elm Street", 48.39, 627.78, 28.33),
]


@pytest.mark.parametrize(("address", "volume", "energy", "outlet"), SAMPLE, ids=[row[0] for row in SAMPLE])
def test_the_sample_reports_outlet_temperatures_and_which_of_its_rows_can_not_be(
    address, volume, energy, outlet
):
    integrated = 0.0 if outlet is None else round(outlet * volume)  # E9 counts whole m³·°C
    found = temperatures(counted(heat=energy, volume=volume, outlet=integrated, energy_step=1000 / 3.6 / 10))
    if outlet is None:
        assert np.isnan([found.outlet_c[0], found.difference_k[0]]).all()
        assert marks(found) == Mark(0)
        return
    assert found.outlet_c[0] == pytest.approx(outlet, abs=0.5 / volume + 1e-9)
    assert bool(marks(found) & Mark.HARDLY) is (energy / volume / 1.15 < 3)
    assert address == "Elm Street" or marks(found) & Mark.HARDLY


def test_the_sample_reports_other_impossible_row_cools_by_201_kelvin():
    found = temperatures(counted(heat=413606.111, volume=1769.20))
    assert found.difference_k[0] == pytest.approx(203, abs=2)  # 201 K at the density of cold water
    assert marks(found) == Mark.IMPOSSIBLE | Mark.FROM_ENERGY


def test_a_sound_substation_has_no_marks():
    found = temperatures(counted(heat=1000.0, volume=22.0, inlet=22 * 80, outlet=22 * 40.2))
    assert (found.inlet_c[0], found.outlet_c[0]) == (80, pytest.approx(40.2))
    assert found.difference_k[0] == pytest.approx(39.8)
    assert marks(found) == Mark(0)


def test_little_water_is_coarse_and_none_tells_nothing():
    found = temperatures(counted(heat=[40.0, 0.0], volume=[1.0, 0.0], inlet=[75.0, 0.0], outlet=[40.0, 0.0]))
    assert marks(found) == Mark.COARSE
    assert np.isnan(found.difference_k[1])


@pytest.mark.parametrize(
    ("inlet", "outlet", "heat", "mark"),
    [
        (80, 50, 1400.0, Mark.CONTRADICTS),  # 30 K told by E8 and E9, 60 K by the energy
        (30.8, 69.6, 0.0, Mark.IMPOSSIBLE | Mark.CONTRADICTS),  # sensors swapped: energy stands still
        (40, 37, 60.0, Mark(0)),
        (40, 38.5, 30.0, Mark.HARDLY),
        (40, 2, 884.0, Mark.IMPOSSIBLE),
    ],
)
def test_what_can_not_be_is_marked(inlet, outlet, heat, mark):
    volume = 20.0
    found = temperatures(counted(heat=heat, volume=volume, inlet=inlet * volume, outlet=outlet * volume))
    assert marks(found) & ~Mark.COARSE == mark


def test_whole_counts_of_a_small_volume_are_not_called_a_contradiction():
    # 0.9 m³ at 70 and 40 °C: E8 and E9 may each be off by one
    found = temperatures(counted(heat=31.0, volume=0.9, inlet=64.0, outlet=35.0))
    assert marks(found) == Mark.COARSE


def test_cooling_meters_warm_the_water_and_mixed_intervals_tell_nothing():
    found = temperatures(
        counted(
            heat=[NAN, 100.0],
            cooling=[920.0, 50.0],
            volume=[100.0, 10.0],
            inlet=[700.0, 500.0],
            outlet=[1500.0, 300.0],
        )
    )
    assert found.mode.tolist() == [Mode.COOLING, Mode.MIXED]
    assert found.difference_k[0] == pytest.approx(8)
    assert (marks(found, 0), marks(found, 1)) == (Mark(0), Mark.MIXED)
    assert np.isnan([found.inlet_c[1], found.difference_k[1]]).all()


@pytest.mark.parametrize(
    ("cooled_by", "m3_per_mwh"), [(20, 43.0), (30, 28.7), (40, 21.5), (45, 19.1), (50, 17.2)]
)
def test_the_rule_of_thumb_for_water_per_megawatt_hour(cooled_by, m3_per_mwh):
    assert 1000 / (1.163 * cooled_by) == pytest.approx(m3_per_mwh, abs=0.05)
    found = temperatures(counted(heat=1000.0, volume=m3_per_mwh))
    assert found.difference_k[0] == pytest.approx(cooled_by, rel=0.02)


@pytest.mark.parametrize(
    ("celsius", "density"), [(0, 999.84), (4, 999.97), (20, 998.21), (50, 988.04), (90, 965.3)]
)
def test_water_weighs_what_the_tables_say(celsius, density):
    assert float(kwh_per_m3k(celsius)) == pytest.approx(1.163e-3 * density, abs=2e-4)


@given(
    volume=st.floats(10, 1e5), inlet=st.floats(60, 115), outlet=st.floats(15, 50),
)  # fmt: skip
def test_right_meters_are_never_marked(volume, inlet, outlet):
    energy = float(kwh_per_m3k(outlet)) * volume * (inlet - outlet)
    found = temperatures(
        counted(heat=round(energy), volume=volume, inlet=round(inlet * volume), outlet=round(outlet * volume))
    )
    assert marks(found) == Mark(0)
    assert found.difference_k[0] == pytest.approx(inlet - outlet, abs=1.01 / volume)


@given(
    st.lists(
        st.tuples(*[st.one_of(st.just(NAN), st.floats(-1e6, 1e9), st.just(0.0))] * 5), min_size=1, max_size=20
    )
)
def test_whatever_comes_in_only_numbers_or_nothing_come_out(rows):
    found = temperatures(Counted(*np.array(rows).T))
    for column in (found.inlet_c, found.outlet_c, found.difference_k):
        assert not np.isinf(column).any()
    still = ~(np.array(rows)[:, 2] > 1e-6)
    assert np.isnan(found.difference_k[still]).all()
    excess_flow(found, np.array(rows)[:, 2])


def test_levels():
    assert levels(np.array([36, 35, 30, 25, 24.99, -3, NAN]), 35, 25).tolist() == [
        GOOD, GOOD, MIDDLING, MIDDLING, POOR, POOR, 0,
    ]  # fmt: skip


def test_excess_flow_weighs_a_big_building_with_a_small_fault_above_a_small_one_with_a_big_fault():
    volume = np.array([1000.0, 20.0, 100.0, 100.0, 100.0])
    outlet = np.array([40.0, 55.0, 32.0, 32.0, 32.0])
    energy = kwh_per_m3k(outlet) * volume * (80 - outlet)
    found = temperatures(counted(heat=energy, volume=volume, inlet=80 * volume, outlet=outlet * volume))
    excess = excess_flow(found, volume)
    assert excess.outlet_reference_c == 32
    assert np.argsort(-excess.volume_m3).tolist()[:2] == [0, 1]
    assert excess.volume_m3[0] == pytest.approx(1000 - 1000 * 40 / 48)
    assert excess.volume_m3[2:] == pytest.approx(0, abs=1e-9)
    assert excess.network_k.sum() == pytest.approx((1000 * 8 + 20 * 23) / 1320)


def test_without_inlet_temperatures_the_best_quarter_of_the_differences_is_the_measure():
    volume = np.array([100.0, 100.0, 200.0])
    found = temperatures(counted(heat=[4600.0, 4600.0, 4600.0], volume=volume))
    excess = excess_flow(found, volume)
    assert np.isnan(excess.outlet_reference_c)
    assert excess.volume_m3[2] == pytest.approx(100, rel=0.01)
    assert np.isnan(excess.network_k).all()
