"""What an import did is taken back by chunks, newest rows first: only what nobody has touched since; the rest is told.

A row's deeds, as JSON: [part, "new", id, fingerprint], [part, "changed", id, {column: [before, after]}],
["address", meter, identifier], ["installed", id, whether the meter's addresses were opened again],
["moved", id, the occupancy that it ended], ["group", id], ["member", group, meter].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Exists, OuterRef

from avlas.meters import adopt, installing
from avlas.meters.changes import name_of
from avlas.meters.key_text import N_
from avlas.meters.models import (
    Case,
    Customer,
    Exchange,
    Generation,
    Group,
    GroupMember,
    Installation,
    Meter,
    MeterAddress,
    MeteringPoint,
    MeterState,
    Occupancy,
    Reading,
    Telegram,
)
from avlas.system import audit
from avlas.system.told import told
from avlas.transfer.imports.register_plan import COLUMNS, CUSTOMER, METER, MODELS, POINT
from avlas.transfer.imports.taking_in import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from avlas.transfer.imports.models import Import, ImportDeed

_TOUCHED: Final = N_("%(name)s has been changed since and is left as it is.")
_IN_USE: Final = N_("%(name)s is in use by now and is kept.")
Deed = list[Any]


@dataclass(slots=True)
class _Undo:
    """The deeds of some rows, by line, why some of them can't be undone, and how many things were."""

    done: Sequence[tuple[int, list[Deed]]]
    kept: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    undone: dict[str, int] = field(default_factory=dict)

    def of(self, *what: str) -> Iterator[tuple[int, Deed]]:
        """Deeds that begin like this, newest first."""
        for line, deeds in reversed(self.done):
            for deed in reversed(deeds):
                if tuple(deed[: len(what)]) == what:
                    yield line, deed

    def keep(self, line: int, text: str, /, **values: Any) -> None:
        """Say why something of a line is left as it is."""
        self.kept.setdefault(line, []).append(told(text, values))

    def count(self, what: str) -> None:
        """One more thing is undone."""
        self.undone[what] = self.undone.get(what, 0) + 1


def undo(of: Import, row: ImportDeed) -> dict[str, int]:
    """Take back what some rows did (inside the caller's transaction; newest first); give counts.

    What can't be taken back is noted there, with the reason.
    """
    work = _Undo(row.done)
    _members(work)
    _occupancies(work)
    _installations(work)
    _addresses(of, work)
    for part in (METER, POINT, CUSTOMER):
        _changes(of, part, work)
    _made(of, METER, work, _free_meters)
    _made(of, POINT, work, _free_points)
    _made(of, CUSTOMER, work, _free_customers)
    lines = [line for line, _deeds in row.done]
    row.done, row.kept = [], sorted(work.kept.items())
    row.save(update_fields=["done", "kept"])
    counts = work.undone | {"kept": len(work.kept)}
    if lines:
        audit.record(
            "imports.undone", utility=of.utility, user=of.by, target=of.name,
            detail={"import": of.pk, "lines": [min(lines), max(lines)], "counts": counts},
        )  # fmt: skip
    return counts


def _members(work: _Undo) -> None:
    for _line, (_what, group, meter) in work.of("member"):
        work.undone["member"] = (
            work.undone.get("member", 0) + GroupMember.objects.filter(group=group, meter=meter).delete()[0]
        )
    for line, (_what, pk) in work.of("group"):
        group = Group.objects.filter(pk=pk).first()
        if group is not None and group.members.exists():
            work.keep(line, _IN_USE, name=group.name)
        elif group is not None:
            group.delete()
            work.count("group")


def _occupancies(work: _Undo) -> None:
    ids = [deed[1] for _line, deed in work.of("moved")]
    there = {one.pk: one for one in Occupancy.objects.filter(pk__in=ids).select_related("point")}
    gone = []
    ended: list[tuple[int, Any]] = []
    for line, (_what, pk, before) in work.of("moved"):
        stay = there.get(pk)
        if stay is None:
            continue
        if stay.to_at is not None:
            work.keep(line, N_("Somebody has moved at %(name)s since; the occupancies stay."),
                      name=stay.point.facility_id)  # fmt: skip
            continue
        gone.append(pk)
        work.count("moved")
        if before is not None:
            ended.append((before, stay.from_at))
    Occupancy.objects.filter(pk__in=gone).delete()
    for pk, at in ended:
        Occupancy.objects.filter(pk=pk, to_at=at).update(to_at=None)


