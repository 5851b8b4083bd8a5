"""What every road to a place can do, what goes wrong there in words, and what a file may be called."""

from __future__ import annotations

import contextlib
import fnmatch
import re
import secrets
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from django.utils.translation import gettext_noop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CONNECT_SECONDS: Final = 20
STEP_SECONDS: Final = 60
"""How long one step (a block of a file, an answer) may take before the connection counts as lost."""
BLOCK: Final = 1 << 18
IN_MEMORY: Final = 1 << 20
"""Fetched files up to this size (bytes) stay in memory, larger ones go to a temporary file."""
_LONGEST_NAME: Final = 200


class PlaceError(Exception):
    """Something did not work at a place. ``text`` is an English message of the program, ``values`` fill its blanks.

    ``for_good``: trying again would not help until a person has changed something. ``stranger``: somebody answers who
    is not known (a host key or certificate that a person may confirm). ``lost``: the connection ended before an answer
    came, so a file that was handed over may have arrived.
    """

    def __init__(
        self, text: str, *, for_good: bool = False, stranger: bool = False, lost: bool = False, **values: Any
    ) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values
        self.for_good, self.stranger, self.lost = for_good, stranger, lost


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a server says it is: its host key or certificate as text, and the fingerprint that people compare."""

    written: str
    fingerprint: str


class Road(Protocol):
    """A way to a place. Every method may raise PlaceError; none leaves half a file under its own name."""

    gives: bool
    """Whether files can be fetched there."""
    takes: bool
    """Whether files can be sent there."""

    def test(self) -> list[tuple[str, dict[str, Any]]]:
        """Go there, sign in and try out what a transfer needs; what was found, as texts with their values."""

    def identity(self) -> Identity | None:
        """Ask the server who it is, without signing in; None where there is nothing to pin."""

    def send(
        self, name: str, stream: IO[bytes], *, key: str = "", hand_over: Callable[[], None] | None = None
    ) -> None:
        """Put all of ``stream`` there as ``name``, whole or not at all; a file of that name is replaced.

        ``key`` names the sending: where the other side or the outbox knows it again, nothing arrives twice.
        ``hand_over`` is called just before the one step after which the file is there.
        """

    def has(self, name: str, size: int) -> bool | None:
        """Whether a file of this name and size (bytes) lies there; None where nobody can tell."""

    def names(self, pattern: str = "*") -> list[str]:
        """The names of the files that fit ``pattern`` (* and ?, case ignored), sorted; half-sent ones left out."""

    def fetch(self, name: str) -> IO[bytes]:
        """A whole file, at its beginning; to be closed by the caller."""

    def archive(self, name: str) -> None:
        """Move a file that is done with to the place's archive folder, so that ``names`` doesn't give it again."""


def checked_name(name: str) -> str:
    """``name`` if a file may be called so: one part, no hidden or control characters. Raises PlaceError."""
    if (
        not name
        or len(name) > _LONGEST_NAME
        or name.startswith(".")
        or re.search(r"[/\\\x00-\x1f\x7f]", name)
        or name != name.strip()
    ):
        raise PlaceError(
            gettext_noop("“%(name)s” can't be the name of a file here."), name=name[:80], for_good=True
        )
    return name


def temporary_name(name: str) -> str:
    """What a file is called while it is on its way: hidden, so that nobody takes half of it."""
    return f".{name[:100]}.{secrets.token_hex(4)}.part"


def fitting(names: Iterable[str], pattern: str) -> list[str]:
    """Those of ``names`` that fit, sorted; hidden files and what nobody could ask for are left out."""
    fits = re.compile(fnmatch.translate(pattern or "*"), re.IGNORECASE)
    found = []
    for name in names:
        try:
            if fits.match(checked_name(name)) and not name.endswith((".part", ".tmp", ".filepart")):
                found.append(name)
        except PlaceError:
            continue
    return sorted(found)


@contextlib.contextmanager
def fetched_file() -> Iterator[IO[bytes]]:
    """A temporary file to write to; afterwards it stands at its beginning, or is closed if something went wrong."""
    into: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        yield into
    except BaseException:
        into.close()
        raise
    into.seek(0)


def check_all_came(came: int, size: int | None, name: str) -> None:
    """Raise PlaceError when fewer bytes came than the file has (None: not known)."""
    if size is not None and came < size:
        raise PlaceError(
            gettext_noop("Only %(there)s of %(size)s bytes of %(name)s came."),
            there=came,
            size=size,
            name=name,
        )


def check_all_kept(kept: int | None, size: int, host: str) -> None:
    """Raise PlaceError when the other side has not kept all bytes that were sent (None: it doesn't tell)."""
    if kept is not None and kept != size:
        raise PlaceError(
            gettext_noop("%(host)s has kept only %(there)s of %(size)s bytes."),
            host=host,
            there=kept,
            size=size,
        )
