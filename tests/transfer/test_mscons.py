"""MSCONS messages: quantities of metering points with their times, units and qualities, in both profiles."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer import edifact, mscons
from avlas.transfer.edifact import EdifactError

HEAD = {"nordic": "BGM+7+1+9'DTM+137:202601020300:203'DTM+ZZZ:1:805'NAD+FR+1::9'NAD+DO+2::9'UNS+D'",
        "german": "BGM+7+1+9'DTM+137:202601020300?+00:303'RFF+Z13:13002'NAD+MS+1::293'NAD+MR+2::293'UNS+D'"}  # fmt: skip


def interchange(body: str, *, release="96A", kind="MSCONS", una="UNA:+.? '") -> bytes:
    """A whole file around a message's segments, counted as a sender would."""
    count = body.count("'") - body.count("?'") + 2
    return (
        f"{una}UNB+UNOC:3+A:14+B:14+260102:0300+R1'UNH+1+{kind}:D:{release}:UN:X'{body}UNT+{count}+1'UNZ+1+R1'"
    ).encode("iso8859-1")


def quantities(body: str, **how):
    (one,) = edifact.read(interchange(body, **how))
    return list(mscons.quantities(one))


def test_a_nordic_message_says_what_was_used_when():
    body = HEAD["nordic"] + (
        "NAD+XX'LOC+90+735999100000000011::9'LIN+1++9011:::SE'MEA+AAZ++KWH'QTY+136:912.5'"
        "DTM+324:202512010000202601010000:Z13'CCI+++Z04'LIN+2++9015:::SE'MEA+AAZ++MTQ'QTY+220:77'"
        "DTM+597:202601010000:203'STS+8+56'LIN+3++9016:::SE'QTY+31:100'CNT+1:1089.5'"
    )
    found = quantities(body)
    used, shown, yearly = [one for one, _wrong in found]
    assert [wrong for _one, wrong in found[:2]] == [[], []]
    assert (used.point, used.figure, used.unit, used.quality, used.marks) == (
        "735999100000000011", Decimal("912.5"), "kWh", "measured", "QTY+136",
    )  # fmt: skip
    assert used.begin == datetime(2025, 11, 30, 23, tzinfo=UTC)
    assert used.end == shown.end == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert (shown.begin, shown.unit, shown.quality, shown.marks) == (
        None,
        "m³",
        "estimated",
        "QTY+220 STS+8+56",
    )
    assert (yearly.quality, yearly.unit) == ("other", "")  # the unit of the product before is over


def test_a_german_message_says_what_a_meter_showed_and_what_was_used():
    body = HEAD["german"] + (
        "NAD+DP'LOC+172+DE0003966698900000000000052335107'DTM+9:20260101:102'RFF+MG:67000001'CCI+16++MRV'"
        "LIN+1'PIA+5+6-0?:1.0.0:SRW'QTY+220:7000:MWH'QTY+67:7001:MWH'"
        "LOC+172+DE2'DTM+163:202512312300?+00:303'DTM+164:202601012300?+00:303'"
        "LIN+1'PIA+5+1-1?:1.29.0:SRW'QTY+220:1.25'DTM+163:202512312300?+00:303'DTM+164:202512312315?+00:303'"
        "QTY+20:'DTM+163:202512312315?+00:303'DTM+164:202512312330?+00:303'QTY+Z18:2'"
    )
    found = quantities(body, release="04B")
    assert [wrong for _one, wrong in found] == [[]] * 5
    first, second, quarter, unusable, day = [one for one, _wrong in found]
    assert (first.meter, first.obis, first.unit, first.end, first.begin) == (
        "67000001", "6-0:1.0.0", "MWh", datetime(2026, 1, 1, tzinfo=STANDARD_TIME), None,
    )  # fmt: skip
    assert (second.quality, second.end) == ("estimated", first.end)
    assert (quarter.point, quarter.meter, quarter.unit) == (
        "DE2",
        "",
        "",
    )  # the meter of the place before is over
    assert (quarter.end - quarter.begin).total_seconds() == 900
    assert (unusable.quality, unusable.figure) == ("missing", None)
    assert ((day.end - day.begin).total_seconds(), day.quality) == (
        86400,
        "estimated",
    )  # the place's own period


