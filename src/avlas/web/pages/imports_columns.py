"""How an imported file is understood: encoding, delimiter, which column is what, and what holds for all rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.core.validators import RegexValidator
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import wellformed
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.calc.sweref import SYSTEMS
from avlas.system.told import in_words
from avlas.transfer.imports import cells, fields, sheet, work
from avlas.transfer.imports.errors import Misfit, SheetError
from avlas.transfer.imports.models import Import, ImportFile, ImportKind, ImportMapping, ImportStatus
from avlas.transfer.imports.settings import CHANGE, LEAVE, Settings
from avlas.web import formats
from avlas.web.pages.access import PageRequest, find, page, record
from avlas.web.pages.fields import date_field
from avlas.web.pages.meter_edit import MANAGE, media_choices

if TYPE_CHECKING:
    from django.http import HttpResponse, QueryDict

    from avlas.transfer.imports.sheet import Sheet

_SAMPLES: Final = 3
_LONGEST_SAMPLE: Final = 40
ENCODING_NAMES: Final[dict[str, str]] = {
    "utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252", "iso8859-1": "ISO 8859-1",
    "mac_roman": "Mac Roman", "cp850": "DOS (CP 850)",
}  # fmt: skip


def _delimiters() -> list[tuple[str, str]]:
    return [(";", _("semicolon ;")), (",", _("comma ,")), ("\t", _("tab")), ("|", _("bar |"))]


class HowForm(forms.Form):
    """How the file is read. Everything has been guessed; what is chosen here goes before the guess."""

    encoding = forms.ChoiceField(label=gettext_lazy("Encoding"), choices=list(ENCODING_NAMES.items()))
    delimiter = forms.ChoiceField(label=gettext_lazy("Delimiter"), choices=_delimiters)
    worksheet = forms.ChoiceField(label=gettext_lazy("Worksheet"))
    heading_line = forms.IntegerField(
        label=gettext_lazy("Headings stand in line"),
        min_value=0,
        max_value=60,
        help_text=gettext_lazy("0: there are none; the columns are then called A, B, C …"),
    )

    def __init__(self, data: QueryDict | None, table: Sheet) -> None:
        how = table.how
        super().__init__(
            data, initial={"encoding": how.encoding, "delimiter": how.delimiter, "worksheet": how.worksheet,
                           "heading_line": how.heading_line}
        )  # fmt: skip
        if table.typed:
            del self.fields["encoding"], self.fields["delimiter"]
            field = self.fields["worksheet"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(name, name) for name in table.worksheets]
        else:
            del self.fields["worksheet"]
            field = self.fields["delimiter"]
            assert isinstance(field, forms.ChoiceField)
            if how.delimiter not in sheet.DELIMITERS:
                field.choices = [*_delimiters(), (how.delimiter, how.delimiter)]


class ColumnsForm(forms.Form):
    """Which column is what, and what holds where the file says nothing."""

    manufacturer = forms.CharField(
        label=gettext_lazy("Maker of all meters"),
        required=False,
        max_length=3,
        validators=[
            RegexValidator(rf"^{wellformed.MAKER.pattern}$", gettext_lazy("Three letters, for example KAM."))
        ],
        help_text=gettext_lazy("Three letters. Used where the file does not name the maker."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    medium = forms.ChoiceField(
        label=gettext_lazy("Medium of all meters"),
        choices=media_choices,
        required=False,
        help_text=gettext_lazy("Used where the file does not name the medium."),
    )
    since = date_field(
        label=gettext_lazy("Installed and moved in since"),
        required=False,
        help_text=gettext_lazy("Used where the file does not name a day. Empty: the day of the import."),
    )
    system = forms.ChoiceField(
        label=gettext_lazy("Coordinates in"),
        required=False,
        choices=lambda: [("", _("as they look: degrees, else SWEREF 99 TM")),
                         *((name, name) for name in (cells.WGS84, *SYSTEMS))],
    )  # fmt: skip
    clock = forms.ChoiceField(
        label=gettext_lazy("Times in the file are"),
        choices=[(cells.CIVIL, gettext_lazy("Swedish time, with summer time")),
                 (cells.STANDARD, gettext_lazy("standard time all year (UTC+1)")), (cells.UNIVERSAL, "UTC")],
    )  # fmt: skip
    decimal = forms.ChoiceField(
        label=gettext_lazy("Decimal sign"),
        required=False,
        choices=[("", gettext_lazy("point or comma, as each number looks")), (",", gettext_lazy("comma")),
                 (".", gettext_lazy("point"))],
    )  # fmt: skip
    existing = forms.ChoiceField(
        label=gettext_lazy("What is there already"),
        choices=[(CHANGE, gettext_lazy("gets the values of the file; empty cells change nothing")),
                 (LEAVE, gettext_lazy("keeps its values; only what is new is added"))],
        widget=forms.RadioSelect,
    )  # fmt: skip
    save_as = forms.CharField(
        label=gettext_lazy("Save this mapping as"),
        max_length=80,
        required=False,
        help_text=gettext_lazy(
            "For the next file of this kind, and for jobs. A mapping of this name is replaced."
        ),
    )

    def __init__(
        self, data: QueryDict | None, table: Sheet, settings: Settings, chosen: list[str], kind: str
    ) -> None:
        first = {
            "manufacturer": settings.manufacturer, "medium": settings.medium, "system": settings.system,
            "clock": settings.clock, "decimal": settings.decimal, "existing": settings.existing,
            "since": settings.since,
        }  # fmt: skip
        super().__init__(data, initial=first)
        self.table = table
        if table.typed:
            del self.fields["decimal"]
        if kind != ImportKind.REGISTER:
            for name in ("medium", "since", "system", "existing"):
                del self.fields[name]
        samples = table.sample(60)
        self.samples: list[list[str]] = []
        for place, heading in enumerate(table.headings):
            values = (line.cells[place] for line in samples if place < len(line.cells) and line.cells[place])
            self.samples.append([_short(value) for value in islice(dict.fromkeys(values), _SAMPLES)])
            self.fields[f"column_{place}"] = forms.ChoiceField(
                label=heading, choices=_field_choices(kind), required=False, initial=chosen[place]
            )

    @property
    def column_fields(self) -> list[tuple[forms.BoundField, list[str]]]:
        """The choice of each column, with the first values that stand in it."""
        return [(self[f"column_{place}"], values) for place, values in enumerate(self.samples)]

    def clean_manufacturer(self) -> str:
        """In capitals."""
        return str(self.cleaned_data["manufacturer"]).upper()

    def clean_since(self) -> str:
        """A day that has been."""
        day: date | None = self.cleaned_data["since"]
        if day is not None and day > datetime.now(STANDARD_TIME).date():
            raise forms.ValidationError(_("This is in the future."))
        return day.isoformat() if day else ""

    def clean(self) -> dict[str, Any]:
        """What must be known is known, and nothing twice."""
        data = super().clean() or {}
        taken: dict[str, int] = {}
        for place in range(len(self.table.headings)):
            code = data.get(f"column_{place}", "")
            if not code:
                continue
            if code in taken:
                self.add_error(
                    f"column_{place}",
                    _("The column “%(other)s” is that already.")
                    % {"other": self.table.headings[taken[code]]},
                )
            taken.setdefault(code, place)
        for said in fields.lacking(set(taken), maker_given=bool(data.get("manufacturer"))):
            self.add_error(None, _(said))
        return data

    def settings(self, how: sheet.How) -> Settings:
        """What the valid form says."""
        data = self.cleaned_data
        columns = [
            [heading, data[f"column_{place}"]]
            for place, heading in enumerate(self.table.headings)
            if data[f"column_{place}"]
        ]
        return Settings(
            how.encoding if not self.table.typed else "", how.delimiter, how.heading_line, how.worksheet,
            columns, data.get("decimal", ""), data["clock"], data.get("system", ""),
            data["manufacturer"], data.get("medium", ""),
            data.get("since", ""), data.get("existing", CHANGE),
        )  # fmt: skip


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_SAMPLE else f"{value[:_LONGEST_SAMPLE]}…"


def _field_choices(kind: str) -> list[tuple[str, Any]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for one in fields.OF_KIND[kind]:
        groups.setdefault(_(fields.PARTS[one.part]), []).append((one.code, _(one.label)))
    return [("", _("not used")), *groups.items()]


@page(view=MANAGE, change=MANAGE)
def columns(request: PageRequest, pk: int) -> HttpResponse:
    """Show how the file is read and what its columns are taken for; then have it checked."""
    own = find(request, Import, pk)
    if (
        own.status not in (ImportStatus.COLUMNS, ImportStatus.CHECKED, ImportStatus.COMPARED)
        or not ImportFile.objects.filter(of=own).exists()
        or own.settings.get("format")
    ):
        return redirect("import_one", own.pk)
    settings = Settings.of(own.settings)
    data = work.content(own)
    words = fields.words(fields.OF_KIND[own.kind])
    table, trouble = _read(data, settings.how, words)
    again = request.POST.get("again") == "1"
    how = HowForm(request.POST if request.method == "POST" else None, table)
    if request.method == "POST" and how.is_valid():
        given = how.cleaned_data
        wanted = sheet.How(given.get("encoding", ""), given.get("delimiter", ""), given["heading_line"],
                           given.get("worksheet", ""))  # fmt: skip
        table, trouble = _read(data, wanted, words)
    chosen, misfit = _chosen(table, settings, own.kind)
    trouble = trouble or misfit or (in_words(own.told) if own.told else "")
    if again and how.is_valid():
        changed = replace(settings, encoding=table.how.encoding if not table.typed else "",
                          delimiter=table.how.delimiter, heading_line=table.how.heading_line,
                          worksheet=table.how.worksheet, columns=[])  # fmt: skip
        own.settings, own.told = changed.packed(), {}
        own.save(update_fields=["settings", "told"])
        return redirect("import_columns", own.pk)
    form = ColumnsForm(request.POST if request.method == "POST" else None, table, settings, chosen, own.kind)
    if request.method == "POST" and how.is_valid() and form.is_valid() and not _unreadable(table):
        said = form.settings(table.how)
        kept = [code for heading, code in said.columns if [heading, code] in settings.columns]
        said = replace(said, units={code: settings.units[code] for code in kept if code in settings.units})
        with transaction.atomic():
            mapping = _saved(request, own.kind, form.cleaned_data["save_as"].strip(), said)
            if own.kind == ImportKind.MONTH:
                _compare(own, said, mapping)
                record(request, "imports.compared", target=own.name, detail={"import": own.pk})
            elif Import.objects.filter(pk=own.pk, status=own.status).update(
                settings=said.packed(), status=ImportStatus.CHECK, by=request.user, told={}, counts={}, progress_done=0,
                progress_total=0, **({"mapping": mapping} if mapping else {}),
            ):  # fmt: skip
                record(request, "imports.check_asked_for", target=own.name, detail={"import": own.pk})
                work.call_worker(request.user)
        return redirect("import_one", own.pk)
    context = {
        "import": own, "how": how, "form": form, "table": table, "trouble": trouble,
        "encoding": ENCODING_NAMES.get(table.how.encoding, ""), "size": formats.number(own.size / 1e6, 1),
    }  # fmt: skip
    return render(request, "imports/columns.html", context, status=422 if form.errors or how.errors else 200)


def _compare(own: Import, said: Settings, mapping: ImportMapping | None) -> None:
    """A month is only looked at: nothing waits for the worker. Its file is kept as long as one that was taken in."""
    own.settings, own.status, own.told, own.done_at = (
        said.packed(),
        ImportStatus.COMPARED,
        {},
        datetime.now(UTC),
    )
    own.mapping = mapping or own.mapping
    own.save(update_fields=["settings", "status", "told", "done_at", "mapping"])


def _unreadable(table: Sheet) -> bool:
    return not table.headings


def _read(data: bytes, how: sheet.How, words: frozenset[str]) -> tuple[Sheet, str]:
    """The file as a table; when it can't be read as wanted, as guessed, and why."""
    try:
        return sheet.read(data, how, words), ""
    except SheetError as problem:
        return (
            sheet.read(data, sheet.How(), words),
            in_words({"text": problem.text, "values": problem.values}),
        )


def _chosen(table: Sheet, settings: Settings, kind: str) -> tuple[list[str], str]:
    """What each column is: as the mapping says, else as guessed; and why the mapping doesn't fit."""
    if not settings.columns:
        return fields.guess(table.headings, fields.OF_KIND[kind]), ""
    fitting = []
    missing = ""
    for pair in settings.columns:
        try:
            fields.placed(table.headings, [pair])
        except Misfit as problem:
            missing = missing or in_words({"text": problem.text, "values": problem.values})
        else:
            fitting.append(pair)
    places = fields.placed(table.headings, fitting)
    found = [""] * len(table.headings)
    for code, place in places.items():
        found[place] = code
    return found, missing


def _saved(request: PageRequest, kind: str, name: str, said: Settings) -> ImportMapping | None:
    if not name:
        return None
    mapping, _new = ImportMapping.objects.update_or_create(
        utility=request.utility, name=name, defaults={"kind": kind, "settings": said.packed()}
    )
    record(request, "imports.mapping_saved", target=name, detail=said.packed())
    return mapping
