"""One request to a server, and what its answer means: an answer, another attempt, or the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from backends.engines.dialect import (
    Dialect,
    NoLogprobs,
    Unusable,
    prompt_fields,
    read_answer,
    same_model,
    shares,
)
from backends.engines.endpoints import Endpoint, Terms, key_refused
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from results.errors import SrlmError
from results.text import excerpt

LONGEST_ORDER_S = 600.0  # a longer retry-after is a refusal
CHARACTERS_A_TOKEN = 4  # estimate, for the limit of tokens alone
AT_ONCE_S = 0.001  # to wait after a setting was left out
PATHS = {False: "/chat/completions", True: "/completions"}  # of raw text the second


@dataclass(frozen=True)
class Outcome:
    """The answers; or null, ``why``, and the seconds to wait: 0 = as the caller likes, null = the
    endpoint is away, nothing was asked.
    """

    done: list[Completion] | None
    why: str
    wait: float | None


def failure(why: str) -> Completion:
    """A call that has no answer."""
    return Completion(why, "error", Usage(0, 0))


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
        SrlmError, NoLogprobs: every call would fail the same.
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
        endpoint.answered()
        if isinstance(reply, str):
            reply = json.loads(reply)  # a gateway that calls its JSON something else
        choices = reply.get("choices")
        if not choices:
            return Outcome(None, "an answer without choices", 0.0)
        choices = choices[:draws]
        if not same_model(terms.model, reply.get("model")):
            return Outcome(None, f"answered by the model {excerpt(str(reply['model']))}", 0.0)
        read = [
            read_answer(choice, usage, config)
            for choice, usage in zip(choices, shares(reply.get("usage"), len(choices)), strict=True)
        ]
        if config.logprobs:
            # An answer without text has none anywhere; once there were some, the server gives them.
            dialect.has_logprobs |= any(a.logprobs for a in read)
            if not dialect.has_logprobs and any(
                a.text and a.finish_reason != "error" for a in read
            ):
                raise NoLogprobs("answers without log-probabilities")
        done = [replace(answer, text=terms.scrubbed(answer.text)) for answer in read]
        if len(done) < settings.get("n", 1) and not dialect.one_draw:
            dialect.one_draw = True
            tell(f"{endpoint.url}: gives one draw a request, whatever n is")
        return Outcome(done, "", 0.0)
    except TimeoutError:
        return Outcome(None, f"no answer in {terms.timeout_s:g} s", 0.0)
    except openai.APIStatusError as error:
        endpoint.answered()
        return _refusal(terms, dialect, endpoint, error, settings, draws, tell)
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        if _never_connected(cause):
            endpoint.failed()
            return Outcome(None, terms.without_key(cause), None)
        if isinstance(error, openai.APITimeoutError):
            return Outcome(None, f"no answer in {terms.timeout_s:g} s", 0.0)
        return Outcome(None, f"connection lost ({type(cause).__name__})", 0.0)
    except (Unusable, openai.APIError, ValueError, TypeError, LookupError, AttributeError) as error:
        return Outcome(None, f"unreadable answer ({terms.without_key(error)})", 0.0)


def _refusal(terms: Terms, dialect: Dialect, endpoint: Endpoint, error: Any,
             settings: dict[str, Any], draws: int,
             tell: Callable[[str], None]) -> Outcome:  # fmt: skip
    """What an answer means that is an HTTP error."""
    status, said = error.status_code, terms.without_key(error.message)
    why = f"HTTP {status}: {said}"
    if status in (401, 403) or error.code == "insufficient_quota":
        raise key_refused(terms, endpoint, error)
    if status in (408, 409, 425, 429) or status >= 500:
        order = _retry_after(error.response.headers)
        if order > LONGEST_ORDER_S:
            raise SrlmError(
                f"{endpoint.url}: asks to wait {order:.0f} s ({why}); "
                "run the same command again later"
            )
        return Outcome(None, why, order)
    if status in (400, 422) and (
        learned := dialect.learn(settings, error.param, str(error.message))
    ):
        tell(f"{endpoint.url}: {learned}")
        return Outcome(None, why, AT_ONCE_S)
    if status == 404:
        raise SrlmError(
            f"{endpoint.url}: model {terms.model!r} or its path is not there ({why}); "
            "check engine.base_url (it ends with /v1) and the model's name"
        )
    return Outcome([failure(why)] * draws, why, 0.0)


def _never_connected(error: BaseException) -> bool:
    """Whether no connection came about at all, so that nothing was asked. The aiohttp transport
    calls a refused connection a time-out of connecting.
    """
    import httpx2

    return isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout))


def _retry_after(headers: Any) -> float:
    """Seconds that a server asks to wait, 0 where it does not say."""
    for name, each in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * each)
        except (KeyError, ValueError):
            continue
    return 0.0