WRONG = {
    "LIN+1'QTY+136:x:KWH'DTM+597:202601010000:203'": ("QTY", "“x” is not a number."),
    "LIN+1'QTY+999:1:KWH'DTM+597:202601010000:203'": ("QTY", "What the quantity 999 means is not known here."),
    "LIN+1'QTY+136:1:KWH'": ("QTY", "When is not said."),
    "LIN+1'QTY+136:1:KWH'DTM+597:202601010000:203'": ("QTY", "This was used in a period, and which one is not said."),
    "LIN+1'QTY+136:1:KWH'DTM+597:202602300000:203'": ("DTM", "“202602300000” is no time in the form 203."),
    "LIN+1'QTY+136:1:KWH'DTM+597:202601010000:999'": ("DTM", "“202601010000” is no time in the form 999."),
    "LIN+1'QTY+136:1:KWH'DTM+597:202601010000:303'": ("DTM", "“202601010000” is no time in the form 303."),
    "LIN+1'QTY+136:1:KWH'DTM+324:202601010000202512010000:719'": ("DTM", "The period doesn't end after it begins."),
    "LIN+1'QTY+136:1:KWH'DTM+163:202601010000:203'DTM+164:202601010000:203'": (
        "DTM", "The period doesn't end after it begins."),
    "LIN+1'QTY+136:1:KWH'DTM+597:202601010000:203'CNT+1:2'": (
        "CNT", "The message's control total is 2, its quantities are 1 together: it is not whole."),
}  # fmt: skip


@pytest.mark.parametrize("body", WRONG)
def test_what_is_wrong_is_said_with_its_segment(body):
    ((_one, troubles),) = quantities(HEAD["nordic"] + "LOC+90+1'" + body)
    (trouble,) = troubles
    assert (trouble.tag, trouble.text % trouble.values) == WRONG[body]
    (whole,) = edifact.read(interchange(HEAD["nordic"] + "LOC+90+1'" + body))
    assert {one.number: one.tag for one in whole.messages[0].segments}[trouble.segment] == trouble.tag


def test_another_kind_of_message_is_said():
    ((_one, (trouble,)),) = quantities("BGM+E66+1+9'", kind="UTILTS", release="02B")
    assert trouble.text % trouble.values == "This is a message of the kind UTILTS; only MSCONS is read."


def test_a_comma_is_the_decimal_sign_when_the_file_says_so():
    body = "LOC+90+1'LIN+1'QTY+220:1,5:KWH'DTM+597:202601010000:203'"
    ((one, wrong),) = quantities(body, una="UNA:+,? '")
    assert (one.figure, wrong) == (Decimal("1.5"), [])
    ((_one, (trouble,)),) = quantities(body)
    assert trouble.value == "1,5"


TIMES = {
    ("202601010000", "203"): "2025-12-31T23:00",
    ("20260101000000", "204"): "2025-12-31T23:00",
    ("202601010000+00", "303"): "2026-01-01T00:00",
    ("202601010000-0130", "303"): "2026-01-01T01:30",
    ("20260101000000UTC", "304"): "2026-01-01T00:00",
    ("20260101", "102"): "2025-12-31T23:00",
    ("202512312400", "203"): "2025-12-31T23:00",
}


@pytest.mark.parametrize("said", TIMES)
def test_forms_of_times(said):
    moment, none = mscons.times(*said, STANDARD_TIME)
    assert (moment, none) == (datetime.fromisoformat(TIMES[said]).replace(tzinfo=UTC), None)


@pytest.mark.parametrize("offset", ["DTM+ZZZ:0:805'", "DTM+735:?+0000:406'"])
def test_the_messages_own_time_zone(offset):
    body = (
        HEAD["nordic"].replace("DTM+ZZZ:1:805'", offset)
        + "LOC+90+1'LIN+1'QTY+220:1:KWH'DTM+597:202601010000:203'"
    )
    ((one, _wrong),) = quantities(body)
    assert one.end == datetime(2026, 1, 1, tzinfo=UTC)


PIECES = st.sampled_from([
    "LOC+90+1", "LOC", "NAD+XX", "LIN+1", "PIA+5+1-1?:1.8.0:SRW", "PIA", "MEA+AAZ++KWH", "MEA", "QTY+136:1", "QTY+220:-1:KWH",
    "QTY", "QTY+220:NULL", "STS+8+56", "STS", "DTM+597:202601010000:203", "DTM+324:1:719", "DTM", "CNT+1:x", "RFF+MG:7", "UNS+D",
    "DTM+735:?+9900:406", "DTM+597:000000000000:203", "DTM+9:99991231:102",
])  # fmt: skip


@given(st.lists(PIECES, max_size=12))
def test_any_order_of_segments_is_understood_or_said(pieces):
    found = quantities("".join(f"{piece}'" for piece in pieces))
    asked = sum(piece.startswith("QTY") for piece in pieces)
    assert len(found) == asked
    for one, wrong in found:
        assert wrong or one.end is not None
        assert all(trouble.text % trouble.values for trouble in wrong)


def test_a_file_that_is_not_whole_is_refused():
    with pytest.raises(EdifactError, match="UNT"):
        edifact.read(interchange("BGM+7'").replace(b"UNT+3", b"UNT+4"))
