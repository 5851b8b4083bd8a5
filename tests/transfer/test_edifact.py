"""EDIFACT interchanges: any text comes through, everything is counted, any bytes are understood or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.transfer import edifact
from avlas.transfer.edifact import EdifactError

SIGNS = ":+.? '"
ODD = ";*,! ~"


def written(segments, signs=SIGNS, *, between="", charset="UNOC"):
    """An interchange of one message as a sender writes it: signs that are text are released."""
    component, element, _decimal, release, _repeat, end = signs

    def text(part):
        return "".join(release + one if one in (component, element, release, end) else one for one in part)

    def one(tag, elements):
        return element.join([tag, *(component.join(map(text, parts)) for parts in elements)]) + end

    whole = [
        ("UNB", [[charset, "3"], ["A"], ["B"], ["260101", "0000"], ["R1"]]),
        ("UNH", [["M1"], ["MSCONS", "D", "96A", "ZZ", "E2SE3"]]),
        *segments,
        ("UNT", [[str(len(segments) + 2)], ["M1"]]),
        ("UNZ", [["1"], ["R1"]]),
    ]
    return f"UNA{signs}" + between + between.join(one(*each) for each in whole) + between


TAGS = st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True).filter(
    lambda tag: tag not in ("UNH", "UNT", "UNZ", "UNE", "UNG", "UNB")
)
PARTS = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=12)
SEGMENTS = st.lists(
    st.tuples(TAGS, st.lists(st.lists(PARTS, min_size=1, max_size=4), max_size=5)), max_size=8
)


@given(SEGMENTS, st.sampled_from([SIGNS, ODD]), st.sampled_from(["", "\n", "\r\n"]))
def test_what_was_written_comes_back(segments, signs, between):
    sent = written(segments, signs, between=between, charset="UNOY").encode()
    (found,) = edifact.read(sent)
    (message,) = found.messages
    assert [(one.tag, [list(parts) for parts in one.elements]) for one in message.segments] == [
        (tag, elements) for tag, elements in segments
    ]
    assert [one.number for one in message.segments] == list(range(3, 3 + len(segments)))
    assert (message.kind, message.release, message.association, found.reference, found.decimal) == (
        "MSCONS", "96A", "E2SE3", "R1", signs[2],
    )  # fmt: skip


@given(SEGMENTS, st.data())
def test_a_file_that_breaks_off_is_refused(segments, data):
    whole = written(segments).encode("utf-8")
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(EdifactError):
        edifact.read(whole[:cut])


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(b"UNB+UNOA:1".__add__),
                 st.text("UNABHTZ+:'?1 \n", max_size=80).map(lambda text: b"UNA:+.? 'UNB+UNOC:3" + text.encode())))  # fmt: skip
def test_any_bytes_are_understood_or_refused(data):
    try:
        edifact.read(data)
    except EdifactError as problem:
        assert problem.text % problem.values  # noqa: PT017 - every refusal says why


WRONG = {
    "UNB+UNOC:3+A+B+260101:0000+R'UNZ+1+R'": "counts 1 messages, 0 are there",
    "UNB+UNOC:3+A+B+260101:0000+R'UNZ+0+S'": "ends “S”, but “R” was begun",
    "UNB+UNOC:3+A+B+260101:0000+R'UNH+1+MSCONS:D:96A:UN'UNT+3+1'UNZ+1+R'": "counts 3 segments, 2 are there",
    "UNB+UNOC:3+A+B+260101:0000+R'UNH+1+MSCONS:D:96A:UN'UNT+2+2'UNZ+1+R'": "ends “2”, but “1” was begun",
    "UNB+UNOC:3+A+B+260101:0000+R'UNH+1+MSCONS:D:96A:UN'UNZ+1+R'": "segment 3 is UNZ, but the message before has no end",
    "UNB+UNOC:3+A+B+260101:0000+R'BGM+7'UNZ+0+R'": "segment 2 is BGM where a message (UNH) must begin",
    "UNB+UNOC:3+A+B+260101:0000+R'": "ends at segment 1 without its end",
    "UNB+UNOC:3+A+B+260101:0000+R'UNH+1": "ends in the middle of segment 2",
    "UNB+UNOC:3+A+B+260101:0000+R'uh+1'": "segment 2 begins with “uh”",
    "UNB+UNOZ:3+A+B+260101:0000+R'UNZ+0+R'": "character set “UNOZ” is not known",
    "UNA++.? 'UNB+UNOC:3+A'": "doesn't say which signs",
    "Kundnr;Namn": "is no EDIFACT file",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said(text):
    with pytest.raises(EdifactError) as refused:
        edifact.read(text.encode())
    assert WRONG[text].lower() in str(refused.value).lower()


def test_groups_are_counted_as_groups_and_interchanges_follow_one_another():
    one = "UNB+UNOA:1+A+B+260101:0000+{r}'UNG+MSCONS'UNH+1+MSCONS:D:96A:UN'UNT+2+1'UNH+2+MSCONS:D:96A:UN'UNT+2+2'UNE+2'UNZ+1+{r}'\n"
    found = edifact.read((one.format(r="R1") + one.format(r="R2")).encode())
    assert [(each.reference, [m.reference for m in each.messages]) for each in found] == [
        ("R1", ["1", "2"]), ("R2", ["1", "2"]),
    ]  # fmt: skip
    assert found[1].messages[0].head.number == 11


@pytest.mark.parametrize(
    ("charset", "encoding"), [("UNOC", "iso8859-1"), ("UNOC", "utf-8"), ("UNOY", "utf-8"), ("UNOB", "iso8859-1"), ("UNOD", "iso8859-2")]
)  # fmt: skip
def test_letters_of_the_character_sets(charset, encoding):
    sent = written([("NAD", [["DP"], ["Ä", "ö"]])], charset=charset)
    (found,) = edifact.read(sent.encode(encoding))
    assert found.messages[0].segments[0].elements[1] == ("Ä", "ö")


def test_a_test_is_known_as_one():
    (found,) = edifact.read(b"UNB+UNOC:3+A+B+260101:0000+R++APP+++EDIEL+1'UNZ+0+R'")
    assert (found.sender, found.recipient, found.test) == ("A", "B", True)
