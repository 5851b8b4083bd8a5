"""The manual as pages of the program, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404
from django.shortcuts import render

from avlas.web import formats, manual
from avlas.web.pages.access import OWN, PageRequest, page

if TYPE_CHECKING:
    from django.http import HttpResponse


@page(OWN)
def help_page(request: PageRequest, name: str = manual.INDEX) -> HttpResponse:
    """One page of the manual, with the list of all beside it."""
    language = formats.language()
    shown = manual.read(language, name)
    if shown is None:
        raise Http404
    return render(request, "pages/help.html", {"shown": shown, "contents": manual.contents(language)})
