"""``./run``: the real script sets up a small made-up checkout, from wheels made here, without any network."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "run"
# The interpreter that a person would call: the one behind this environment.
PYTHON = getattr(sys, "_base_executable", sys.executable)

PROGRAM = """
import os, sys
import tiny
print("tiny", tiny.VERSION)
print("arguments", sys.argv[1:])
print("data", os.environ["AVLAS_DATA"])
print("here", os.getcwd())
sys.exit(7 if "seven" in sys.argv else 0)
"""


def wheel(folder: Path, version: str, *, marked: str = "") -> str:
    """A pure Python wheel of the package tiny; returns its line for a lock file."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", f"VERSION = {version!r}{marked}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"tiny=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Checkout:
    """A folder with the real ``run`` and a program of a few lines, and a way to start it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.wheels = folder / "wheels"
        self.home = folder / "home"
        for made in (self.folder / "src" / "avlas", self.wheels, self.home):
            made.mkdir(parents=True)
        shutil.copy(RUN, self.folder / "run")
        (self.folder / "src/avlas/__init__.py").touch()
        (self.folder / "src/avlas/__main__.py").write_text(PROGRAM)
        self.lock(wheel(self.wheels, "1.0"))

    def lock(self, line: str) -> None:
        for name in ("requirements.txt", "requirements-dev.txt"):
            (self.folder / name).write_text(line)

    def __call__(self, *arguments, cwd=None, **environment):
        env = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            **environment,
        }
        return subprocess.run(
            [PYTHON, str(self.folder / "run"), *arguments],
            cwd=cwd or self.folder, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A checkout after its first start, and what that start said; tests leave it working."""
    checkout = Checkout(tmp_path_factory.mktemp("run"))
    return checkout, checkout("import", "file name.txt")


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_the_first_start_installs_and_hands_over(ready):
    checkout, first = ready
    assert first.returncode == 0, first.stderr
    assert "Setting up Avläs in" in first.stderr
    assert re.search(r"✓ Python packages \(1\) \(\d+\.\d s\)", first.stderr)
    assert first.stdout.startswith(
        "tiny 1.0\narguments ['import', 'file name.txt']\n"
    )  # nothing but the program's
    assert f"data {checkout.folder}/data\n" in first.stdout


def test_the_second_start_installs_nothing(ready):
    checkout, _ = ready
    away = checkout.wheels.rename(checkout.wheels.with_name("away"))  # pip would fail without them
    try:
        second = checkout("import")
    finally:
        away.rename(checkout.wheels)
    assert second.returncode == 0
    assert second.stdout.startswith("tiny 1.0\n")
    assert second.stderr == ""


def test_everything_lies_in_the_checkout(ready):
    checkout, _ = ready
    assert not [path for path in checkout.home.rglob("*") if ".rustup" not in path.parts]  # pip asks rustc
    assert {path.name for path in checkout.folder.iterdir()} == {
        ".venv", "run", "src", "requirements.txt", "requirements-dev.txt"
    }  # fmt: skip


def test_status_folder_and_arguments_are_the_callers(ready, tmp_path):
    checkout, _ = ready
    result = checkout("seven", cwd=tmp_path, AVLAS_DATA="elsewhere")
    assert result.returncode == 7
    assert f"here {tmp_path}\n" in result.stdout
    assert f"data {tmp_path}/elsewhere\n" in result.stdout


def test_no_command_serves(ready):
    checkout, _ = ready
    assert "arguments ['serve']" in checkout().stdout
    assert "arguments ['serve', '--listen', ':80']" in checkout("--listen", ":80").stdout
    assert "arguments ['--version']" in checkout("--version").stdout


