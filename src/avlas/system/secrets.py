"""Sealing of secrets at rest: AES-256-GCM under one master key that is never in the database.

The master key is 32 bytes, from the environment variable AVLAS_MASTER_KEY (64 hex digits or base64) or from
the file ``master.key`` in the data folder (made on first use, readable by its owner only). One row,
``SecretCheck``, is written together with the first use of a master key and tells from then on whether the
key at hand is the right one: a lost key is a refusal, never a silently made new one.

    SecretError
    ├── MasterKeyMissing   the database holds secrets, but there is no master key
    ├── MasterKeyWrong     there is a master key, but the secrets are sealed with another one
    ├── MasterKeyUnusable  the key is malformed, or its file can't be read, written or is open to others
    └── SecretDamaged      a sealed value was altered, cut short or moved to another row

A sealed value is: version (1 byte, now 1), id of the master key (4), nonce (12), ciphertext and tag. The
context is authenticated with it, so a value works only in the row it was sealed for.

Changing the master key (``rotate``) survives a crash at any point: the new key is written to
``master.key.new`` first, then all values and the check row change in one transaction, then it becomes
``master.key``; whoever finds the database ahead of the file finishes that step.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from avlas.system.models import SecretCheck

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT: Final = "AVLAS_MASTER_KEY"
NEW_ENVIRONMENT: Final = "AVLAS_NEW_MASTER_KEY"
_VERSION: Final = 1
_CHECK_CONTEXT: Final = b"avlas secret check"


class SecretError(Exception):
    """Anything that keeps a secret from being sealed or opened. The message is for people."""


class MasterKeyMissing(SecretError):  # noqa: N818 - a state, named as people say it
    """The database holds sealed secrets, but there is no master key."""


class MasterKeyWrong(SecretError):  # noqa: N818
    """The master key at hand is not the one that the secrets are sealed with."""


class MasterKeyUnusable(SecretError):  # noqa: N818
    """The master key is malformed, or its file can't be read or written or is open to others."""


class SecretDamaged(SecretError):  # noqa: N818
    """A sealed value was altered, cut short or belongs to another row."""


class MasterKey:
    """The key itself. Shows only its id (8 hex digits of a hash), never its bytes."""

    __slots__ = ("_cipher", "_key", "id")

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise MasterKeyUnusable(
                _("A master key is 32 bytes long, as 64 hex digits or in base64; this one is %(n)d bytes.")
                % {"n": len(key)}
            )
        self._key = key
        self._cipher = AESGCM(key)
        self.id = hashlib.sha256(b"avlas master key id" + key).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"<MasterKey {self.id}>"

    def __reduce__(self) -> str:
        raise TypeError("A master key is not copied, pickled or sent anywhere.")

    def encrypt(self, plain: bytes, context: bytes) -> bytes:
        """``plain`` sealed; ``context`` must be given again, byte for byte, to open it."""
        head = bytes([_VERSION]) + bytes.fromhex(self.id)
        nonce = os.urandom(12)
        return head + nonce + self._cipher.encrypt(nonce, plain, head + context)

    def decrypt(self, sealed: bytes | memoryview, context: bytes) -> bytes:
        """What ``encrypt`` was given. Raises MasterKeyWrong or SecretDamaged."""
        if sealed_with(sealed) != self.id:
            raise MasterKeyWrong(_wrong(sealed_with(sealed), self.id))
        whole = bytes(sealed)
        try:
            return self._cipher.decrypt(whole[5:17], whole[17:], whole[:5] + context)
        except InvalidTag:
            raise SecretDamaged(
                _("A sealed secret is damaged or was moved from another row. Enter it again.")
            ) from None

    def text(self) -> str:
        """The key in base64, for its file alone."""
        return base64.b64encode(self._key).decode()


def sealed_with(sealed: bytes | memoryview) -> str:
    """The id of the master key that a sealed value needs. Raises SecretDamaged when it can't be one."""
    if len(sealed) < 33 or sealed[0] != _VERSION:
        raise SecretDamaged(_("A sealed secret is cut short or of an unknown kind. Enter it again."))
    return bytes(sealed[1:5]).hex()


def encrypt(plain: bytes, context: bytes) -> bytes:
    """Seals one value for storing in this transaction; for many take ``writing_key`` once."""
    return writing_key().encrypt(plain, context)


