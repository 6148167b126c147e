"""A web application served from a thread of a test, on a port of its own."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings

from aiohttp import web


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Serving:
    """Serves ``self.app()`` at ``self.url`` while it is open; used as a context manager.

    ``port`` 0 is any free one. A subclass may set up what its handlers need in ``opened``, a
    coroutine that is awaited in the serving thread, and put it away in ``closed``.
    """

    port: int = 0

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://127.0.0.1:{self.port}/v1"

    def app(self) -> web.Application:
        """What is served."""
        raise NotImplementedError

    async def opened(self) -> None:
        """Before the first request."""

    async def closed(self) -> None:
        """After the last one."""

    def start(self) -> None:
        """Returns when requests are answered."""
        self.port = self.port or free_port()
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._up.wait(10)

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)
        # A connection that came in while the server went away belongs to nobody; it is let go here,
        # or another test would be told of it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._down = asyncio.Event()
        await self.opened()
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self._up.set()
        await self._down.wait()
        # Who is being let in at this moment gets in first, or its socket would be nobody's.
        await site.stop()
        await asyncio.sleep(0.02)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await runner.cleanup()
        await self.closed()
