"""The rules of the house: who may import whom, what may never be there, and that nothing is left unpacked.

The rules stand as data at the top; ``broken_rules`` walks a source tree's imports (also those inside functions
and under TYPE_CHECKING) and says every one that breaks a rule.
"""

from __future__ import annotations

import ast
import glob
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "avlas"

# part of the package -> the other parts it may import; the longest name that fits a module counts.
MAY_IMPORT: dict[str, set[str]] = {
    "decode": set(),
    "reports.calc": set(),
    "simulate": set(),
    "system": set(),
    "collect.drivers": {"decode"},
    "concentrate": {"decode", "collect.drivers"},
    "meters": {"decode", "reports.calc", "system"},
    "reports": {"decode", "reports.calc", "system", "meters"},
    "collect": {"decode", "reports.calc", "system", "meters", "collect.drivers"},
    "notify": {"decode", "reports", "system", "meters"},
    "transfer": {"decode", "reports", "system", "meters"},
    "web": {
        "decode",
        "reports",
        "system",
        "meters",
        "collect",
        "notify",
        "transfer",
        "simulate",
        "command_words",
        "job_kinds",
        "operation",
    },
}
# The shell around the parts: it starts them, so it may import all of them; no part imports the shell, but the
# pages show the list of what the worker can do.
SHELL = {
    "__main__", "asgi", "cli", "command_words", "demo", "job_kinds", "migrate", "operation", "serve", "settings", "urls", "work",
}  # fmt: skip

