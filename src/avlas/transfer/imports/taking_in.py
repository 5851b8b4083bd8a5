"""Rows that were judged good are written, by chunks, each in one short transaction with what is needed to undo it."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from avlas.meters import installing
from avlas.meters.changes import name_of
from avlas.meters.models import (
    Customer,
    Group,
    GroupMember,
    Installation,
    Meter,
    MeteringPoint,
    Occupancy,
)
from avlas.meters.wellformed import radio_number
from avlas.system import audit
from avlas.transfer.imports.models import Import, ImportDeed, ImportRow, Verdict
from avlas.transfer.imports.register_plan import NEW, Chunk, Judged, Seen
from avlas.transfer.imports.register_row import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CUSTOMER, POINT, METER = "customer", "point", "meter"
MODELS: Final[dict[str, type[Any]]] = {
    CUSTOMER: Customer, POINT: MeteringPoint, METER: Meter,
}  # fmt: skip
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    CUSTOMER: ("number", "name", "email", "phone"),
    POINT: ("facility_id", "address", "postal_code", "city", "district", "property_name", "latitude", "longitude",
            "door_code", "key_place", "contact", "warning"),
    METER: ("manufacturer", "serial", "model", "medium", "qp_m3h", "mounted_in", "litres_per_pulse", "accuracy_class",
            "manufactured_year", "revision_due", "seals", "note"),
}  # fmt: skip
"""What of each row an import may write."""


def fingerprint(part: str, row: Any) -> str:
    """A mark of what an import wrote into a row: another one, once somebody changed it."""
    values = [str(getattr(row, name) or "") for name in COLUMNS[part]]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def take_in(
    of: Import,
    rows: Sequence[ImportRow],
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
            row.verdict, row.faults = Verdict.REFUSED, [fault.packed() for fault in judged.faults]
            refused.append(row)
        else:
            accepted.append(judged)
    done = _write(chunk, accepted)
    if refused:
        ImportRow.objects.bulk_update(refused, ["verdict", "faults"], batch_size=100)
    if accepted:
        ImportDeed.objects.create(of=of, rows=len(accepted), done=sorted(done.items()))
    gone = [row.pk for row in rows if row.verdict != Verdict.REFUSED]
    ImportRow.objects.filter(of=of, pk__in=gone).delete()
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
    for _line, part, row in chunk.made:
        said.setdefault(f"{part}_added", []).append(name_of(row))
    for _line, part, row, _before in chunk.changed:
        said.setdefault(f"{part}_changed", []).append(name_of(row))
    return said


def _counts(chunk: Chunk, done: Mapping[int, list[list[Any]]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _line, part, _row in chunk.made:
        counts[f"{part}_added"] = counts.get(f"{part}_added", 0) + 1
    for part, pk in {(part, row.pk) for _line, part, row, _before in chunk.changed}:
        assert pk
        counts[f"{part}_changed"] = counts.get(f"{part}_changed", 0) + 1
    for deeds in done.values():
        for what, *_rest in deeds:
            if what in ("installed", "moved", "member"):
                counts[what] = counts.get(what, 0) + 1
    return counts


def _write(chunk: Chunk, accepted: Sequence[Judged]) -> dict[int, list[list[Any]]]:
    """Write what the chunk made and changed in memory; give by line what was done, for undoing."""
    done: dict[int, list[list[Any]]] = {}

    def note(line: int, *deed: Any) -> None:
        done.setdefault(line, []).append(list(deed))

    for part, model in MODELS.items():
        made = [(line, row) for line, what, row in chunk.made if what == part]
        model.objects.bulk_create([row for _line, row in made], batch_size=400)
        for line, row in made:
            note(line, part, "new", row.pk, fingerprint(part, row))
    for line, part, row, before in chunk.changed:
        note(line, part, "changed", row.pk,
             {name: [_plain(was), _plain(getattr(row, name))] for name, was in before.items()})  # fmt: skip
    for part, model in MODELS.items():
        rows = {row.pk: row for _line, what, row, _before in chunk.changed if what == part}
        names = sorted(
            {name for _line, what, _row, before in chunk.changed if what == part for name in before}
        )
        if rows:
            model.objects.bulk_update(list(rows.values()), names, batch_size=100)
    _addresses(chunk, accepted, note)
    _installations(chunk, accepted, note)
    _occupancies(chunk, accepted, note)
    _groups(chunk, accepted, note)
    return done


def _meter(chunk: Chunk, record: Record) -> Meter:
    row = chunk.rows[METER][record.meter["manufacturer"], record.meter["serial"]]
    assert isinstance(row, Meter)
    return row


def _point(chunk: Chunk, record: Record) -> MeteringPoint:
    row = chunk.rows[POINT][(record.point["facility_id"],)]
    assert isinstance(row, MeteringPoint)
    return row


def _addresses(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    """New meters are found by radio at their number; others at a number that they were not found at before."""
    new = {row.pk for _line, part, row in chunk.made if part == METER}
    pairs: dict[tuple[int, str], Meter] = {}
    for judged in accepted:
        if not judged.record.meter:
            continue
        meter = _meter(chunk, judged.record)
        wanted = judged.record.placed.get("identifier") or (
            radio_number(meter.serial) if meter.pk in new else ""
        )
        said = judged.effects["meter"]
        if wanted and (said == NEW or (isinstance(said, list) and "identifier" in said)):
            pairs[meter.pk, meter.manufacturer + wanted] = meter
            if meter.pk not in new:
                note(judged.line, "address", meter.pk, meter.manufacturer + wanted)
    if pairs:
        installing.found_by_radio(
            chunk.utility, [(meter, identifier) for (_pk, identifier), meter in pairs.items()]
        )


def _installations(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    made = []
    for judged in accepted:
        if judged.effects.get("installed") == NEW:
            placed = judged.record.placed
            meter = _meter(chunk, judged.record)
            made.append((judged.line, Installation(
                point=_point(chunk, judged.record), meter=meter, role=placed["role"],
                from_at=datetime.fromisoformat(placed["installed_at"]))))  # fmt: skip
            if chunk.sits.get(meter.pk):  # it was somewhere before: its addresses ended with that
                installing.open_addresses(meter)
    Installation.objects.bulk_create([row for _line, row in made], batch_size=400)
    for line, row in made:
        note(line, "installed", row.pk, bool(chunk.sits.get(row.meter_id)))


def _occupancies(chunk: Chunk, accepted: Sequence[Judged], note: Callable[..., None]) -> None:
    made, ended = [], []
    for judged in accepted:
        if judged.effects.get("moved") != NEW:
            continue
        point = _point(chunk, judged.record)
        at = datetime.fromisoformat(judged.record.placed["moved_in_at"])
        newest = chunk.lives.get(point.pk)
        if newest is not None and newest.to_at is None:
            newest.to_at = at
            ended.append(newest)
        customer = chunk.rows[CUSTOMER][(judged.record.customer["number"],)]
        stay = Occupancy(point=point, customer=customer, from_at=at)  # type: ignore[misc]
        made.append((judged.line, stay, newest.pk if newest in ended else None))
    Occupancy.objects.bulk_update(
        ended, ["to_at"], batch_size=200
    )  # first: one customer at a time has a point
    Occupancy.objects.bulk_create([stay for _line, stay, _before in made], batch_size=400)
    for line, stay, before in made:
        note(line, "moved", stay.pk, before)


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
            members.setdefault((group.pk, _meter(chunk, judged.record).pk), judged.line)
    GroupMember.objects.bulk_create(
        [GroupMember(group_id=group, meter_id=meter) for group, meter in members], ignore_conflicts=True,
        batch_size=400,
    )  # fmt: skip
    for (group_pk, meter_pk), line in members.items():
        note(line, "member", group_pk, meter_pk)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
