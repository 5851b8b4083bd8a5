"""Telegrams come in: stored, and acknowledged after that, as from any other receiver."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ninja import Router, Schema
from pydantic import AwareDatetime, Field, WrapValidator
from pydantic import ValidationError as ItemError

from avlas.decode.batch import without_crcs
from avlas.meters.ingest import IngestResult, TelegramBatch, ingest
from avlas.meters.models import Collector, Source
from avlas.meters.pace import Pace
from avlas.web.api.access import ApiRequest, Token
from avlas.web.api.shapes import line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from avlas.decode.errors import FrameError

MOST_TELEGRAMS = 10_000
Format = Literal["a", "a-crc", "b-crc", "wired"]
router = Router(
    tags=["Telegrams"]
)  # told twice they change nothing: no Idempotency-Key, which would hold all in one


class TelegramIn(Schema):
    """A telegram as some receiver heard it."""

    frame: Annotated[str, Field(max_length=1200, description="the frame's bytes as hexadecimal digits")]
    heard_at: AwareDatetime | None = Field(
        None, description="when it was heard, with time zone; now if left out"
    )
    rssi_dbm: Annotated[float, Field(ge=-200, le=50)] | None = None
    format: Format = Field("a", description="a: no link CRCs; wired: M-Bus frame")


class _NoTelegram:
    """What stands in the list of telegrams but is none."""

    def __init__(self, why: str) -> None:
        self.why = why


def _or_none(value: Any, validate: Callable[[Any], TelegramIn]) -> TelegramIn | _NoTelegram:
    """One bad telegram refuses itself, not the others."""
    try:
        return validate(value)
    except ItemError as problem:
        first = problem.errors(include_url=False)[0]
        return _NoTelegram(": ".join([*map(str, first["loc"]), first["msg"]]))


class TelegramsIn(Schema):
    """Up to 10,000 telegrams, and the collector that heard them."""

    collector: Annotated[str, line(80, least=1)] = "API"
    telegrams: Annotated[
        list[Annotated[TelegramIn, WrapValidator(_or_none)]], Field(max_length=MOST_TELEGRAMS)
    ]


class Refused(Schema):
    """A telegram that is no telegram: its place in the list and why."""

    index: int
    message: str


class TelegramsOut(Schema):
    """What became of the telegrams; everything not refused is stored."""

    accepted: int
    surplus: int
    states: dict[str, int]
    refused: list[Refused]


@router.post("/telegrams", auth=Token("telegrams:write"), response=TelegramsOut, summary="Send in telegrams")
def post_telegrams(request: ApiRequest, body: TelegramsIn) -> TelegramsOut:
    """Take in telegrams. The answer comes after they are committed; sending them again changes nothing.

    They are stored in parts, each in a fraction of a second. With 503 some of the parts may be stored already:
    send all of it again later.
    """
    collector, _ = Collector.objects.get_or_create(
        utility_id=request.auth.utility_id, name=body.collector, defaults={"spec": "api", "active": False}
    )
    good, refused = _sorted_out(body.telegrams)
    now = datetime.now(UTC)
    result, pace = IngestResult(), Pace()
    for wired, found in good.items():
        while found:
            part, found = found[: pace.size], found[pace.size :]  # noqa: PLW2901
            one_result = ingest(_batch(collector.pk, part, now, wired=wired))
            pace.note(len(part), one_result)
            result.add(one_result)
    return TelegramsOut(
        accepted=result.telegrams,
        surplus=result.surplus,
        states={state.name.lower(): count for state, count in result.states.items() if count},
        refused=refused,
    )


def _sorted_out(
    telegrams: Iterable[TelegramIn | _NoTelegram],
) -> tuple[dict[bool, list[tuple[bytes, TelegramIn]]], list[Refused]]:
    """The frames without link CRCs, by whether they are wired, and what is no telegram, in order."""
    refused: list[Refused] = []
    said: dict[Format, list[tuple[int, bytes, TelegramIn]]] = {}
    for index, one in enumerate(telegrams):
        if isinstance(one, _NoTelegram):
            refused.append(Refused(index=index, message=one.why))
            continue
        try:
            said.setdefault(one.format, []).append((index, _bytes(one), one))
        except ValueError as problem:
            refused.append(Refused(index=index, message=str(problem)))
    good: dict[bool, list[tuple[bytes, TelegramIn]]] = {False: [], True: []}
    for form, sent in said.items():
        plain = [frame for _, frame, _ in sent]
        damaged: dict[int, FrameError] = {}
        if form in ("a-crc", "b-crc"):
            plain, damaged = without_crcs(plain, form)
        for row, (index, _, one) in enumerate(sent):
            if row in damaged:
                refused.append(Refused(index=index, message=str(damaged[row])))
            else:
                good[form == "wired"].append((plain[row], one))
    return good, sorted(refused, key=attrgetter("index"))


def _bytes(one: TelegramIn) -> bytes:
    try:
        frame = bytes.fromhex(one.frame)
    except ValueError as problem:
        raise ValueError(f"frame is not hexadecimal: {problem}") from problem
    if not frame:
        raise ValueError("frame is empty")
    return frame


def _batch(
    collector_id: int, found: Sequence[tuple[bytes, TelegramIn]], now: datetime, *, wired: bool
) -> TelegramBatch:
    return TelegramBatch(
        collector_id,
        [frame for frame, _ in found],
        np.array([min(one.heard_at or now, now).timestamp() for _, one in found], np.float64),
        np.array([np.nan if one.rssi_dbm is None else one.rssi_dbm for _, one in found], np.float32),
        wired=wired,
        source=Source.WIRED if wired else Source.RADIO,
    )
