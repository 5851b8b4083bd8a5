"""A server by FTP over TLS (RFC 4217, explicit). Its certificate is checked, or pinned; data goes encrypted as well."""

from __future__ import annotations

import contextlib
import ftplib
import io
import posixpath
import ssl
from typing import IO, TYPE_CHECKING, Any

from django.utils.translation import gettext_noop

from avlas.transfer.places import tls
from avlas.transfer.places.folder import stamped
from avlas.transfer.places.reach import address_of
from avlas.transfer.places.road import (
    BLOCK,
    CONNECT_SECONDS,
    Identity,
    PlaceError,
    check_all_came,
    check_all_kept,
    checked_name,
    fetched_file,
    fitting,
    temporary_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Connection(ftplib.FTP_TLS):
    """Data connections continue the control connection's TLS session: many servers ask for that."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        """Open a data connection, encrypted if that was agreed on."""
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - over TLS
        if self._prot_p:  # type: ignore[attr-defined]
            assert isinstance(self.sock, ssl.SSLSocket)
            data = self.context.wrap_socket(data, server_hostname=self.host, session=self.sock.session)
        return data, size


class Ftps:
    """The road to a folder of an FTPS server (see ``road.Road``)."""

    gives = takes = True

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        *,
        pinned: str,
        folder: str,
        archive: str,
        own_machine: bool,
    ) -> None:
        self._host, self._port, self._user, self._password = host, port, user, password
        self._pinned, self._own_machine = pinned, own_machine
        self._folder, self._archive = folder, archive

    def test(self) -> list[tuple[str, dict[str, Any]]]:
        """Sign in, write a small file and remove it again; where writing is refused, say that."""
        with self._session() as ftp:
            found = [(gettext_noop("Signed in at %(host)s as %(user)s."), self._where)]
            part = temporary_name("test")
            try:
                ftp.storbinary(f"STOR {part}", io.BytesIO(b"Avlas"))
                ftp.delete(part)
            except ftplib.error_perm:
                found.append((gettext_noop("Files can be read there but not written."), {}))
            else:
                found.append((gettext_noop("Files can be read and written."), {}))
            count = len(fitting(_listed(ftp), "*"))
        return [*found, (gettext_noop("Files there now: %(count)s."), {"count": count})]

    def identity(self) -> Identity | None:
        """The certificate the server shows."""
        with self._in_words(), self._greeted(tls.unchecked()) as ftp:
            ftp.auth()
            assert isinstance(ftp.sock, ssl.SSLSocket)
            shown = ftp.sock.getpeercert(binary_form=True)
        assert shown is not None
        return tls.identity(shown)

    def send(
        self, name: str, stream: IO[bytes], *, key: str = "", hand_over: Callable[[], None] | None = None
    ) -> None:
        """Write it under a hidden name, look that all of it is there, then give it its own."""
        del key  # the same name is the same file
        part, size = temporary_name(checked_name(name)), 0

        def counted(block: bytes) -> None:
            nonlocal size
            size += len(block)

        with self._session() as ftp:
            try:
                ftp.storbinary(f"STOR {part}", stream, BLOCK, counted)
                check_all_kept(_size(ftp, part), size, self._host)
                if hand_over:
                    hand_over()
                _rename(ftp, part, name)
            except BaseException:
                with contextlib.suppress(*ftplib.all_errors):
                    if ftp.sock is not None:
                        ftp.sock.settimeout(5)
                    ftp.delete(part)
                raise

    def has(self, name: str, size: int) -> bool | None:
        """Whether it lies there."""
        with self._session() as ftp:
            return checked_name(name) in _listed(ftp) and _size(ftp, name) in (size, None)

    def names(self, pattern: str = "*") -> list[str]:
        """What the server lists, without folders where it tells them apart (MLSD, RFC 3659)."""
        with self._session() as ftp:
            return fitting(_listed(ftp), pattern)

    def fetch(self, name: str) -> IO[bytes]:
        """All of it into a temporary file."""
        with fetched_file() as into, self._session() as ftp:
            size = _size(ftp, checked_name(name))
            ftp.retrbinary(f"RETR {name}", into.write, BLOCK)
            check_all_came(into.tell(), size, name)
        return into

    def archive(self, name: str) -> None:
        """Into the archive folder, made when it is not there; a name that is taken gets the time added."""
        with self._session() as ftp:
            here = ftp.pwd()
            try:
                ftp.cwd(self._archive)
            except ftplib.error_perm:
                ftp.mkd(self._archive)
                ftp.cwd(self._archive)
            taken = name in _listed(ftp)
            ftp.cwd(here)
            ftp.rename(checked_name(name), posixpath.join(self._archive, stamped(name) if taken else name))

    @property
    def _where(self) -> dict[str, Any]:
        return {"host": self._host, "port": self._port, "user": self._user}

    @contextlib.contextmanager
    def _greeted(self, context: ssl.SSLContext) -> Iterator[_Connection]:
        """A connection that has said hello and nothing more."""
        address = address_of(self._host, self._port, self._own_machine)
        with contextlib.closing(_Connection(context=context, timeout=CONNECT_SECONDS)) as ftp:
            ftp.connect(address, self._port)
            ftp.host = self._host  # whose name the certificate must have
            yield ftp

    @contextlib.contextmanager
    def _session(self) -> Iterator[_Connection]:
        """Signed in, encrypted, in the place's folder. Whatever goes wrong inside becomes PlaceError."""
        with self._in_words(), self._greeted(tls.context(self._pinned)) as ftp:
            ftp.auth()
            try:
                ftp.login(self._user, self._password)
            except ftplib.error_perm as problem:
                raise PlaceError(
                    gettext_noop("%(host)s does not let %(user)s in: wrong user, password or key."),
                    **self._where,
                    for_good=True,
                ) from problem
            ftp.prot_p()
            if self._folder:
                try:
                    ftp.cwd(self._folder)
                except ftplib.error_perm as problem:
                    raise PlaceError(
                        gettext_noop("There is no folder %(folder)s on %(host)s."),
                        folder=self._folder,
                        host=self._host,
                    ) from problem
            yield ftp
            with contextlib.suppress(*ftplib.all_errors):
                ftp.quit()

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        where = self._where
        try:
            yield
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as problem:
            raise PlaceError(
                gettext_noop("The connection to %(host)s:%(port)s was lost half-way."), **where, lost=True
            ) from problem
        except ssl.SSLError as problem:
            raise tls.refusal(problem, self._host, self._port, self._pinned) from problem
        except TimeoutError as problem:
            raise PlaceError(
                gettext_noop("%(host)s:%(port)s did not answer in time."), **where, lost=True
            ) from problem
        except ConnectionRefusedError as problem:
            raise PlaceError(
                gettext_noop("No connection to %(host)s:%(port)s: nothing answers there."), **where
            ) from problem
        except (EOFError, OSError) as problem:
            raise PlaceError(
                gettext_noop("The connection to %(host)s:%(port)s was lost half-way."), **where, lost=True
            ) from problem
        except ftplib.Error as problem:
            said = " ".join(str(problem).split())[:300]
            if said[:3] in ("452", "552"):  # RFC 959, 4.2.2: storage
                raise PlaceError(gettext_noop("The disk of %(host)s is full."), **where) from problem
            if said[:3] == "426":  # connection closed, transfer aborted
                raise PlaceError(
                    gettext_noop("The connection to %(host)s:%(port)s was lost half-way."), **where, lost=True
                ) from problem
            raise PlaceError(
                gettext_noop("%(host)s answered: %(said)s"),
                **where,
                said=said,
                for_good=isinstance(problem, ftplib.error_perm),
            ) from problem


def _listed(ftp: ftplib.FTP) -> list[str]:
    try:
        return [name for name, facts in ftp.mlsd() if facts.get("type", "file") == "file"]
    except ftplib.error_perm:
        pass  # an older server
    try:
        return [posixpath.basename(name) for name in ftp.nlst()]
    except ftplib.error_perm as problem:
        if str(problem).startswith("550"):  # how many say that nothing is there
            return []
        raise


def _size(ftp: ftplib.FTP, name: str) -> int | None:
    """The size in bytes; None where the server doesn't tell."""
    try:
        ftp.voidcmd("TYPE I")
        return ftp.size(name)
    except ftplib.error_perm:
        return None


def _rename(ftp: ftplib.FTP, old: str, new: str) -> None:
    """Replace; where the server refuses that, remove what is in the way first."""
    try:
        ftp.rename(old, new)
    except ftplib.error_perm:
        if new not in _listed(ftp):
            raise
        ftp.delete(new)
        ftp.rename(old, new)
