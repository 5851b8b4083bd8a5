"""An address that takes files over HTTPS, by PUT or POST with a token, or gives one by GET.

PUT goes to the address with the file's name added. POST goes to the address itself; the name stands in
``Content-Disposition``. Both carry ``Idempotency-Key``: the same sending twice is one to a receiver that knows it.
Redirections are not followed. The name is looked up once, checked, and that address used as it is.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import httpx
from django.utils.translation import gettext_noop

import avlas
from avlas.transfer.places import tls
from avlas.transfer.places.reach import address_of
from avlas.transfer.places.road import (
    BLOCK,
    CONNECT_SECONDS,
    STEP_SECONDS,
    Identity,
    PlaceError,
    checked_name,
    fetched_file,
    fitting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUT, POST = "PUT", "POST"
_TIMEOUT: Final = httpx.Timeout(STEP_SECONDS, connect=CONNECT_SECONDS)
_SAID_BYTES: Final = 2000


class Https:
    """The road to an HTTPS address (see ``road.Road``). ``token`` goes into the header called ``token_header``."""

    gives = takes = True

    def __init__(
        self, url: str, *, method: str, token: str, token_header: str, pinned: str, own_machine: bool
    ) -> None:
        self._url, self._method = httpx.URL(url), method
        self._token, self._token_header = token, token_header
        self._pinned, self._own_machine = pinned, own_machine
        self._host, self._port = self._url.raw_host.decode("ascii"), self._url.port or 443

    def test(self) -> list[tuple[str, dict[str, Any]]]:
        """Ask for the headers of the address: that tells whether it is there and takes the token."""
        with self._asked("HEAD", self._url) as answer:
            if answer.status_code in (401, 403):
                raise self._refused(answer)
            return [
                (
                    gettext_noop(
                        "%(host)s answers (%(status)s). Whether it takes files shows with the first."
                    ),
                    {"host": self._host, "status": _status(answer)},
                )
            ]

    def identity(self) -> Identity | None:
        """The certificate the server shows."""
        with (
            self._in_words(),
            socket.create_connection((self._address(), self._port), CONNECT_SECONDS) as plain,
            tls.unchecked().wrap_socket(plain, server_hostname=self._host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
        assert shown is not None
        return tls.identity(shown)

    def send(
        self, name: str, stream: IO[bytes], *, key: str = "", hand_over: Callable[[], None] | None = None
    ) -> None:
        """Send it in one request; any answer from 200 to 299 counts as taken."""
        where = self._inside(checked_name(name)) if self._method == PUT else self._url
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "content-length": str(_size_of(stream)),
        }
        if key:
            headers["idempotency-key"] = key

        def blocks() -> Iterator[bytes]:
            ahead = stream.read(BLOCK)
            while block := ahead:
                ahead = stream.read(BLOCK)
                if not ahead and hand_over:
                    hand_over()  # the last block follows now
                yield block

        with self._asked(self._method, where, headers, blocks()) as answer:
            if not answer.is_success:
                raise self._refused(answer)

    def has(self, name: str, size: int) -> bool | None:
        """Nobody can tell."""
        del name, size
        return None

    def names(self, pattern: str = "*") -> list[str]:
        """The one file that the address is, by the last part of its path."""
        return fitting([self._name], pattern)

    def fetch(self, name: str) -> IO[bytes]:
        """What the address gives."""
        if name != self._name:
            raise PlaceError(
                gettext_noop("%(host)s gives no file called %(name)s."), host=self._host, name=name
            )
        with fetched_file() as into, self._asked("GET", self._url) as answer:
            if not answer.is_success:
                raise self._refused(answer)
            for block in answer.iter_bytes(BLOCK):
                into.write(block)
        return into

    def archive(self, name: str) -> None:
        """Nothing to move: it stays where it is, and whoever fetches it knows it again by its content."""

    @property
    def _name(self) -> str:
        return unquote(self._url.path.rpartition("/")[2]) or "file"

    def _inside(self, name: str) -> httpx.URL:
        return self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{quote(name, safe='')}")

    def _address(self) -> str:
        return address_of(self._host, self._port, self._own_machine)

    @contextlib.contextmanager
    def _asked(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str] | None = None,
        content: Iterator[bytes] | None = None,
    ) -> Iterator[httpx.Response]:
        """The answer to a request, its content not read yet. Raises PlaceError."""
        bearer = self._token_header.lower() == "authorization" and " " not in self._token
        sent = {
            "host": url.netloc.decode("ascii"),
            "user-agent": f"Avlas/{avlas.__version__}",
            "accept-encoding": "identity",
            **(
                {self._token_header: f"Bearer {self._token}" if bearer else self._token}
                if self._token
                else {}
            ),
            **(headers or {}),
        }
        with (
            self._in_words(),
            httpx.Client(verify=tls.context(self._pinned), trust_env=False, timeout=_TIMEOUT) as client,
        ):
            request = httpx.Request(
                method,
                url.copy_with(host=self._address()),
                headers=sent,
                content=content,
                extensions={"sni_hostname": self._host, "timeout": _TIMEOUT.as_dict()},
            )
            answer = client.send(request, stream=True)
            try:
                yield answer
            finally:
                answer.close()

    def _refused(self, answer: httpx.Response) -> PlaceError:
        said = b""
        with contextlib.suppress(httpx.HTTPError):
            for block in answer.iter_bytes(_SAID_BYTES):
                said += block
                if len(said) >= _SAID_BYTES:
                    break
        values: dict[str, Any] = {
            "host": self._host,
            "status": _status(answer),
            "said": " ".join(said.decode("utf-8", "replace").split())[:200],
        }
        if answer.status_code in (401, 403):
            return PlaceError(
                gettext_noop("%(host)s does not take the token (%(status)s). %(said)s"),
                for_good=True,
                **values,
            )
        if answer.status_code in (413, 507):
            return PlaceError(gettext_noop("The disk of %(host)s is full."), **values)
        if answer.is_redirect:
            return PlaceError(
                gettext_noop("%(host)s leads elsewhere (%(status)s, %(where)s); write that address instead."),
                for_good=True,
                where=answer.headers.get("location", "")[:200],
                **values,
            )
        return PlaceError(gettext_noop("%(host)s answered %(status)s. %(said)s"), **values)

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        where: dict[str, Any] = {"host": self._host, "port": self._port}
        try:
            yield
        except (httpx.TimeoutException, TimeoutError) as problem:
            raise PlaceError(
                gettext_noop("%(host)s:%(port)s did not answer in time."), **where, lost=True
            ) from problem
        except ssl.SSLError as problem:
            raise tls.refusal(problem, self._host, self._port, self._pinned) from problem
        except httpx.ConnectError as problem:
            inner = problem.__context__
            while inner is not None and not isinstance(inner, ssl.SSLError):
                inner = inner.__context__
            if isinstance(inner, ssl.SSLError):
                raise tls.refusal(inner, self._host, self._port, self._pinned) from problem
            raise PlaceError(
                gettext_noop("No connection to %(host)s:%(port)s: nothing answers there."), **where
            ) from problem
        except httpx.HTTPError as problem:
            raise PlaceError(
                gettext_noop("The connection to %(host)s:%(port)s was lost half-way."), **where, lost=True
            ) from problem
        except OSError as problem:
            raise PlaceError(
                gettext_noop("No connection to %(host)s:%(port)s: %(problem)s."),
                **where,
                problem=problem.strerror or str(problem),
            ) from problem


def _status(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.reason_phrase}".strip()


def _size_of(stream: IO[bytes]) -> int:
    here = stream.tell()
    size = stream.seek(0, 2) - here
    stream.seek(here)
    return size
