"""Every model call goes through here: answered by the cache if made before, else by the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from backends.engines.engine import Completion, Engine, GenerateConfig, Request, Usage
from results.cache import Cached, CallCache, call_key


@dataclass(frozen=True)
class Answer:
    """The completion of request ``index``; ``key`` is its cache key."""

    index: int
    key: str
    completion: Completion
    cached: bool


@dataclass
class Tally:
    """What a caller has done: answers, those from the cache, failures, seconds and tokens.

    ``unscored`` is counted by who reads the answers.
    """

    done: int = 0
    cached: int = 0
    failed: int = 0
    unscored: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass
class Caller:
    """One model behind the cache.

    Args:
        engine: the model; its ``identity`` is part of every key.
        cache: the run's cache of finished calls.
        on_batch: told (answers so far, of) after every batch.
        on_time: told (seconds of model computation, seconds of loading) that calls took.
    """

    engine: Engine
    cache: CallCache
    on_batch: Callable[[Tally, int], None] = lambda tally, of: None
    on_time: Callable[[float, float], None] = lambda model, startup: None
    tally: Tally = field(default_factory=Tally)

    def keys(self, requests: Sequence[Request], config: GenerateConfig) -> list[str]:
        """The cache key of every request."""
        decoding = asdict(config)
        return [call_key(self.engine.identity, decoding, r.prompt, r.draw) for r in requests]

    def run(self, requests: Sequence[Request], config: GenerateConfig) -> Iterator[list[Answer]]:
        """Answers all requests, a planned batch at a time, in the order of the plan.

        Batches come from the whole list, not from what is left: a resumed stage computes the
        same batches, and floating-point results depend on the batch. Equal requests are one call.
        A batch is in the cache before anyone sees it; failures are never cached. Planning is not
        model computation: of its time only what the engine calls start-up is booked.
        """
        self.tally = Tally()
        keys = self.keys(requests, config)
        places: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            places.setdefault(key, []).append(index)
        unique = [where[0] for where in places.values()]
        before = self.engine.startup_seconds
        plan = self.engine.plan([requests[i] for i in unique])
        self.on_time(0.0, self.engine.startup_seconds - before)
        for batch in plan:
            indices = [unique[i] for i in batch]
            known = self.cache.get_many([keys[i] for i in indices])
            missing = [i for i in indices if keys[i] not in known]
            fresh = self._generate(
                [requests[i] for i in missing], [keys[i] for i in missing], config
            )
            answers = []
            for i in indices:
                found = known.get(keys[i])
                completion = fresh[keys[i]] if found is None else _completion(found)
                answers += [
                    Answer(j, keys[i], completion, found is not None) for j in places[keys[i]]
                ]
            self._count(answers)
            self.on_batch(self.tally, len(requests))
            yield answers

    def _generate(self, requests: list[Request], keys: list[str],
                  config: GenerateConfig) -> dict[str, Completion]:  # fmt: skip
        if not requests:
            return {}
        seeds = [int(key[:15], 16) for key in keys]
        start, before = time.monotonic(), self.engine.startup_seconds
        completions = self.engine.generate(requests, seeds, config)
        startup = self.engine.startup_seconds - before
        model = time.monotonic() - start - startup
        self.tally.seconds += model
        self.on_time(model, startup)
        done = dict(zip(keys, completions, strict=True))
        self.cache.put_many(
            {
                key: Cached(
                    c.text, c.finish_reason, c.usage.prompt_tokens, c.usage.completion_tokens
                )
                for key, c in done.items()
                if c.finish_reason != "error"
            }
        )
        return done

    def _count(self, answers: list[Answer]) -> None:
        self.tally.done += len(answers)
        self.tally.cached += sum(a.cached for a in answers)
        self.tally.failed += sum(a.completion.finish_reason == "error" for a in answers)
        self.tally.tokens += sum(
            a.completion.usage.completion_tokens for a in answers if not a.cached
        )


def _completion(row: Cached) -> Completion:
    usage = Usage(row.prompt_tokens or 0, row.completion_tokens)
    return Completion(row.text, row.finish_reason, usage)
