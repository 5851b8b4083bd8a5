"""The list of what the program is made of holds every locked package, each once, and is well-formed CycloneDX."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from importlib import metadata

from avlas import __version__
from avlas.operation.sbom import ROOT, document

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_printed_by_the_command():
    done = subprocess.run([sys.executable, "-m", "avlas", "sbom"], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert (said["bomFormat"], said["specVersion"]) == ("CycloneDX", "1.6")
    uuid.UUID(said["serialNumber"].removeprefix("urn:uuid:"))
    assert said["metadata"]["component"]["version"] == __version__
    locked = re.findall(
        r"^([a-z0-9][\w.-]*)(?:\[.*\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    there = {one["name"]: one for one in said["components"]}
    assert len(locked) > 20
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in locked} <= set(there)
    assert "pytest" not in there
    assert there["django"]["version"] == metadata.version("django")
    assert there["django"]["licenses"]


def test_every_reference_is_there_once():
    said = document(AT)
    refs = [one["bom-ref"] for one in said["components"]] + [said["metadata"]["component"]["bom-ref"]]
    assert len(refs) == len(set(refs))
    for one in said["dependencies"]:
        assert {one["ref"], *one["dependsOn"]} <= set(refs)
    needs = {one["ref"].partition("@")[0]: one["dependsOn"] for one in said["dependencies"]}
    assert any(one.startswith("pkg:pypi/asgiref@") for one in needs["pkg:pypi/django"])


def test_browser_modules_and_what_is_missing(tmp_path):
    lock = {
        "packages": {
            "": {"name": "avlas"},
            "node_modules/@a/b": {"version": "1.0.0", "license": "MIT", "integrity": "sha512-AAEC"},
            "node_modules/x/node_modules/@a/b": {"version": "1.0.0"},
            "node_modules/tsc": {"version": "5.0.0", "dev": True},
        }
    }
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    (tmp_path / "requirements.txt").write_text("not-here==1.2 \\\n    --hash=sha256:00\ndjango==5.2.1\n")
    by_name = {one["name"]: one for one in document(AT, tmp_path)["components"]}
    assert by_name.keys() == {"not-here", "django", "@a/b"}
    python, django, browser = by_name["not-here"], by_name["django"], by_name["@a/b"]
    assert (python["version"], python["scope"]) == ("1.2", "excluded")
    assert django["version"] == metadata.version("django")  # what is installed, not what is written
    assert browser["purl"] == "pkg:npm/%40a/b@1.0.0"
    assert browser["hashes"] == [{"alg": "SHA-512", "content": "000102"}]


def test_without_lock_files_all_that_is_installed(tmp_path):
    names = {one["name"] for one in document(AT, tmp_path)["components"]}
    assert {"django", "numpy", "pytest"} <= names
