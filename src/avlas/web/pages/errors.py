"""What a person sees when something is wrong: what it is, and what to do about it."""

from __future__ import annotations

import errno
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.db import DatabaseError, OperationalError, ProgrammingError
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from avlas.system.secrets import SecretError

if TYPE_CHECKING:
    from django.http import HttpRequest


def explain(problem: BaseException | None) -> tuple[str, str] | None:
    """Title and advice for troubles a person can do something about; None for everything else."""
    text = str(problem).lower()
    if isinstance(problem, SecretError):
        return _("The master key is missing or does not fit"), str(problem)
    full = "disk is full" in text or "no space left" in text or "disk full" in text
    if full or (isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT)):
        return _("The disk is full"), _(
            "Nothing can be saved until there is room. What was already saved is safe. Free some space on "
            "the disk that holds the data folder, then try again."
        )
    if not isinstance(problem, DatabaseError):
        return None
    if "locked" in text or "busy" in text:
        return _("The database is busy"), _(
            "Another program has held the database for too long. Nothing was lost; wait a moment and try "
            "again. If it keeps happening, look for a backup or another program that has the database file "
            "open."
        )
    if "no such table" in text or "no such column" in text or isinstance(problem, ProgrammingError):
        return _("The database is not set up for this version"), _(
            "Stop the program and start it again with ./run, which brings the database up to date."
        )
    if "unable to open" in text or "readonly" in text or "read-only" in text:
        return _("The database can't be opened"), _(
            "The database file is missing or may not be written. Check that the data folder exists and that "
            "the program may write to it."
        )
    if "malformed" in text or "not a database" in text:
        return _("The database file is damaged"), _(
            "Stop the program, keep a copy of the data folder and restore the last backup."
        )
    if isinstance(problem, OperationalError):
        return _("The database does not answer"), _(
            "Check that the database server is running and can be reached, then try again."
        )
    return None


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for whatever went wrong inside."""
    problem = sys.exc_info()[1]
    with translation.override(translation.get_language_from_request(request)):
        known = explain(problem)
        title, advice = known or (
            _("Something went wrong here"),
            _(
                "The program met something it was not prepared for. It has been written to the log. Try "
                "again; if it happens again, tell whoever runs the program when it happened and what you did."
            ),
        )
        status = HTTPStatus.SERVICE_UNAVAILABLE if known else HTTPStatus.INTERNAL_SERVER_ERROR
        response = _page(title, advice, status)
    if known:
        response["Retry-After"] = "10"
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # Django's form
    """The page for a request that can't be understood, or was sent to a name that is not ours."""
    with translation.override(translation.get_language_from_request(request)):
        return _page(
            _("The address could not be understood"),
            _("The request was not complete or was changed on its way. Go back and try again."),
            HTTPStatus.BAD_REQUEST,
        )


def _page(title: str, advice: str, status: HTTPStatus) -> HttpResponse:
    """A page that needs neither database nor session, in the active language."""
    context = {
        "title": title,
        "advice": advice,
        "status": int(status),
        "language": translation.get_language(),
    }
    return HttpResponse(render_to_string("pages/trouble.html", context), status=status)
