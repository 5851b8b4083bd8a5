"""Which columns of a list somebody sees: those in the address, else those chosen last, else the standard ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.shortcuts import redirect
from django.urls import reverse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpResponse, QueryDict

    from avlas.web.pages.access import PageRequest

_YEAR_SECONDS: Final = 365 * 86400


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The choice of one list's columns; each user's is kept in a cookie of its own."""

    name: str  # of the list, in the cookie's name
    address: str  # the name of the list's address
    known: frozenset[str]
    standard: tuple[str, ...]

    def codes(self, request: PageRequest, query: QueryDict) -> tuple[str, ...]:
        """The codes of the columns to show when the list is asked for with ``query``."""
        named = query.get("columns") or request.COOKIES.get(self._cookie(request), "")
        return self._known(named[:2000].split(".")) or self.standard

    def is_made(self, query: QueryDict) -> bool:
        """Whether the form that chooses columns has been sent."""
        return "col" in query or "standard" in query

    def make(self, request: PageRequest) -> HttpResponse:
        """Take the ticked columns; those shown already keep their order, new ones come after them."""
        query = request.GET.copy()
        shown = query.pop("columns", [""])[-1].split(".")
        ticked = query.pop("col", [])
        codes = self._known([*(code for code in shown if code in ticked), *ticked])
        if codes and not query.pop("standard", None) and codes != self.standard:
            query["columns"] = kept = ".".join(codes)
        else:
            kept = ""
        answer = redirect(f"{reverse(self.address)}?{query.urlencode()}")
        if kept:
            answer.set_cookie(
                self._cookie(request), kept, max_age=_YEAR_SECONDS, httponly=True, samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )  # fmt: skip
        else:
            answer.delete_cookie(self._cookie(request), samesite="Lax")
        return answer

    def _known(self, codes: Iterable[str]) -> tuple[str, ...]:
        return tuple(code for code in dict.fromkeys(codes) if code in self.known)

    def _cookie(self, request: PageRequest) -> str:
        return f"{self.name}-columns-{request.user.pk}"
