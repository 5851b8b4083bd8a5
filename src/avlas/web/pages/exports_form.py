"""The form of an export: what is chosen there becomes a layout, and the other way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.meters.models import Installation, Meter
from avlas.transfer.exports import catalogue
from avlas.transfer.exports.layout import (
    ENCODINGS,
    EXCEL,
    FIXED,
    OWN,
    SEPARATED,
    STANDARD,
    Column,
    Layout,
    check,
)
from avlas.web import words
from avlas.web.pages.account import time_zones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import QueryDict

    from avlas.system.models import Utility

_SIGNS: Final = {"\t": "tab"}  # how a sign stands in the form, where it can't stand itself
_PLAIN: Final = {"spellcheck": "false", "autocomplete": "off"}
PARTS: Final = (
    (gettext_lazy("Which meters"), ("group", "medium", "role", "only_installed")),
    (gettext_lazy("Which values"), ("interval", "borders", "interpolate", "only_network")),
    (gettext_lazy("The file"), ("kind", "file_name", "encoding", "newline", "header", "language")),
    (
        gettext_lazy("How it is written"),
        ("separator", "quote", "quoting", "decimal", "thousands", "date", "zone", "guard"),
    ),
)


def _choice(label: Any, *choices: tuple[str, Any], help_text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False, help_text=help_text)


class LayoutForm(forms.Form):
    """Everything of a layout but its columns."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    note = forms.CharField(label=gettext_lazy("Note"), max_length=300, required=False)
    group = _choice(gettext_lazy("Group"))
    medium = _choice(gettext_lazy("Medium"))
    role = _choice(gettext_lazy("Role"), ("", gettext_lazy("all")), *Installation.ROLES)
    only_installed = forms.BooleanField(
        label=gettext_lazy("Only meters at a metering point"),
        required=False,
        help_text=gettext_lazy("Otherwise meters that nobody has installed have a row as well."),
    )
    interval = _choice(
        gettext_lazy("A row for"),
        ("period", gettext_lazy("the whole period")),
        ("month", gettext_lazy("each month")),
        ("day", gettext_lazy("each day")),
        ("hour", gettext_lazy("each hour")),
        help_text=gettext_lazy("A meter exchange or a change of customer begins a new row."),
    )
    borders = _choice(
        gettext_lazy("Days begin"),
        (STANDARD, gettext_lazy("at midnight in standard time (UTC+1 all year)")),
        help_text=gettext_lazy("The Swedish rule for measured values is standard time."),
    )
    interpolate = forms.BooleanField(
        label=gettext_lazy("Interpolate where a value is missing"),
        required=False,
        help_text=gettext_lazy("Only between measured counters, always marked. Temperatures never."),
    )
    only_network = forms.BooleanField(
        label=gettext_lazy("Only for meters that a fixed network reads"), required=False
    )
    kind = _choice(
        gettext_lazy("Kind"),
        (SEPARATED, gettext_lazy("separated (CSV)")),
        (FIXED, gettext_lazy("fixed widths")),
        (EXCEL, gettext_lazy("Excel")),
    )
    file_name = forms.CharField(
        label=gettext_lazy("File name"),
        max_length=150,
        help_text=gettext_lazy(
            "{name}, {from}, {to}, {month}, {made}, {number} and {utility} are filled in."
        ),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    encoding = _choice(gettext_lazy("Encoding"), *ENCODINGS.items())
    newline = _choice(gettext_lazy("Lines end with"), ("crlf", "CR LF (Windows)"), ("lf", "LF (Unix)"))
    header = forms.BooleanField(label=gettext_lazy("Headings in the first line"), required=False)
    language = _choice(gettext_lazy("Words in"), ("sv", "Svenska"), ("en", "English"))
    separator = _choice(
        gettext_lazy("Separator"),
        (";", gettext_lazy("semicolon ;")),
        (",", gettext_lazy("comma ,")),
        ("tab", gettext_lazy("tab")),
        ("|", gettext_lazy("bar |")),
    )
    quote = forms.CharField(
        label=gettext_lazy("Quotation mark"),
        max_length=1,
        widget=forms.TextInput(attrs={"size": 2, **_PLAIN}),
    )
    quoting = _choice(
        gettext_lazy("Quotation marks"),
        ("needed", gettext_lazy("where needed")),
        ("always", gettext_lazy("around everything")),
        ("never", gettext_lazy("never (separators in texts become blanks)")),
    )
    decimal = _choice(
        gettext_lazy("Decimal sign"), (",", gettext_lazy("comma ,")), (".", gettext_lazy("point ."))
    )
    thousands = _choice(
        gettext_lazy("Thousands sign"),
        ("", gettext_lazy("none")),
        ("blank", gettext_lazy("blank")),
        (".", gettext_lazy("point .")),
        (",", gettext_lazy("comma ,")),
        ("'", gettext_lazy("apostrophe '")),
    )
    date = forms.CharField(
        label=gettext_lazy("Dates"),
        max_length=40,
        help_text=gettext_lazy("dd-MM-yyyy HH:mm, yyyy-MM-dd, yyyyMMdd; XXX is the offset from UTC."),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    zone = _choice(gettext_lazy("Time zone of the dates"))
    guard = forms.BooleanField(
        label=gettext_lazy("Disarm what a spreadsheet would take for a formula"),
        required=False,
        help_text=gettext_lazy(
            "A text that begins with = + - or @ gets a ' before it. Leave it out only for a program that must have "
            "every text as it is."
        ),
    )

    def __init__(
        self, data: QueryDict | None, *, layout: Layout, name: str, note: str, utility: Utility
    ) -> None:
        first = {one: getattr(layout, one) for one in self.base_fields if hasattr(layout, one)}
        first |= {
            "name": name,
            "note": note,
            "separator": _SIGNS.get(layout.separator, layout.separator),
            "thousands": "blank" if layout.thousands == " " else layout.thousands,
        }
        super().__init__(data, initial=first)
        media = Meter.objects.filter(utility=utility).exclude(medium="")
        offered = {
            "group": groups.choices(utility.pk),
            "medium": [("", _("all")), *((one, words.medium(one)) for one in
                       sorted(set(media.values_list("medium", flat=True))))],
            "borders": [*self.fields["borders"].choices,  # type: ignore[attr-defined]
                        *((one, _("at midnight in %(zone)s") % {"zone": one}) for one, _title in time_zones())],
            "zone": [(STANDARD, _("standard time (UTC+1 all year)")), *time_zones()],
        }  # fmt: skip
        for one in self.fields.values():
            if isinstance(one, forms.ChoiceField):
                one.widget.attrs["class"] = "short"
        for field_name, choices in offered.items():
            self.fields[field_name].choices = choices  # type: ignore[attr-defined]
        for field_name, field in self.fields.items():  # what an imported file says may be none of the usual
            value = first.get(field_name)
            if isinstance(field, forms.ChoiceField) and value not in dict(field.choices):
                field.choices = [*field.choices, (value, value)]  # type: ignore[list-item]

    @property
    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings."""
        return [(str(title), [self[name] for name in names]) for title, names in PARTS]

    def layout(self, columns: Sequence[Column]) -> Layout:
        """The layout that a valid form and its columns say. Raises BadLayout."""
        values = {name: value for name, value in self.cleaned_data.items() if name not in ("name", "note")}
        values["separator"] = {"tab": "\t"}.get(values["separator"], values["separator"])
        values["thousands"] = {"blank": " "}.get(values["thousands"], values["thousands"])
        made = replace(Layout(), columns=tuple(columns), **values)
        check(made, catalogue.known())
        return made


def posted_columns(data: QueryDict) -> list[Column]:
    """The columns as the form has them, moved, removed or added as its button says."""
    lists = {
        name: data.getlist(f"column_{name}")
        for name in ("code", "heading", "text", "unit", "decimals", "width", "side", "fill", "overflow")
    }
    known = catalogue.known() | {"constant"}
    found = []
    for place, code in enumerate(lists["code"][:200]):

        def given(name: str, usual: str, place: int = place) -> str:
            values = lists[name]
            return values[place] if place < len(values) else usual

        if code not in known:
            continue
        decimals, width = given("decimals", ""), given("width", "")
        found.append(
            Column(
                code,
                heading=given("heading", "")[:100],
                text=given("text", "")[:200],
                unit=given("unit", OWN),
                decimals=int(decimals) if decimals.isascii() and decimals.isdigit() else None,
                width=int(width) if width.isascii() and width.isdigit() else 12,
                side=given("side", "left"),
                fill=given("fill", " ")[:1] or " ",
                overflow=given("overflow", "refuse"),
            )
        )
    return _acted(found, data.get("act", ""), [code for code in data.getlist("new") if code in known])


def _acted(columns: list[Column], act: str, new: Sequence[str]) -> list[Column]:
    what, _dash, number = act.partition("-")
    place = int(number) if number.isascii() and number.isdigit() else -1
    if what == "add":
        columns += [Column(code) for code in new]
    elif what == "remove" and 0 <= place < len(columns):
        del columns[place]
    elif what == "up" and 0 < place < len(columns):
        columns[place - 1], columns[place] = columns[place], columns[place - 1]
    elif what == "down" and 0 <= place < len(columns) - 1:
        columns[place + 1], columns[place] = columns[place], columns[place + 1]
    return columns
