"""A folder of the machine Avläs runs on, inside the folders that its operator allows (AVLAS_TRANSFER_FOLDERS).

The folder is opened step by step without following links, and everything is done relative to what was opened: a
place can't lead out of what is allowed, not even when somebody puts a link there meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext_noop

from avlas.transfer.places.road import BLOCK, PlaceError, checked_name, fitting, temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from avlas.transfer.places.road import Identity


def allowed_folders(slug: str) -> list[str]:
    """The folders that a utility (by its short name) may use and what lies in them; {utility} is its own name."""
    return [path.replace("{utility}", slug) for path in settings.TRANSFER_FOLDERS]


class Folder:
    """The road to a folder (see ``road.Road``). ``allowed``: the folders in one of which it must be."""

    gives = takes = True

    def __init__(self, path: str, archive: str, allowed: Sequence[str]) -> None:
        self._path, self._archive, self._allowed = path, archive, allowed

    def test(self) -> list[tuple[str, dict[str, Any]]]:
        """Write a small file, read it back and remove it."""
        with self._opened() as folder, _in_words(self._path):
            name = temporary_name("test")
            with _new_file(name, folder) as file:
                file.write(b"Avlas")
            os.unlink(name, dir_fd=folder)
        count = len(self.names())
        return [
            (gettext_noop("Files can be read and written."), {}),
            (gettext_noop("Files there now: %(count)s."), {"count": count}),
        ]

    def identity(self) -> Identity | None:
        """Nothing to pin."""
        return None

    def send(
        self, name: str, stream: IO[bytes], *, key: str = "", hand_over: Callable[[], None] | None = None
    ) -> None:
        """Write it beside under a hidden name, on disk, then give it its own."""
        del key  # the same name is the same file
        name, part = checked_name(name), temporary_name(name)
        with self._opened() as folder, _in_words(self._path):
            try:
                with _new_file(part, folder) as file:
                    while block := stream.read(BLOCK):
                        file.write(block)
                    file.flush()
                    os.fsync(file.fileno())
                if hand_over:
                    hand_over()
                os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(part, dir_fd=folder)
                raise

    def has(self, name: str, size: int) -> bool | None:
        """Whether it lies there."""
        with self._opened() as folder, _in_words(self._path):
            try:
                found = os.stat(checked_name(name), dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def names(self, pattern: str = "*") -> list[str]:
        """Ordinary files alone, no links."""
        with self._opened() as folder, _in_words(self._path), os.scandir(folder) as entries:
            return fitting([one.name for one in entries if one.is_file(follow_symlinks=False)], pattern)

    def fetch(self, name: str) -> IO[bytes]:
        """Open the file itself; a link is refused."""
        with self._opened() as folder, _in_words(self._path):
            file = os.fdopen(
                os.open(checked_name(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb"
            )
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise PlaceError(
                gettext_noop("“%(name)s” can't be the name of a file here."), name=name, for_good=True
            )
        return file

    def archive(self, name: str) -> None:
        """Into the archive folder, made when it is not there; a name that is taken gets the time added."""
        with self._opened() as folder, _in_words(self._path):
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._archive, 0o770, dir_fd=folder)
            to = _inner(self._archive, folder)
            try:
                taken = name in os.listdir(to)  # noqa: PTH208 - of what was opened, not of a path
                os.rename(
                    checked_name(name), stamped(name) if taken else name, src_dir_fd=folder, dst_dir_fd=to
                )
            finally:
                os.close(to)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder as a file descriptor. Raises PlaceError."""
        path = PurePosixPath(self._path)
        root = next((one for one in map(PurePosixPath, self._allowed) if path.is_relative_to(one)), None)
        if root is None or ".." in path.parts:
            raise PlaceError(
                gettext_noop(
                    "The folder %(folder)s is not among those that are allowed on this machine "
                    "(AVLAS_TRANSFER_FOLDERS)."
                ),
                folder=self._path,
                for_good=True,
            )
        with _in_words(self._path):
            here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            for part in path.relative_to(root).parts:
                outer = here
                try:
                    here = _inner(part, outer)
                finally:
                    os.close(outer)
        try:
            yield here
        finally:
            os.close(here)


def stamped(name: str) -> str:
    """``name`` with the time before its ending, for one that is taken."""
    path = PurePosixPath(name)
    return f"{path.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S%f}{path.suffix}"


def _inner(name: str, outer: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)


def _new_file(name: str, folder: int) -> IO[bytes]:
    return os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660, dir_fd=folder), "wb")


@contextlib.contextmanager
def _in_words(path: str) -> Iterator[None]:
    """What the operating system says, as PlaceError."""
    try:
        yield
    except FileNotFoundError as problem:
        raise PlaceError(
            gettext_noop("There is no %(file)s in %(folder)s, or the folder itself is not there."),
            file=Path(os.fsdecode(problem.filename or "")).name,
            folder=path,
        ) from problem
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENOTDIR):
            raise PlaceError(
                gettext_noop("%(folder)s leads through a link or a file, which is not followed."),
                folder=path,
                for_good=True,
            ) from problem
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PlaceError(gettext_noop("The disk of %(folder)s is full."), folder=path) from problem
        if isinstance(problem, PermissionError):
            raise PlaceError(
                gettext_noop("The program may not read and write in %(folder)s."), folder=path
            ) from problem
        raise PlaceError(
            gettext_noop("%(folder)s could not be used: %(problem)s."),
            folder=path,
            problem=problem.strerror or str(problem),
        ) from problem
