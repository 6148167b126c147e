"""One request to a server, and what its answer means: an answer, another attempt, or the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from backends.engines.dialect import Dialect, prompt_fields
from backends.engines.endpoints import Endpoint, EndpointError, Terms, key_refused
from backends.engines.engine import GenerateConfig, Request
from backends.engines.reply import Kind, Outcome, count_stranger, failure, read_reply

CHARACTERS_A_TOKEN = 4  # estimate, for the limit of tokens alone
PATHS = {False: "/chat/completions", True: "/completions"}  # of raw text the second
# HTTP 403 is mostly the account's, for every call; that of a moderation is one prompt's.
_MODERATED = re.compile(r"moderat|flagged|content.?(?:filter|policy)|safety", re.I)


async def attempt(terms: Terms, dialect: Dialect, endpoint: Endpoint, request: Request, seed: int,
                  draws: int, config: GenerateConfig,
                  tell: Callable[[str], None]) -> Outcome:  # fmt: skip
    """Asks once for ``draws`` completions of one prompt; there may come fewer, one at least.

    Args:
        terms: of the engine.
        dialect: what the server takes; it may learn from the answer.
        endpoint: where a place is held.
        request: the prompt.
        seed: of the first draw.
        draws: how many completions are wanted.
        config: the decoding.
        tell: given a line that the user should know.

    Raises:
        EndpointError: every call would fail the same at this endpoint.
        SrlmError, NoLogprobs: and at every other.
    """
    import openai

    raw = isinstance(request.prompt, str)
    settings = dialect.settings(config, seed, raw)
    if draws > 1 and not dialect.one_draw:
        settings["n"] = draws
    prompt = prompt_fields(request)
    size = len(str(prompt)) / CHARACTERS_A_TOKEN + config.max_tokens * draws
    await terms.requests.take()
    await terms.tokens.take(size)
    # Plain JSON both ways: the package's typed messages took more than half of a call's CPU time.
    body = {"model": terms.model, **prompt, **settings, **terms.extra}
    try:
        async with asyncio.timeout(terms.timeout_s):
            reply = await endpoint.client.post(PATHS[raw], body=body, cast_to=object)
    except openai.APIStatusError as error:
        found = _refusal(terms, dialect, endpoint, error, settings, draws)
    except (TimeoutError, openai.APIConnectionError) as error:
        found = _lost(terms, error)
    except Exception as error:  # whatever a strange answer makes of the libraries that read it
        found = Outcome(None, f"unreadable answer ({terms.without_key(error)})")
    else:
        found = read_reply(terms, dialect, reply, settings.get("n", 1), config)
        if found.stranger is not None:
            count_stranger(terms, dialect, found.stranger)
    if found.kind == "unreachable":
        endpoint.failed()
    elif found.done is None and found.kind != "learned":
        endpoint.refused(found.wait)
    else:
        endpoint.answered()
    for note in found.notes:
        tell(f"{endpoint.url}: {note}")
    return found


def _lost(terms: Terms, error: Exception) -> Outcome:
    """What it means that there is no reply. For the transport every lost connection is one of
    connecting; which it was, aiohttp's error beneath its own says.
    """
    import aiohttp

    cause = error.__cause__ or error
    beneath = cause.__cause__ or cause
    if isinstance(beneath, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Outcome(None, terms.without_key(cause), "unreachable")  # nothing was asked
    if isinstance(error, TimeoutError) or isinstance(beneath, TimeoutError):
        return Outcome(None, f"no answer in {terms.timeout_s:g} s")
    return Outcome(None, f"connection lost ({type(beneath).__name__})")


def _refusal(terms: Terms, dialect: Dialect, endpoint: Endpoint, error: Any,
             settings: dict[str, Any], draws: int) -> Outcome:  # fmt: skip
    """What an answer means that is an HTTP error."""
    status, said = error.status_code, str(error.message)
    why = f"HTTP {status}: {terms.without_key(said)}"
    barred = status == 403 and not dialect.answered and not _MODERATED.search(said)
    if status in (401, 402) or barred or error.code == "insufficient_quota":
        raise key_refused(terms, endpoint, error)
    if status in (408, 409, 425, 429) or status >= 500:
        kind: Kind = "away" if status in (502, 503, 504) else "failed"
        return Outcome(None, why, kind, wait=_retry_after(error.response.headers))
    if status in (400, 422) and (learned := dialect.learn(settings, error.param, said)):
        return Outcome(None, why, "learned", notes=(learned,))
    if status == 404:
        mend = "check base_url (it ends with /v1) and the model's name"
        if Path(terms.model).is_absolute():
            mend = (
                "weights are asked for by their folder, which the server must load by itself, as "
                "transformers serve does and vLLM does not; check base_url (it ends with /v1) too"
            )
        raise EndpointError(
            f"{endpoint.url}: model {terms.model!r} or its path is not there ({why}); {mend}"
        )
    return Outcome([failure(terms, why)] * draws)


def _retry_after(headers: Any) -> float:
    """Seconds that a server asks to wait, 0 where it does not say; it says a number or a date."""
    for name, each in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        said = headers.get(name)
        if said is None:
            continue
        try:
            return max(0.0, float(said) * each)
        except ValueError:
            pass
        try:
            date = parsedate_to_datetime(said)
        except ValueError:
            continue
        return max(
            0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        )
    return 0.0
