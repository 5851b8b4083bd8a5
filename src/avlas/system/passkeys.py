"""Passkeys (W3C Web Authentication, level 3): a key pair of a phone, computer or security key in place of a password.

A passkey belongs to the host name under which it was made and is of no use to any other, so it can't be phished. It is
unlocked by fingerprint, face or PIN: it counts as both factors when somebody signs in with it alone (discoverable,
section 5.4.4), and as the second one beside the password. Of the pair only the public half is kept, in the
library's own table. Browsers offer passkeys over HTTPS only, and on this computer itself (localhost).

``begin...`` gives what the browser is handed (JSON) and the state to keep until its answer; what is wrong with an
answer is a ``Refused``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from avlas.system import audit, second_factor
from avlas.system.models import User

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LONGEST_NAME: Final = 60
MOST: Final = 20  # of one person
_ANSWERS_ARE_WRONG: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    binascii.Error,
)  # the library's ways


class Refused(Exception):  # noqa: N818
    """An answer of a browser that proves nothing: another key, another challenge or place, or no answer at all."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as its owner sees it."""

    pk: int
    name: str
    created_at: datetime
    used_at: datetime | None


def own(user: User) -> list[Passkey]:
    """The passkeys of ``user``, the oldest first."""
    return [Passkey(row.pk, row.data["name"], row.created_at, row.last_used_at) for row in _rows(user)]


def begin_adding(user: User, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the browser needs to make a passkey for ``user`` at ``host`` (a name without port)."""
    entity = PublicKeyCredentialUserEntity(name=user.email, id=str(user.pk).encode(), display_name=str(user))
    options, state = _server(host).register_begin(
        entity,
        [_credential(row) for row in _rows(user)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options), state


def add(
    user: User,
    host: str,
    state: Mapping[str, Any],
    answer: Mapping[str, Any],
    name: str,
    *,
    computer: str = "",
) -> list[str]:
    """Keep the passkey that the browser has made; gives recovery codes when these are the owner's first.

    Raises Refused.
    """
    try:
        made = _server(host).register_complete(dict(state), dict(answer))
    except _ANSWERS_ARE_WRONG as problem:
        raise Refused from problem
    credential = made.credential_data
    if credential is None:
        raise Refused
    name = " ".join(name.split())[:LONGEST_NAME]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        there = list(_rows(user))
        if len(there) >= MOST or any(
            row.data["id"] == websafe_encode(credential.credential_id) for row in there
        ):
            raise Refused
        Authenticator.objects.create(
            user=user,
            type=Authenticator.Type.WEBAUTHN,
            data={
                "name": name,
                "id": websafe_encode(credential.credential_id),
                "credential": base64.b64encode(bytes(credential)).decode(),
                "counter": made.counter,
            },
        )
        codes = second_factor.first_recovery_codes(user)
        _record("access.passkey_added", user, computer, name)
    return codes


def rename(user: User, pk: int, name: str, *, computer: str = "") -> None:
    """Call a passkey something else. Raises Authenticator.DoesNotExist."""
    with transaction.atomic():
        row = _rows(user).select_for_update().get(pk=pk)
        before, row.data["name"] = row.data["name"], " ".join(name.split())[:LONGEST_NAME]
        row.save(update_fields=["data"])
        _record("access.passkey_renamed", user, computer, [before, row.data["name"]])


def remove(user: User, pk: int, *, computer: str = "") -> None:
    """Make a passkey useless; with the last factor the recovery codes go too. Raises Authenticator.DoesNotExist."""
    with transaction.atomic():
        row = _rows(user).select_for_update().get(pk=pk)
        _record("access.passkey_removed", user, computer, row.data["name"])
        row.delete()
        if not second_factor.is_on(user):
            Authenticator.objects.filter(user_id=user.pk).delete()


def begin_showing(host: str, user: User | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the browser needs to show a passkey: one of ``user``, or whichever its owner chooses."""
    known = [_credential(row) for row in _rows(user)] if user else None
    options, state = _server(host).authenticate_begin(
        known, user_verification=UserVerificationRequirement.REQUIRED
    )
    return dict(options), state


def show(
    host: str,
    state: Mapping[str, Any],
    answer: Mapping[str, Any],
    user: User | None = None,
    *,
    computer: str = "",
) -> User:
    """Whose passkey the browser has shown (that of ``user``, if given). Written to the audit log, success or not.

    Raises Refused; for a known passkey that is a sign of a copy: its counter went back (section 6.1.1).
    """
    try:
        shown = AuthenticationResponse.from_dict(dict(answer))
        row = Authenticator.objects.select_related("user__utility").get(
            type=Authenticator.Type.WEBAUTHN, data__id=websafe_encode(shown.raw_id)
        )
    except (
        *_ANSWERS_ARE_WRONG,
        Authenticator.DoesNotExist,
        Authenticator.MultipleObjectsReturned,
    ) as problem:
        raise Refused from problem
    owner: User = row.user
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        row.refresh_from_db()
        good = (user is None or user.pk == owner.pk) and _is_proof(host, state, answer, shown, row)
        if good:
            row.data["counter"] = shown.response.authenticator_data.counter
            row.last_used_at = timezone.now()
            row.save(update_fields=["data", "last_used_at"])
        _record(
            "access.passkey_shown" if good else "access.passkey_failed", owner, computer, row.data["name"]
        )
    if not good:
        raise Refused
    return owner


def _is_proof(
    host: str,
    state: Mapping[str, Any],
    answer: Mapping[str, Any],
    shown: AuthenticationResponse,
    row: Authenticator,
) -> bool:
    try:
        _server(host).authenticate_complete(dict(state), [_credential(row)], dict(answer))
    except _ANSWERS_ARE_WRONG:
        return False
    handle = shown.response.user_handle
    if handle is not None and handle != str(row.user_id).encode():
        return False
    counter, before = shown.response.authenticator_data.counter, int(row.data["counter"])
    return counter > before or counter == before == 0  # 0: one that does not count, as synchronised ones


def _record(event: str, user: User, computer: str, name: object) -> None:
    audit.record(
        event, utility=user.utility, user=user, computer=computer, target=user.email, detail={"passkey": name}
    )  # fmt: skip


def _rows(user: User) -> Any:
    return Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.WEBAUTHN).order_by("pk")


def _credential(row: Authenticator) -> AttestedCredentialData:
    return AttestedCredentialData(base64.b64decode(row.data["credential"]))


def _server(host: str) -> Fido2Server:
    return Fido2Server(PublicKeyCredentialRpEntity(name="Avläs", id=host))
