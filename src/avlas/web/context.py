"""What every page's frame shows: version, utility, user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import avlas

if TYPE_CHECKING:
    from django.http import HttpRequest


def page(request: HttpRequest) -> dict[str, Any]:
    """Template context of every page."""
    user = getattr(request, "user", None)
    utility = user.utility if user is not None and user.is_authenticated else None
    return {"version": avlas.__version__, "utility": utility}