def test_a_foreign_python_path_does_not_disturb(ready, tmp_path):
    checkout, _ = ready
    (tmp_path / "tiny.py").write_text("VERSION = 'wrong'")
    assert "tiny 1.0\n" in checkout("x", cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout


def test_a_changed_lock_file_installs_and_the_folder_may_move(checkout):
    assert checkout("x").returncode == 0
    checkout.lock(wheel(checkout.wheels, "2.0"))
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    result = checkout("x")
    assert "✓ Python packages" in result.stderr
    assert "tiny 2.0\n" in result.stdout


def test_a_set_up_that_was_cut_off_is_taken_up_again(checkout):
    assert checkout("x").returncode == 0
    (checkout.folder / ".venv/bin/python").unlink()
    (checkout.folder / ".venv/bin/python").symlink_to("/gone/with/the/upgrade/python3")
    assert "tiny 1.0\n" in checkout("x").stdout
    (checkout.folder / ".venv/installed.json").write_text("{")
    assert "tiny 1.0\n" in checkout("x").stdout


def test_a_package_that_is_not_the_tested_one_is_refused(checkout):
    wheel(checkout.wheels, "1.0", marked=" + '!'")
    result = checkout("x")
    assert result.returncode == 1
    assert "not the one this version of Avläs was tested with" in result.stderr
    assert "tiny" not in result.stdout
    assert "provad med" in checkout("x", LANG="sv_SE.UTF-8").stderr


def test_no_network_is_said_and_mended_by_starting_again(checkout):
    nowhere = {
        "PIP_NO_INDEX": "",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
    result = checkout("x", **nowhere)
    assert result.returncode == 1
    assert "No network: the packages can't be fetched" in result.stderr
    assert checkout("x").returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_access_is_said(checkout):
    checkout.folder.chmod(0o555)
    try:
        result = checkout("x")
    finally:
        checkout.folder.chmod(0o755)
    assert result.returncode == 1
    assert "No write access to" in result.stderr


def test_a_full_disk_is_said():
    code = f"import runpy; run = runpy.run_path({str(RUN)!r}); print(run['recognise']('[Errno 28] No space left on device'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("The disk is full.")


@pytest.mark.skipif(not shutil.which("npm"), reason="this computer has no npm")
def test_browser_modules_come_from_the_lock_file_once(checkout):
    (checkout.folder / "package.json").write_text('{"name": "x", "dependencies": {"tiny": "file:tiny"}}')
    (checkout.folder / "tiny").mkdir()
    (checkout.folder / "tiny/package.json").write_text('{"name": "tiny", "version": "1.0.0"}')
    (checkout.folder / "package-lock.json").write_text(
        '{"name": "x", "lockfileVersion": 3, "packages": {"": {"name": "x", "dependencies": {"tiny": "file:tiny"}},'
        ' "node_modules/tiny": {"resolved": "tiny", "link": true}, "tiny": {"version": "1.0.0"}}}'
    )
    assert "Browser modules" not in checkout("decode").stderr
    assert "✓ Browser modules" in checkout("web").stderr
    assert (checkout.folder / "node_modules/tiny/package.json").exists()
    assert "Browser modules" not in checkout("web").stderr
    shutil.rmtree(checkout.folder / "node_modules")
    assert "✓ Browser modules" in checkout("web").stderr


def test_help_installs_nothing(checkout):
    result = checkout("--help")
    assert "./run demo" in result.stdout
    assert not (checkout.folder / ".venv").exists()


def test_an_old_python_is_told_so():
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = ['run'];"
        f"runpy.run_path({str(RUN)!r}, run_name='__main__')"
    )
    for language, said in (
        ("C", "needs Python 3.11 or newer; python3 on this computer is 3.9.2"),
        ("sv", "behöver"),
    ):
        environment = {"PATH": "/nowhere", "AVLAS_LANGUAGE": language}
        command = [sys.executable, "-c", code]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert said in result.stderr


def test_old_pythons_can_read_the_script():
    ast.parse(RUN.read_text(), feature_version=(3, 7))


def pins(lock: str) -> dict[str, str]:
    """What a lock file names: "name==version ; marker" -> its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return {line.partition(" --hash")[0].strip(): line.partition(" --hash")[2] for line in lines}


def test_the_development_lock_holds_the_whole_runtime_lock():
    runtime, development = pins("requirements.txt"), pins("requirements-dev.txt")
    assert runtime
    assert {name: development.get(name) for name in runtime} == runtime


def test_every_locked_package_has_hashes():
    for lock in ("requirements.txt", "requirements-dev.txt", "requirements-node.txt"):
        for name, hashes in pins(lock).items():
            assert "sha256:" in hashes, f"{lock}: {name}"
