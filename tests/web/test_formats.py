from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.web import formats, words

H = formats.HARD_SPACE


@pytest.mark.parametrize(
    ("value", "decimals", "swedish", "english"),
    [
        (Decimal("1234.5"), None, f"1{H}234,5", "1,234.5"),
        (1234567, None, f"1{H}234{H}567", "1,234,567"),
        (0, 2, "0,00", "0.00"),
        (Decimal("18.500"), None, "18,500", "18.500"),  # the figures of the display, zeros and all
        (Decimal("413606.1111"), 3, f"413{H}606,111", "413,606.111"),
        (2.5, 0, "3", "3"),
        (Decimal("0.045"), 2, "0,05", "0.05"),
        (-12.5, 1, "\u221212,5", "\u221212.5"),
        (-0.001, 1, "0,0", "0.0"),  # no minus before nothing
        (None, 1, "\u2013", "\u2013"),
        (float("nan"), 1, "\u2013", "\u2013"),
        (1e-7, None, "0,0000001", "0.0000001"),
    ],
)
def test_numbers(value, decimals, swedish, english):
    with translation.override("sv"):
        assert formats.number(value, decimals) == swedish
    with translation.override("en"):
        assert formats.number(value, decimals) == english


def test_units_never_part_from_their_number():
    with translation.override("sv"):
        assert formats.quantity(Decimal("12.5"), "kWh") == f"12,5{H}kWh"
        assert formats.quantity(None, "kWh") == "\u2013"
        assert formats.quantity(7, "") == "7"


def test_moments_are_shown_where_the_reader_is():
    moment = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)
    with timezone.override(ZoneInfo("Europe/Stockholm")):
        with translation.override("sv"):
            assert formats.date_time(moment) == f"2026-07-02{H}00:30"
            assert formats.date_time(moment, seconds=True) == f"2026-07-02{H}00:30:15"
        with translation.override("en"):
            assert formats.date_time(moment) == f"2{H}Jul{H}2026{H}00:30"
    with translation.override("sv"):
        assert formats.date_time(datetime(2026, 7, 1, 22, 30)) == f"2026-07-01{H}22:30"  # a meter's own clock
        assert formats.date_time(None) == "\u2013"


def test_periods_are_whole_days_in_the_time_they_are_of():
    standard, civil = STANDARD_TIME, ZoneInfo("Europe/Stockholm")
    begin, end = datetime(2026, 6, 1, tzinfo=standard), datetime(2026, 7, 1, tzinfo=standard)
    with translation.override("sv"), timezone.override(civil):  # for the reader it begins at 01:00
        assert formats.period(begin, end, standard) == "2026-06-01 \u2013 2026-06-30"
        assert (
            formats.period(begin, end, civil)
            == f"2026-06-01{H}01:00{H}+02:00 \u2013 2026-07-01{H}01:00{H}+02:00"
        )
        assert formats.period(begin, begin + timedelta(days=1), standard) == "2026-06-01"
        hour = formats.period(begin, begin + timedelta(hours=1), standard)
        assert hour == f"2026-06-01{H}00:00{H}+01:00 \u2013 2026-06-01{H}01:00{H}+01:00"


def test_dates_in_words():
    with translation.override("sv"):
        assert formats.long_day(date(2026, 11, 23)) == "måndag 23 november 2026"
        assert formats.short_month(date(2026, 5, 1)) == "maj"
    with translation.override("en"):
        assert formats.long_day(date(2026, 11, 23)) == "Monday 23 November 2026"
        assert formats.month(date(2026, 5, 1)) == "May 2026"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "nyss"),
        (-5, "nyss"),  # clocks of two machines are never quite the same
        (60, "för 1 min sedan"),
        (40 * 60, "för 40 min sedan"),
        (3 * 3600, "för 3 h sedan"),
        (50 * 3600, "för 2 dagar sedan"),
        (20 * 86400, "2026-11-03"),
        (-3600, f"2026-11-23{H}13:00"),
    ],
)
def test_how_long_ago(seconds, said):
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with translation.override("sv"), timezone.override(UTC):
        assert formats.ago(now - timedelta(seconds=seconds), now) == said
        assert formats.ago(None) == "aldrig"


@pytest.mark.parametrize(("dbm", "bars"), [(None, 0), (-120, 0), (-110, 1), (-96, 1), (-80, 3), (-40, 4)])
def test_signal_bars(dbm, bars):
    assert words.signal_level(dbm) == bars


def test_a_meters_clock_in_words():
    with translation.override("sv"):
        assert words.clock_error(40) == "rätt"
        assert words.clock_error(-600) == "10 min efter"
        assert words.clock_error(7200) == "2 h före"


def test_the_protection_in_words():
    with translation.override("sv"):
        assert words.security("mode 5") == "AES, mode 5"
        assert words.security("mode 2 (not secure)") == "DES, mode 2, inte säker"
        assert words.security("LFSR (not secure)") == "LFSR, inte säker"


def test_media_in_both_languages():
    with translation.override("sv"):
        assert [words.medium(m) for m in ("heat", "electricity", "")] == ["värme", "el", ""]
    with translation.override("en"):
        assert words.medium("cold water") == "cold water"
