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

from django.db import connection

from avlas.meters import column_store, model_rows
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
"""What of each thing an import may write."""
_KEYS: Final = {CUSTOMER: ("number",), POINT: ("facility_id",), METER: ("manufacturer", "serial")}

Key = tuple[str, ...]
Keys = dict[str, Key]  # of the things a row speaks of, by part


@dataclass(slots=True, eq=False)
class Thing:
    """A customer, metering point or meter, as far as an import writes it. ``pk`` None: to be made."""

    key: Key
    values: dict[str, Any] = field(default_factory=dict)  # all of COLUMNS once it is there
    pk: int | None = None
    retired: bool = False

    @property
    def name(self) -> str:
        """As ``changes.name_of`` says it."""
        return "".join(self.key)


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

    def note(self, line: int, record: Record, keys: Keys) -> None:
        """Remember an accepted row."""
        for part, key in keys.items():
            values, first = getattr(record, part), self.said[part].get(key)
            if first is None:
                self.said[part][key] = (line, json.dumps(values))
            else:
                self.said[part][key] = (first[0], json.dumps(json.loads(first[1]) | values))
        meter, point = keys.get(METER), keys.get(POINT)
        if point and meter:
            self.meter_at.setdefault(meter, (line, point[0]))
            if record.placed["role"] == Installation.MAIN:
                self.main_at.setdefault(point[0], (line, meter))
        if point and CUSTOMER in keys:
            self.customer_at.setdefault(point[0], (line, keys[CUSTOMER][0]))
        if meter:
            self.members.update((name, meter) for name in record.placed.get("groups", ()))