def decrypt(sealed: bytes | memoryview, context: bytes) -> bytes:
    """Opens a sealed value. Raises any SecretError; SecretDamaged concerns this value alone."""
    key_id = sealed_with(sealed)
    try:
        key = reading_key(key_id)
    except MasterKeyWrong:
        check = SecretCheck.objects.filter(pk=1).first()
        if check is None or check.key_id == key_id:
            raise
        reading_key(check.key_id)
        raise SecretDamaged(
            _("A sealed secret is damaged or was left behind under an older master key. Enter it again.")
        ) from None
    return key.decrypt(sealed, context)


def check_master_key() -> None:
    """To be called when a process starts: makes the master key on first use, else compares it.

    Raises MasterKeyMissing, MasterKeyWrong or MasterKeyUnusable, with what to do about it.
    """
    with transaction.atomic():
        writing_key()


def writing_key() -> MasterKey:
    """The master key to seal with in this transaction; made, with its check row, when there is none yet.

    Must be called inside a transaction (RuntimeError otherwise). The check row stays locked until its end,
    so that no value is sealed with an old key while ``rotate`` is changing it.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("Values are sealed inside the transaction that stores them.")
    check = SecretCheck.objects.select_for_update().filter(pk=1).first()
    if check is None:
        key = _load() or _make()
        check, made = SecretCheck.objects.select_for_update().get_or_create(
            pk=1, defaults={"key_id": key.id, "check_value": key.encrypt(b"", _CHECK_CONTEXT)}
        )
        if made:
            return _remember(key)
    key = reading_key(check.key_id)
    key.decrypt(check.check_value, _CHECK_CONTEXT)
    return key


def reading_key(key_id: str) -> MasterKey:
    """The master key with this id, from memory or read anew. Raises MasterKeyMissing or MasterKeyWrong."""
    with _lock:
        if _known is not None and _known.id == key_id:
            return _known
    in_place, key = _kept(key_id)
    if in_place is not key:
        _finish_rotation(in_place, key)
    return _remember(key)


def inspect() -> MasterKey | None:
    """The master key as a process that starts now would find it; None when none has been needed yet.

    Changes nothing and remembers nothing. Raises any SecretError.
    """
    check = SecretCheck.objects.filter(pk=1).first()
    if check is None:
        return None
    _, key = _kept(check.key_id)
    key.decrypt(check.check_value, _CHECK_CONTEXT)
    return key


def _kept(key_id: str) -> tuple[MasterKey | None, MasterKey]:
    """What lies in the master key's place, and the key with this id: the same, or one that a rotation left waiting."""
    key = _load()
    if key is not None and key.id == key_id:
        return key, key
    waiting = _read_file(_new_path()) if ENVIRONMENT not in os.environ else None
    if waiting is not None and waiting.id == key_id:
        return key, waiting
    if key is None:
        raise MasterKeyMissing(
            _(
                "The master key is missing, and without it the meters' keys in the database can't be read. "
                "Put the file master.key back from your backup to %(path)s, or set %(name)s. "
                "(The key that is needed has the id %(id)s.)"
            )
            % {"path": _path(), "name": ENVIRONMENT, "id": key_id}
        )
    raise MasterKeyWrong(_wrong(key_id, key.id))


def rotate(seal_again: Callable[[MasterKey, MasterKey], int]) -> tuple[str, int, Path | None]:
    """Changes the master key.

    ``seal_again(old, new)`` is called inside the transaction; it opens every sealed value with ``old``, seals
    it with ``new``, stores it and returns how many there were. Whatever it raises undoes everything.

    Returns the new key's id, the number of values, and the file in which the old key was kept (backups made
    before today still need it; None when the key comes from the environment, where the new one is given
    by AVLAS_NEW_MASTER_KEY).
    """
    from_environment = ENVIRONMENT in os.environ
    if from_environment:
        given = os.environ.get(NEW_ENVIRONMENT, "")
        if not given:
            raise MasterKeyUnusable(
                _("The master key comes from %(name)s, so give the new one in %(new)s.")
                % {"name": ENVIRONMENT, "new": NEW_ENVIRONMENT}
            )
        new = parse(given, NEW_ENVIRONMENT)
    with transaction.atomic():
        old = writing_key()
        if not from_environment:  # only now: an interrupted rotation has been finished by writing_key
            new = MasterKey(secrets.token_bytes(32))
            _write_private(_new_path(), new.text() + "\n", replace=True)
        if new.id == old.id:
            raise MasterKeyUnusable(_("The new master key is the same as the old one."))
        count = seal_again(old, new)
        SecretCheck.objects.filter(pk=1).update(
            key_id=new.id, check_value=new.encrypt(b"", _CHECK_CONTEXT), changed_at=datetime.now(UTC)
        )
    kept = None if from_environment else _finish_rotation(old, new)
    _remember(new)
    return new.id, count, kept


