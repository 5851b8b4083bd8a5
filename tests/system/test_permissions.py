"""The matrix of roles and permissions, and its changes."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from avlas.system import permissions
from avlas.system.models import AuditEvent, Permission, Role, RolePermission, User, Utility

MATRIX = {  # requirements S253-S258
    "data_access": {"administrator", "superuser", "user"},
    "reading_management": {"administrator", "superuser"},
    "device_and_customer_management": {"administrator", "superuser"},
    "group_management": {"administrator", "superuser"},
    "system_configuration": {"administrator", "superuser"},
    "access_control": {"administrator"},
}


def person(utility: Utility, role: str) -> User:
    return User.objects.create_user(f"{role}@{utility.slug}.example", utility=utility, role=role)


@pytest.mark.parametrize("role", Role.values)
def test_the_matrix_as_delivered(utility, role):
    user = person(utility, role)
    assert set(MATRIX) == set(Permission.values)
    for name, roles in MATRIX.items():
        assert permissions.has(user, name) == (role in roles)


def test_an_unknown_permission_is_an_error_not_a_no(administrator):
    with pytest.raises(KeyError):
        permissions.has(administrator, "data_acess")


def test_one_who_may_not_sign_in_may_nothing(administrator):
    administrator.is_active = False
    assert permissions.of(administrator) == frozenset()


def test_changing_a_role_concerns_that_role_in_that_utility_alone(utility, administrator):
    other = Utility.objects.create(name="Annan", slug="annan")
    mine, theirs, superuser = person(utility, "user"), person(other, "user"), person(utility, "superuser")
    wanted = {"data_access", "group_management"}
    permissions.change(utility, Role.USER, wanted, user=administrator, computer="192.0.2.7")
    assert permissions.of(mine) == wanted
    assert permissions.of(theirs) == {"data_access"}
    assert "system_configuration" in permissions.of(superuser)
    event = AuditEvent.objects.get(utility=utility, event="access.role_changed")
    assert (event.target, event.detail) == ("user", {"given": ["group_management"], "taken": []})


def test_taking_away_and_changing_back(utility, administrator):
    superuser = person(utility, "superuser")
    permissions.change(utility, Role.SUPERUSER, {"data_access"}, user=administrator)
    assert permissions.of(superuser) == {"data_access"}
    permissions.change(utility, Role.SUPERUSER, permissions.DEFAULTS["superuser"], user=administrator)
    assert permissions.of(superuser) == permissions.DEFAULTS["superuser"]
    assert not RolePermission.objects.exists()


def test_no_change_leaves_no_trace(utility, administrator):
    permissions.change(utility, Role.USER, {"data_access"}, user=administrator)
    assert not AuditEvent.objects.filter(utility=utility).exists()


@pytest.mark.parametrize(
    ("role", "names"), [("administrator", set()), ("king", set()), ("user", {"everything"})]
)
def test_what_cannot_be_changed(utility, administrator, role, names):
    with pytest.raises(ValueError):
        permissions.change(utility, role, names, user=administrator)


def test_not_even_the_database_takes_rules_for_administrators(utility):
    with pytest.raises(IntegrityError), transaction.atomic():
        RolePermission.objects.create(
            utility=utility, role=Role.ADMINISTRATOR, permission="data_access", allowed=False
        )


def test_the_address_is_the_sign_in_name_whatever_its_case(administrator, utility):
    assert administrator.email == "anna@example.se"
    assert User.objects.get_by_natural_key(" ANNA@example.SE ") == administrator
    for email in ("anna@example.se", "ANNA@EXAMPLE.SE"):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create_user(email, utility=utility)
    with pytest.raises(IntegrityError), transaction.atomic():  # past save(): the database holds the rule too
        User.objects.filter(pk=administrator.pk).update(email="Anna@Example.se")


def test_passwords_are_argon2_and_unset_ones_open_nothing(administrator, utility):
    assert administrator.password.startswith("argon2$argon2id$")
    assert administrator.check_password("long enough 1")
    assert not User.objects.create_user("x@example.se", utility=utility).check_password("")
