"""An engine without a model, for tests of what stands around engines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from backends.engines.engine import Completion, GenerateConfig, Request, Usage

Reply = Callable[[Request, int], Completion | str]


def prompt_of(request: Request) -> str:
    """What a request asks, as one text."""
    if isinstance(request.prompt, str):
        return request.prompt
    return "\n".join(m.content for m in request.prompt)


def echo(request: Request, seed: int) -> str:
    """An answer that names the prompt, the draw and the seed."""
    digest = hashlib.sha256(prompt_of(request).encode()).hexdigest()[:6]
    return f"answer to {digest} draw {request.draw} seed {seed}"


class Killed(BaseException):
    """A process that ends in the middle of a call. Not an Exception: nobody on the way keeps it."""


def mortal(reply: Reply, survive: int) -> Reply:
    """``reply``, which is ``Killed`` after ``survive`` answers."""
    left = survive

    def answer(request: Request, seed: int) -> Completion | str:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return reply(request, seed)

    return answer


class FakeEngine:
    """Answers by ``reply`` and records every batch that it is asked for in ``batches``."""

    def __init__(self, model: str = "fake", batch_size: int = 3, reply: Reply = echo) -> None:
        self.identity = f"fake:{model}"
        self.startup_seconds = 0.0
        self.batch_size, self.reply = batch_size, reply
        self.batches: list[list[Request]] = []
        self.closed = 0

    @property
    def calls(self) -> list[Request]:
        """Every request that was computed, in order."""
        return [request for batch in self.batches for request in batch]

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """Longest first, as a real engine would."""
        order = sorted(range(len(requests)), key=lambda i: (-len(prompt_of(requests[i])), i))
        return [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        self.batches.append(list(requests))
        found = []
        for request, seed in zip(requests, seeds, strict=True):
            said = self.reply(request, seed)
            usage = Usage(len(prompt_of(request)), 4)
            found.append(Completion(said, "stop", usage) if isinstance(said, str) else said)
        return found

    def close(self) -> None:
        self.closed += 1


def failed(why: str = "HTTP 500") -> Completion:
    return Completion(why, "error", Usage(3, 0))
