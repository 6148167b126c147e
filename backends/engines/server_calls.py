"""Calls to a server, many at a time: retries, time-outs, limits, endpoints that come and go.

An event loop in a thread of its own makes them; an outbox hands the answers to whoever iterates.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from backends.engines.attempt import attempt
from backends.engines.dialect import Dialect, NoLogprobs
from backends.engines.endpoints import (
    Endpoint,
    EndpointError,
    Terms,
    check_model,
    fit_for_calls,
    give_up_when_all_are_down,
    leave_out,
    no_logprobs,
    opened,
)
from backends.engines.engine import Completion, Discarded, GenerateConfig, Request, Usage
from backends.engines.outbox import Outbox
from backends.engines.reply import NOTHING, Outcome, failure

FIRST_WAIT_S, GROWTH, LONGEST_WAIT_S = 0.25, 1.5, 30.0  # between attempts, before jitter
LONGEST_ORDER_S = 600.0  # a longer retry-after is a refusal
DISCARDED = 5  # answers of one call that cannot be used: each may be on the bill
LESSONS = 8  # requests of one call that may be refused for a setting, each for another
# Of the first call: a refusal of a setting mostly comes within it. A later one costs a refused (and
# unpaid) request for each call under way; a longer head start would cost every job its idle slots.
HEAD_START_S = 0.1
MOMENT_S = 0.02  # answers of this time are stored together; nobody sees them before
START_S = 30.0  # for the thread to begin, where an interruption fell into its start
STOP_GRACE_S = 30.0  # for calls under way when the run is interrupted


class ServerCalls:
    """A flight of calls (see ``engine.Flight``). ``discarded``: what was answered and is
    not among the answers given out, though it may be on the bill.
    """

    def __init__(self, terms: Terms, dialect: Dialect, requests: Sequence[Request],
                 seeds: Sequence[int], config: GenerateConfig) -> None:  # fmt: skip
        self.retried = 0
        self.discarded: list[Discarded] = []
        self.notes: list[str] = []
        self._told: list[str] = []
        self._terms, self._dialect = terms, dialect
        self._requests, self._seeds, self._config = requests, seeds, config
        self._out = Outbox()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._wake: asyncio.Event | None = None
        self._ready = threading.Event()
        self._begun = False
        self._under_way = 0
        self._thread = threading.Thread(target=self._in_thread, name="srlm calls", daemon=True)

    def __iter__(self) -> Iterator[list[tuple[int, Completion]]]:
        """Groups of finished calls. Raises SrlmError where no call can succeed. The calls begin
        here: who was interrupted before holds a flight that made none.
        """
        left = len(self._requests)
        if left:
            self._begun = True
            self._thread.start()
        while left:
            self._out.wait()
            time.sleep(MOMENT_S)
            error = self._out.look()
            group = list(self._out.held.items())
            if group or error is None:  # empty where there is a note alone, to be told now
                yield group
            for i, _ in group:  # whoever asks for more has them
                del self._out.held[i]
            left -= len(group)
            if error is not None:
                raise error

    def waits_for(self) -> str:
        """See ``engine.Lingering``."""
        if not self._under_way:
            return ""
        return (
            f"{self._under_way} calls under way are waited for, up to {STOP_GRACE_S:g} s; Ctrl-C "
            "again drops them (they may be on the bill)"
        )

    def stop(self) -> list[tuple[int, Completion]]:
        """Ends the flight; see ``engine.Flight``."""
        self._stopping.set()
        if self._begun and self._ready.wait(START_S):
            if self._loop is not None and self._wake is not None and self._thread.is_alive():
                with suppress(RuntimeError):  # it ended in this very moment
                    self._loop.call_soon_threadsafe(self._wake.set)
            with suppress(BaseException):  # a second interruption: what came until now is kept
                self._thread.join()
        self._out.look()
        rest, self._out.held = self._out.held, {}
        return list(rest.items())

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._out.put(error)
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        async with opened(self._terms) as endpoints:
            await self._all(endpoints)

    async def _all(self, endpoints: list[Endpoint]) -> None:
        todo = deque(self._units())
        first = asyncio.Event()

        async def work() -> None:
            while todo and not self._stopping.is_set():
                unit = todo.popleft()
                done = await self._call(unit, endpoints)
                first.set()
                if done is None:
                    return  # the run is being stopped
                for i, completion in zip(unit, done, strict=False):
                    self._out.put((i, completion))
                # A server that gives fewer draws than it is asked for is asked for each.
                todo.extendleft([i] for i in reversed(unit[len(done) :]))

        if not self._terms.probed:
            for note in await check_model(self._terms, endpoints):
                self._tell(note)
        # Twice as many as may be under way: who waits for another attempt holds no place.
        count = min(2 * self._terms.max_concurrency * len(endpoints), len(todo))
        workers = [asyncio.create_task(work())]
        if not self._terms.probed:
            await self._head_start(workers[0], first)
            self._terms.probed = True
        workers += [asyncio.create_task(work()) for _ in range(count - 1)]
        watch = asyncio.create_task(self._grace(workers))
        try:
            await asyncio.gather(*workers)
        except asyncio.CancelledError:
            pass  # the grace is over
        except BaseException:
            # What is under way is paid for: the others may end before the error is told.
            self._stopping.set()
            assert self._wake is not None
            self._wake.set()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        finally:
            watch.cancel()

    async def _head_start(self, worker: asyncio.Task[None], first: asyncio.Event) -> None:
        """Lets the first call go ahead for a while, anew after everything that it teaches: what
        the server refuses is found out once. Whether it gives log-probabilities only its answer
        tells.
        """
        ahead = asyncio.create_task(first.wait())
        known = -1
        while known < self._dialect.lessons and not first.is_set() and not worker.done():
            known = self._dialect.lessons
            await asyncio.wait(
                [worker, ahead],
                timeout=None if self._config.logprobs else HEAD_START_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        ahead.cancel()
        if worker.done():
            worker.result()  # an error of the first call would be that of all

    def _units(self) -> list[list[int]]:
        """Positions of what is asked for together: draws of one prompt, as many as may be."""
        same: dict[Any, list[int]] = {}
        for i, request in enumerate(self._requests):
            same.setdefault(request.prompt if self._terms.draws > 1 else i, []).append(i)
        size = self._terms.draws
        return [at[k : k + size] for at in same.values() for k in range(0, len(at), size)]

    async def _grace(self, workers: list[asyncio.Task[None]]) -> None:
        """Once stopping, drops what is still under way after a while."""
        assert self._wake is not None
        await self._wake.wait()
        await asyncio.sleep(STOP_GRACE_S)
        for worker in workers:
            worker.cancel()

    async def _call(self, unit: list[int], endpoints: list[Endpoint]) -> list[Completion] | None:
        """One request until it has an answer or may not be tried again; null when dropped.
        Completions of the first positions of ``unit``, one at least.
        """
        attempts = discarded = lessons = 0
        last: Endpoint | None = None
        while True:
            endpoint = await self._endpoint(endpoints, last)
            if endpoint is None:
                return None
            self._under_way += 1
            try:
                found = await attempt(
                    self._terms, self._dialect, endpoint, self._requests[unit[0]],
                    self._seeds[unit[0]], len(unit), self._config, self._tell,
                )  # fmt: skip
            except NoLogprobs as error:
                raise no_logprobs(self._terms, endpoint, error) from None
            except EndpointError as error:
                self._tell(leave_out(endpoints, endpoint, error))
                continue
            finally:
                self._under_way -= 1
                endpoint.load -= 1
                endpoint.slots.release()
            if found.done is not None:
                if found.usage != NOTHING:
                    self._discard(found.usage)
                return found.done
            if found.kind == "unreachable":  # that is not this call's fault
                self._tell(f"{endpoint.url}: no connection; {self._meanwhile(endpoints)}")
                give_up_when_all_are_down(self._terms, endpoints, found.why)
                continue
            self.retried += 1
            if found.kind == "learned" and lessons < LESSONS:  # nor is this
                lessons += 1
                continue
            last = endpoint
            others = [e for e in endpoints if e is not endpoint]
            answering = any(e.answering for e in others)
            if answering and endpoint.ill:
                self._tell(
                    f"{endpoint.url}: refuses calls ({found.why.partition(':')[0]}); the other "
                    "endpoints take them until it answers"
                )
            if answering and found.kind == "away":
                continue
            attempts += 1
            discarded += found.kind == "discarded"
            over = attempts > self._terms.max_retries or discarded == DISCARDED
            if found.kind == "discarded":
                self._discard(found.usage, over)
            if over:
                self.retried -= 1
                why = f"{attempts} attempts, the last: {found.why}"
                return [failure(self._terms, why)] * len(unit)
            try:
                wait = _wait(endpoint, found, attempts, any(e.free for e in others))
            except EndpointError as error:
                self._tell(leave_out(endpoints, endpoint, error))
                continue
            if not await self._pause(wait):
                return None

    def _meanwhile(self, endpoints: list[Endpoint]) -> str:
        """What is done while one of them has no connection."""
        if len(endpoints) > 1:
            return "it is tried again while the other endpoints take the calls"
        return f"it is tried for {self._terms.down_timeout_s:g} s (down_timeout_s)"

    def _discard(self, usage: Usage, ended: bool = False) -> None:
        """Notes tokens that were paid for in vain; ``ended``: their call fails with them."""
        self.discarded.append(Discarded(usage, ended=ended))
        self._out.put(None)  # wakes who counts them against the budget

    async def _endpoint(self, endpoints: list[Endpoint], last: Endpoint | None) -> Endpoint | None:
        """A place at the endpoint that carries least, another than ``last`` where there is one;
        null when the run is being stopped.
        """
        while True:
            fit = fit_for_calls(endpoints)
            if fit:
                chosen = min([e for e in fit if e is not last] or fit, key=lambda e: e.load)
                trial = chosen.ill
                if trial:
                    chosen.rest()  # one call tries it, the others see what comes of that
                chosen.load += 1
                await chosen.slots.acquire()
                if not self._stopping.is_set() and (trial or chosen in fit_for_calls(endpoints)):
                    return chosen
                chosen.load -= 1
                chosen.slots.release()
                if self._stopping.is_set():
                    return None
            elif not await self._pause(min(e.closed_until for e in endpoints) - time.monotonic()):
                return None

    async def _pause(self, seconds: float) -> bool:
        """Waits; false when the run is being stopped."""
        assert self._wake is not None
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return True
        return False

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.append(line)
            self.notes.append(line)
            self._out.put(None)  # wakes who waits


def _wait(endpoint: Endpoint, found: Outcome, attempts: int, elsewhere: bool) -> float:
    """Seconds until the next attempt; an order to wait holds for the endpoint that gave it, and is
    obeyed by nobody at once. Raises EndpointError where it is too long to be waited for.
    """
    if found.wait and not elsewhere:
        if found.wait > LONGEST_ORDER_S:
            raise EndpointError(
                f"{endpoint.url}: asks to wait {found.wait:.4g} s ({found.why}); "
                "run the same command again later"
            )
        return found.wait * random.uniform(1.0, 1.25)
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * GROWTH ** min(attempts - 1, 20))
    return longest * random.uniform(0.5, 1.0)
