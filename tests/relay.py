"""A relay before a real server: it passes everything on and keeps what was asked and answered."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.serving import Serving


@dataclass
class Relay(Serving):
    """Listens at ``url`` and asks ``target``; used as a context manager.

    ``bodies``: every body that came in, in order; ``answered``: how often each was answered.
    """

    target: str
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Relay:
        self.start()
        return self

    async def opened(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600))

    async def closed(self) -> None:
        await self._session.close()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._pass)
        return app

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
