"""The one list of what is known of a meter: tables, exports, reports and the API choose their columns from it.

A variable has a code, a title in the reader's language, a unit, and says how its value is found among the facts of
a meter, which are fetched for many meters at once. Registers are variables under their own codes; a variable of the
customer or the point is that of who and where the meter is now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from avlas.decode.families import canonical
from avlas.decode.registers import BY_CODE, REGISTERS
from avlas.meters.models import (
    Customer,
    GroupMember,
    Installation,
    Meter,
    MeteringPoint,
    MeterState,
    Occupancy,
)
from avlas.reports.calc.shown_in import converted_decimals
from avlas.reports.latest import latest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from django.utils.functional import Promise

    from avlas.decode.registers import Register
    from avlas.reports.latest import Latest


_METERS_AT_ONCE: Final = 2000
_STATE_FIELDS: Final = (
    "meter_id", "last_heard_at", "last_read_at", "last_collector", "rssi_dbm", "state", "security", "heard",
    "info_code",
)  # fmt: skip
"""What variables look at in a meter's state."""


@dataclass(slots=True)
class Facts:
    """What is known of one meter now."""

    meter: Meter
    installation: Installation | None = None
    point: MeteringPoint | None = None
    customer: Customer | None = None
    states: list[MeterState] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    registers: dict[str, Latest] = field(default_factory=dict)

    @property
    def newest_state(self) -> MeterState | None:
        """The address that was heard last; None when nothing was ever heard."""
        return max(self.states, key=lambda state: state.last_heard_at, default=None)

    @property
    def last_read_at(self) -> datetime | None:
        """When the meter was last read, by whatever road."""
        return max((state.last_read_at for state in self.states if state.last_read_at), default=None)

    @property
    def info_code(self) -> int | None:
        """The newest active info code; None for none."""
        return next((state.info_code for state in self.states if state.info_code), None)


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing that can be known of a meter.

    ``kind`` tells how its value is shown: text, code (a number or name that is read letter by letter), number,
    moment, or the name of a list of words (medium, state, role, info) that the pages have for it. ``value`` gives
    None when it is not known.
    """

    code: str
    part: str  # one of PARTS
    kind: str
    value: Callable[[Facts], str | float | Decimal | datetime | None]
    name: Promise | None = None
    register: Register | None = None
    unit: str = ""
    decimals: int | None = None

    @property
    def title(self) -> str:
        """What it is called in the reader's language; registers with the trade's short name."""
        if self.register is None:
            return str(self.name)
        words = self.register.sv if (get_language() or "sv").startswith("sv") else self.register.en
        return f"{words} {self.register.symbol}".strip()

    @property
    def heading(self) -> str:
        """The title with the unit, for the head of a column."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


PARTS: Final[dict[str, Promise]] = {
    "customer": _("Customer"),
    "point": _("Metering point"),
    "meter": _("Meter"),
    "reception": _("Reception"),
    "register": _("Latest values"),
}


def _customer(code: str, name: Promise, of: Callable[[Customer], str], kind: str = "text") -> Variable:
    return Variable(
        code, "customer", kind, lambda facts: of(facts.customer) if facts.customer else None, name
    )


def _point(
    code: str, name: Promise, of: Callable[[MeteringPoint], str | float | None], kind: str = "text"
) -> Variable:
    return Variable(code, "point", kind, lambda facts: of(facts.point) if facts.point else None, name)


def _state(
    code: str,
    name: Promise,
    of: Callable[[MeterState], str | float | datetime | None],
    kind: str = "text",
    unit: str = "",
) -> Variable:
    def value(facts: Facts) -> str | float | datetime | None:
        return of(facts.newest_state) if facts.newest_state else None

    return Variable(code, "reception", kind, value, name, unit=unit)


def _register(register: Register) -> Variable:
    code = register.code

    def value(facts: Facts) -> str | float | Decimal | None:
        found = facts.registers.get(code)
        return None if found is None else in_canonical_unit(found)

    return Variable(
        code, "register", "info" if code == "info_code" else "number", value,
        register=register, unit=register.unit, decimals=register.decimals,
    )  # fmt: skip


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def in_canonical_unit(found: Latest) -> Decimal | str | float:
    """A register's value in the unit of its column, with the decimals that the meter's own figure deserves.

    A register whose unit is the meter's own affair (a pulse input) is given with it, as a text.
    """
    if not isinstance(found.figure, Decimal):
        return found.value
    if not found.register.unit:
        return f"{found.figure:f} {found.unit}".strip() if found.unit else found.figure
    if found.unit == found.register.unit:
        return found.figure
    one = canonical(Decimal(1), found.unit)
    decimals = converted_decimals(found.decimals, Decimal(one[0])) if one else found.register.decimals
    return Decimal(repr(found.value)).quantize(Decimal(1).scaleb(-decimals))


