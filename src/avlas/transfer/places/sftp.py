"""A server by SFTP (asyncssh). It must show the host key that was pinned; nothing of the machine's own SSH is used."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import IO, TYPE_CHECKING, Any, TypeVar

import asyncssh
from django.utils.translation import gettext_noop

from avlas.transfer.places.folder import stamped
from avlas.transfer.places.reach import address_of
from avlas.transfer.places.road import (
    BLOCK,
    CONNECT_SECONDS,
    STEP_SECONDS,
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
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

T = TypeVar("T")


def new_private_key() -> str:
    """A fresh private key (Ed25519), as text."""
    return asyncssh.generate_private_key("ssh-ed25519", comment="avlas").export_private_key().decode()


def public_key(private_key: str) -> str:
    """The public part of a private key, one line for the server's authorized_keys. Raises PlaceError."""
    return _key(private_key).export_public_key().decode().strip()


def fingerprint(host_key: str) -> str:
    """The fingerprint of a host key, as other programs show it: SHA256:…"""
    return asyncssh.import_public_key(host_key).get_fingerprint()


def _key(private_key: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(private_key)
    except (asyncssh.KeyImportError, ValueError) as problem:
        raise PlaceError(
            gettext_noop(
                "The private key can't be read: it must be whole, in OpenSSH or PEM form, without a passphrase."
            ),
            for_good=True,
        ) from problem


class Sftp:
    """The road to a folder of an SFTP server (see ``road.Road``). ``secret``: password, or ``by_key`` a private key."""

    gives = takes = True

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        by_key: bool,
        pinned: str,
        folder: str,
        archive: str,
        own_machine: bool,
    ) -> None:
        self._host, self._port, self._user, self._secret = host, port, user, secret
        self._by_key, self._pinned, self._own_machine = by_key, pinned, own_machine
        self._folder, self._archive = folder.rstrip("/") or ("/" if folder else "."), archive

    def test(self) -> list[tuple[str, dict[str, Any]]]:
        """Sign in, write a small file and remove it again; where writing is refused, say that."""
        return self._do(self._test())

    def identity(self) -> Identity | None:
        """The host key the server shows."""
        return self._do(self._identity())

    def send(
        self, name: str, stream: IO[bytes], *, key: str = "", hand_over: Callable[[], None] | None = None
    ) -> None:
        """Write it under a hidden name, look that all of it is there, then give it its own."""
        del key  # the same name is the same file
        part = self._path(temporary_name(checked_name(name)))
        with (
            self._in_words(),
            asyncio.Runner() as runner,
        ):  # hand_over may use the database: never inside the loop
            session = self._session()
            sftp = runner.run(session.__aenter__())
            try:
                try:
                    runner.run(self._upload(sftp, part, stream))
                    if hand_over:
                        hand_over()
                    runner.run(self._rename(sftp, part, self._path(name)))
                except BaseException:
                    runner.run(self._remove(sftp, part))
                    raise
            finally:
                runner.run(session.__aexit__(None, None, None))

    def has(self, name: str, size: int) -> bool | None:
        """Whether it lies there."""
        return self._do(self._has(checked_name(name), size))

    def names(self, pattern: str = "*") -> list[str]:
        """Ordinary files alone."""
        return fitting(self._do(self._names()), pattern)

    def fetch(self, name: str) -> IO[bytes]:
        """All of it into a temporary file."""
        return self._do(self._fetch(checked_name(name)))

    def archive(self, name: str) -> None:
        """Into the archive folder, made when it is not there; a name that is taken gets the time added."""
        self._do(self._to_archive(checked_name(name)))

    async def _test(self) -> list[tuple[str, dict[str, Any]]]:
        async with self._session() as sftp:
            found = [(gettext_noop("Signed in at %(host)s as %(user)s."), self._where)]
            if not await _step(sftp.isdir(self._folder)):
                raise self._no_folder()
            part = self._path(temporary_name("test"))
            try:
                async with sftp.open(part, "wb") as file:
                    await _step(file.write(b"Avlas"))
                await _step(sftp.remove(part))
            except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect):
                found.append((gettext_noop("Files can be read there but not written."), {}))
            else:
                found.append((gettext_noop("Files can be read and written."), {}))
            count = len(fitting(await self._listed(sftp), "*"))
            return [*found, (gettext_noop("Files there now: %(count)s."), {"count": count})]

    async def _identity(self) -> Identity:
        address = address_of(self._host, self._port, self._own_machine)
        async with asyncio.timeout(CONNECT_SECONDS):
            key = await asyncssh.get_server_host_key(address, self._port, config=None)
        if key is None:
            raise PlaceError(gettext_noop("%(host)s:%(port)s shows no host key."), **self._where)
        return Identity(key.export_public_key().decode().strip(), key.get_fingerprint())

    async def _upload(self, sftp: asyncssh.SFTPClient, part: str, stream: IO[bytes]) -> None:
        size = 0
        async with sftp.open(part, "wb") as file:
            while block := stream.read(BLOCK):
                await _step(file.write(block))
                size += len(block)
        there = await _step(sftp.stat(part))
        check_all_kept(there.size, size, self._host)

    async def _remove(self, sftp: asyncssh.SFTPClient, part: str) -> None:
        with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
            await asyncio.wait_for(sftp.remove(part), 5)

    async def _rename(self, sftp: asyncssh.SFTPClient, old: str, new: str) -> None:
        """Replace in one step where the server can; else (SFTP version 3 alone) remove what is in the way first."""
        try:
            await _step(sftp.posix_rename(old, new))
        except asyncssh.SFTPOpUnsupported:
            if await _step(sftp.exists(new)):
                await _step(sftp.remove(new))
            await _step(sftp.rename(old, new))

    async def _has(self, name: str, size: int) -> bool:
        async with self._session() as sftp:
            try:
                found = await _step(sftp.stat(self._path(name)))
            except asyncssh.SFTPNoSuchFile:
                return False
            return bool(found.size == size)

    async def _names(self) -> list[str]:
        async with self._session() as sftp:
            return await self._listed(sftp)

    async def _listed(self, sftp: asyncssh.SFTPClient) -> list[str]:
        try:
            entries = await _step(sftp.readdir(self._folder))
        except asyncssh.SFTPNoSuchFile:
            raise self._no_folder() from None
        return [
            str(one.filename)
            for one in entries
            if one.attrs.type in (asyncssh.FILEXFER_TYPE_REGULAR, asyncssh.FILEXFER_TYPE_UNKNOWN)
        ]

    async def _fetch(self, name: str) -> IO[bytes]:
        with fetched_file() as into:
            async with self._session() as sftp, sftp.open(self._path(name), "rb") as file:
                size = (await _step(file.stat())).size
                while block := await _step(file.read(BLOCK)):
                    into.write(block)
                check_all_came(into.tell(), size, name)
        return into

    async def _to_archive(self, name: str) -> None:
        async with self._session() as sftp:
            if not await _step(sftp.isdir(self._path(self._archive))):
                await _step(sftp.mkdir(self._path(self._archive)))
            to = self._path(f"{self._archive}/{name}")
            if await _step(sftp.exists(to)):
                to = self._path(f"{self._archive}/{stamped(name)}")
            await _step(sftp.rename(self._path(name), to))

    @property
    def _where(self) -> dict[str, Any]:
        return {"host": self._host, "port": self._port, "user": self._user}

    def _path(self, name: str) -> str:
        return f"{self._folder.rstrip('/')}/{name}"

    def _no_folder(self) -> PlaceError:
        return PlaceError(
            gettext_noop("There is no folder %(folder)s on %(host)s."), folder=self._folder, host=self._host
        )

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SFTPClient]:
        if not self._pinned:
            raise PlaceError(
                gettext_noop("%(host)s is not known yet: test the place and confirm who answers."),
                host=self._host,
                for_good=True,
                stranger=True,
            )
        address = address_of(self._host, self._port, self._own_machine)
        known = asyncssh.import_public_key(self._pinned)
        way: dict[str, Any] = (
            {"client_keys": [_key(self._secret)], "password": None, "preferred_auth": "publickey"}
            if self._by_key
            else {
                "client_keys": None,
                "password": self._secret,
                "preferred_auth": "password,keyboard-interactive",
            }
        )
        async with (
            asyncssh.connect(
                address,
                self._port,
                username=self._user,
                known_hosts=([known], [], []),
                config=None,
                agent_path=None,
                connect_timeout=CONNECT_SECONDS,
                login_timeout=CONNECT_SECONDS,
                keepalive_interval=15,
                keepalive_count_max=3,
                **way,
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            yield sftp

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        with self._in_words():
            return asyncio.run(work)

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        """Whatever goes wrong inside becomes PlaceError."""
        where = self._where
        try:
            yield
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as problem:
            if isinstance(problem, asyncssh.KeyExchangeFailed) and "host key" not in str(problem):
                raise PlaceError(
                    gettext_noop(
                        "%(host)s:%(port)s and Avläs have no way of encrypting in common: %(problem)s."
                    ),
                    **where,
                    problem=problem.reason,
                ) from problem
            raise PlaceError(
                gettext_noop(
                    "%(host)s shows another host key than the one that was pinned (%(fingerprint)s). Somebody may be "
                    "listening in between, or the server was exchanged. Nothing was sent. If the server's owner "
                    "confirms the new key, test the place and pin it."
                ),
                **where,
                fingerprint=fingerprint(self._pinned),
                for_good=True,
                stranger=True,
            ) from problem
        except asyncssh.PermissionDenied as problem:
            raise PlaceError(
                gettext_noop("%(host)s does not let %(user)s in: wrong user, password or key."),
                **where,
                for_good=True,
            ) from problem
        except asyncssh.SFTPNoSuchFile as problem:
            raise PlaceError(
                gettext_noop("There is no such file or folder on %(host)s, in %(folder)s."),
                **where,
                folder=self._folder,
            ) from problem
        except asyncssh.SFTPPermissionDenied as problem:
            raise PlaceError(
                gettext_noop("%(user)s may not do that in %(folder)s on %(host)s."),
                **where,
                folder=self._folder,
                for_good=True,
            ) from problem
        except (asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as problem:
            raise PlaceError(
                gettext_noop("The connection to %(host)s:%(port)s was lost half-way."), **where, lost=True
            ) from problem
        except (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded) as problem:
            raise PlaceError(gettext_noop("The disk of %(host)s is full."), **where) from problem
        except asyncssh.SFTPError as problem:
            if "space" in problem.reason.lower() or "quota" in problem.reason.lower():
                raise PlaceError(gettext_noop("The disk of %(host)s is full."), **where) from problem
            raise PlaceError(
                gettext_noop("%(host)s answered “%(problem)s”. Its disk may be full."),
                **where,
                problem=problem.reason,
            ) from problem
        except TimeoutError as problem:
            raise PlaceError(
                gettext_noop("%(host)s:%(port)s did not answer in time."), **where, lost=True
            ) from problem
        except socket.gaierror as problem:
            raise PlaceError(
                gettext_noop("There is no computer called %(host)s, or the name server is away."), **where
            ) from problem
        except ConnectionRefusedError as problem:
            raise PlaceError(
                gettext_noop("No connection to %(host)s:%(port)s: nothing answers there."), **where
            ) from problem
        except (asyncssh.Error, OSError) as problem:
            said = getattr(problem, "reason", "") or getattr(problem, "strerror", "") or str(problem)
            raise PlaceError(
                gettext_noop("No connection to %(host)s:%(port)s: %(problem)s."), **where, problem=said
            ) from problem


async def _step(work: Any) -> Any:
    """One step, in the time it may take."""
    return await asyncio.wait_for(work, STEP_SECONDS)
