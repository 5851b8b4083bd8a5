"""A small installation with the demo's town in it, and the program run on copies of it as a person runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

MAKE = """
import django; django.setup()
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
from avlas.demo.history import Progress
from avlas.demo.load import load
from avlas.simulate.town import Town
load(Town.build(3, 1, now=datetime.now(UTC)), Path(settings.DATA), Progress())
"""

SUMS = """
import django; django.setup()
import json
from avlas.operation import tables
with tables.snapshot() as own:
    sums = {t.name: (s.rows, s.hex()) for t in tables.describe() for s in [tables.total(own, t)]}
print(json.dumps(sums))
"""


@dataclass
class Installation:
    """A data folder and a database, and the program on them."""

    data: Path
    database: str = ""
    settings: str = "avlas.settings"
    more: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        known = {k: v for k, v in os.environ.items() if not k.startswith(("AVLAS_", "DJANGO_"))}
        known |= {
            "AVLAS_DATA": str(self.data),
            "AVLAS_LANGUAGE": "en",
            "DJANGO_SETTINGS_MODULE": self.settings,
        }
        known["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return known | ({"AVLAS_DATABASE": self.database} if self.database else {}) | self.more

    def run(self, *arguments: str, status: int = 0, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "avlas", *arguments],
            env=self.environment(), input=given, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sums(self) -> dict[str, list]:
        return json.loads(self.python(SUMS))


@pytest.fixture(scope="session")
def town(tmp_path_factory) -> Installation:
    """The installation that tests copy; nobody changes it."""
    made = Installation(tmp_path_factory.mktemp("town"))
    made.python(MAKE)
    return made


@pytest.fixture(scope="session")
def town_sums(town) -> dict[str, list]:
    """Rows and checksum of each of its tables."""
    return town.sums()


@pytest.fixture(scope="session")
def town_backup(town, tmp_path_factory) -> Path:
    """A backup of it; tests that harm one take a copy."""
    folder = tmp_path_factory.mktemp("town-backup")
    shutil.copytree(town.data, folder / "town")  # the town itself stays one without any backup
    Installation(folder / "town").run("backup", "--to", str(folder / "backups"))
    (path,) = (folder / "backups").iterdir()
    return path


@pytest.fixture
def copied(town, tmp_path) -> Installation:
    """A copy of the town, on SQLite."""
    shutil.copytree(town.data, tmp_path / "copied")
    return Installation(tmp_path / "copied")


@contextmanager
def own_database(server: str, name: str, data: Path) -> Iterator[Installation]:
    """An installation on PostgreSQL with nothing in its database."""
    name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with psycopg.connect(server, autocommit=True) as connected:
        connected.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connected.execute(f"CREATE DATABASE {name}")
    yield Installation(data, urlsplit(server)._replace(path=f"/{name}").geturl())
    with psycopg.connect(server, autocommit=True) as connected:
        connected.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def empty_postgresql(postgresql, tmp_path) -> Iterator[Installation]:
    (tmp_path / "postgresql").mkdir()
    with own_database(postgresql, "operation", tmp_path / "postgresql") as made:
        yield made


@pytest.fixture(scope="session")
def town_on_postgresql(postgresql, town_backup, tmp_path_factory) -> Iterator[Installation]:
    """The town on PostgreSQL; tests leave it as it is."""
    with own_database(postgresql, "operation_town", tmp_path_factory.mktemp("postgresql")) as made:
        made.run("restore", str(town_backup))
        yield made