VARIABLES: Final[tuple[Variable, ...]] = (
    _customer("customer", _("Customer"), lambda one: one.name or one.number),
    _customer("customer_number", _("Customer number"), lambda one: one.number, "code"),
    _customer("customer_phone", _("Phone"), lambda one: one.phone),
    _customer("customer_email", _("E-mail"), lambda one: one.email),
    _point("facility_id", _("Facility"), lambda one: one.facility_id, "code"),
    _point("address", _("Address"), lambda one: one.address),
    _point("postal_code", _("Postal code"), lambda one: one.postal_code),
    _point("city", _("City"), lambda one: one.city),
    _point("district", _("District"), lambda one: one.district),
    _point("property_name", _("Property"), lambda one: one.property_name),
    _point("latitude", _("Latitude"), lambda one: one.latitude, "coordinate"),
    _point("longitude", _("Longitude"), lambda one: one.longitude, "coordinate"),
    Variable("role", "point", "role", lambda one: one.installation.role if one.installation else None, _("Role")),
    Variable("installed", "point", "moment", lambda one: one.installation.from_at if one.installation else None,
             _("Installed since")),
    Variable("type", "meter", "text", lambda one: one.meter.model or one.meter.manufacturer, _("Meter type")),
    Variable("manufacturer", "meter", "text", lambda one: one.meter.manufacturer, _("Maker")),
    Variable("serial", "meter", "code", lambda one: one.meter.serial, _("Serial number")),
    Variable("medium", "meter", "medium", lambda one: one.meter.medium or None, _("Medium")),
    Variable("qp", "meter", "number", lambda one: one.meter.qp_m3h, _("Nominal flow qp"), unit="m³/h"),
    Variable("mounted_in", "meter", "pipe", lambda one: one.meter.mounted_in or None, _("Mounted in")),
    Variable("litres_per_pulse", "meter", "number", lambda one: one.meter.litres_per_pulse, _("Pulse value"),
             unit="l"),
    Variable("accuracy_class", "meter", "text", lambda one: one.meter.accuracy_class or None, _("Accuracy class")),
    Variable("manufactured_year", "meter", "code", lambda one: _text(one.meter.manufactured_year),
             _("Year of manufacture")),
    Variable("seals", "meter", "text", lambda one: one.meter.seals or None, _("Seals")),
    Variable("groups", "meter", "text", lambda one: ", ".join(one.groups) or None, _("Groups")),
    Variable("interval", "meter", "number", lambda one: one.meter.slot_seconds // 60, _("Reading interval"),
             unit="min", decimals=0),
    Variable("created", "meter", "moment", lambda one: one.meter.created_at, _("Added")),
    Variable("latest", "reception", "moment", lambda one: one.last_read_at, _("Latest")),
    _state("last_heard", _("Last heard"), lambda one: one.last_heard_at, "moment"),
    _state("state", _("State"), lambda one: one.state, "state"),
    Variable("info", "reception", "info", lambda one: one.info_code, _("Info code")),
    _state("receiver", _("Receiver"), lambda one: str(one.last_collector) if one.last_collector else None),
    _state("signal", _("Signal"), lambda one: one.rssi_dbm, "number", "dBm"),
    _state("security", _("Encryption"), lambda one: one.security or None, "security"),
    _state("heard", _("Telegrams"), lambda one: one.heard, "number"),
    *(_register(one) for one in REGISTERS if one.code != "info_code"),
)  # fmt: skip
"""In the order in which they are offered."""
BY_VARIABLE: Final[dict[str, Variable]] = {one.code: one for one in VARIABLES}


def chosen(codes: Iterable[str]) -> list[Variable]:
    """Give the variables with these codes, in this order, each once; unknown codes are passed over."""
    return [BY_VARIABLE[code] for code in dict.fromkeys(codes) if code in BY_VARIABLE]


def fetch(
    meter_ids: Sequence[int], variables: Iterable[Variable], *, whereabouts: bool = True
) -> list[Facts]:
    """Give what ``variables`` need to know of these meters, in this order, in a few queries however many they are.

    The meter itself and where it is are always there; without ``whereabouts`` its place and customer are not looked up,
    for callers that know them of another time than now. Whose meters they are must have been tested; ids that are not
    there are left out.
    """
    wanted = list(variables)
    found: dict[int, Facts] = {}
    for start in range(0, len(meter_ids), _METERS_AT_ONCE):
        found |= _some(meter_ids[start : start + _METERS_AT_ONCE], wanted, whereabouts)
    return [found[pk] for pk in meter_ids if pk in found]


def _some(ids: Sequence[int], wanted: Sequence[Variable], whereabouts: bool) -> dict[int, Facts]:
    codes, parts = {one.code for one in wanted}, {one.part for one in wanted}
    found = {meter.pk: Facts(meter) for meter in Meter.objects.filter(pk__in=ids).defer("config")}
    if whereabouts:
        _place(found, ids, with_customer="customer" in parts)
    if "reception" in parts:
        states = MeterState.objects.filter(meter_id__in=ids).only(*_STATE_FIELDS)
        for state in states.select_related("last_collector") if "receiver" in codes else states:
            if state.meter_id is not None:
                found[state.meter_id].states.append(state)
    if "groups" in codes:
        members = GroupMember.objects.filter(meter_id__in=ids).order_by("group__name")
        for meter_id, name in members.values_list("meter_id", "group__name"):
            found[meter_id].groups.append(name)
    for meter_id, values in latest_of(ids, [code for code in BY_CODE if code in codes]).items():
        found[meter_id].registers = values
    return found


def _place(found: dict[int, Facts], ids: Sequence[int], *, with_customer: bool) -> None:
    """Say where the meters are now, and whose that place is."""
    points: dict[int, list[Facts]] = {}
    for installation in Installation.objects.filter(meter_id__in=ids, to_at=None).select_related("point"):
        facts = found[installation.meter_id]
        facts.installation, facts.point = installation, installation.point
        points.setdefault(installation.point_id, []).append(facts)
    if with_customer:
        for occupancy in Occupancy.objects.filter(point_id__in=points, to_at=None).select_related("customer"):
            for facts in points[occupancy.point_id]:
                facts.customer = occupancy.customer
