"""Lists of rows: searched in all or one column, with columns to choose, rows to tick, and files of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Model
from django.http import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from avlas.meters import column_store, groups
from avlas.system.models import Permission
from avlas.web.list_columns import Elsewhere, F
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages import group_deeds
from avlas.web.pages.column_choice import ColumnChoice
from avlas.web.pages.group_pages import group_form
from avlas.web.pages.search import holding, in_order
from avlas.web.pages.ticked import ticked
from avlas.web.table_files import FILE_KINDS, table_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.utils.functional import Promise

    from avlas.meters.models import Group
    from avlas.web.list_columns import Column
    from avlas.web.listing import Asked
    from avlas.web.pages.access import PageRequest
    from avlas.web.table_files import Cell

M = TypeVar("M", bound=Model)
_FETCHED_AT_ONCE: Final = 2000


@dataclass(frozen=True, slots=True)
class Listed(Generic[M, F]):
    """One such list: ``page`` answers the address named ``address``, ``deed`` the one named ``act``."""

    name: str  # of the ticked rows, and in the cookie with the columns
    address: str
    act: str
    page_template: str
    empty: str  # the template that says why there are no rows
    columns: Sequence[Column[F]]
    standard: tuple[str, ...]
    searched: Mapping[str, tuple[str, ...] | Elsewhere]  # by column: where its words stand in the own table
    in_all: tuple[str, ...]  # what is searched in their own table when no column is named
    sorts: Mapping[str, tuple[str, ...]]  # by column: what the rows are ordered by
    sort: str  # unless another is asked for
    rows: Callable[[PageRequest, QueryDict], QuerySet[M]]  # the utility's, narrowed by what the list filters
    fetch: Callable[[Sequence[int]], list[F]]  # what is known of the rows with these numbers, in this order
    file_name: Promise
    caption: Promise
    selected: Promise  # before the count of chosen rows
    exported: Promise  # which rows an export takes
    row_end: str = ""  # the template of a last cell with what is done to one row
    meters: Callable[[PageRequest, Sequence[int]], list[int]] | None = None  # of rows, for groups

    @property
    def choice(self) -> ColumnChoice:
        """The choice of its columns."""
        known = frozenset(column.code for column in self.columns)
        return ColumnChoice(self.name, self.address, known, self.standard)

    def page(self, request: PageRequest, **more: Any) -> HttpResponse:
        """The list's page, its rows alone when only they are asked for, or a file of it (``file``: csv, xlsx)."""
        if self.choice.is_made(request.GET):
            return self.choice.make(request)
        wanted = self._asked(request.GET)
        found = self._found(request, request.GET)
        if (kind := request.GET.get("file", "")) in FILE_KINDS:
            return self._file(request, kind, self._in_order(found, wanted), request.GET)
        if wanted.words:  # looked for once, not for the count and for the page
            fitting = list(found.values_list("pk", flat=True))
            found, total = self._with_numbers(self.rows(request, request.GET), fitting), len(fitting)
        else:
            total = found.count()
        pages = Pages(total, wanted.page)
        if pages.number > pages.count:
            wanted, pages = replace(wanted, page=1), Pages(pages.total, 1)
        ids = self._in_order(found, wanted)[wanted.offset : wanted.offset + ROWS_PER_PAGE]
        codes = self.choice.codes(request, request.GET)
        by_code = {column.code: column for column in self.columns}
        context = {
            "listed": self,
            "rows": self.fetch(list(ids)),
            "columns": [by_code[code] for code in codes],
            "standard_columns": codes == self.standard,
            "asked": wanted,
            "pages": pages,
            "sorts": self.sorts,
            "shown_codes": codes,
            "offered": [(_("Columns"), self.columns)],
            "searched": [column for column in self.columns if column.code in self.searched],
            "into_groups": self._goes_into_groups(request),
            "own_groups": self._groups(request),
        }
        fragment = bool(request.htmx) and not request.htmx.boosted
        return render(request, "pages/listed_rows.html" if fragment else self.page_template, context | more)

    def deed(self, request: PageRequest) -> HttpResponse:
        """Do to the ticked rows what the button pressed says (``do``); back to the list as it was."""
        do, _colon, what = request.POST.get("do", "").partition(":")
        query = QueryDict(request.POST.get("list", ""))
        if do == "export":
            everything = request.POST.get("all") or not ticked(request.POST, self.name)
            wanted = self._asked(query)
            found = self._found(request, query) if everything else self._ticked(request)
            return self._file(
                request, what if what in FILE_KINDS else "csv", self._in_order(found, wanted), query
            )
        if do not in ("add", "new_group") or self.meters is None:
            return redirect(self.address)
        if Permission.GROUP_MANAGEMENT not in request.allowed:
            raise PermissionDenied
        found = self._found(request, query) if request.POST.get("all") else self._ticked(request)
        meters = self.meters(request, list(found.values_list("pk", flat=True)))
        if not meters:
            messages.warning(request, _("No meter is chosen. Tick rows with meters first."))
        elif do == "new_group":
            return group_form(request, ids=meters, back=query.urlencode(), came_from=self.address)
        else:
            group_deeds.add(request, meters, what)
        return redirect(f"{reverse(self.address)}?{query.urlencode()}" if query else self.address)

    def _asked(self, query: QueryDict) -> Asked:
        return asked(query, columns=self.searched, sorts=self.sorts, default=self.sort)

    def _found(self, request: PageRequest, query: QueryDict) -> QuerySet[M]:
        """The rows that fit the search, in no order."""
        wanted = self._asked(query)
        found, utility = self.rows(request, query), request.utility.pk
        if not wanted.column:
            elsewhere = [place for place in self.searched.values() if isinstance(place, Elsewhere)]
            return holding(found, self.in_all, wanted.words, elsewhere, utility)
        place = self.searched[wanted.column]
        if isinstance(place, Elsewhere):
            return holding(found, (), wanted.words, [place], utility)
        return holding(found, place, wanted.words)

    def _ticked(self, request: PageRequest) -> QuerySet[M]:
        """The rows somebody ticked, on this page and on others."""
        return self._with_numbers(self.rows(request, QueryDict()), ticked(request.POST, self.name))

    def _with_numbers(self, rows: QuerySet[M], ids: Sequence[int]) -> QuerySet[M]:
        """Those of the rows whose numbers are among ``ids``."""
        table = rows.model._meta.db_table  # noqa: SLF001  # Django's documented name
        test, numbers = column_store.among(connection, f"{table}.id", ids)
        return rows.extra(where=[test], params=[numbers])  # noqa: S610  # a fixed text; the numbers are a parameter

    def _in_order(self, found: QuerySet[M], wanted: Asked) -> QuerySet[M, int]:
        """The numbers of the rows in the order asked for."""
        return in_order(found, self.sorts[wanted.sort], wanted).values_list("pk", flat=True)

    def _goes_into_groups(self, request: PageRequest) -> bool:
        return self.meters is not None and Permission.GROUP_MANAGEMENT in request.allowed

    def _groups(self, request: PageRequest) -> list[tuple[str, Group, None]]:
        if not self._goes_into_groups(request):
            return []
        return [(groups.choice_of(one), one, None) for one in groups.own(request.utility.pk)]

    def _file(
        self, request: PageRequest, kind: str, numbers: QuerySet[M, int], query: QueryDict
    ) -> HttpResponse:
        """The rows as a file with the columns somebody has chosen; with all when nobody has."""
        codes = self.choice.codes(request, query)
        by_code = {column.code: column for column in self.columns}
        columns = self.columns if codes == self.standard else [by_code[code] for code in codes]

        def lines() -> Iterator[list[Cell]]:
            ids = list(numbers)
            for begin in range(0, len(ids), _FETCHED_AT_ONCE):
                for fact in self.fetch(ids[begin : begin + _FETCHED_AT_ONCE]):
                    yield [column.value(fact) for column in columns]

        headings = [column.heading for column in columns]
        return table_file(request, kind, str(self.file_name), headings, lines())
