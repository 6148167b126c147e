"""A server that plays the hub and the raw host: it redirects, cuts, refuses, or sends other bytes.

A real socket and real HTTP; only what it holds and how it misbehaves is made up.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STORE = "/store"


@dataclass
class Request:
    """What was asked and how many bytes of a file were sent for it."""

    path: str
    wants: str | None  # the Range header
    sent: int = 0


@dataclass
class OutsideServer:
    """Serves ``files`` (by URL path) at ``url``; used as a context manager.

    A path of the hub (``/datasets/...``) is redirected to a store, as the hub does.

    Args:
        files: the bytes.
        cuts: by path, after how many bytes each answer in turn is cut; then they are whole.
        statuses: by path, the status of each answer in turn; then they are 200.
        ranges: whether a Range is obeyed.
        tags: whether an ETag is sent.
        if_range: whether If-Range is obeyed.
        lengths: whether a Content-Length is sent.
        headers: more headers of every file.
        gate: while it is not set, every file stops in the middle.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    if_range: bool = True
    lengths: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    half: threading.Event = field(default_factory=threading.Event)  # set where a file stopped
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> OutsideServer:
        self.gate.set()
        handler = type("Handler", (_Handler,), {"play": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def sent(self) -> int:
        """Bytes of files that went out, all answers together."""
        return sum(request.sent for request in self.requests)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    play: OutsideServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        play = self.play
        path = self.path.removeprefix(STORE)
        request = Request(self.path, self.headers["Range"])
        play.requests.append(request)
        statuses = play.statuses.get(path, [])
        status = statuses.pop(0) if statuses else 200
        if status != 200 or path not in play.files:
            self._plain(status if status != 200 else 404)
        elif self.path.startswith("/datasets/"):
            self._plain(302, {"Location": STORE + path, "X-Repo-Commit": COMMIT})
        else:
            self._file(path, request)

    def _plain(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _file(self, path: str, request: Request) -> None:
        play = self.play
        data = play.files[path]
        tag = f'"{hashlib.sha1(data).hexdigest()}"'
        start = 0
        same = not play.if_range or self.headers["If-Range"] in (None, tag)
        if play.ranges and request.wants and same:
            start = int(request.wants.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self._plain(416, {"Content-Range": f"bytes */{len(data)}"})
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if play.tags:
            self.send_header("ETag", tag)
        for name, value in play.headers.items():
            self.send_header(name, value)
        if play.lengths:
            self.send_header("Content-Length", str(len(data) - start))
        else:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        cuts = play.cuts.get(path, [])
        end = min(len(data), start + cuts.pop(0)) if cuts else len(data)
        middle = (start + end) // 2
        self._send(data[start:middle], request)
        if not play.gate.is_set():
            play.half.set()
            play.gate.wait(60)
        self._send(data[middle:end], request)
        if end < len(data):
            self.close_connection = True

    def _send(self, data: bytes, request: Request) -> None:
        try:
            self.wfile.write(data)
            self.wfile.flush()
            request.sent += len(data)
        except OSError:  # whoever asked is gone
            self.close_connection = True