@dataclass(slots=True)
class Judged:
    """What becomes of a row."""

    line: int
    record: Record
    faults: list[Fault]
    effects: dict[str, Any]
    keys: Keys = field(default_factory=dict)

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

    Its things are those that are there and those to be made (``things``).
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
        self.made: list[tuple[int, str, Thing]] = []  # line, part, the thing to be written
        self.changed: list[
            tuple[int, str, Thing, dict[str, Any]]
        ] = []  # line, part, the thing, what stood there
        every = list(records)
        self.things: dict[str, dict[Key, Thing]] = {}
        for part, names in _KEYS.items():
            wanted = {values.get(names[-1], "") for record in every if (values := getattr(record, part))}
            self.things[part] = _stored(utility, part, wanted, lock=lock) if wanted else {}
        points = [one.pk for one in self.things[POINT].values()]
        meters = [one.pk for one in self.things[METER].values()]
        self.sits: dict[int, list[Installation]] = {}
        self.mains: dict[int, list[Installation]] = {}
        self.lives: dict[int, Occupancy] = {}  # the newest of each point
        self.found_at: dict[int, set[str]] = {}  # meter -> identifiers it is found at by radio now
        if meters:
            for one in Installation.objects.filter(meter__in=meters).select_related("point"):
                self.sits.setdefault(one.meter_id, []).append(one)
            for meter_id, identifier in MeterAddress.objects.filter(
                meter__in=meters, road="radio", to_at=None
            ).values_list("meter_id", "identifier"):
                self.found_at.setdefault(meter_id, set()).add(identifier)
        if points:
            mains = Installation.objects.filter(point__in=points, role=Installation.MAIN)
            for one in mains.select_related("meter"):
                self.mains.setdefault(one.point_id, []).append(one)
            stays = Occupancy.objects.filter(point__in=points).select_related("customer")
            for stay in stays.order_by("from_at"):
                self.lives[stay.point_id] = stay
        self.groups = {one.name: one for one in Group.objects.filter(utility=utility)} if any(
            record.placed.get("groups") for record in every
        ) else {}  # fmt: skip
        self.members = set(
            GroupMember.objects.filter(meter__in=meters).values_list("group__name", "meter_id")
        ) if self.groups else set()  # fmt: skip

    def judge(self, line: int, record: Record) -> Judged:
        """Say what a row does, and do it in memory unless it is refused."""
        keys = keys_of(record)
        judged = Judged(line, record, self._against_the_file(record, keys), {}, keys)
        for part, key in keys.items():
            judged.effects[part] = self._effect(part, key, getattr(record, part))
        if METER in keys and POINT in keys:
            judged.effects["installed"], faults = self._installed(record, keys)
            judged.faults += faults
        if CUSTOMER in keys and POINT in keys:
            judged.effects["moved"], faults = self._moved(record, keys)
            judged.faults += faults
        if record.placed.get("groups"):
            judged.effects["groups"] = self._new_groups(record, keys) or SAME
        if identifier := record.placed.get("identifier"):
            meter = self.things[METER].get(keys[METER])
            if meter is not None and meter.pk and self.existing != LEAVE:
                known = self.found_at.get(meter.pk, set())
                if record.meter["manufacturer"] + identifier not in known:
                    judged.effects[METER] = [
                        *(judged.effects[METER] if isinstance(judged.effects[METER], list) else []),
                        "identifier",
                    ]
        if not judged.faults:
            self.seen.note(line, record, keys)
            self._make_known(line, record, keys)
        return judged

    def _make_known(self, line: int, record: Record, keys: Keys) -> None:
        """What the row makes or changes is there for the rows after it."""
        for part, key in keys.items():
            values, thing = as_columns(getattr(record, part)), self.things[part].get(key)
            if thing is None:
                thing = self.things[part][key] = Thing(key)
                self.made.append((line, part, thing))
            if thing.pk is None:
                thing.values.update(values)
            elif self.existing != LEAVE:
                before = {
                    name: thing.values[name] for name, value in values.items() if thing.values[name] != value
                }
                if before:
                    thing.values.update(values)
                    self.changed.append((line, part, thing, before))

    def _fault(self, code: str, value: str, text: str, /, **values: Any) -> Fault:
        return Fault(self.headings.get(code, ""), value, text, values)

    def _against_the_file(self, record: Record, keys: Keys) -> list[Fault]:
        """What contradicts an earlier line."""
        faults = []
        for part, key in keys.items():
            before = self.seen.said[part].get(key)
            if before is None:
                continue
            values, said = getattr(record, part), json.loads(before[1])
            for name in sorted(said.keys() & values.keys()):
                if said[name] != values[name]:
                    code = f"{part}.{name}" if f"{part}.{name}" in BY_CODE else f"{part}.north"
                    faults.append(self._fault(
                        code, str(values[name]), N_("Line %(line)s says otherwise of the same one: %(other)s."),
                        line=before[0], other=str(said[name])))  # fmt: skip
        if METER in keys and POINT in keys:
            key, place = keys[METER], keys[POINT][0]
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
        if CUSTOMER in keys and POINT in keys:
            lives = self.seen.customer_at.get(record.point["facility_id"])
            if lives is not None and lives[1] != record.customer["number"]:
                faults.append(self._fault(
                    "customer.number", record.customer["number"],
                    N_("Line %(line)s gives the same metering point to customer %(other)s."),
                    line=lives[0], other=lives[1]))  # fmt: skip
        return faults

    def _effect(self, part: str, key: Key, values: Mapping[str, Any]) -> str | list[str]:
        """Whether a thing is new, the same, or which of its columns change."""
        thing = self.things[part].get(key)
        if thing is None or thing.pk is None:  # not written yet
            return SAME if key in self.seen.said[part] else NEW
        if self.existing == LEAVE:
            return SAME
        changed = [name for name, value in as_columns(values).items() if thing.values[name] != value]
        return changed or SAME

    def _installed(self, record: Record, keys: Keys) -> tuple[str, list[Fault]]:
        """As ``installing.install`` judges it."""
        meter, point = self.things[METER].get(keys[METER]), self.things[POINT].get(keys[POINT])
        serial, role = record.meter["serial"], record.placed["role"]
        at = datetime.fromisoformat(record.placed["installed_at"])
        point_id, faults = (point.pk if point else None), []
        seen = self.seen.meter_at.get(keys[METER])
        if seen is not None and seen[1] == record.point["facility_id"]:
            return SAME, []  # an earlier line did it
        history = self.sits.get(meter.pk, []) if meter and meter.pk else []
        now = next((one for one in history if one.to_at is None), None)
        if now is not None and now.point_id == point_id:
            if now.role != role and "placed.role" in self.headings:
                faults.append(self._fault(
                    "placed.role", role, N_("The meter is installed there already, in another role.")))  # fmt: skip
            return SAME, faults
        if meter is not None and meter.retired:
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

    def _moved(self, record: Record, keys: Keys) -> tuple[str, list[Fault]]:
        """As ``points.move`` judges it."""
        point = self.things[POINT].get(keys[POINT])
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

    def _new_groups(self, record: Record, keys: Keys) -> list[str]:
        """The groups the meter is not in yet."""
        meter = self.things[METER].get(keys[METER])
        pk = meter.pk if meter else None
        return [
            name
            for name in record.placed["groups"]
            if (name, pk) not in self.members and (name, keys[METER]) not in self.seen.members
        ]


def keys_of(record: Record) -> Keys:
    """What the things a row speaks of are told apart by."""
    return {
        part: tuple([values.get(name, "") for name in names])
        for part, names in _KEYS.items()
        if (values := getattr(record, part))
    }


def _stored(utility: Utility, part: str, wanted: set[str], *, lock: bool) -> dict[Key, Thing]:
    """The utility's things of which the last column of the key is among ``wanted``."""
    names, columns, keys = COLUMNS[part], _KEYS[part], [COLUMNS[part].index(name) for name in _KEYS[part]]
    condition, parameter = column_store.among(connection, columns[-1], sorted(wanted))
    retired = "retired_at IS NOT NULL" if part == METER else "1 = 0"
    ending = " FOR NO KEY UPDATE" if lock and connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {retired}, {', '.join(names)} FROM {model_rows.table(MODELS[part])}"
            f" WHERE utility_id = %s AND {condition} ORDER BY id{ending}",
            [utility.pk, parameter],
        )
        rows = cursor.fetchall()
    found = {}
    for pk, is_retired, *values in rows:
        key = tuple([values[place] for place in keys])
        found[key] = Thing(key, dict(as_columns(dict(zip(names, values, strict=True)))), pk, bool(is_retired))
    return found


def as_columns(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a record as its thing's columns hold them."""
    due = values.get("revision_due")
    return {**values, "revision_due": date.fromisoformat(due)} if isinstance(due, str) else values