WITHOUT_DJANGO = {"decode", "simulate", "reports.calc", "collect.drivers", "concentrate"}
DECODE_MAY_USE = {"numpy", "cryptography", "fastcrc"}  # beside the standard library
NO_IO_NO_CLOCK_NO_LOGGING = {  # parts of the standard library that a pure core doesn't touch
    "asyncio", "http", "logging", "os", "random", "secrets", "select", "shutil", "socket", "sqlite3",
    "subprocess", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
PURE = {"decode", "reports.calc"}
COMMAND = "command"  # a part's command-line face may print and read
FORBIDDEN_NAMES = {
    "util",
    "utils",
    "helper",
    "helpers",
    "service",
    "services",
    "manager",
    "managers",
    "signals",
}
FORBIDDEN_IMPORTS = {"django.dispatch", "django.db.models.signals", "django.core.signals"}


def part_of(module: str) -> str:
    """The rule's name for a module inside the package: "collect.drivers.heard" -> "collect.drivers"."""
    fitting = [part for part in MAY_IMPORT if module == part or module.startswith(f"{part}.")]
    return max(fitting, key=len, default=module.partition(".")[0])


def module_name(path: Path, source: Path) -> str:
    """A file's dotted name inside the package ("" for the package itself)."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, module: str, is_package: bool, ours: set[str]) -> list[tuple[int, str]]:
    """All (line, absolute dotted name) that a module imports, "avlas." included for ours."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = f"avlas.{module}".rstrip(".").split(".")
                package = package[: len(package) - node.level + (1 if is_package else 0)]
                base = ".".join([*package, base] if base else package)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                submodule = name.removeprefix("avlas.") in ours or base.startswith("django")
                found.append((node.lineno, name if submodule else base))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                found.append((node.lineno, str(node.args[0].value)))
    return found


def broken_rules(source: Path) -> list[str]:
    """Every breach in the package at ``source``, as "file:line: what is wrong"."""
    files = sorted(source.rglob("*.py"))
    ours = {module_name(path, source) for path in files}
    broken = []
    for path in files:
        module = module_name(path, source)
        where = path.relative_to(source)
        part = part_of(module)
        if set(where.with_suffix("").parts) & FORBIDDEN_NAMES:
            broken.append(f"{where}:1: a name that says nothing about what the module holds")
        if module and part not in MAY_IMPORT and part not in SHELL:
            broken.append(f"{where}:1: {part} has no rule in MAY_IMPORT and is not part of the shell")
        try:
            tree = ast.parse(path.read_text(), filename=str(path))
        except SyntaxError as problem:
            broken.append(f"{where}:{problem.lineno}: not the syntax of this Python: {problem.msg}")
            continue
        for line, name in imports(tree, module, path.name == "__init__.py", ours):
            broken += [f"{where}:{line}: {said}" for said in judge_import(module, part, name)]
        if part in PURE and not path.stem.startswith(COMMAND):
            broken += [f"{where}:{line}: {said}" for line, said in impure_calls(tree)]
    return broken


def judge_import(module: str, part: str, name: str) -> list[str]:
    """What is wrong with ``module`` (of ``part``) importing ``name``."""
    said = []
    top = name.partition(".")[0]
    if top == "avlas":
        target = part_of(name.removeprefix("avlas").lstrip("."))
        allowed = MAY_IMPORT.get(part, set()) | {part, ""}
        if part in MAY_IMPORT and not any(
            target == may or target.startswith(f"{may}.") for may in allowed if may
        ):
            said += [f"{part} may not import {name}"] if target else []
        return said
    if any(name == forbidden or name.startswith(f"{forbidden}.") for forbidden in FORBIDDEN_IMPORTS):
        said.append(f"signals hide what happens ({name})")
    if part in WITHOUT_DJANGO and top == "django":
        said.append(f"{part} must work without Django ({name})")
    if part in PURE and not module.rpartition(".")[2].startswith(COMMAND):
        if top in NO_IO_NO_CLOCK_NO_LOGGING:
            said.append(f"{part} is pure: no I/O, clock, chance or logging ({name})")
        if top not in sys.stdlib_module_names and top not in DECODE_MAY_USE:
            said.append(
                f"{part} uses only {', '.join(sorted(DECODE_MAY_USE))} beside the standard library ({name})"
            )
    return said


def impure_calls(tree: ast.AST) -> list[tuple[int, str]]:
    """Calls that a pure core must not make: files, terminal, the clock."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input"):
            found.append((node.lineno, f"a pure module doesn't call {node.func.id}()"))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in ("now", "utcnow", "today"):
            found.append((node.lineno, f"a pure module doesn't look at the clock (.{node.func.attr}())"))
    return found


def unpacked(source: Path, patterns: list[str]) -> list[str]:
    """Files that an installed package would lack: data no pattern reaches, code in a folder without __init__."""
    packages = [path.parent for path in source.rglob("__init__.py")]
    packed = {
        package / name
        for package in packages
        for pattern in patterns
        for name in glob.glob(pattern, root_dir=package, recursive=True)  # noqa: PTH207 - as setuptools does
    }
    packed |= {path for package in packages for path in package.glob("*.py")}
    files = {path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    return sorted(str(path.relative_to(source)) for path in files - packed)


# --- Avläs keeps the rules ------------------------------------------------------------------------


def test_the_rules_are_kept():
    assert broken_rules(SOURCE) == []


def test_everything_is_packed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert unpacked(SOURCE, project["tool"]["setuptools"]["package-data"]["*"]) == []


# --- the rules are able to fail -------------------------------------------------------------------


def tree(folder: Path, files: dict[str, str]) -> Path:
    """A made-up package: the files given, and an __init__.py in every folder on the way."""
    source = folder / "avlas"
    for name, content in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        for parent in path.parents:
            if parent == source.parent:
                break
            (parent / "__init__.py").touch()
    return source


GOOD = {
    "cli.py": "import avlas.web.pages\n",
    "decode/link.py": "import numpy\nfrom avlas.decode import errors\nfrom avlas import __version__\n",
    "decode/errors.py": "from datetime import datetime\n",
    "decode/command.py": "import os\nprint(1)\n",
    "collect/drivers/heard.py": "from avlas.decode.link import crc16\n",
    "collect/receiver.py": "from avlas.collect.drivers import heard\nfrom avlas import meters\n",
    "concentrate/hold.py": "from avlas.collect.drivers import heard\n",
    "meters/ingest.py": "from avlas.reports.calc import months\nfrom avlas.system import audit\n",
    "reports/calc/months.py": "from . import weeks\nfrom .weeks import monday\n",
    "reports/calc/weeks.py": "def monday(): ...\n",
    "reports/month.py": "from avlas.meters import ingest\n",
    "system/audit.py": "from django.db import models\n",
    "web/pages.py": "from avlas.reports import month\nfrom django.utils import timezone\ntimezone.now()\n",
}


def test_a_good_tree_passes(tmp_path):
    assert broken_rules(tree(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("decode/link.py", "from avlas.meters import ingest", "decode may not import avlas.meters.ingest"),
        ("decode/link.py", "from avlas import system", "decode may not import avlas.system"),
        ("decode/link.py", "from ..meters import ingest", "decode may not import avlas.meters.ingest"),
        ("decode/link.py", "import avlas.cli", "decode may not import avlas.cli"),
        ("decode/link.py", "def f():\n    import avlas.simulate", "link.py:2: decode may not import avlas.simulate"),
        ("decode/link.py", "import importlib\nimportlib.import_module('avlas.web')", "decode may not import"),
        ("decode/link.py", "import django", "must work without Django"),
        ("decode/link.py", "import httpx", "uses only cryptography, fastcrc, numpy"),
        ("decode/link.py", "import logging", "no I/O, clock, chance or logging"),
        ("decode/link.py", "open('x')", "doesn't call open()"),
        ("decode/link.py", "from datetime import datetime\ndatetime.now()", "look at the clock"),
        ("reports/calc/months.py", "from avlas.decode import link", "reports.calc may not import avlas.decode.link"),
        ("reports/calc/months.py", "from avlas.reports import month", "reports.calc may not import"),
        ("simulate/town.py", "from avlas.decode import link", "simulate may not import"),
        ("simulate/town.py", "from django.conf import settings", "must work without Django"),
        ("system/audit.py", "from avlas.meters import ingest", "system may not import"),
        ("collect/drivers/heard.py", "from avlas.collect import receiver", "collect.drivers may not import"),
        ("collect/drivers/heard.py", "from avlas.meters import ingest", "collect.drivers may not import"),
        ("concentrate/hold.py", "from avlas.collect import receiver", "concentrate may not import"),
        ("concentrate/hold.py", "from avlas.meters import ingest", "concentrate may not import"),
        ("meters/ingest.py", "from avlas.reports import month", "meters may not import avlas.reports.month"),
        ("meters/ingest.py", "from avlas.collect import receiver", "meters may not import"),
        ("reports/month.py", "from avlas.web import pages", "reports may not import avlas.web.pages"),
        ("collect/receiver.py", "import avlas.transfer.files", "collect may not import avlas.transfer"),
        ("transfer/files.py", "from avlas.notify import mail", "transfer may not import avlas.notify"),
        ("notify/mail.py", "from avlas.collect import receiver", "notify may not import avlas.collect"),
        ("notify/mail.py", "from avlas.web import pages", "notify may not import avlas.web"),
        ("meters/utils.py", "", "says nothing about what the module holds"),
        ("helpers/dates.py", "", "says nothing about what the module holds"),
        ("meters/ingest.py", "from django.db.models.signals import post_save", "signals hide"),
        ("meters/ingest.py", "from django.db.models import signals", "signals hide"),
        ("meters/ingest.py", "def def", "ingest.py:1: not the syntax"),
        ("plugins/load.py", "", "has no rule in MAY_IMPORT"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_found(tmp_path, name, content, complaint):
    broken = broken_rules(tree(tmp_path, GOOD | {name: content}))
    assert any(complaint in said for said in broken), broken


def test_what_would_not_be_packed_is_found(tmp_path):
    source = tree(tmp_path, GOOD)
    for name in ("decode/families/a.toml", "web/templates/page.html", "web/static/logo.webp"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    (source / "decode/families/lost.py").touch()
    left = unpacked(source, ["**/*.toml", "*.html"])
    assert left == ["decode/families/lost.py", "web/static/logo.webp", "web/templates/page.html"]
