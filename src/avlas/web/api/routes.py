"""What programs can ask and send. Every call carries a token, and a token sees its own utility only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import numpy as np
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.security import HttpBearer
from pydantic import AwareDatetime, Field

from avlas import __version__
from avlas.decode.errors import DecodeError
from avlas.decode.link import strip_crcs
from avlas.meters.ingest import IngestResult, TelegramBatch, ingest
from avlas.meters.models import Collector, Source
from avlas.system import tokens
from avlas.system.models import ApiToken

MOST_TELEGRAMS = 10_000


class Token(HttpBearer):
    """A bearer token with one scope."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:  # noqa: ARG002
        """Give the token's row, or None: then the answer is 401."""
        return tokens.verify(token, self.scope)


api = NinjaAPI(title="Avläs", version=__version__, urls_namespace="api", docs_url=None)


class TelegramIn(Schema):
    """A telegram as some receiver heard it."""

    frame: Annotated[str, Field(max_length=1200, description="the frame's bytes as hexadecimal digits")]
    heard_at: AwareDatetime | None = Field(
        None, description="when it was heard, with time zone; now if left out"
    )
    rssi_dbm: Annotated[float, Field(ge=-200, le=50)] | None = None
    format: Literal["a", "a-crc", "b-crc", "wired"] = Field(
        "a", description="a: no link CRCs; wired: M-Bus frame"
    )


class TelegramsIn(Schema):
    """Up to 10,000 telegrams, and the collector that heard them."""

    collector: Annotated[str, Field(min_length=1, max_length=80)] = "API"
    telegrams: Annotated[list[TelegramIn], Field(max_length=MOST_TELEGRAMS)]


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


class Problem(Schema):
    """Problem details (RFC 9457)."""

    title: str
    status: int
    detail: str


@api.post("/telegrams", auth=Token("telegrams:write"), response={200: TelegramsOut, 503: Problem})
def post_telegrams(request: HttpRequest, body: TelegramsIn) -> tuple[int, TelegramsOut | Problem]:
    """Take in telegrams. The answer comes after they are committed; sending them again changes nothing."""
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    collector, _ = Collector.objects.get_or_create(
        utility_id=token.utility_id, name=body.collector, defaults={"spec": "api", "active": False}
    )
    refused: list[Refused] = []
    good: dict[bool, list[tuple[bytes, TelegramIn]]] = {False: [], True: []}
    for index, one in enumerate(body.telegrams):
        try:
            good[one.format == "wired"].append((_frame(one), one))
        except (ValueError, DecodeError) as problem:
            refused.append(Refused(index=index, message=str(problem)))
    now = datetime.now(UTC)
    result = IngestResult()
    try:
        for wired, found in good.items():
            if found:
                result.add(ingest(_batch(collector.pk, found, now, wired=wired)))
    except OperationalError:
        return 503, Problem(
            title="The database can't take telegrams now",
            status=503,
            detail="Nothing of the last part was stored. Send all of it again later: repeats change nothing.",
        )
    return 200, TelegramsOut(
        accepted=result.telegrams,
        surplus=result.surplus,
        states={state.name.lower(): count for state, count in result.states.items() if count},
        refused=refused,
    )


def _frame(one: TelegramIn) -> bytes:
    try:
        frame = bytes.fromhex(one.frame)
    except ValueError as problem:
        raise ValueError(f"frame is not hexadecimal: {problem}") from problem
    if not frame:
        raise ValueError("frame is empty")
    return strip_crcs(frame, one.format) if one.format in ("a-crc", "b-crc") else frame


def _batch(
    collector_id: int, found: list[tuple[bytes, TelegramIn]], now: datetime, *, wired: bool
) -> TelegramBatch:
    return TelegramBatch(
        collector_id,
        [frame for frame, _ in found],
        np.array([min(one.heard_at or now, now).timestamp() for _, one in found], np.float64),
        np.array([np.nan if one.rssi_dbm is None else one.rssi_dbm for _, one in found], np.float32),
        wired=wired,
        source=Source.WIRED if wired else Source.RADIO,
    )


@api.exception_handler(OperationalError)
def _database_is_away(request: HttpRequest, _: Exception) -> HttpResponse:
    detail = "The database is locked, full or gone. Try again later; nothing was stored."
    return api.create_response(
        request, {"title": "Database not available", "status": 503, "detail": detail}, status=503
    )
