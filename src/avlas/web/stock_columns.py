"""What the list of meters in stock can show of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from avlas.meters.models import GroupMember, Installation, Meter
from avlas.web import formats, words
from avlas.web.list_columns import Column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from django.utils.safestring import SafeString

    from avlas.web.list_columns import Icon


@dataclass(frozen=True, slots=True)
class Stocked:
    """A meter in stock, where it sat last, and the names of the groups it is in."""

    meter: Meter
    last: Installation | None
    groups: list[str] = field(default_factory=list)

    @property
    def pk(self) -> int:
        """The meter's number."""
        return self.meter.pk

    @property
    def title(self) -> str:
        """The meter's serial number."""
        return self.meter.serial

    @property
    def address(self) -> str:
        """The meter's page."""
        return reverse("meter", args=[self.meter.pk])

    @property
    def until(self) -> date | None:
        """The day it was taken down where it sat last."""
        ended = self.last.to_at if self.last else None
        return formats.local(ended).date() if ended else None


def fetch(ids: Sequence[int]) -> list[Stocked]:
    """What is known of the meters with these numbers, in this order; those not there are left out."""
    meters = Meter.objects.in_bulk(ids)
    last = {
        one.meter_id: one
        for one in Installation.objects.filter(meter__in=ids).select_related("point").order_by("to_at")
    }
    named: dict[int, list[str]] = {}
    for one in GroupMember.objects.filter(meter__in=ids).select_related("group").order_by("group__name"):
        named.setdefault(one.meter_id, []).append(one.group.name)
    return [Stocked(meters[pk], last.get(pk), named.get(pk, [])) for pk in ids if pk in meters]


def _type(one: Stocked, icon: Icon) -> SafeString:
    medium = one.meter.medium
    return format_html(
        '<span class="medium" title="{}">{}{}</span>',
        words.medium(medium), icon(words.MEDIUM_ICONS.get(medium, "meter")), one.meter.model or formats.MISSING,
    )  # fmt: skip


COLUMNS: Final[tuple[Column[Stocked], ...]] = (
    Column("serial", _("Serial number"), lambda one: one.meter.serial, css="mono"),
    Column("manufacturer", _("Maker"), lambda one: one.meter.manufacturer),
    Column("type", _("Meter type"), lambda one: one.meter.model, _type),
    Column("medium", _("Medium"), lambda one: words.medium(one.meter.medium)),
    Column("qp", "qp", lambda one: one.meter.qp_m3h, css="figure", narrow=False, unit="m³/h"),
    Column(
        "year",
        _("Year of manufacture"),
        lambda one: one.meter.manufactured_year,
        lambda one, _icon: str(one.meter.manufactured_year or ""),
        css="nowrap",
        narrow=False,
    ),
    Column("last", _("Was installed at"), lambda one: str(one.last.point) if one.last else "", css="full"),
    Column("until", _("Taken down"), lambda one: one.until, css="nowrap", narrow=False),
    Column("groups", _("Groups"), lambda one: ", ".join(one.groups)),
    Column("revision", _("Revision due"), lambda one: one.meter.revision_due, css="nowrap"),
    Column("added", _("Added"), lambda one: one.meter.created_at, css="nowrap"),
)
STANDARD: Final = ("serial", "manufacturer", "type", "qp", "year", "last", "until")
SEARCHED: Final = {"serial": ("serial",), "manufacturer": ("manufacturer",), "type": ("model",)}
SORTS: Final = {
    "serial": ("serial",),
    "manufacturer": ("manufacturer", "model", "serial"),
    "type": ("model", "serial"),
    "qp": ("qp_m3h", "serial"),
    "year": ("manufactured_year", "serial"),
}
