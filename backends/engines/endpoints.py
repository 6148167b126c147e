"""The servers that an engine asks: what was agreed on, what each carries, whether it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from backends.engines.engine import NoLogprobsError
from backends.engines.limits import PerMinute
from backends.engines.secret import scrubbed
from results.errors import SrlmError
from results.text import excerpt

ILL = 3  # refusals in a row after which an endpoint rests


class EndpointError(SrlmError):
    """An endpoint takes none of our calls; another may."""


@dataclass
class Terms:
    """Whom to ask and within which bounds; the arguments of ``OpenAIEngine``, checked."""

    model: str
    urls: list[str]
    key_env: str
    key: str = field(repr=False)
    max_concurrency: int
    timeout_s: float
    max_retries: int
    down_timeout_s: float
    requests: PerMinute
    tokens: PerMinute
    draws: int
    extra: dict[str, Any]
    answers_as: str | None = None
    probed: bool = False

    def without_key(self, text: object) -> str:
        """``text`` in one short line that does not hold the key."""
        # Twice: what is no part of a line may have stood in the key.
        return self.scrubbed(excerpt(self.scrubbed(" ".join(str(text).split())), 300))

    def scrubbed(self, text: str) -> str:
        """``text`` with stars for the key."""
        return scrubbed(text, self.key)


class Endpoint:
    """One address and what it carries. ``answering``: its last reply was an answer; one that
    refuses again and again, or asks to be left alone, rests while others take the calls.
    """

    def __init__(self, url: str, client: Any, slots: int) -> None:
        self.url, self.client = url, client
        self.slots = asyncio.Semaphore(slots)
        self.load = 0
        self.down_since: float | None = None
        self.closed_until = 0.0
        self.answering = False
        self.refusals = 0  # since the last answer
        self.refused_since = 0.0
        self.resting_until = 0.0

    def failed(self) -> None:
        """No connection: leave it alone for a while, longer each time."""
        now = time.monotonic()
        self.down_since = self.down_since or now
        self.answering = False
        self.closed_until = now + _longer(now - self.down_since)

    def refused(self, order: float = 0.0) -> None:
        """There is a connection and no answer: it is busy (and asks to wait ``order`` seconds),
        or what is behind it is ill.
        """
        now = time.monotonic()
        self.down_since = None
        self.answering = False
        self.refused_since = self.refused_since if self.refusals else now
        self.refusals += 1
        if order or self.ill:
            self.rest(order)

    @property
    def ill(self) -> bool:
        """Whether it gave several refusals and no answer between them."""
        return self.refusals >= ILL

    @property
    def free(self) -> bool:
        """Whether calls may go to it: it has a connection and does not rest."""
        return max(self.closed_until, self.resting_until) <= time.monotonic()

    def rest(self, order: float = 0.0) -> None:
        """Gives it no call for ``order`` seconds, or for a while that gets longer each time."""
        now = time.monotonic()
        until = now + (order or _longer(now - self.refused_since))
        self.resting_until = max(self.resting_until, until)

    def answered(self) -> None:
        """It takes calls and answers them."""
        self.down_since = None
        self.answering = True
        if self.ill:
            self.resting_until = 0.0
        self.refusals = 0


def _longer(seconds: float) -> float:
    """How long an endpoint is left alone that has given nothing for ``seconds``."""
    return min(5.0, max(0.2, seconds / 2))


def fit_for_calls(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Those with a connection, and of them those that do not rest, if there are any."""
    now = time.monotonic()
    return [e for e in endpoints if e.free] or [e for e in endpoints if e.closed_until <= now]


@asynccontextmanager
async def opened(terms: Terms) -> AsyncIterator[list[Endpoint]]:
    """The endpoints of ``terms``, with a client each. Those that turn out to be of no use may be
    taken out of the list.
    """
    import openai

    endpoints = []
    for url in terms.urls:
        client = openai.AsyncOpenAI(
            api_key=terms.key or "none",
            base_url=url,
            timeout=terms.timeout_s,
            max_retries=0,  # ours count, and obey the limits
            http_client=openai.DefaultAioHttpClient(timeout=terms.timeout_s),
        )
        endpoints.append(Endpoint(url, client, terms.max_concurrency))
    try:
        yield list(endpoints)
    finally:
        for endpoint in endpoints:
            await endpoint.client.close()


async def check_model(terms: Terms, endpoints: list[Endpoint]) -> list[str]:
    """Refuses a wrong key and a model that no server lists, before the first call; takes out of
    ``endpoints`` those that refuse while another does not. It is no paid call.

    Returns:
        Notes, one line each: which are away, and which are taken out.
    """
    notes = []
    for endpoint in list(endpoints):
        try:
            asked = await _asked(terms, endpoint)
        except EndpointError as error:
            notes.append(leave_out(endpoints, endpoint, error))
            continue
        if not asked:
            notes.append(
                f"{endpoint.url}: no answer to what models it serves; key and model are not "
                "checked before the first call"
            )
    return notes


async def _asked(terms: Terms, endpoint: Endpoint) -> bool:
    """Whether the endpoint answered which models it serves, or at least that it does not say."""
    import openai

    try:
        async with asyncio.timeout(min(30, terms.timeout_s)):
            listed = [str(m.id) async for m in endpoint.client.models.list() if m.id]
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise key_refused(terms, endpoint, error) from None
    except (TimeoutError, openai.APIConnectionError):
        return False
    except Exception:
        return True  # no list, or a strange one: the call itself will tell
    name = terms.model
    # Servers that load what is asked for list what they have, not what they could have.
    if listed and name not in listed and "/" not in name:
        names = terms.without_key(", ".join(sorted(listed)[:8]))
        raise EndpointError(f"{endpoint.url}: no model {name!r}; it serves {names}")
    return True


def leave_out(endpoints: list[Endpoint], endpoint: Endpoint, error: EndpointError) -> str:
    """Takes an endpoint of no use out of the list; returns the line that says so. Raises ``error``
    where there is no other.
    """
    if endpoint in endpoints:
        if len(endpoints) == 1:
            raise error
        endpoints.remove(endpoint)
    return f"{error}; the other endpoints take its calls, until this command ends"


def key_refused(terms: Terms, endpoint: Endpoint, error: Any) -> EndpointError:
    """The error for a key or an account that an endpoint does not take."""
    held = "is set" if terms.key else "is not set"
    return EndpointError(
        f"{endpoint.url}: refuses the key or the account (HTTP {error.status_code}: "
        f"{terms.without_key(error.message)}); the key is read from the environment "
        f"variable {terms.key_env}, which {held}"
    )


def no_logprobs(terms: Terms, endpoint: Endpoint, why: object) -> NoLogprobsError:
    """The error for a server without log-probabilities where the judge's scores come from them."""
    return NoLogprobsError(
        f"{endpoint.url}: model {terms.model!r} {terms.without_key(why)}, and this judge reads its "
        "scores from log-probabilities; use a server that gives them, or a judge with "
        "aggregation: mean"
    )


def give_up_when_all_are_down(terms: Terms, endpoints: list[Endpoint], why: str) -> None:
    """Raises SrlmError when no endpoint could be connected to for ``down_timeout_s``."""
    now, limit = time.monotonic(), terms.down_timeout_s
    if all(e.down_since is not None and now - e.down_since > limit for e in endpoints):
        urls = ", ".join(e.url for e in endpoints)
        raise SrlmError(
            f"{urls}: no connection for {limit:g} s ({why}); start the server and run the "
            "same command again, what is answered is kept"
        )
