"""The people of a utility: making, changing and closing accounts, and the links by which a password is chosen.

Nobody ever learns another person's password: a new account has none, and a one-time link lets its owner choose one.
A utility always keeps an administrator who can sign in. Everything is written to the audit log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _

from avlas.system import audit
from avlas.system.models import Role, User, Utility

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANGEABLE = ("first_name", "last_name", "role", "language", "time_zone", "is_active", "runs_installation")


def add(utility: Utility, fields: Mapping[str, Any], *, by: User | None, computer: str = "") -> User:
    """Make an account without a password; ``fields`` are those of ``User`` with at least ``email``.

    Raises ValidationError when the address is malformed or taken (by anybody, of whatever utility).
    """
    with transaction.atomic():
        user = User(utility=utility, **fields)
        user.set_unusable_password()
        user.clean()
        if User.objects.filter(email=user.email).exists():
            raise ValidationError({"email": _("There is already an account with this e-mail address.")})
        user.full_clean(exclude=["password"])
        user.save()
        audit.record(
            "access.user_created", utility=utility, user=by, computer=computer, target=user.email,
            detail={"role": str(user.role)},
        )  # fmt: skip
    return user


def change(user: User, fields: Mapping[str, Any], *, by: User | None, computer: str = "") -> dict[str, Any]:
    """Change what stands in CHANGEABLE; gives what changed as {name: [before, after]}.

    Raises ValidationError when the utility would be left without an administrator who can sign in, or the installation
    without anybody who runs it.
    """
    with transaction.atomic():
        Utility.objects.select_for_update().get(
            pk=user.utility_id
        )  # two administrators may remove each other
        user.refresh_from_db()
        changed = {
            name: [getattr(user, name), fields[name]]
            for name in CHANGEABLE
            if name in fields and fields[name] != getattr(user, name)
        }
        for name, (_before, after) in changed.items():
            setattr(user, name, after)
        if not changed:
            return {}
        others = User.objects.filter(utility_id=user.utility_id, role=Role.ADMINISTRATOR, is_active=True)
        stays = user.role == Role.ADMINISTRATOR and user.is_active
        if not stays and not others.exclude(pk=user.pk).exists():
            raise ValidationError(
                _("Somebody must remain who can give permissions: make another person administrator first.")
            )
        ran = changed.get("runs_installation", [user.runs_installation])[0]
        if ran and not (user.runs_installation and user.is_active):
            running = User.objects.filter(runs_installation=True, is_active=True)
            if not running.exclude(pk=user.pk).exists():
                raise ValidationError(
                    _("Somebody must run the installation: let another person do so first.")
                )
        user.full_clean(exclude=["password"])
        user.save(update_fields=list(changed))
        audit.record(
            "access.user_changed", utility=user.utility, user=by, computer=computer, target=user.email,
            detail=changed,
        )  # fmt: skip
    return changed


def password_link(user: User, *, by: User | None, computer: str = "") -> tuple[str, str]:
    """The two parts of a link by which ``user`` may choose a password, once, within three days."""
    with transaction.atomic():
        audit.record(
            "access.password_link_made", utility=user.utility, user=by, computer=computer, target=user.email
        )
    return urlsafe_base64_encode(str(user.pk).encode()), default_token_generator.make_token(user)


def who_follows(number: str, token: str) -> User | None:
    """Whose password link this is; None when it is false, used, too old, or the account is closed."""
    try:
        user = User.objects.select_related("utility").get(pk=int(force_str(urlsafe_base64_decode(number))))
    except (ValueError, OverflowError, User.DoesNotExist):
        return None
    return user if user.is_active and default_token_generator.check_token(user, token) else None


def choose_password(user: User, password: str, *, computer: str = "") -> None:
    """Set the password its owner has chosen; the link is used up by it. Raises ValidationError for a weak one."""
    from django.contrib.auth.password_validation import validate_password

    validate_password(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        audit.record(
            "access.password_chosen", utility=user.utility, user=user, computer=computer, target=user.email
        )
