"""API tokens: shown once, kept as a hash, limited to scopes.

A token is ``avlas_<8 hex digits>_<64 hex digits>``: the first part finds the row, the second is 256 bits
from the system's random source. Because nobody can guess through 2^256, one SHA-256 is enough as hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system import audit
from avlas.system.models import ApiToken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.system.models import User, Utility

SCOPES = {
    "telegrams:write": gettext_lazy("Send in telegrams"),
    "meters:read": gettext_lazy(
        "See meters, metering points, groups, exchanges, receivers and reading performance"
    ),
    "meters:write": gettext_lazy("Add and change meters, metering points and groups, and exchange meters"),
    "customers:read": gettext_lazy("See customers, and who has which metering point"),
    "customers:write": gettext_lazy("Add and change customers, and let them move in and out"),
    "readings:read": gettext_lazy("Fetch readings, consumption and info codes"),
    "readings:write": gettext_lazy("Enter and void readings"),
    "valves:ask": gettext_lazy(
        "Ask for disconnecting and connecting, see how it goes, and tell how cold it is"
    ),
    "exports:make": gettext_lazy("Make exports and fetch their files"),
    "keys:write": gettext_lazy("Hand in the meters' keys"),
}
"""Every scope there is, and what it lets a program do. None includes another."""

_FORM = re.compile(r"avlas_([0-9a-f]{8})_[0-9a-f]{64}")
_LAST_USED_STEP = timedelta(minutes=1)


def create(
    utility: Utility, name: str, scopes: Iterable[str], *, created_by: User | None, computer: str = ""
) -> tuple[ApiToken, str]:
    """Makes a token; returns its row and the token itself, which can never be seen again.

    Raises ValueError when the name is empty, no scope is given or one is unknown.
    """
    wanted = sorted(set(scopes))
    if not name.strip():
        raise ValueError(_("Give the token a name that tells which program uses it."))
    if not wanted:
        raise ValueError(_("Choose at least one thing that the token may be used for."))
    for scope in wanted:
        if scope not in SCOPES:
            raise ValueError(
                _("There is no scope called %(scope)s; the scopes are: %(all)s.")
                % {"scope": scope, "all": ", ".join(sorted(SCOPES))}
            )
    prefix = secrets.token_hex(4)
    token = f"avlas_{prefix}_{secrets.token_hex(32)}"
    with transaction.atomic():
        row = ApiToken.objects.create(
            utility=utility,
            name=name.strip(),
            prefix=prefix,
            hash=_hash(token),
            scopes=wanted,
            created_by=created_by,
        )
        audit.record(
            "access.token_created",
            utility=utility,
            user=created_by,
            computer=computer,
            target=str(row),
            detail={"scopes": wanted},
        )
    return row, token


def verify(token: str, scope: str) -> ApiToken | None:
    """The row of a valid, unrevoked token that has ``scope``, else None. Notes the use, to the minute."""
    row = find(token)
    return row if row is not None and scope in row.scopes else None


def find(token: str) -> ApiToken | None:
    """The row of a valid, unrevoked token, else None. Notes the use, to the minute."""
    form = _FORM.fullmatch(token)
    row = ApiToken.objects.select_related("utility").filter(prefix=form[1]).first() if form else None
    known = row.hash if row else _hash("")
    fits = hmac.compare_digest(known, _hash(token))  # also without a row, so that timing tells nothing
    if row is None or not fits or row.revoked_at is not None:
        return None
    now = datetime.now(UTC)
    if row.last_used_at is None or now - row.last_used_at >= _LAST_USED_STEP:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)
        row.last_used_at = now
    return row


def revoke(row: ApiToken, *, user: User | None, computer: str = "") -> None:
    """Makes the token useless from now on. Revoking it again changes nothing."""
    with transaction.atomic():
        now = datetime.now(UTC)
        if ApiToken.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now):
            row.revoked_at = now
            audit.record(
                "access.token_revoked", utility=row.utility, user=user, computer=computer, target=str(row)
            )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
