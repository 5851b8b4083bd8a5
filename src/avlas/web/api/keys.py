"""The meters' keys: handed in, never handed out."""

from __future__ import annotations

from typing import Annotated

from ninja import Schema
from pydantic import Field

from avlas.meters import keys as meter_keys
from avlas.meters.key_text import KeyEntry, KeyFileError, parse_key, parse_manufacturer, parse_meter_number
from avlas.web.api.access import ApiRequest, Token, router, who
from avlas.web.api.shapes import Closed, line

routes = router("Keys")
WRITE = Token("keys:write")
MOST_KEYS = 1000


class KeyIn(Closed):
    """One meter's AES-128 key."""

    number: Annotated[
        str, line(40, least=1), Field(description="12345678, KAM12345678 or as the label says it")
    ]
    key: Annotated[
        str, Field(max_length=80, description="32 hexadecimal digits", json_schema_extra={"writeOnly": True})
    ]
    manufacturer: Annotated[
        str, line(3), Field(description="three letters, if the number doesn't say it")
    ] = ""


class KeysIn(Closed):
    """Up to 1,000 keys."""

    keys: Annotated[list[KeyIn], Field(min_length=1, max_length=MOST_KEYS)]
    source: Annotated[
        str, line(100), Field(description="where they come from, as the list of keys shows it")
    ] = "API"


class BadKey(Schema):
    """A key that was not taken: its place in the list, from 0, and why."""

    index: int
    message: str


class KeysOut(Schema):
    """What became of the keys; every key that is not refused is stored."""

    added: int
    replaced: int
    unchanged: int
    refused: list[BadKey]


@routes.post("/keys", auth=WRITE, response=KeysOut, summary="Hand in keys")
def add_keys(request: ApiRequest, body: KeysIn) -> KeysOut:
    """Store meter keys, sealed. Telegrams that waited for them are read. A key can't be fetched again."""
    entries: list[KeyEntry] = []
    places: list[int] = []
    refused: list[BadKey] = []
    for index, one in enumerate(body.keys):
        try:
            maker, identification = parse_meter_number(one.number)
            maker = parse_manufacturer(one.manufacturer) or maker
            entries.append(KeyEntry(maker, identification, parse_key(one.key)))
            places.append(index)
        except KeyFileError as problem:
            refused.append(BadKey(index=index, message=meter_keys.explain(problem)))
    if not entries:
        return KeysOut(added=0, replaced=0, unchanged=0, refused=refused)
    stored = meter_keys.store(request.auth.utility, entries, source=body.source or "API", who=who(request))
    refused += [
        BadKey(index=places[one.number - 1], message=meter_keys.explain(one.error)) for one in stored.problems
    ]
    return KeysOut(
        added=stored.added,
        replaced=stored.replaced,
        unchanged=stored.unchanged,
        refused=sorted(refused, key=lambda one: one.index),
    )