def put_back(key: MasterKey) -> bool:
    """Writes a master key from its backup to its file; False when there is one already. Raises MasterKeyUnusable."""
    return _write_private(_path(), key.text() + "\n", replace=False)


def parse(text: str, where: str) -> MasterKey:
    """A master key from its text: 64 hex digits or base64. Raises MasterKeyUnusable naming ``where``."""
    text = text.strip()
    try:
        raw = (
            bytes.fromhex(text)
            if re.fullmatch("[0-9A-Fa-f]{64}", text)
            else base64.b64decode(text, validate=True)
        )
        return MasterKey(raw)
    except (binascii.Error, ValueError, MasterKeyUnusable):
        raise MasterKeyUnusable(
            _("The master key in %(where)s is malformed: it must be 32 bytes, as 64 hex digits or in base64.")
            % {"where": where}
        ) from None


_lock = threading.Lock()
_known: MasterKey | None = None


def _remember(key: MasterKey) -> MasterKey:
    global _known  # noqa: PLW0603 - one master key a process, guarded by the lock
    with _lock:
        _known = key
    return key


def forget() -> None:
    """Drops the master key from memory; the next use reads it again."""
    global _known  # noqa: PLW0603
    with _lock:
        _known = None


def _path() -> Path:
    return Path(settings.DATA) / "master.key"


def _new_path() -> Path:
    return Path(settings.DATA) / "master.key.new"


def _wrong(wanted: str, found: str) -> str:
    return _(
        "This is not the master key that the secrets in the database are sealed with: "
        "they need the one with the id %(wanted)s, but the one from %(where)s has the id %(found)s. "
        "Put the right key back from your backup."
    ) % {"wanted": wanted, "found": found, "where": ENVIRONMENT if ENVIRONMENT in os.environ else _path()}


def _load() -> MasterKey | None:
    if ENVIRONMENT in os.environ:
        return parse(os.environ[ENVIRONMENT], ENVIRONMENT)
    return _read_file(_path())


def _read_file(path: Path) -> MasterKey | None:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise MasterKeyUnusable(
                    _("The master key %(path)s is open to others on this machine: chmod 600 %(path)s")
                    % {"path": path}
                )
            text = file.read(1000)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise MasterKeyUnusable(
            _("The master key %(path)s can't be read: %(problem)s.")
            % {"path": path, "problem": problem.strerror}
        ) from problem
    return parse(text, str(path))


def _make() -> MasterKey:
    """A new master key in its file, or the one that another process made in the same moment."""
    key = MasterKey(secrets.token_bytes(32))
    if _write_private(_path(), key.text() + "\n", replace=False):
        return key
    return _load() or _make()


def _write_private(path: Path, text: str, *, replace: bool) -> bool:
    """Writes the file whole or not at all, for the owner's eyes, safely on disk; False if it was there."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            if replace:
                temporary.replace(path)
            else:
                os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as problem:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise MasterKeyUnusable(
            _("The master key %(path)s can't be written: %(problem)s.")
            % {"path": path, "problem": problem.strerror}
        ) from problem
    return True


def _finish_rotation(old: MasterKey | None, new: MasterKey) -> Path | None:
    """Puts the new key into the master key's file and keeps the old one beside it, for old backups."""
    kept = None
    if old is not None:
        kept = _path().with_name(f"master.key.old-{old.id}")
        _write_private(kept, old.text() + "\n", replace=True)
    _write_private(_path(), new.text() + "\n", replace=True)
    waiting = _read_file(_new_path())
    if waiting is not None and waiting.id == new.id:
        _new_path().unlink(missing_ok=True)
    return kept


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
