"""The ``openai`` engine: OpenAI, vLLM, and every other server that speaks the same protocol."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from backends.engines.batch_calls import BatchCalls
from backends.engines.dialect import Dialect
from backends.engines.endpoints import Terms, check_model, opened
from backends.engines.engine import Completion, Flight, GenerateConfig, LmEvalModel, Request
from backends.engines.limits import PerMinute
from backends.engines.secret import check_key
from backends.engines.server_calls import ServerCalls
from backends.models import OPENAI_EXTRA
from results.errors import SrlmError, UsageError
from results.plugins import require
from results.weights import text_hash, weights_hash

OPENAI = "https://api.openai.com/v1"
# What the engine says itself: records, cache keys and budgets go by that.
OWN = (
    "model", "messages", "prompt", "max_tokens", "max_completion_tokens", "n", "best_of",
    "temperature", "top_p", "seed", "stop", "logprobs", "top_logprobs", "stream",
)  # fmt: skip


class OpenAIEngine:
    """Nothing is sent before the first call that is not in the cache.

    Args:
        model: the name that the server knows; for a folder of weights its full path.
        base_url: the endpoint, up to ``/v1``; several, with commas, share the calls.
        api_key_env: the environment variable that holds the key. Keys are nowhere else.
        max_concurrency: calls under way at each endpoint.
        timeout_s: seconds until a call without an answer is made again.
        max_retries: attempts after the first, for one call.
        down_timeout_s: seconds without any connection after which the run ends.
        requests_per_minute: of all endpoints together; null = no limit.
        tokens_per_minute: prompt (estimated) and answer (at most) together; null = no limit.
        draws_per_request: draws of one prompt that are asked for together (``n``).
        batch: hand all calls in at the provider's batch endpoint: about half the price, done
            within a day; a run that was interrupted picks its batches up.
        answers_as: what the server calls this model in its answers, where that is another name.
        extra_body: what else every request says, for settings of one server alone; none of
            those that the engine says itself.
    """

    def __init__(
        self,
        model: str,
        base_url: str = OPENAI,
        api_key_env: str = "OPENAI_API_KEY",
        max_concurrency: Annotated[int, Field(ge=1)] = 32,
        timeout_s: Annotated[float, Field(gt=0)] = 600,
        max_retries: Annotated[int, Field(ge=0)] = 20,
        down_timeout_s: Annotated[float, Field(ge=0)] = 600,
        requests_per_minute: Annotated[int, Field(ge=1)] | None = None,
        tokens_per_minute: Annotated[int, Field(ge=1)] | None = None,
        draws_per_request: Annotated[int, Field(ge=1)] = 1,
        batch: bool = False,
        answers_as: str | None = None,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        require(("openai", "aiohttp"), "engine 'openai'", OPENAI_EXTRA)
        if not model:
            raise UsageError("engine 'openai': no model name; write openai:NAME")
        urls = [_checked(url.strip()) for url in base_url.split(",")]
        if batch and (len(urls) > 1 or draws_per_request > 1):
            raise UsageError(
                "engine 'openai': batch takes one base_url and draws_per_request 1; change those, "
                "or leave batch out"
            )
        if own := [name for name in extra_body or {} if name in OWN]:
            raise UsageError(
                f"engine 'openai': extra_body holds {', '.join(own)}, which the engine says "
                "itself; leave it out, decoding and draws have settings of their own"
            )
        folder = Path(model).is_dir()
        self.identity = f"openai:{','.join(sorted(set(urls)))}:{model}"
        if folder:
            # A run's checkpoint has the same path in every run and other weights.
            self.identity = f"openai:{text_hash(sorted(urls))[:16]}:{weights_hash(Path(model))}"
        if extra_body:
            self.identity += f":{text_hash(extra_body)[:16]}"
        self.startup_seconds = 0.0
        self._terms = Terms(
            model=str(Path(model).resolve()) if folder else model,
            urls=urls,
            key_env=api_key_env,
            key=os.environ.get(api_key_env, ""),
            max_concurrency=max_concurrency,
            timeout_s=timeout_s,
            max_retries=max_retries,
            down_timeout_s=down_timeout_s,
            requests=PerMinute(requests_per_minute),
            tokens=PerMinute(tokens_per_minute),
            draws=draws_per_request,
            extra=extra_body or {},
            answers_as=answers_as,
        )
        self._dialect = Dialect()
        self._batch = batch

    def ready(self) -> None:
        """Raises SrlmError where no call can succeed, as far as this machine alone can tell."""
        check_key(self._terms.key, self._terms.key_env)
        if OPENAI in self._terms.urls and not self._terms.key:
            raise SrlmError(
                f"{OPENAI}: the environment variable {self._terms.key_env} with the key is not "
                "set; export it, or name another server (base_url)"
            )

    def look(self) -> list[str]:
        """Asks the servers which models they serve; see ``engine.Served``."""
        self.ready()
        return asyncio.run(self._looked())

    async def _looked(self) -> list[str]:
        async with opened(self._terms) as endpoints:
            return await check_model(self._terms, endpoints)

    def lm_eval_model(self) -> LmEvalModel:
        """The first endpoint's completions, as text; of a model that lies here its tokenizer."""
        terms = self._terms
        tokenizer = {"tokenizer": terms.model} if Path(terms.model).is_dir() else {}
        arguments = {
            "model": terms.model,
            "base_url": f"{terms.urls[0]}/completions",
            "num_concurrent": terms.max_concurrency,
            "max_retries": terms.max_retries,
            "timeout": math.ceil(terms.timeout_s),
            "tokenizer_backend": "huggingface",
            "tokenized_requests": False,
            **tokenizer,
        }
        return LmEvalModel("local-completions", arguments, {"OPENAI_API_KEY": terms.key})

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """One batch of all: the server forms its own."""
        return [list(range(len(requests)))] if requests else []

    def start(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> Flight:
        """All calls, begun when it is iterated; their answers come in the order of their ends."""
        self.ready()
        before = time.monotonic()
        import openai  # noqa: F401  (its 0.7 s are start-up, not computation)

        self.startup_seconds += time.monotonic() - before
        calls = BatchCalls if self._batch else ServerCalls
        return calls(self._terms, self._dialect, requests, seeds, config)

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        """All answers at once, in the order of the requests."""
        calls = self.start(requests, seeds, config)
        try:
            done = dict(pair for group in calls for pair in group)
        finally:
            calls.stop()
        return [done[i] for i in range(len(requests))]

    def close(self) -> None:
        """Nothing is held between calls."""


def _checked(url: str) -> str:
    """The endpoint without a last slash. A key in it would get into records."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"engine 'openai': base_url {url!r} is no http address; "
            "expected one like http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"engine 'openai': base_url for {parts.hostname} holds a name, password or query; "
            "give the key in the environment variable that api_key_env names"
        )
    return url.rstrip("/")
