"""The command ``sbom``: what the program is made of, as a CycloneDX 1.6 document (ECMA-424) on standard output.

Listed are the Python packages that requirements.txt names, as they are installed here (all installed ones where that
file is missing), and the browser modules of package-lock.json.
"""

from __future__ import annotations

import base64
import json
import platform
import re
import sys
import uuid
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import avlas

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

ROOT: Final = Path(__file__).resolve().parents[3]
_LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_NEEDED = re.compile(r"[A-Za-z0-9][\w.-]*")
_LICENCES: Final = "License :: "


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_arguments: argparse.Namespace) -> int:
    """Print the document."""
    json.dump(document(datetime.now(UTC)), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0


def document(at: datetime, root: Path = ROOT) -> dict[str, Any]:
    """The whole document, made at the moment ``at``. ``root``: the folder with the lock files."""
    own = f"pkg:generic/avlas@{avlas.__version__}"
    python, needs = _python_packages(root / "requirements.txt")
    browser = _browser_modules(root / "package-lock.json")
    components = [*python, *browser]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": at.isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "avlas",
                "version": avlas.__version__,
            },
            "properties": [
                {"name": "avlas:python", "value": platform.python_version()},
                {"name": "avlas:platform", "value": platform.platform()},
            ],
        },
        "components": components,
        "dependencies": [
            {"ref": own, "dependsOn": sorted(one["bom-ref"] for one in components)},
            *({"ref": ref, "dependsOn": sorted(below)} for ref, below in sorted(needs.items())),
        ],
    }


def _plain(name: str) -> str:
    """A package's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _python_packages(lock: Path) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    """The packages as components, and of each which others of them it needs."""
    installed = {_plain(one.name): one for one in metadata.distributions()}
    locked: dict[str, str] | None = None
    if lock.is_file():
        locked = {
            _plain(name): version for name, version in _LOCKED.findall(lock.read_text(encoding="utf-8"))
        }
    names = sorted(locked if locked is not None else installed.keys() - {"avlas"})
    refs, components = {}, []  # type: dict[str, str], list[dict[str, Any]]
    for name in names:
        there = installed.get(name)
        version = there.version if there else (locked or {})[name]
        refs[name] = f"pkg:pypi/{name}@{version}"
        component: dict[str, Any] = {
            "type": "library", "bom-ref": refs[name], "name": name, "version": version, "purl": refs[name],
            "scope": "required" if there else "excluded",  # locked, but not for this platform
        }  # fmt: skip
        if there and (licences := _licences(there.metadata)):
            component["licenses"] = licences
        components.append(component)
    needs = {refs[name]: {refs[one] for one in _needed(installed.get(name)) if one in refs} for name in names}
    return components, needs


def _needed(one: metadata.Distribution | None) -> Iterable[str]:
    """The names of what a package says it needs, those for extras left out."""
    for text in (one.requires if one else None) or []:
        if "extra ==" not in text and (name := _NEEDED.match(text)):
            yield _plain(name[0])


def _licences(said: metadata.PackageMetadata) -> list[dict[str, Any]]:
    for expression in said.get_all("License-Expression") or []:
        return [{"expression": expression}]
    classifiers = said.get_all("Classifier") or []
    named = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith(_LICENCES)]
    if not named:
        named = [
            text for text in said.get_all("License") or [] if "\n" not in text and text not in ("", "UNKNOWN")
        ]
    return [{"license": {"name": name[:120]}} for name in sorted(set(named))]


def _browser_modules(lock: Path) -> list[dict[str, Any]]:
    if not lock.is_file():
        return []
    packages: Mapping[str, Any] = json.loads(lock.read_text(encoding="utf-8")).get("packages", {})
    found: list[dict[str, Any]] = []
    for place, about in sorted(packages.items()):
        if not place or about.get("dev"):
            continue
        name, version = place.rpartition("node_modules/")[2], about["version"]
        ref = f"pkg:npm/{quote(name)}@{version}"
        one: dict[str, Any] = {
            "type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref, "scope": "required",
        }  # fmt: skip
        if about.get("license"):
            one["licenses"] = [{"expression": about["license"]}]
        algorithm, _dash, value = about.get("integrity", "").partition("-")
        if algorithm == "sha512":
            one["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(value).hex()}]
        if ref not in {other["bom-ref"] for other in found}:
            found.append(one)
    return found
