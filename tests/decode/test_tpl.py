"""The CI fields (EN 13757-7:2018 clause 5.2, table 2; EN 13757-4 clause 13 and EN 13757-3 clause 6) by hand."""

from __future__ import annotations

import pytest
from tests.decode.by_hand import MAKER, wired, wireless

from avlas.decode import ApplicationError, DecodeError, HeaderError, Unsupported, header, telegram, tpl

ADDRESS = "78563412" + MAKER.hex() + "01 04"
SHORT = "2A 00 0000"  # access number, status, configuration
LONG = ADDRESS + SHORT
RECORD = "0406 64000000"
HEADERS = {"none": "", "short": SHORT, "long": LONG}

# CI from the meter, the header it brings, what follows it
FROM_METERS = [
    ("69", "none", "format frame"),
    ("6A", "short", "format frame"),
    ("6B", "long", "format frame"),
    ("6E", "short", "application error"),
    ("6F", "long", "application error"),
    ("70", "none", "application error"),
    ("71", "none", "alarm"),
    ("72", "long", "data records"),
    ("73", "long", "compact frame"),
    ("74", "short", "alarm"),
    ("75", "long", "alarm"),
    ("78", "none", "data records"),
    ("79", "none", "compact frame"),
    ("7A", "short", "data records"),
    ("7B", "short", "compact frame"),
    ("7C", "long", "DLMS/COSEM"),
    ("7D", "short", "DLMS/COSEM"),
    ("7E", "long", "OBIS"),
    ("7F", "short", "OBIS"),
    ("8A", "short", "transport layer only"),
    ("8B", "long", "transport layer only"),
]
HEAD_OF = {ci: HEADERS[head] for ci, head, _ in FROM_METERS}
# commands to a meter, network management, reserved ones
NOT_FROM_METERS = [
    "50",
    "51",
    "52",
    "5A",
    "5B",
    "60",
    "61",
    "6C",
    "6D",
    "80",
    "81",
    "82",
    "89",
    "9F",
    "B8",
    "C0",
    "FF",
]


@pytest.mark.parametrize(("ci", "head", "content"), FROM_METERS)
def test_every_ci_brings_its_header(ci, head, content):
    frame = wireless(bytes.fromhex(ci + HEADERS[head] + RECORD))
    found, stop = tpl.parse(frame, 10, len(frame), wired=False)
    assert found.content.value == content
    assert frame[stop:] == bytes.fromhex(RECORD)
    assert (found.address is not None, found.access_number) == (
        head == "long",
        None if head == "none" else 0x2A,
    )
    known = header(frame)
    assert (known.ci, known.address.identification) == (int(ci, 16), "12345678")
    if head != "none":
        with pytest.raises(HeaderError, match="needs a header"):
            telegram(frame[:13])


@pytest.mark.parametrize("ci", ["72", "78", "7A"])
def test_data_records(ci):
    head = HEAD_OF[ci]
    assert [one.value for one in telegram(wireless(bytes.fromhex(ci + head + RECORD))).records] == [100]


@pytest.mark.parametrize("ci", ["6E", "6F", "70"])
def test_application_errors(ci):
    head = HEAD_OF[ci]
    with pytest.raises(ApplicationError, match="busy"):
        telegram(wireless(bytes.fromhex(ci + head + "08")))


@pytest.mark.parametrize("ci", ["71", "74", "75"])
def test_alarms(ci):
    head = HEAD_OF[ci]
    (alarm,) = telegram(wireless(bytes.fromhex(ci + head + "05"))).records
    assert (alarm.quantity, alarm.value) == ("alarm", 5)


@pytest.mark.parametrize("ci", ["A0", "AB", "B7"])
def test_manufacturers_own(ci):
    (own,) = telegram(wireless(bytes.fromhex(ci + "0102"))).records
    assert (own.quantity, own.value) == ("manufacturer_specific", b"\x01\x02")


@pytest.mark.parametrize("ci", ["7C", "7D", "7E", "7F", *NOT_FROM_METERS])
def test_what_is_not_supported_says_so(ci):
    head = HEAD_OF.get(ci, "")
    with pytest.raises(Unsupported, match=f"CI {ci}"):
        telegram(wireless(bytes.fromhex(ci + head + RECORD)))


def test_on_the_wire_73_76_and_77_are_older():
    """EN 1434-3 and EN 13757-3:2004: 73 and 77 are the fixed structure, 76 has its high byte first."""
    assert tpl.content_of(0x73, wired=True) == tpl.content_of(0x77, wired=True) == (0, tpl.Content.FIXED)
    assert tpl.content_of(0x76, wired=True) == (12, tpl.Content.FULL)
    with pytest.raises(DecodeError):
        telegram(wired(bytes.fromhex("76" + LONG)[:-1]))
