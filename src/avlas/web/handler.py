"""How requests are answered: by a few threads that are kept, each with its connection to the database.

Django's own handler starts a thread and a connection for every request, changes between threads and the event loop
with every few middlewares, and leaves a stream its thread for as long as it is open. Here a request takes a thread
once it has been read, runs through in it, and gives it back; what streams waits in the event loop alone. When the
server is told to stop, the streams end: they would keep it waiting.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Any, Final

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections

from avlas.web import live

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future
    from types import FrameType
    from typing import IO

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

MOST_THREADS: Final = 40
"""Requests that are worked on at the same time; more wait."""
_KEPT_THREADS: Final = 8


class Threads:
    """Threads that are lent out. To be used within one event loop."""

    def __init__(self, most: int = MOST_THREADS, kept: int = _KEPT_THREADS) -> None:
        self._places = asyncio.Semaphore(most)
        self._kept = kept
        self._idle: list[ThreadPoolExecutor] = []
        self.closing: Final = ThreadPoolExecutor(1, "closing")  # puts away what streams leave behind

    async def take(self) -> ThreadPoolExecutor:
        """One thread, the one used last if there are idle ones; waits when all are lent out."""
        await self._places.acquire()
        return self._idle.pop() if self._idle else ThreadPoolExecutor(1, "request")

    def give_back(self, thread: ThreadPoolExecutor) -> None:
        """It can be lent to others; after a rush some end, and their connections with them."""
        if len(self._idle) < self._kept:
            self._idle.append(thread)
        else:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)
        self._places.release()


class Borrowed(Executor):
    """The thread of one request, while it has one."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._thread: ThreadPoolExecutor | None = None

    async def take(self) -> None:
        """Have a thread from now on."""
        if self._thread is None:
            self._thread = await self._threads.take()

    def give_back(self) -> None:
        """Have none any more."""
        if self._thread is not None:
            self._threads.give_back(self._thread)
            self._thread = None

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run something in it."""
        return (self._thread or self._threads.closing).submit(call, *args, **kwargs)


_borrowed: ContextVar[Borrowed] = ContextVar("borrowed")


class Handler(ASGIHandler):
    """The program as the web server sees it."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = Threads()
        self._minds_signals = False

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002 - Django's signature
        """All in the request's thread."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        """Answer a request."""
        if not self._minds_signals:
            self._minds_signals = True
            _end_streams_at_the_end()
        borrowed = Borrowed(self._threads)
        _borrowed.set(borrowed)
        async with ThreadSensitiveContext(executor=borrowed):
            try:
                await self.handle(scope, receive, send)
            finally:
                borrowed.give_back()

    async def read_body(self, receive: Any) -> IO[bytes]:
        """Read what is sent, then take a thread: who sends slowly holds none."""
        body = await super().read_body(receive)
        await _borrowed.get().take()
        return body

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Middlewares and page in one go."""
        return await sync_to_async(self.get_response)(request)

    async def send_response(self, response: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        """Send the answer; a stream of events needs no thread."""
        if response.streaming and response.is_async:
            _borrowed.get().give_back()
        await super().send_response(response, send)


def _end_streams_at_the_end() -> None:
    """When this process is told to stop, end the streams, besides what the web server does."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        _also(number, lambda: loop.call_soon_threadsafe(live.WATCHER.end_all))


def _also(number: signal.Signals, deed: Callable[[], object]) -> None:
    """Do something besides when a signal comes. The event loop learns of signals another way and is not disturbed."""
    before = signal.getsignal(number)

    def handler(which: int, frame: FrameType | None) -> None:
        deed()
        if callable(before):
            before(which, frame)

    signal.signal(number, handler)
