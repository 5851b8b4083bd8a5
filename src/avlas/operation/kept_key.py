"""The master key's backup: apart from the data, since whoever has both can read every meter's key.

Locked with a passphrase (scrypt, AES-256-GCM) it may lie anywhere; open it belongs in a safe.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets as chance
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.db import transaction

from avlas.system import audit, secrets
from avlas.system.terminal import text

if TYPE_CHECKING:
    from pathlib import Path

    from avlas.system.secrets import MasterKey

FORMAT: Final = "avlas master key 1"
SHORTEST_PASSPHRASE: Final = 10
_N, _R, _P = 2**16, 8, 1  # 64 MB of memory a guess


class WrongPassphrase(Exception):  # noqa: N818
    """The passphrase doesn't open the file, or the file is no master key's backup. The message is for people."""


def write(path: Path, passphrase: str | None) -> str:
    """Write the installation's master key to a new file, locked unless ``passphrase`` is None; give the key's id.

    Raises FileExistsError (an older backup is never overwritten), OSError and secrets.SecretError.
    """
    with transaction.atomic():
        key = secrets.writing_key()
        content = key.text() + "\n" if passphrase is None else _locked(key, passphrase)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if read(part, passphrase).id != key.id:
                raise OSError(f"{path} can't be read back")
            os.link(part, path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        audit.record(
            "backup.master_key_kept",
            utility=None,
            target=str(path)[-255:],
            detail={"key": key.id, "locked": passphrase is not None},
        )
    return key.id


def is_locked(path: Path) -> bool:
    """Whether the file needs a passphrase."""
    return path.read_text(errors="replace").lstrip().startswith("{")


def read(path: Path, passphrase: str | None) -> MasterKey:
    """The master key in a file. Raises WrongPassphrase, OSError, secrets.MasterKeyUnusable."""
    content = path.read_text(errors="replace")
    if not content.lstrip().startswith("{"):
        return secrets.parse(content, str(path))
    wrong = text(
        f"The passphrase doesn't open {path}, or the file is damaged.",
        f"Lösenfrasen öppnar inte {path}, eller så är filen skadad.",
    )
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            raise WrongPassphrase(wrong)
        salt, nonce, sealed = (base64.b64decode(said[name]) for name in ("salt", "nonce", "sealed"))
        n, r, p = int(said["n"]), int(said["r"]), int(said["p"])
        if not (n <= 2**20 and r <= 32 and p <= 16):  # a file must not be able to eat all memory
            raise WrongPassphrase(wrong)
        cipher = AESGCM(Scrypt(salt, 32, n, r, p).derive((passphrase or "").encode()))
        return secrets.MasterKey(cipher.decrypt(nonce, sealed, FORMAT.encode()))
    except (InvalidTag, ValueError, KeyError, TypeError) as problem:
        raise WrongPassphrase(wrong) from problem


def _locked(key: MasterKey, passphrase: str) -> str:
    salt, nonce = chance.token_bytes(16), chance.token_bytes(12)
    cipher = AESGCM(Scrypt(salt, 32, _N, _R, _P).derive(passphrase.encode()))
    sealed = cipher.encrypt(nonce, base64.b64decode(key.text()), FORMAT.encode())
    said = {
        "format": FORMAT,
        "key": key.id,
        "n": _N,
        "r": _R,
        "p": _P,
        "salt": base64.b64encode(salt).decode(),
        "nonce": base64.b64encode(nonce).decode(),
        "sealed": base64.b64encode(sealed).decode(),
    }
    return json.dumps(said, indent=1) + "\n"
