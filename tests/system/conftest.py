from __future__ import annotations

import pytest

from avlas.system import secrets


@pytest.fixture(autouse=True)
def _own_data_folder(settings, tmp_path, monkeypatch):
    """Each test has its own data folder and no master key in memory or environment."""
    settings.DATA = tmp_path / "data"
    monkeypatch.delenv(secrets.ENVIRONMENT, raising=False)
    monkeypatch.delenv(secrets.NEW_ENVIRONMENT, raising=False)
    secrets.forget()
    yield
    secrets.forget()


@pytest.fixture
def utility(db):
    from avlas.system.models import Utility

    return Utility.objects.create(name="Vätterns Energi", slug="vattern")


@pytest.fixture
def administrator(utility):
    from avlas.system.models import Role, User

    return User.objects.create_user(
        "Anna@Example.se",
        "long enough 1",
        utility=utility,
        role=Role.ADMINISTRATOR,
        first_name="Anna",
        last_name="Ek",
    )
