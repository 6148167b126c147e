"""A server with OpenAI's protocol, where a paid one would stand: it can be slow, wrong, or away.

It is a process thread with a real socket; what is faked is the model alone.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.serving import Serving

Reply = Callable[[dict[str, Any]], str]


def last_text(body: dict[str, Any]) -> str:
    """What a request asks, as one text."""
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


@dataclass
class FakeServer(Serving):
    """Serves ``models`` at ``url``; used as a context manager.

    Args:
        reply: the text of an answer.
        seconds: service time of a call.
        slots: calls served at a time; more wait.
        fault: called with (body, attempt from 0); null = a good answer, else the fault's name;
            "other_model NAME" answers as NAME, "ends REASON" with that finish_reason, "drop"
            closes the connection.
        key: what the Authorization header must hold; null = anything.
        refuses: settings that are answered with 400.
        logprobs: what stands beside each word of an answer where it is asked for, by word; null =
            the server gives none.
        draws: whether ``n`` is obeyed; ``reply`` finds the number of the draw under "choice".
        port: 0 = any free one.
        batch_ends: what becomes of batches: a status, or "waits" for none yet; those that expire
            have answered every other call. ``fault`` gives the HTTP status of a line.
    """

    models: tuple[str, ...] = ("m",)
    reply: Reply = lambda body: f"said {last_text(body)}\nScore: 3"
    seconds: float = 0.0
    slots: int = 10_000
    fault: Callable[[dict[str, Any], int], str | None] = lambda body, attempt: None
    key: str | None = None
    refuses: tuple[str, ...] = ()
    logprobs: Callable[[str], dict[str, float]] | None = None
    draws: bool = True
    lists: bool = True
    port: int = 0
    batch_ends: str = "completed"
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> FakeServer:
        self.start()
        return self

    async def opened(self) -> None:
        self._slot = asyncio.Semaphore(self.slots)
        self._seen: Counter[str] = Counter()
        self._files: dict[str, bytes] = {}

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._hand_in)
        app.router.add_get("/v1/batches", self._list_batches)
        app.router.add_get("/v1/batches/{id}", self._batch)
        return app

    def _stranger(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key is None or sent == self.key:
            return None
        error = {"message": f"Incorrect API key provided: {sent}", "code": "invalid_api_key"}
        return web.json_response({"error": error}, status=401)

    async def _models(self, request: web.Request) -> web.Response:
        if not self.lists:
            return web.Response(status=404)
        stranger = self._stranger(request)
        listed = [{"id": m, "object": "model", "created": 0, "owned_by": "x"} for m in self.models]
        return stranger or web.json_response({"object": "list", "data": listed})

    async def _upload(self, request: web.Request) -> web.Response:
        if stranger := self._stranger(request):
            return stranger
        form = await request.post()
        assert form["purpose"] == "batch"
        name = f"file-{len(self._files)}"
        self._files[name] = form["file"].file.read()  # type: ignore[union-attr]
        return web.json_response(
            {"id": name, "object": "file", "bytes": 1, "created_at": 0, "filename": "x",
             "purpose": "batch", "status": "processed"}
        )  # fmt: skip

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self._files[request.match_info["id"]])

    async def _hand_in(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name, "object": "batch", "created_at": 0, "status": "validating",
            "request_counts": None, "output_file_id": None, "error_file_id": None, **body,
        }  # fmt: skip
        return web.json_response(self.batches[name])

    async def _list_batches(self, request: web.Request) -> web.Response:
        newest = list(self.batches.values())[::-1]
        return web.json_response({"object": "list", "data": newest, "has_more": False})

    async def _batch(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        if batch["status"] == "validating" and self.batch_ends != "waits":
            self._end(batch)
        return web.json_response(batch)

    def _end(self, batch: dict[str, Any]) -> None:
        batch["status"] = self.batch_ends
        if self.batch_ends == "failed":
            batch["errors"] = {"object": "list", "data": [{"message": "no such model"}]}
            return
        lines = [json.loads(x) for x in self._files[batch["input_file_id"]].splitlines()]
        good, bad = [], []
        for at, line in enumerate(lines):
            body = line["body"]
            if self.batch_ends == "expired" and at % 2:
                continue
            call = json.dumps(body, sort_keys=True)
            fault = self.fault(body, self._seen[call])
            self._seen[call] += 1
            refused = next((name for name in self.refuses if name in body), None)
            if fault or refused:
                said = f"Unsupported parameter: '{refused}' is not supported." if refused else fault
                error = {"error": {"message": said, "param": refused}}
                answer = {"status_code": 400 if refused else int(str(fault)), "body": error}
                bad.append({"custom_id": line["custom_id"], "response": answer, "error": None})
                continue
            self.answered[call] += 1
            reply = self._answer(body, None)
            answer = {"status_code": 200, "body": reply}
            good.append({"custom_id": line["custom_id"], "response": answer, "error": None})
        batch["request_counts"] = {"completed": len(good), "failed": len(bad), "total": len(lines)}
        for kind, rows in (("output", good[::-1]), ("error", bad)):  # in an order of its own
            if rows:
                name = f"file-{len(self._files)}"
                self._files[name] = "".join(json.dumps(row) + "\n" for row in rows).encode()
                batch[f"{kind}_file_id"] = name

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        if stranger := self._stranger(request):
            return stranger
        for name in self.refuses:
            if name in body:
                more = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                said = f"Unsupported parameter: '{name}' is not supported with this model.{more}"
                error = {"message": said, "param": name, "code": "unsupported_parameter"}
                return web.json_response({"error": error}, status=400)
        if body["model"] not in self.models:
            error = {"message": f"The model `{body['model']}` does not exist", "code": "no_model"}
            return web.json_response({"error": error}, status=404)
        call = json.dumps(body, sort_keys=True)
        attempt = self._seen[call]
        self._seen[call] += 1
        fault = self.fault(body, attempt)
        kind = (fault or "").partition(" ")[0]
        if kind == "drop" and request.transport is not None:
            request.transport.close()
        if kind not in ("", "other_model", "ends"):
            return await _faulty(str(fault))
        async with self._slot:
            if self.seconds:
                await asyncio.sleep(self.seconds)
        self.answered[call] += kind != "other_model"
        return web.json_response(self._answer(body, fault))

    def _answer(self, body: dict[str, Any], fault: str | None) -> dict[str, Any]:
        kind, _, said = (fault or "").partition(" ")
        chat = "messages" in body
        count = body.get("n", 1) if self.draws else 1
        texts = [self.reply(body | {"choice": i}) for i in range(count)]
        return {
            "id": "x",
            "object": "chat.completion" if chat else "text_completion",
            "created": 0,
            "model": (said or "another") if kind == "other_model" else body["model"],
            "choices": [
                _choice(i, text, chat, self.logprobs if body.get("logprobs") else None)
                | ({"finish_reason": said} if kind == "ends" else {})
                for i, text in enumerate(texts)
            ],
            "usage": {
                "prompt_tokens": 7,
                "completion_tokens": 5 * len(texts),
                "total_tokens": 7 + 5 * len(texts),
            },
        }


def _choice(index: int, text: str, chat: bool,
            likeliest: Callable[[str], dict[str, float]] | None) -> dict[str, Any]:  # fmt: skip
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": index, "finish_reason": "stop", "logprobs": None, **said}
    if likeliest is not None:
        words = re.findall(r"\s*\S+", text)
        tops = [likeliest(word) for word in words]
        choice["logprobs"] = (
            {"content": [_beside(word, top) for word, top in zip(words, tops, strict=True)]}
            if chat
            else {"tokens": words, "top_logprobs": tops, "token_logprobs": [0.0] * len(words)}
        )
    return choice


def _beside(word: str, top: dict[str, float]) -> dict[str, Any]:
    listed = [{"token": t, "logprob": p, "bytes": None} for t, p in top.items()]
    return {"token": word, "logprob": top.get(word, -9.0), "bytes": None, "top_logprobs": listed}


async def _faulty(name: str) -> web.StreamResponse:
    if name == "stall":
        await asyncio.sleep(20)
        return web.Response(status=504)
    if name == "drop":
        return web.Response()
    if name == "html":
        return web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html")
    if name == "cut":
        return web.Response(text='{"id": "x", "choices": [{"ind', content_type="application/json")
    if name == "page":
        return web.Response(text="<html>Log in</html>", content_type="text/html")
    if name == "deep":
        return web.Response(text="[" * 200_000, content_type="application/json")
    if name == "list":
        return web.json_response([{"choices": []}])
    if name == "header":
        return web.Response(text="{}", headers={"X-Long": "a" * 9000})
    if name == "named":
        error = {"message": "this is not supported", "param": ["messages", {"0": 1}]}
        return web.json_response({"error": error}, status=400)
    if name == "empty":
        return web.json_response(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": []}
        )
    status, _, wait = name.partition(" ")
    headers = {"retry-after": wait} if wait else {}
    error = {"message": f"fault {name}", "code": None}
    return web.json_response({"error": error}, status=int(status), headers=headers)
