"""What rows of a table of customers, points and meters would do to the register as it stands, by the forms' rules.

Rows are judged in chunks. A ``Chunk`` knows what the database holds of the things its rows speak of, and carries out
in memory what each accepted row does, so that the next row of the chunk sees it. ``Seen`` knows what earlier rows of
the same file said, whether it is written or not.

The effects of a row, as JSON: {"customer": "new" | ["name", ...] | "same", "point": .., "meter": ..,
"installed": "new" | "same", "moved": "new" | "same", "groups": [names]}; a part the row doesn't speak of is not there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from avlas.meters.key_text import N_
from avlas.meters.models import (
    Customer,
    Group,
    GroupMember,
    Installation,
    Meter,
    MeterAddress,
    MeteringPoint,
    Occupancy,
)
from avlas.transfer.imports.fields import BY_CODE
from avlas.transfer.imports.models import Verdict
from avlas.transfer.imports.register_row import Fault
from avlas.transfer.imports.settings import LEAVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from avlas.system.models import Utility
    from avlas.transfer.imports.register_row import Record

NEW, SAME = "new", "same"
_KEYS: Final = {"customer": ("number",), "point": ("facility_id",), "meter": ("manufacturer", "serial")}
_MODELS: Final[dict[str, type[Any]]] = {
    "customer": Customer, "point": MeteringPoint, "meter": Meter,
}  # fmt: skip

Key = tuple[str, ...]
Row = Customer | MeteringPoint | Meter


@dataclass(slots=True)
class Seen:
    """What accepted rows of the file have said so far: of each thing, by its key, on which line and what."""

    said: dict[str, dict[Key, tuple[int, str]]] = field(
        default_factory=lambda: {"customer": {}, "point": {}, "meter": {}}
    )
    meter_at: dict[Key, tuple[int, str]] = field(default_factory=dict)  # meter -> line, facility id
    main_at: dict[str, tuple[int, Key]] = field(default_factory=dict)  # facility id -> line, its main meter
    readings: dict[tuple[int, int], tuple[int, dict[str, float]]] = field(default_factory=dict)  # meter, slot
    customer_at: dict[str, tuple[int, str]] = field(
        default_factory=dict
    )  # facility id -> line, customer number
    members: set[tuple[str, Key]] = field(default_factory=set)  # group, meter

    def note(self, line: int, record: Record) -> None:
        """Remember an accepted row."""
        for part, names in _KEYS.items():
            values = getattr(record, part)
            if values:
                key = tuple(values[name] for name in names)
                first = self.said[part].get(key)
                merged = (json.loads(first[1]) if first else {}) | values
                self.said[part][key] = (first[0] if first else line, json.dumps(merged))
        if record.point and record.meter:
            key = (record.meter["manufacturer"], record.meter["serial"])
            self.meter_at.setdefault(key, (line, record.point["facility_id"]))
            if record.placed["role"] == Installation.MAIN:
                self.main_at.setdefault(record.point["facility_id"], (line, key))
        if record.point and record.customer:
            self.customer_at.setdefault(record.point["facility_id"], (line, record.customer["number"]))
        self.members.update((name, _key("meter", record.meter)) for name in record.placed.get("groups", ()))


@dataclass(slots=True)
class Judged:
    """What becomes of a row."""

    line: int
    record: Record
    faults: list[Fault]
    effects: dict[str, Any]

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        if self.faults:
            return Verdict.REFUSED
        said = [effect for effect in self.effects.values() if effect != SAME]
        if not said:
            return Verdict.SAME
        return Verdict.CHANGED if all(isinstance(effect, list) for effect in said) else Verdict.NEW


class Chunk:
    """Some rows of a file against the register. ``headings``: field code -> heading, for faults.

    Its rows are those that are there (``rows``), the ones to be made have no primary key.
    """

    def __init__(
        self,
        utility: Utility,
        records: Iterable[Record],
        seen: Seen,
        headings: Mapping[str, str],
        existing: str,
        *,
        lock: bool = False,
    ) -> None:
        self.utility, self.seen, self.headings, self.existing = utility, seen, headings, existing
        self.made: list[tuple[int, str, Row]] = []  # line, part, the row to be written
        self.changed: list[tuple[int, str, Row, dict[str, Any]]] = []  # line, part, the row, what stood there
        every = list(records)
        keys = {
            part: {tuple(getattr(record, part).get(name, "") for name in names)
                   for record in every if getattr(record, part)}
            for part, names in _KEYS.items()
        }  # fmt: skip
        self.rows: dict[str, dict[Key, Row]] = {}
        for part, names in _KEYS.items():
            there = _MODELS[part].objects.filter(
                utility=utility, **{f"{names[-1]}__in": {key[-1] for key in keys[part]}}
            ).order_by("pk")  # fmt: skip
            if lock:
                there = there.select_for_update(no_key=True)
            self.rows[part] = {tuple(getattr(one, name) for name in names): one for one in there}
        points = [one.pk for one in self.rows["point"].values()]
        meters = [one.pk for one in self.rows["meter"].values()]
        self.sits: dict[int, list[Installation]] = {}
        for one in Installation.objects.filter(meter__in=meters).select_related("point"):
            self.sits.setdefault(one.meter_id, []).append(one)
        self.mains: dict[int, list[Installation]] = {}
        for one in Installation.objects.filter(point__in=points, role=Installation.MAIN).select_related(
            "meter"
        ):
            self.mains.setdefault(one.point_id, []).append(one)
        self.lives: dict[int, Occupancy] = {}  # the newest of each point
        for stay in Occupancy.objects.filter(point__in=points).select_related("customer").order_by("from_at"):
            self.lives[stay.point_id] = stay
        self.groups = {one.name: one for one in Group.objects.filter(utility=utility)} if any(
            record.placed.get("groups") for record in every
        ) else {}  # fmt: skip
        self.members = set(
            GroupMember.objects.filter(meter__in=meters).values_list("group__name", "meter_id")
        ) if self.groups else set()  # fmt: skip
        self.found_at: dict[int, set[str]] = {}  # meter -> identifiers it is found at by radio now
        for meter_id, identifier in MeterAddress.objects.filter(
            meter__in=meters, road="radio", to_at=None
        ).values_list("meter_id", "identifier"):
            self.found_at.setdefault(meter_id, set()).add(identifier)

    def judge(self, line: int, record: Record) -> Judged:
        """Say what a row does, and do it in memory unless it is refused."""
        judged = Judged(line, record, self._against_the_file(record), {})
        for part in _KEYS:
            values = getattr(record, part)
            if values:
                judged.effects[part] = self._effect(part, values)
        if record.meter and record.point:
            judged.effects["installed"], faults = self._installed(record)
            judged.faults += faults
        if record.customer and record.point:
            judged.effects["moved"], faults = self._moved(record)
            judged.faults += faults
        if record.placed.get("groups"):
            judged.effects["groups"] = self._new_groups(record) or SAME
        if identifier := record.placed.get("identifier"):
            meter = self.rows["meter"].get(_key("meter", record.meter))
            if meter is not None and meter.pk and self.existing != LEAVE:
                known = self.found_at.get(meter.pk, set())
                if record.meter["manufacturer"] + identifier not in known:
                    judged.effects["meter"] = [
                        *(judged.effects["meter"] if isinstance(judged.effects["meter"], list) else []),
                        "identifier",
                    ]
        if not judged.faults:
            self.seen.note(line, record)
            self._make_known(line, record)
        return judged

    def _make_known(self, line: int, record: Record) -> None:
        """What the row makes or changes is there for the rows after it."""
        for part, model in _MODELS.items():
            values = getattr(record, part)
            if not values:
                continue
            key = _key(part, values)
            row = self.rows[part].get(key)
            if row is None:
                row = self.rows[part][key] = model(utility=self.utility)
                self.made.append((line, part, row))
            elif row.pk and self.existing == LEAVE:
                continue
            before = {}
            for name, value in values.items():
                was, becomes = getattr(row, name), as_column(name, value)
                if was != becomes:
                    before[name] = was
                    setattr(row, name, becomes)
            if row.pk and before:
                self.changed.append((line, part, row, before))

    def _fault(self, code: str, value: str, text: str, /, **values: Any) -> Fault:
        return Fault(self.headings.get(code, ""), value, text, values)

    def _against_the_file(self, record: Record) -> list[Fault]:
        """What contradicts an earlier line."""
        faults = []
        for part in _KEYS:
            values = getattr(record, part)
            before = self.seen.said[part].get(_key(part, values)) if values else None
            if before is None:
                continue
            said = json.loads(before[1])
            for name in sorted(said.keys() & values.keys()):
                if said[name] != values[name]:
                    code = f"{part}.{name}" if f"{part}.{name}" in BY_CODE else f"{part}.north"
                    faults.append(self._fault(
                        code, str(values[name]), N_("Line %(line)s says otherwise of the same one: %(other)s."),
                        line=before[0], other=str(said[name])))  # fmt: skip
        if record.meter and record.point:
            key, place = _key("meter", record.meter), record.point["facility_id"]
            there = self.seen.meter_at.get(key)
            if there is not None and there[1] != place:
                faults.append(self._fault(
                    "meter.serial", record.meter["serial"],
                    N_("Line %(line)s puts the same meter to %(point)s."), line=there[0], point=there[1]))  # fmt: skip
            main = self.seen.main_at.get(place)
            if record.placed["role"] == Installation.MAIN and main is not None and main[1] != key:
                faults.append(self._fault(
                    "point.facility_id", place,
                    N_("Line %(line)s puts another main meter there. A second one is a sub-meter or control meter."),
                    line=main[0]))  # fmt: skip
        if record.customer and record.point:
            lives = self.seen.customer_at.get(record.point["facility_id"])
            if lives is not None and lives[1] != record.customer["number"]:
                faults.append(self._fault(
                    "customer.number", record.customer["number"],
                    N_("Line %(line)s gives the same metering point to customer %(other)s."),
                    line=lives[0], other=lives[1]))  # fmt: skip
        return faults

    def _effect(self, part: str, values: Mapping[str, Any]) -> str | list[str]:
        """Whether a thing is new, the same, or which of its columns change."""
        key = _key(part, values)
        row = self.rows[part].get(key)
        seen = self.seen.said[part].get(key)
        if row is None or row.pk is None:  # not written yet
            return NEW if seen is None else SAME
        if self.existing == LEAVE:
            return SAME
        changed = [name for name, value in values.items() if getattr(row, name) != as_column(name, value)]
        return changed or SAME

    def _installed(self, record: Record) -> tuple[str, list[Fault]]:
        """As ``installing.install`` judges it."""
        meter, point = self.rows["meter"].get(_key("meter", record.meter)), self.rows["point"].get(
            _key("point", record.point))  # fmt: skip
        serial, role = record.meter["serial"], record.placed["role"]
        at = datetime.fromisoformat(record.placed["installed_at"])
        point_id, faults = (point.pk if point else None), []
        seen = self.seen.meter_at.get(_key("meter", record.meter))
        if seen is not None and seen[1] == record.point["facility_id"]:
            return SAME, []  # an earlier line did it
        history = self.sits.get(meter.pk, []) if meter and meter.pk else []
        now = next((one for one in history if one.to_at is None), None)
        if now is not None and now.point_id == point_id:
            if now.role != role and "placed.role" in self.headings:
                faults.append(self._fault(
                    "placed.role", role, N_("The meter is installed there already, in another role.")))  # fmt: skip
            return SAME, faults
        if isinstance(meter, Meter) and meter.retired_at is not None:
            faults.append(self._fault(
                "meter.serial", serial, N_("The meter is out of use. Take it back into stock first.")))  # fmt: skip
        elif now is not None:
            faults.append(self._fault(
                "meter.serial", serial,
                N_("The meter is installed at %(point)s. Take it down or exchange it there first."),
                point=now.point.facility_id))  # fmt: skip
        elif any(one.to_at is not None and one.to_at > at for one in history):
            faults.append(self._fault(
                "placed.installed_at", at.isoformat(" ", "minutes"),
                N_("At that time the meter was still installed somewhere else.")))  # fmt: skip
        mains = self.mains.get(point_id, []) if point_id else []
        rival = next((one for one in mains if one.to_at is None or one.to_at > at), None)
        if role == Installation.MAIN and rival is not None:
            faults.append(self._fault(
                "point.facility_id", record.point["facility_id"],
                N_("The metering point has another main meter at that time, %(meter)s. Exchange it, or give another"
                   " role."), meter=str(rival.meter)))  # fmt: skip
        return NEW, faults

    def _moved(self, record: Record) -> tuple[str, list[Fault]]:
        """As ``points.move`` judges it."""
        point = self.rows["point"].get(_key("point", record.point))
        number = record.customer["number"]
        seen = self.seen.customer_at.get(record.point["facility_id"])
        if seen is not None and seen[1] == number:
            return SAME, []
        newest = self.lives.get(point.pk) if point and point.pk else None
        if newest is None:
            return NEW, []
        if newest.to_at is None and newest.customer.number == number:
            return SAME, []
        at = datetime.fromisoformat(record.placed["moved_in_at"])
        changed_at = newest.to_at or newest.from_at
        if at < changed_at or (newest.to_at is None and at == changed_at):
            return NEW, [self._fault(
                "placed.moved_in_at", at.isoformat(" ", "minutes"),
                N_("The point changed hands on %(day)s already; give a later day."),
                day=changed_at.date().isoformat())]  # fmt: skip
        return NEW, []

    def _new_groups(self, record: Record) -> list[str]:
        """The groups the meter is not in yet."""
        key = _key("meter", record.meter)
        meter = self.rows["meter"].get(key)
        pk = meter.pk if meter else None
        return [
            name
            for name in record.placed["groups"]
            if (name, pk) not in self.members and (name, key) not in self.seen.members
        ]


def _key(part: str, values: Mapping[str, Any]) -> Key:
    return tuple(values.get(name, "") for name in _KEYS[part])


def as_column(name: str, value: Any) -> Any:
    """A value of a record as its row's column holds it."""
    return date.fromisoformat(value) if name == "revision_due" and isinstance(value, str) else value
