"""The second factor at sign-in: the code of an app (TOTP), a passkey, or, when the phone is gone, a recovery code.

TOTP as RFC 6238 has it: HMAC-SHA-1, 6 digits, a new code every 30 seconds; a clock may be 30 seconds off. A code
works once: its step is kept, and only later ones are taken from then on (section 5.2). Ten recovery codes of
8 digits each work once. What both come from is sealed with the master key in the library's own table. For passkeys
see ``passkeys``.
"""

from __future__ import annotations

import base64
import hmac
import secrets as random_secrets
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, urlencode

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from django.db import transaction

from avlas.system import audit, secrets
from avlas.system.models import User

if TYPE_CHECKING:
    from collections.abc import Iterable


STEP_SECONDS: Final = 30
_CONTEXT: Final = b"avlas second factor"
_SEALED: Final = ("secret", "seed")  # what in the library's rows is sealed


TYPES: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class Way(StrEnum):
    """How somebody showed the second factor."""

    APP = "app"
    RECOVERY_CODE = "recovery_code"


class Sealing(DefaultMFAAdapter):  # type: ignore[misc]  # the library has no types
    """Seals with the master key what the library would keep as it is."""

    def encrypt(self, text: str) -> str:
        """``text`` sealed, in base64; in the transaction that stores it."""
        return base64.b64encode(secrets.encrypt(text.encode(), _CONTEXT)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What ``encrypt`` was given. Raises SecretError."""
        return secrets.decrypt(base64.b64decode(encrypted_text), _CONTEXT).decode()


def is_on(user: User) -> bool:
    """Whether ``user`` needs a second factor to sign in: an app or a passkey."""
    return user.pk in who_has_it([user.pk])


def app_is_on(user: User) -> bool:
    """Whether ``user`` has an app that shows codes."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists())


def is_lacking(user: User) -> bool:
    """Whether the utility requires a second factor of ``user`` who has none."""
    return user.utility.requires_second_factor(user) and not is_on(user)


def who_has_it(users: Iterable[int]) -> set[int]:
    """Which of these users (primary keys) have a second factor."""
    found = Authenticator.objects.filter(user_id__in=list(users), type__in=TYPES)
    return set(found.values_list("user_id", flat=True))


def codes_left(user: User) -> int:
    """How many recovery codes ``user`` has not used yet."""
    row = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(RecoveryCodes(row).get_unused_codes()) if row else 0


def new_secret() -> str:
    """A secret for an app to keep: 20 bytes in base32, as apps take it."""
    return base64.b32encode(random_secrets.token_bytes(20)).decode()


def address_for_app(user: User, secret: str) -> str:
    """The otpauth: address that hands ``secret`` to an app, as a link on a phone or drawn as a QR code."""
    issuer = f"Avläs {user.utility}"
    query = urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(user.email)}?{query}"


def code_at(secret: str, step: int) -> str:
    """The 6 digits an app shows in the 30 seconds numbered ``step`` since 1970 (RFC 4226, 5.3)."""
    return HOTP(base64.b32decode(secret), 6, SHA1()).generate(step).decode()  # noqa: S303 - the standard's choice


def turn_on(user: User, secret: str, code: str, *, computer: str = "") -> list[str]:
    """Ask for ``secret``'s codes from now on; gives the recovery codes, to be shown once.

    An empty list: ``code`` is not what an app with this secret shows now, and nothing was changed. Recovery codes
    from before end; passkeys stay.
    """
    step = _step_of(secret, code, after=0)
    if step is None:
        return []
    with transaction.atomic():
        _lock(user)
        mine = Authenticator.objects.filter(user_id=user.pk)
        mine.exclude(type=Authenticator.Type.WEBAUTHN).delete()
        data = {"secret": Sealing().encrypt(secret), "step": step}
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
        codes = cast("list[str]", RecoveryCodes.activate(user).generate_codes())
        audit.record(
            "access.second_factor_on", utility=user.utility, user=user, computer=computer, target=user.email
        )
    return codes


def turn_off(user: User, *, by: User, computer: str = "") -> bool:
    """Ask ``user`` for the password alone from now on; False when it was so already. Passkeys are removed too.

    ``by`` is the owner, or an administrator when the owner has lost the phone and the recovery codes.
    """
    with transaction.atomic():
        _lock(user)
        if not Authenticator.objects.filter(user_id=user.pk).delete()[0]:
            return False
        audit.record(
            "access.second_factor_off" if by.pk == user.pk else "access.second_factor_reset",
            utility=user.utility, user=by, computer=computer, target=user.email,
        )  # fmt: skip
    return True


def first_recovery_codes(user: User) -> list[str]:
    """Recovery codes for who has none yet, else an empty list; in the caller's transaction."""
    if Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).exists():
        return []
    return cast("list[str]", RecoveryCodes.activate(user).generate_codes())


def new_recovery_codes(user: User, *, computer: str = "") -> list[str]:
    """Make ten new recovery codes, to be shown once; the old ones are worth nothing any more."""
    with transaction.atomic():
        _lock(user)
        Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).delete()
        codes = cast("list[str]", RecoveryCodes.activate(user).generate_codes())
        audit.record(
            "access.recovery_codes_made",
            utility=user.utility,
            user=user,
            computer=computer,
            target=user.email,
        )
    return codes


def show(user: User, code: str, *, computer: str = "") -> Way | None:
    """Take a code at sign-in: how it proves ``user``, or None. It is used up by it; both are written to the audit log.

    Raises SecretError when the master key is not at hand.
    """
    with transaction.atomic():
        _lock(user)
        way = _show(user, "".join(code.split()))
        event = {
            None: "access.second_factor_failed",
            Way.APP: "access.second_factor_shown",
            Way.RECOVERY_CODE: "access.recovery_code_used",
        }[way]
        audit.record(event, utility=user.utility, user=user, computer=computer, target=user.email)
    return way


def _show(user: User, code: str) -> Way | None:
    kept = {row.type: row for row in Authenticator.objects.filter(user_id=user.pk)}
    if app := kept.get(Authenticator.Type.TOTP):
        secret = Sealing().decrypt(app.data["secret"])
        step = _step_of(secret, code, after=app.data.get("step", 0))
        if step is not None:
            app.data["step"] = step
            app.save(update_fields=["data"])
            app.record_usage()
            return Way.APP
    codes = kept.get(Authenticator.Type.RECOVERY_CODES)
    return Way.RECOVERY_CODE if codes and RecoveryCodes(codes).validate_code(code) else None


def _step_of(secret: str, code: str, *, after: int) -> int | None:
    """Which step's code this is, of now and its neighbours, and later than ``after``; None: of none."""
    now = int(time.time()) // STEP_SECONDS
    digits = "".join(code.split())
    for step in (now, now - 1, now + 1):
        if step > after and hmac.compare_digest(code_at(secret, step).encode(), digits.encode()):
            return step
    return None


def _lock(user: User) -> None:
    """One after the other: two requests with the same code must not both be let in."""
    User.objects.select_for_update().get(pk=user.pk)


def seal_all_again(old: secrets.MasterKey, new: secrets.MasterKey) -> int:
    """For ``secrets.rotate``: every sealed value here from the old master key to the new one; gives how many."""
    count = 0
    for row in Authenticator.objects.all():
        for name in _SEALED:
            if name in row.data:
                opened = old.decrypt(base64.b64decode(row.data[name]), _CONTEXT)
                row.data[name] = base64.b64encode(new.encrypt(opened, _CONTEXT)).decode()
                count += 1
        row.save(update_fields=["data"])
    return count
