"""Gets one file over HTTP: goes on where a cut connection left it, and never trusts half of it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from results.errors import SrlmError, UsageError
from results.files import parse_json, write_all, write_json, writing
from results.text import excerpt, one_line

if TYPE_CHECKING:
    import httpx2

TRIES = 4  # in a row without a new byte
WAIT_S = 0.5  # before the second try; doubles
LONGEST_WAIT_S = 60.0  # also where the server asks for more
CONNECT_S, SILENT_S = 10.0, 30.0  # to connect; between two pieces
BUSY = {408, 425, 429, 500, 502, 503, 504}
Show = Callable[[int, int | None], None]  # bytes had, bytes of all (null = not said)


class SourceError(SrlmError):
    """What the source gave for one file is of no use; its other files may be had."""


class OutOfReachError(SrlmError):
    """The source does not answer, or its connection is cut time and again."""


class _AgainError(Exception):
    """Worth another try, after ``wait`` seconds if the server named them."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True)
class Wanted:
    """A file to get.

    Args:
        url: where, perhaps of a mirror.
        identity: its URL in the table, at its revision: a part file of another is begun anew.
        part: where its bytes are kept until all are there.
        size: bytes, where known: more are not taken.
        sure: whether its hash is known, so that a wrongly joined file would be found out.
    """

    url: str
    identity: str
    part: Path
    size: int | None
    sure: bool


@dataclass(frozen=True)
class Got:
    """All bytes are in the part file. ``resumed``: some are from an earlier connection."""

    resumed: bool
    commit: str | None  # which the hub says that the revision is


