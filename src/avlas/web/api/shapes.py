"""What requests and answers are made of: texts, moments, numbers of rows, pages of a list, versions."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import AfterValidator, AwareDatetime, ConfigDict, StringConstraints

from avlas.web.api.problems import Refused, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model

_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]*$"


def _within(at: datetime) -> datetime:
    if not _FIRST <= at <= _LAST:
        raise ValueError("must lie between 1990 and 2100")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_within), Field(description="ISO 8601 with time zone")]
Number = Annotated[int, Field(ge=1, lt=2**63)]
Limit = Annotated[int, Field(ge=1, le=1000, description="at most so many")]


def line(longest: int, *, least: int = 0, pattern: str = _NO_CONTROLS) -> StringConstraints:
    """What one line of text must keep to; blanks around it fall off."""
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=longest, pattern=pattern)


def lines(longest: int) -> StringConstraints:
    """What a longer text must keep to."""
    return StringConstraints(
        strip_whitespace=True, max_length=longest, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
    )


Reason = Annotated[str, line(200, least=1)]
AS_IT_IS: Final[Any] = None
"""The default of what a ``Change`` leaves as it is."""


class Closed(Schema):
    """A body in which a misspelt name is an error, not overlooked."""

    model_config = ConfigDict(extra="forbid")


class Change(Closed):
    """Some fields of a row that are to become something else; what is left out stays."""

    @property
    def values(self) -> dict[str, Any]:
        """What was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def cursor_of(*key: int | str) -> str:
    """A place in a list, as programs hand it back."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def place(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """What ``cursor_of`` was given; None for the list's beginning. Refuses what is no cursor of this list."""
    if not cursor:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        fits = len(key) == len(kinds) and all(type(one) is kind for one, kind in zip(key, kinds, strict=True))
    except (ValueError, TypeError):
        fits = False
    if not fits or any(isinstance(one, int) and not -(2**63) <= one < 2**63 for one in key):
        raise wrong("query.cursor", "This is no cursor of this list; begin again without one.")
    return tuple(key)


def page(rows: Iterable[Any], limit: int, key: Any) -> tuple[list[Any], str | None]:
    """The first ``limit`` of ``rows`` (one more was asked for) and the cursor of what follows them."""
    found = list(rows)
    if len(found) <= limit:
        return found, None
    return found[:limit], cursor_of(*key(found[limit - 1]))


def version(row: Model, names: Sequence[str]) -> str:
    """The ETag of a row: another one as soon as one of the fields ``names`` has changed."""
    said = json.dumps([row.pk, *(str(getattr(row, name)) for name in names)])
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:20]}"'


def check_version(request: HttpRequest, now: str) -> None:
    """Refuse (412) an edit of something that was changed since it was fetched (If-Match)."""
    wanted = request.headers.get("If-Match", "")
    if wanted and wanted != "*" and now not in [one.strip() for one in wanted.split(",")]:
        raise Refused(
            HTTPStatus.PRECONDITION_FAILED,
            "It was changed by somebody else since you fetched it. Fetch it again and look.",
            "changed_meanwhile",
        )