def _installations(work: _Undo) -> None:
    ids = [deed[1] for _line, deed in work.of("installed")]
    there = {
        one.pk: one
        for one in Installation.objects.filter(pk__in=ids)
        .select_related("point", "meter__utility")
        .annotate(exchanged=Exists(Exchange.objects.filter(old=OuterRef("pk"))))
    }
    gone = []
    for line, (_what, pk, opened) in work.of("installed"):
        one = there.get(pk)
        if one is None:
            continue
        if one.to_at is not None or one.exchanged:
            work.keep(line, N_("The meter at %(name)s has been taken down or exchanged since; that stays."),
                      name=one.point.facility_id)  # fmt: skip
            continue
        gone.append(pk)
        work.count("installed")
        if opened:
            installing.close_addresses(one.meter)
    Installation.objects.filter(pk__in=gone).delete()


def _addresses(of: Import, work: _Undo) -> None:
    for _line, (_what, meter, identifier) in work.of("address"):
        for address in MeterAddress.objects.filter(
            meter=meter, road="radio", identifier=identifier, to_at=None
        ):
            adopt.release(address, of.by)


def _rows(of: Import, part: str, ids: list[int]) -> dict[int, Any]:
    there = MODELS[part].objects.filter(utility=of.utility, pk__in=ids)
    return {row.pk: row for row in there.select_for_update(no_key=True)}


def _changes(of: Import, part: str, work: _Undo) -> None:
    deeds = list(work.of(part, "changed"))
    rows = _rows(of, part, [deed[2] for _line, deed in deeds])
    changed: dict[int, set[str]] = {}
    for line, (_part, _how, pk, values) in deeds:
        row = rows.get(pk)
        if row is None:
            continue
        for name, (before, after) in values.items():
            now = getattr(row, name)
            if (now.isoformat() if isinstance(now, date) else now) != after:
                work.keep(line, _TOUCHED, name=f"{name_of(row)} ({name})")
                continue
            setattr(row, name, date.fromisoformat(before) if name == "revision_due" and before else before)
            changed.setdefault(pk, set()).add(name)
    for pk, names in changed.items():
        rows[pk].save(update_fields=sorted(names))
        work.count(f"{part}_changed")


def _made(of: Import, part: str, work: _Undo, free: Callable[[list[int]], set[int]]) -> None:
    """Remove what was made, unless it was changed since or is in use (``free`` tells which of ids are not)."""
    deeds = list(work.of(part, "new"))
    ids = [deed[2] for _line, deed in deeds]
    rows = _rows(of, part, ids)
    not_in_use = free(list(rows))
    gone = []
    for line, (_part, _how, pk, mark) in deeds:
        row = rows.get(pk)
        if row is None:
            continue
        if pk not in not_in_use:
            work.keep(line, _IN_USE, name=name_of(row))
        elif fingerprint(part, {name: getattr(row, name) for name in COLUMNS[part]}) != mark:
            work.keep(line, _TOUCHED, name=name_of(row))
        else:
            gone.append(pk)
            work.count(f"{part}_added")
    if part == METER:
        _forget_meters(of, gone)
    else:
        MODELS[part].objects.filter(pk__in=gone).delete()


def _forget_meters(of: Import, ids: list[int]) -> None:
    claims: dict[str, set[str]] = {}
    for road, identifier in MeterAddress.objects.filter(meter__in=ids).values_list("road", "identifier"):
        claims.setdefault(road, set()).add(identifier)
    MeterState.objects.filter(meter__in=ids).update(meter=None)
    Meter.objects.filter(pk__in=ids).delete()
    for road in sorted(claims):
        adopt.settle(road, claims[road])
    Generation.bump(of.utility_id)


def _free_meters(ids: list[int]) -> set[int]:
    """As ``installing.is_needed``, of many at once."""
    here = OuterRef("pk")
    free = Meter.objects.filter(pk__in=ids, retired_at=None).exclude(
        Exists(Reading.objects.filter(meter_id=here))
        | Exists(Telegram.objects.filter(meter_id=here))
        | Exists(Installation.objects.filter(meter=here))
        | Exists(Case.objects.filter(meter=here))
        | Exists(Exchange.objects.filter(new_meter=here))
    )
    return set(free.values_list("pk", flat=True))


def _free_points(ids: list[int]) -> set[int]:
    here = OuterRef("pk")
    free = MeteringPoint.objects.filter(pk__in=ids).exclude(
        Exists(Installation.objects.filter(point=here))
        | Exists(Occupancy.objects.filter(point=here))
        | Exists(Case.objects.filter(point=here))
    )
    return set(free.values_list("pk", flat=True))


def _free_customers(ids: list[int]) -> set[int]:
    free = Customer.objects.filter(pk__in=ids).exclude(
        Exists(Occupancy.objects.filter(customer=OuterRef("pk")))
    )
    return set(free.values_list("pk", flat=True))