def open_client() -> httpx2.Client:
    """A client that follows redirects and obeys the usual proxy and certificate variables.

    Raises SrlmError where those cannot be obeyed.
    """
    import httpx2

    try:
        return httpx2.Client(
            timeout=httpx2.Timeout(SILENT_S, connect=CONNECT_S),
            follow_redirects=True,
            # Compressed on the way, byte 1000 of the stream would not be byte 1000 of the file.
            headers={"Accept-Encoding": "identity", "User-Agent": "srlm"},
        )
    except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
        raise SrlmError(
            f"no connection can be set up ({excerpt(str(error), 160)}); mend or unset HTTPS_PROXY, "
            "HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from None


def at_mirror(url: str, mirror: str | None) -> str:
    """``url`` with the scheme and host of ``mirror``, which may have a path of its own before it.

    Raises UsageError where ``mirror`` is no such URL.
    """
    if mirror is None:
        return url
    try:
        base = urlsplit(mirror)
        fit = base.scheme in ("http", "https") and base.hostname and base.port != 0
    except ValueError:
        fit = None
    if not fit or base.query or base.fragment:
        raise UsageError(
            f"--from {excerpt(mirror)}: expected http(s)://HOST[:PORT][/PATH] of a mirror"
        )
    return mirror.rstrip("/") + urlsplit(url).path


def without_password(url: str) -> str:
    """``url`` as it may be shown: without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def forget(part: Path) -> None:
    """Removes a part file and what was noted of it."""
    with writing(part):
        part.unlink(missing_ok=True)
        _notes(part).unlink(missing_ok=True)


def download(client: httpx2.Client, wanted: Wanted, show: Show) -> Got:
    """Gets all bytes of ``wanted`` into its part file; tries again where that may help.

    What an earlier call left there is gone on from (Range) where the server can tell that it is
    still the same file; else it is begun anew.

    Raises:
        SourceError: this file is not to be had there: not there, behind a login, or not as a file.
        OutOfReachError: no answer, or cut time and again; what came stays.
        SrlmError: the disk cannot be written to.
    """
    most = _had(wanted.part)
    failed = 0
    while True:
        try:
            return _once(client, wanted, show)
        except _AgainError as error:
            had = _had(wanted.part)
            failed = 1 if had > most else failed + 1
            most = max(most, had)
            if failed >= TRIES:
                kept = f"; {had} bytes are kept and the same command goes on" if had else ""
                raise OutOfReachError(
                    f"{without_password(wanted.url)}: {error} ({TRIES} tries){kept}"
                ) from None
            time.sleep(min(LONGEST_WAIT_S, max(error.wait, WAIT_S * 2 ** (failed - 1))))


def _once(client: httpx2.Client, wanted: Wanted, show: Show) -> Got:
    import httpx2

    had, tag = _resumable(wanted)
    headers = {"Range": f"bytes={had}-"} if had else {}
    if had and tag:
        headers["If-Range"] = tag  # another file by now: the server sends all of it
    try:
        with client.stream("GET", wanted.url, headers=headers) as response:
            if response.status_code == 416 and had:
                return _all_there(response, wanted, had)
            _refuse(response, wanted)
            if response.status_code == 206:
                start, total = _span(response, wanted, had, tag)
            else:
                start, total = 0, _length(response, wanted)
            _write(response, wanted, start, total, show)
            return Got(start > 0, _commit(response))
    except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
        raise SourceError(
            f"{without_password(wanted.url)}: leads nowhere ({excerpt(str(error), 100)})"
        ) from None
    except httpx2.TransportError as error:
        why = one_line(str(error)) or type(error).__name__
        raise _AgainError(excerpt(f"cannot be reached or was cut ({why})", 160)) from None


def _had(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _resumable(wanted: Wanted) -> tuple[int, str | None]:
    """How many bytes can be gone on from, and the tag (ETag) of the file that they are of."""
    had = _had(wanted.part)
    notes: Any = None
    with suppress(OSError, ValueError):
        notes = parse_json(_notes(wanted.part).read_bytes())
    if not had or not isinstance(notes, dict) or notes.get("of") != wanted.identity:
        return 0, None
    tag = notes.get("tag")
    tag = tag if isinstance(tag, str) else None
    # Neither a tag nor a hash would tell that the file is another one now.
    return (had, tag) if tag or wanted.sure else (0, None)


def _refuse(response: httpx2.Response, wanted: Wanted) -> None:
    """Raises where the answer is not the file."""
    status, url = response.status_code, without_password(wanted.url)
    if status in BUSY:
        raise _AgainError(f"HTTP {status}", _asked_wait(response))
    if status in (401, 403):
        raise SourceError(
            f"{url}: HTTP {status}, the source wants a login or agreement to its terms (gated), "
            "or it is gone; get the file in a browser, or name a mirror with --from"
        )
    if status in (404, 410):
        raise SourceError(f"{url}: HTTP {status}, no such file there; name a mirror with --from")
    if status not in (200, 206):
        raise SourceError(f"{url}: HTTP {status}, expected 200; name a mirror with --from")
    kind = response.headers.get("content-type", "")
    if kind.lower().startswith("text/html"):
        raise SourceError(
            f"{url}: found a web page ({excerpt(kind)}), expected a data file; a proxy or a login "
            "page stands between"
        )
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise SourceError(
            f"{url}: sent compressed, though asked not to; name another mirror with --from"
        )


def _asked_wait(response: httpx2.Response) -> float:
    asked = response.headers.get("retry-after", "").strip()
    return float(asked) if re.fullmatch("[0-9]{1,6}", asked) else 0.0


def _span(
    response: httpx2.Response, wanted: Wanted, had: int, tag: str | None
) -> tuple[int, int | None]:
    """Where the bytes of a 206 begin, and how long the file is; only just behind ours will do."""
    found = re.fullmatch(
        r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", response.headers.get("content-range", "").strip()
    )
    new = _tag(response)
    if found is None or int(found[1]) != had or (tag and new and new != tag):
        forget(wanted.part)
        raise _AgainError("sent another piece than the one asked for")
    return had, None if found[2] == "*" else int(found[2])


def _length(response: httpx2.Response, wanted: Wanted) -> int | None:
    """How long the file is. Null where the end is marked otherwise, or its hash is known."""
    stated = response.headers.get("content-length", "")
    if stated.isdigit():
        return int(stated)
    if not wanted.sure and "chunked" not in response.headers.get("transfer-encoding", "").lower():
        raise SourceError(
            f"{without_password(wanted.url)}: sent without its length, so that a cut file would "
            "pass for a whole one; name another mirror with --from"
        )
    return None


def _all_there(response: httpx2.Response, wanted: Wanted, had: int) -> Got:
    """416: the part file is as long as the file already, or it is of another one."""
    if response.headers.get("content-range", "").strip() == f"bytes */{had}":
        return Got(True, _commit(response))
    forget(wanted.part)
    raise _AgainError("does not have the piece that was asked for")


def _write(
    response: httpx2.Response, wanted: Wanted, start: int, total: int | None, show: Show
) -> None:
    part, done = wanted.part, start
    with _opened(part) as fd:
        with writing(part):
            # First cut, then named: killed in between, nothing is there to be gone on from.
            os.ftruncate(fd, start)
            os.lseek(fd, start, os.SEEK_SET)
        if not start:
            write_json(_notes(part), {"of": wanted.identity, "tag": _tag(response)})
        show(done, total)
        # In pieces as they come: of a given size, the last ones before a cut would be lost.
        for piece in response.iter_raw():
            done += len(piece)
            if wanted.size is not None and done > wanted.size:
                forget(part)
                raise SourceError(
                    f"{without_password(wanted.url)}: found more than the {wanted.size} bytes "
                    "expected: another file; name another mirror with --from"
                )
            with writing(part):
                write_all(fd, piece)
            show(done, total)
        with writing(part):
            os.fsync(fd)
    if total is not None and done != total:
        raise _AgainError(f"was cut at {done} of {total} bytes")


@contextmanager
def _opened(part: Path) -> Iterator[int]:
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        # A link there would have us write into the file that it points to.
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        yield fd
    finally:
        os.close(fd)


def _tag(response: httpx2.Response) -> str | None:
    """The ETag, if it is one that stands for the very bytes (not ``W/...``)."""
    tag: str = response.headers.get("etag", "")
    return tag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', tag) else None


def _commit(response: httpx2.Response) -> str | None:
    """The commit that the hub says it serves; it says so before it redirects to its store."""
    for answer in (*response.history, response):
        commit: str = answer.headers.get("x-repo-commit", "")
        if re.fullmatch("[0-9a-f]{40}", commit):
            return commit
    return None
