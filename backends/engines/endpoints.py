"""The servers that an engine asks: what was agreed on, what each carries, whether it is there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from backends.engines.engine import NoLogprobsError
from backends.engines.limits import PerMinute
from results.errors import SrlmError
from results.text import excerpt


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
    probed: bool = False

    def without_key(self, text: object) -> str:
        """``text`` in one short line that does not hold the key."""
        return excerpt(self.scrubbed(" ".join(str(text).split())), 300)

    def scrubbed(self, text: str) -> str:
        """``text`` with stars for the key: gateways repeat it in errors, and even in answers."""
        return text.replace(self.key, "***") if self.key else text


class Endpoint:
    """One address and what it carries."""

    def __init__(self, url: str, client: Any, slots: int) -> None:
        self.url, self.client = url, client
        self.slots = asyncio.Semaphore(slots)
        self.load = 0
        self.down_since: float | None = None
        self.closed_until = 0.0

    def failed(self) -> None:
        """No connection: leave it alone for a while, longer each time."""
        now = time.monotonic()
        self.down_since = self.down_since or now
        self.closed_until = now + min(5.0, max(0.2, (now - self.down_since) / 2))

    def answered(self) -> None:
        """There is a connection."""
        self.down_since = None


async def check_model(terms: Terms, endpoints: list[Endpoint]) -> None:
    """Refuses a wrong key and a model that the server does not list, before the first call."""
    import openai

    for endpoint in endpoints:
        try:
            async with asyncio.timeout(min(30, terms.timeout_s)):
                listed = [m.id async for m in endpoint.client.models.list()]
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise key_refused(terms, endpoint, error) from None
        except Exception:
            continue  # no list, or no server yet: the call itself will tell
        asked = terms.model
        # Servers that load what is asked for list what they have, not what they could have.
        if listed and asked not in listed and "/" not in asked:
            raise SrlmError(
                f"{endpoint.url}: no model {asked!r}; it serves {', '.join(sorted(listed)[:8])}"
            )


def key_refused(terms: Terms, endpoint: Endpoint, error: Any) -> SrlmError:
    """The error for a key or an account that an endpoint does not take."""
    held = "is set" if terms.key else "is not set"
    return SrlmError(
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
