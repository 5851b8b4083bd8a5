"""What a user may do: a fixed matrix of roles, and each utility's own departures from it.

An administrator has every permission in the own utility, always. The other two roles begin as
``DEFAULTS`` and can be changed by ``change``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from avlas.system import audit
from avlas.system.models import Permission, Role, RolePermission, Utility

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.system.models import User

ALL: frozenset[str] = frozenset(Permission.values)

DEFAULTS: dict[str, frozenset[str]] = {
    Role.USER.value: frozenset({Permission.DATA_ACCESS.value}),
    Role.SUPERUSER.value: ALL - {Permission.ACCESS_CONTROL.value},
    Role.ADMINISTRATOR.value: ALL,
}


def of_role(utility: Utility, role: str) -> frozenset[str]:
    """The permissions of ``role`` in ``utility`` as they stand now. Raises KeyError for an unknown role."""
    allowed = set(DEFAULTS[role])
    if role != Role.ADMINISTRATOR:
        for rule in RolePermission.objects.filter(utility=utility, role=role):
            (allowed.add if rule.allowed else allowed.discard)(rule.permission)
    return frozenset(allowed)


def of(user: User) -> frozenset[str]:
    """The permissions of ``user`` in the own utility; none for one who may not sign in."""
    return of_role(user.utility, user.role) if user.is_active else frozenset()


def has(user: User, name: str) -> bool:
    """Whether ``user`` has the permission ``name``. Raises KeyError when there is no such permission."""
    if name not in ALL:
        raise KeyError(name)
    return name in of(user)


def change(
    utility: Utility, role: str, names: Iterable[str], *, user: User | None, computer: str = ""
) -> None:
    """Gives ``role`` in ``utility`` exactly the permissions ``names`` and writes it to the audit log.

    ``user`` is who decided. Raises ValueError when the role's permissions can't be changed or a name is
    unknown.
    """
    wanted = frozenset(names)
    if role == Role.ADMINISTRATOR or role not in DEFAULTS:
        raise ValueError(_("Only the permissions of users and superusers can be changed."))
    if unknown := wanted - ALL:
        raise ValueError(_("There is no permission called %(name)s.") % {"name": min(unknown)})
    with transaction.atomic():
        Utility.objects.select_for_update().get(pk=utility.pk)
        before = of_role(utility, role)
        if before == wanted:
            return
        rules = RolePermission.objects.filter(utility=utility, role=role)
        rules.delete()
        RolePermission.objects.bulk_create(
            RolePermission(utility=utility, role=role, permission=name, allowed=name in wanted)
            for name in sorted(wanted ^ DEFAULTS[role])
        )
        audit.record(
            "access.role_changed",
            utility=utility,
            user=user,
            computer=computer,
            target=role,
            detail={"given": sorted(wanted - before), "taken": sorted(before - wanted)},
        )
