"""A relay before a real server: it passes everything on and keeps what was asked and answered."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web


@dataclass
class Relay:
    """Listens at ``url`` and asks ``target``; used as a context manager.

    ``bodies``: every body that came in, in order; ``answered``: how often each was answered.
    """

    target: str
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Relay:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._down = asyncio.Event()
        timeout = aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            app = web.Application(client_max_size=1 << 26)
            app.router.add_route("*", "/{path:.*}", self._pass)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._up.set()
            await self._down.wait()
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.Response:
        sent = await request.read()
        body = json.loads(sent) if sent else None
        if body is not None:
            self.bodies.append(body)
        url = f"{self.target}/{request.match_info['path']}"
        headers = {"Content-Type": "application/json"}
        async with self._session.request(
            request.method, url, data=sent or None, headers=headers
        ) as there:
            answer = await there.read()
            if body is not None and there.status == 200:
                self.answered[json.dumps(body, sort_keys=True)] += 1
            kind = there.headers.get("Content-Type", "application/json").partition(";")[0]
            return web.Response(status=there.status, body=answer, content_type=kind)
