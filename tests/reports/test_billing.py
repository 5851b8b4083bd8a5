"""Billing: what is ready and what is not, estimates, closing a month, corrections, the trial run; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.test_period_use import DAY, END, HEAT, HOUR, START, make, place, store

from avlas.meters import formats
from avlas.meters.billed import is_billed
from avlas.meters.entered import void
from avlas.meters.exchange import why_not_undone
from avlas.meters.keys import Who
from avlas.meters.models import (
    BilledAmount,
    BillingMonth,
    Customer,
    Exchange,
    InfoEvent,
    Kind,
    Occupancy,
    Quality,
    Reading,
)
from avlas.reports import billing, billing_trial
from avlas.reports.billing import COMPLETE, DOUBTFUL, ESTIMATED, MISSING, basis
from avlas.reports.calc.expected_use import FEWEST, change, expected
from avlas.reports.period_use import Members
from avlas.system.models import AuditEvent, Utility

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered():
    formats.forget()
    yield
    formats.forget()


@pytest.fixture
def utility():
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


def states(utility):
    month = basis(Members(utility.pk), START, END)
    return {one.serial: int(month.state[row]) for row, one in enumerate(month.found.who)}, month


def row_of(month, serial):
    return next(row for row, one in enumerate(month.found.who) if one.serial == serial)


def both_ends(utility, serial, first, last, **options):
    meter = make(utility, serial)
    place(meter, START - 400 * DAY)
    store(meter, [START, END], [first, last], **options)
    return meter


def test_each_state_has_its_ground(utility):
    both_ends(utility, "whole", 100.0, 350.0)
    both_ends(utility, "estimated", 100.0, 350.0, quality=int(Quality.ESTIMATED))
    both_ends(utility, "broken", 100.0, 350.0, quality=int(Quality.IMPLAUSIBLE))
    between = make(utility, "between")
    place(between, START - DAY)
    store(between, [START - DAY, START + DAY, END - DAY, END + DAY], [0.0, 10.0, 300.0, 320.0])
    silent = make(utility, "silent")
    place(silent, START - DAY)
    store(silent, [START, START + 9 * DAY], [100.0, 190.0])
    back = both_ends(utility, "back", 350.0, 100.0)
    never = make(utility, "never")
    place(never, START - DAY)
    found, month = states(utility)
    assert found == {
        "whole": COMPLETE, "estimated": ESTIMATED, "broken": DOUBTFUL, "between": ESTIMATED, "silent": MISSING,
        "back": MISSING, "never": MISSING,
    }  # fmt: skip
    told = billing.gaps(month, [row_of(month, name) for name in ("silent", "back", "never")])
    gap = told[row_of(month, "silent")]
    assert (gap.at_start, gap.at_end, gap.backwards) == (True, False, False)
    assert abs(gap.last_at - (START + 9 * DAY)) < timedelta(minutes=1)
    assert told[row_of(month, "back")].backwards
    assert told[row_of(month, "never")].last_at is None
    assert {never.pk, back.pk} <= {one.meter_id for one in month.found.who}


def test_what_nobody_pays_for_is_no_gap(utility):
    place(make(utility, "sensor", medium="pressure"), START - DAY)
    make(utility, "in stock")
    store(make(utility, "nowhere yet"), [START, END], [100.0, 350.0])
    found, _month = states(utility)
    assert found == {"nowhere yet": COMPLETE}


def test_an_estimate_goes_by_last_year_else_by_the_days_before(utility):
    since = START + 9 * DAY
    known = make(utility, "known")
    place(known, START - 400 * DAY)
    year = timedelta(days=365)
    store(known, [since - year, END - year, START, since], [1000.0, 1630.0, 5000.0, 5090.0], sent=("MWh", 3))
    young = make(utility, "young")
    place(young, START - 40 * DAY)
    store(young, [since - 30 * DAY, START, since], [0.0, 100.0, 300.0])
    younger = make(utility, "younger")
    place(younger, START)
    store(younger, [START, since], [0.0, 10.0])
    found, month = states(utility)
    assert set(found.values()) == {MISSING}
    rows = [row_of(month, name) for name in ("known", "young", "younger")]
    told = billing.estimates(month, rows)
    first = told[rows[0]]
    assert (first.figure, first.unit, first.method) == (
        Decimal("5.720"),
        "MWh",
        billing.LAST_YEAR,
    )  # 5090 + 630 kWh
    second = told[rows[1]]
    assert (second.figure, second.unit, second.method) == (
        Decimal(510),
        "kWh",
        billing.MEAN,
    )  # 300 + 10 a day * 21
    assert rows[2] not in told
    for one in told.values():
        billing.approve(utility, one, "by the rule", Who())
    found, month = states(utility)
    assert found == {"known": ESTIMATED, "young": ESTIMATED, "younger": MISSING}
    assert month.amount(row_of(month, "known")) == pytest.approx(720)
    (kept,) = Reading.objects.filter(meter=known, kind=Kind.ENTERED)
    assert kept.quality & Quality.ESTIMATED
    assert kept.other["entered"]["method"] == "by the rule"


def test_a_closed_month_keeps_its_amounts_and_lists_what_changes(utility):
    whole = both_ends(utility, "whole", 100.0, 350.0)
    customer = Customer.objects.create(utility=utility, number="K1", name="Anna")
    Occupancy.objects.create(
        point=whole.installations.get().point, customer=customer, from_at=START - 400 * DAY
    )
    doubt = both_ends(utility, "doubt", 100.0, 350.0, quality=int(Quality.IMPLAUSIBLE))
    late = make(utility, "late")
    place(late, START - DAY)
    store(late, [START], [10.0])
    _found, month = states(utility)
    made = billing.close(utility, month, Who())
    (kept,) = BilledAmount.objects.all()
    assert (kept.meter, kept.customer, kept.amount, kept.version) == (whole, customer, 250.0, 1)
    assert kept.parts == [
        {"meter": whole.pk, "from": int(START.timestamp()), "to": int(END.timestamp()), "first": ["100", "kWh"],
         "last": ["350", "kWh"], "interpolated": False}
    ]  # fmt: skip
    assert is_billed([whole.pk], END - DAY)
    assert not is_billed([whole.pk], END)
    assert not is_billed([doubt.pk], START)
    with pytest.raises(ValueError, match="closed already"):
        billing.close(utility, month, Who())
    assert billing.corrections(made, month) == []
    store(late, [END], [25.0])  # comes in late
    void(whole, END, Kind.LIVE, "misread", Who())
    store(whole, [END], [340.0], kind=Kind.ENTERED)
    _found, month = states(utility)
    told = {one.who.serial: (one.billed, one.now, one.difference) for one in billing.corrections(made, month)}
    assert told == {"whole": (250.0, 240.0, -10.0), "late": (None, 15.0, 15.0)}
    assert billing.settle(made, month, Who()) == 2
    assert billing.corrections(made, month) == []
    assert billing.settle(made, month, Who()) == 0
    assert list(BilledAmount.objects.order_by("version", "amount").values_list("version", "amount")) == [
        (1, 250.0), (2, 15.0), (2, 240.0),
    ]  # fmt: skip
    assert list(AuditEvent.objects.order_by("pk").values_list("event", flat=True)) == [
        "billing.closed", "readings.voided", "billing.corrected",
    ]  # fmt: skip
    assert billing.forget_old(utility, datetime.now(UTC) + timedelta(days=6 * 365)) == 0
    assert billing.forget_old(utility, datetime.now(UTC) + timedelta(days=8 * 365)) == 1
    assert not BilledAmount.objects.exists()


def test_doubtful_amounts_only_when_asked_and_no_month_before_its_end(utility):
    both_ends(utility, "doubt", 100.0, 350.0, quality=int(Quality.IMPLAUSIBLE))
    _found, month = states(utility)
    billing.close(utility, month, Who(), doubtful=True)
    assert BilledAmount.objects.get().amount == 250.0
    now = datetime.now(UTC)
    running = basis(Members(utility.pk), now - DAY, now + DAY)
    with pytest.raises(ValueError, match="not over"):
        billing.close(utility, running, Who())
    assert BillingMonth.objects.count() == 1


def test_an_exchange_is_one_amount_with_two_parts(utility):
    old, new = make(utility, "old"), make(utility, "new")
    half = START + 10 * DAY
    point = place(old, START - DAY, half)
    place(new, half, point=point)
    store(old, [START, half], [100.0, 180.0], kind=Kind.ENTERED)
    store(new, [half, END], [3.0, 53.0], kind=Kind.ENTERED)
    _found, month = states(utility)
    billing.close(utility, month, Who())
    kept = BilledAmount.objects.get()
    assert (kept.amount, kept.meter) == (130.0, new)
    assert [(part["first"], part["last"]) for part in kept.parts] == [(["100", "kWh"], ["180", "kWh"]), (["3", "kWh"], ["53", "kWh"])]  # fmt: skip


def test_a_billed_exchange_cannot_be_undone(utility):
    old, new = make(utility, "old"), make(utility, "new")
    half = START + 10 * DAY
    point = place(old, START - DAY, half)
    place(new, half, point=point)
    store(old, [START, half], [100.0, 180.0], kind=Kind.ENTERED)
    store(new, [half, END], [3.0, 53.0], kind=Kind.ENTERED)
    done = Exchange.objects.create(
        utility=utility, old=old.installations.get(), new=new.installations.get(), new_meter=new, at=half,
        state=Exchange.DONE, reason="age",
    )  # fmt: skip
    assert why_not_undone(done) == ""
    billing.close(utility, states(utility)[1], Who())
    assert why_not_undone(done) == "billed"


def year_of(utility, serial, before, now):
    """A meter that used ``before`` kWh in September a year ago and ``now`` kWh this September."""
    meter = make(utility, serial)
    place(meter, START - 800 * DAY)
    september = datetime(2025, 8, 31, 23, tzinfo=UTC)
    store(meter, [september, september + 30 * DAY, START, END], [0.0, before, 9000.0, 9000.0 + now])
    return meter


def test_the_trial_run_knows_the_weather_by_all_others(utility):
    for number in range(8):
        year_of(utility, str(number), 1000.0 + 10 * number, 800.0 + 8 * number)  # a warm September: 20 % less
    high = year_of(utility, "high", 1000.0, 1500.0)
    InfoEvent.objects.create(meter=high, at=START + DAY, code=4)
    nothing = year_of(utility, "nothing", 1000.0, 0.0)
    month = basis(Members(utility.pk), START, END)
    tried = billing_trial.trial(Members(utility.pk), month)
    rows = np.flatnonzero(tried.unusual(0.3)).tolist()
    assert {month.found.who[row].serial for row in rows} == {"high", "nothing"}
    row = row_of(month, "high")
    assert tried.expected[row] == pytest.approx(800, rel=0.02)
    assert tried.from_last_year[row]
    point = nothing.installations.get().point
    Occupancy.objects.create(point=point, customer=Customer.objects.create(utility=utility, number="7"), from_at=START - DAY)  # fmt: skip
    told = billing_trial.reasons(tried, rows)
    assert told[row] == {billing_trial.INFO_CODE}
    assert told[row_of(month, "nothing")] == {billing_trial.MOVED, billing_trial.NOTHING}


def test_too_few_say_nothing_of_the_weather(utility):
    for number in range(3):
        year_of(utility, str(number), 1000.0, 500.0)
    month = basis(Members(utility.pk), START, END)
    assert not billing_trial.trial(Members(utility.pk), month).unusual(0.3).any()
    assert basis(Members(utility.pk + 1), START, END + HOUR).amounts.shape == (0,)


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 1)), max_size=30),
    st.floats(0.1, 10),
)
def test_what_followed_all_others_is_as_expected(rows, factor):
    before = np.array([row[0] for row in rows] + [100.0] * FEWEST * 2)
    kind = np.array([row[2] for row in rows] + [0, 1] * FEWEST)
    assert expected(before * factor, before, kind) == pytest.approx(before * factor)
    assert np.isnan(change(np.ones(FEWEST - 1), np.ones(FEWEST - 1)))


def test_the_amount_of_a_point_is_what_its_heat_register_counted(utility):
    both_ends(utility, "1", 100.0, 350.0, volume_m3=[1.0, 7.0])
    month = basis(Members(utility.pk), START, END)
    assert billing.REGISTERS[month.main[0]] == HEAT
    assert month.amounts.tolist() == [250.0]
