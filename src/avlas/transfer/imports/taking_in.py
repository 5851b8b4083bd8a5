"""Rows that were judged good are written, by chunks, each in one short transaction with what is needed to undo it."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from avlas.meters import installing, model_rows
from avlas.meters.models import Group, GroupMember, Installation, Meter, Occupancy
from avlas.meters.wellformed import radio_number
from avlas.system import audit
from avlas.transfer.imports import deeds, staging
from avlas.transfer.imports.register_plan import (
    COLUMNS,
    CUSTOMER,
    METER,
    MODELS,
    NEW,
    POINT,
    Chunk,
    Judged,
    Seen,
)
from avlas.transfer.imports.register_row import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from avlas.transfer.imports.models import Import
    from avlas.transfer.imports.register_plan import Key, Thing
    from avlas.transfer.imports.staging import Staged


def fingerprint(part: str, values: Mapping[str, Any]) -> str:
    """A mark of what an import wrote into a row: another one, once somebody changed it."""
    texts = [str(values.get(name) or "") for name in COLUMNS[part]]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def take_in(
    of: Import,
    rows: Sequence[Staged],
    seen: Seen,
    headings: Mapping[str, str],
    existing: str,
    *,
    on_fault: Callable[[Judged], None],
) -> dict[str, int]:
    """Write a chunk of staged rows (inside the caller's transaction); give counts of what was done.

    What stands in the register is judged anew: ``on_fault`` is called with a row that can't be taken in any more; such
    rows stay in staging, refused, unless it raises. Raises IntegrityError when somebody adds the same thing at the same
    moment: the caller tries again.
    """
    records = [Record(**row.record) for row in rows]
    chunk = Chunk(of.utility, records, seen, headings, existing, lock=True)
    accepted, refused = [], []
    for row, record in zip(rows, records, strict=True):
        judged = chunk.judge(row.line, record)
        if judged.faults:
            on_fault(judged)
            refused.append(judged)
        else:
            accepted.append(judged)
    done = _write(chunk, accepted)
    deeds.keep(of, [judged.line for judged in accepted], done)
    staging.leave(of, rows, refused)
    counts = _counts(chunk, done)
    if done:
        audit.record(
            "imports.taken_in", utility=of.utility, user=of.by, target=of.name,
            detail={"import": of.pk, "lines": [min(done), max(done)], "counts": counts, **_names(chunk)},
        )  # fmt: skip
    return counts


def _names(chunk: Chunk) -> dict[str, list[str]]:
    """What was added and changed, by the numbers it has in the register."""
    said: dict[str, list[str]] = {}
    for _line, part, thing in chunk.made:
        said.setdefault(f"{part}_added", []).append(thing.name)
    for _line, part, thing, _before in chunk.changed:
        said.setdefault(f"{part}_changed", []).append(thing.name)
    return said


def _counts(chunk: Chunk, done: Mapping[int, list[list[Any]]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _line, part, _thing in chunk.made:
        counts[f"{part}_added"] = counts.get(f"{part}_added", 0) + 1
    for part, pk in {(part, thing.pk) for _line, part, thing, _before in chunk.changed}:
        assert pk
        counts[f"{part}_changed"] = counts.get(f"{part}_changed", 0) + 1
    for some in done.values():
        for what, *_rest in some:
            if what in ("installed", "moved", "member"):
                counts[what] = counts.get(what, 0) + 1
    return counts


def _write(chunk: Chunk, accepted: Sequence[Judged]) -> dict[int, list[list[Any]]]:
    """Write what the chunk made and changed in memory; give by line what was done, for undoing."""
    done: dict[int, list[list[Any]]] = {}

    def note(line: int, *deed: Any) -> None:
        done.setdefault(line, []).append(list(deed))

    for part, model in MODELS.items():
        made = [(line, thing) for line, what, thing in chunk.made if what == part]
        ids = model_rows.insert(
            model, _columns(part, [thing for _line, thing in made]), {"utility_id": chunk.utility.pk}
        )
        for (line, thing), pk in zip(made, ids, strict=True):
            thing.pk = pk
            note(line, part, "new", pk, fingerprint(part, thing.values))
    for line, part, thing, before in chunk.changed:
        note(line, part, "changed", thing.pk,
             {name: [_plain(was), _plain(thing.values[name])] for name, was in before.items()})  # fmt: skip
    for part, model in MODELS.items():
        things = list(
            {thing.pk: thing for _line, what, thing, _before in chunk.changed if what == part}.values()
        )
        names = {name for _line, what, _thing, before in chunk.changed if what == part for name in before}
        columns = {name: column for name, column in _columns(part, things).items() if name in names}
        model_rows.change(model, [thing.pk for thing in things if thing.pk is not None], columns)
    _addresses(chunk, accepted, note)
    _installations(chunk, accepted, note)
    _occupancies(chunk, accepted, note)
    _groups(chunk, accepted, note)
    return done


def _columns(part: str, things: Sequence[Thing]) -> dict[str, list[Any]]:
    """What an import writes of things, column by column."""
    return {
        name: [thing.values.get(name, usual) for thing in things]
        for name in COLUMNS[part]
        for usual in [model_rows.usual(MODELS[part], name)]
    }


def _id(chunk: Chunk, part: str, key: Key) -> int:
    pk = chunk.things[part][key].pk
    assert pk is not None
    return pk


def _addresses(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    """New meters are found by radio at their number; others at a number that they were not found at before."""
    new = {thing.pk for _line, part, thing in chunk.made if part == METER}
    pairs: dict[tuple[int, str], None] = {}
    for judged in accepted:
        if not judged.record.meter:
            continue
        said = judged.effects[METER]
        if said != NEW and not (isinstance(said, list) and "identifier" in said):
            continue
        maker, serial = key = judged.keys[METER]
        meter_id = _id(chunk, METER, key)
        wanted = judged.record.placed.get("identifier") or (radio_number(serial) if meter_id in new else "")
        if wanted:
            pairs[meter_id, maker + wanted] = None
            if meter_id not in new:
                note(judged.line, "address", meter_id, maker + wanted)
    if pairs:
        installing.found_by_radio(chunk.utility, list(pairs))


def _installations(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    made: dict[str, list[Any]] = {"point_id": [], "meter_id": [], "role": [], "from_at": []}
    lines = []
    for judged in accepted:
        if judged.effects.get("installed") != NEW:
            continue
        placed, keys = judged.record.placed, judged.keys
        meter_id = _id(chunk, METER, keys[METER])
        row = (
            _id(chunk, POINT, keys[POINT]),
            meter_id,
            placed["role"],
            datetime.fromisoformat(placed["installed_at"]),
        )
        for column, value in zip(made.values(), row, strict=True):
            column.append(value)
        lines.append(judged.line)
        if chunk.sits.get(meter_id):  # it was somewhere before: its addresses ended with that
            installing.open_addresses(Meter.objects.get(pk=meter_id))
    ids = model_rows.insert(Installation, made)
    for line, pk, meter_id in zip(lines, ids, made["meter_id"], strict=True):
        note(line, "installed", pk, bool(chunk.sits.get(meter_id)))


def _occupancies(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    made: dict[str, list[Any]] = {"point_id": [], "customer_id": [], "from_at": []}
    lines, ended = [], []
    for judged in accepted:
        if judged.effects.get("moved") != NEW:
            continue
        keys = judged.keys
        point_id = _id(chunk, POINT, keys[POINT])
        at = datetime.fromisoformat(judged.record.placed["moved_in_at"])
        newest = chunk.lives.get(point_id)
        if newest is not None and newest.to_at is None:
            newest.to_at = at
            ended.append(newest)
        for column, value in zip(
            made.values(), (point_id, _id(chunk, CUSTOMER, keys[CUSTOMER]), at), strict=True
        ):
            column.append(value)
        lines.append((judged.line, newest.pk if newest in ended else None))
    Occupancy.objects.bulk_update(
        ended, ["to_at"], batch_size=200
    )  # first: one customer at a time has a point
    for (line, before), pk in zip(lines, model_rows.insert(Occupancy, made), strict=True):
        note(line, "moved", pk, before)


def _groups(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    members: dict[tuple[int, int], int] = {}
    for judged in accepted:
        names = judged.effects.get("groups")
        if not isinstance(names, list):
            continue
        for name in names:
            group = chunk.groups.get(name)
            if group is None:
                group = chunk.groups[name] = Group.objects.create(utility=chunk.utility, name=name)
                note(judged.line, "group", group.pk)
            members.setdefault((group.pk, _id(chunk, METER, judged.keys[METER])), judged.line)
    GroupMember.objects.bulk_create(
        [GroupMember(group_id=group, meter_id=meter) for group, meter in members], ignore_conflicts=True,
        batch_size=400,
    )  # fmt: skip
    for (group_pk, meter_pk), line in members.items():
        note(line, "member", group_pk, meter_pk)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
