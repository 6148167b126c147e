"""Calls to a server, many at a time: retries, time-outs, limits, endpoints that come and go.

An event loop in a thread of its own makes them; answers pass through a queue to whoever iterates.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from backends.engines.dialect import (
    Dialect,
    Unusable,
    prompt_fields,
    read_answer,
    same_model,
    shares,
)
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from backends.engines.limits import PerMinute
from results.errors import SrlmError
from results.text import excerpt

FIRST_WAIT_S, GROWTH, LONGEST_WAIT_S = 0.25, 1.5, 30.0  # between attempts, before jitter
HEAD_START_S = 0.1  # of the first call: a refusal of a setting mostly comes within it
LONGEST_ORDER_S = 600.0  # a longer retry-after is a refusal
STOP_GRACE_S = 30.0  # for calls under way when the run is interrupted
CHARACTERS_A_TOKEN = 4  # estimate, for the limit of tokens alone


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


class _Endpoint:
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
        self.down_since = None


class ServerCalls:
    """A flight of calls (see ``engine.Flight``)."""

    def __init__(self, terms: Terms, dialect: Dialect, requests: Sequence[Request],
                 seeds: Sequence[int], config: GenerateConfig) -> None:  # fmt: skip
        self.retried = 0
        self.notes: list[str] = []
        self._told: list[str] = []
        self._terms, self._dialect = terms, dialect
        self._requests, self._seeds, self._config = requests, seeds, config
        self._out: queue.SimpleQueue[tuple[int, Completion] | BaseException | None] = (
            queue.SimpleQueue()
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._wake: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._in_thread, name="srlm calls", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[list[tuple[int, Completion]]]:
        """Groups of finished calls. Raises SrlmError where no call can succeed."""
        left = len(self._requests)
        while left:
            group, error = self._look()
            left -= len(group)
            if group:
                yield group
            if error is not None:
                raise error

    def _look(self) -> tuple[list[tuple[int, Completion]], BaseException | None]:
        """Waits for one answer and takes what else is there."""
        group: list[tuple[int, Completion]] = []
        found = self._out.get()
        while True:
            if isinstance(found, BaseException):
                return group, found
            if found is not None:
                group.append(found)
            try:
                found = self._out.get_nowait()
            except queue.Empty:
                return group, None

    def stop(self) -> list[tuple[int, Completion]]:
        """Ends the flight; see ``engine.Flight``."""
        self._stopping.set()
        self._ready.wait()
        if self._loop is not None and self._wake is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it ended in this very moment
                self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join()
        rest: list[tuple[int, Completion]] = []
        while True:
            try:
                found = self._out.get_nowait()
            except queue.Empty:
                return rest
            if isinstance(found, tuple):
                rest.append(found)

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._out.put(error)
        finally:
            self._ready.set()

    async def _main(self) -> None:
        import openai

        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        terms = self._terms
        endpoints = []
        for url in terms.urls:
            client = openai.AsyncOpenAI(
                api_key=terms.key or "none",
                base_url=url,
                timeout=terms.timeout_s,
                max_retries=0,  # ours count, and obey the limits
                http_client=openai.DefaultAioHttpClient(timeout=terms.timeout_s),
            )
            endpoints.append(_Endpoint(url, client, terms.max_concurrency))
        try:
            await self._all(endpoints)
        finally:
            for endpoint in endpoints:
                await endpoint.client.close()

    async def _all(self, endpoints: list[_Endpoint]) -> None:
        todo = deque(self._units())

        async def work() -> None:
            while todo and not self._stopping.is_set():
                unit = todo.popleft()
                done = await self._call(unit, endpoints)
                if done is None:
                    return  # the run is being stopped
                for i, completion in zip(unit, done, strict=False):
                    self._out.put((i, completion))
                # A server that gives fewer draws than it is asked for is asked for each.
                todo.extendleft([i] for i in reversed(unit[len(done) :]))

        if not self._terms.probed:
            await self._check_model(endpoints)
        # Twice as many as may be under way: who waits for another attempt holds no place.
        count = min(2 * self._terms.max_concurrency * len(endpoints), len(todo))
        workers = [asyncio.create_task(work())]
        if not self._terms.probed:
            # The first call goes ahead: what the server refuses is found out once.
            await asyncio.wait(workers, timeout=HEAD_START_S)
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

    async def _check_model(self, endpoints: list[_Endpoint]) -> None:
        """Refuses a wrong key and a model that the server does not list, before the first call."""
        import openai

        for endpoint in endpoints:
            try:
                async with asyncio.timeout(min(30, self._terms.timeout_s)):
                    listed = [m.id async for m in endpoint.client.models.list()]
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise self._refused(endpoint, error) from None
            except Exception:
                continue  # no list, or no server yet: the call itself will tell
            asked = self._terms.model
            # Servers that load what is asked for list what they have, not what they could have.
            if listed and asked not in listed and "/" not in asked:
                raise SrlmError(
                    f"{endpoint.url}: no model {asked!r}; it serves {', '.join(sorted(listed)[:8])}"
                )

    async def _call(self, unit: list[int], endpoints: list[_Endpoint]) -> list[Completion] | None:
        """One request until it has an answer or may not be tried again; null when dropped.
        Completions of the first positions of ``unit``, one at least.
        """
        attempts = 0
        while True:
            endpoint = await self._endpoint(endpoints)
            if endpoint is None:
                return None
            try:
                done, why, wait = await self._attempt(unit, endpoint)
            finally:
                endpoint.load -= 1
                endpoint.slots.release()
            if done is not None:
                return done
            if wait is None:  # the server is away: that is not this call's fault
                self._give_up_when_all_are_down(endpoints, why)
            elif attempts == self._terms.max_retries:
                return [self._failure(f"{attempts + 1} attempts, the last: {why}")] * len(unit)
            else:
                attempts += 1
                self.retried += 1
                longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * GROWTH ** min(attempts - 1, 20))
                if not await self._pause(wait or longest * random.uniform(0.5, 1.0)):
                    return None

    async def _endpoint(self, endpoints: list[_Endpoint]) -> _Endpoint | None:
        """A place at the endpoint that carries least; null when the run is being stopped."""
        while True:
            now = time.monotonic()
            open_ones = [e for e in endpoints if e.closed_until <= now]
            if open_ones:
                chosen = min(open_ones, key=lambda e: e.load)
                chosen.load += 1
                await chosen.slots.acquire()
                if self._stopping.is_set():
                    chosen.load -= 1
                    chosen.slots.release()
                    return None
                if chosen.closed_until <= time.monotonic():
                    return chosen
                chosen.load -= 1
                chosen.slots.release()
            elif not await self._pause(min(e.closed_until for e in endpoints) - now):
                return None

    async def _attempt(
        self, unit: list[int], endpoint: _Endpoint
    ) -> tuple[list[Completion] | None, str, float | None]:
        """Returns the answers; or null, why, and the seconds to wait (0 = our choice, null = the
        endpoint is away). Raises SrlmError where every call would fail the same.
        """
        import openai

        terms, request = self._terms, self._requests[unit[0]]
        raw = isinstance(request.prompt, str)
        settings = self._dialect.settings(self._config, self._seeds[unit[0]], raw)
        if len(unit) > 1 and not self._dialect.one_draw:
            settings["n"] = len(unit)
        prompt = prompt_fields(request)
        size = len(str(prompt)) / CHARACTERS_A_TOKEN + self._config.max_tokens * len(unit)
        await terms.requests.take()
        await terms.tokens.take(size)
        create = (endpoint.client if raw else endpoint.client.chat).completions.create
        try:
            async with asyncio.timeout(terms.timeout_s):
                reply = await create(
                    model=terms.model, **prompt, **settings, extra_body=terms.extra
                )
            endpoint.answered()
            choices = getattr(reply, "choices", None)
            if not choices:
                return None, "an answer without choices", 0.0
            if not same_model(terms.model, reply.model):
                return None, f"answered by the model {excerpt(str(reply.model))}", 0.0
            read = [
                read_answer(choice, usage, self._config)
                for choice, usage in zip(choices, shares(reply.usage, len(choices)), strict=True)
            ]
            done = [replace(answer, text=terms.scrubbed(answer.text)) for answer in read]
            if len(done) < settings.get("n", 1) and not self._dialect.one_draw:
                self._dialect.one_draw = True
                self.notes.append(f"{endpoint.url}: gives one draw a request, whatever n is")
            return done[: len(unit)], "", 0.0
        except TimeoutError:
            return None, f"no answer in {terms.timeout_s:g} s", 0.0
        except openai.APIStatusError as error:
            endpoint.answered()
            return self._refusal(endpoint, error, settings, len(unit))
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            if _never_connected(cause):
                endpoint.failed()
                return None, terms.without_key(cause), None
            if isinstance(error, openai.APITimeoutError):
                return None, f"no answer in {terms.timeout_s:g} s", 0.0
            return None, f"connection lost ({type(cause).__name__})", 0.0
        except (Unusable, openai.APIError, ValueError, TypeError, AttributeError) as error:
            return None, f"unreadable answer ({terms.without_key(error)})", 0.0

    def _refusal(
        self, endpoint: _Endpoint, error: Any, settings: dict[str, Any], n: int
    ) -> tuple[list[Completion] | None, str, float | None]:
        """As ``_attempt``, for an answer that is an HTTP error to a request for ``n`` draws."""
        status, said = error.status_code, self._terms.without_key(error.message)
        why = f"HTTP {status}: {said}"
        if status in (401, 403) or error.code == "insufficient_quota":
            raise self._refused(endpoint, error)
        if status in (408, 409, 425, 429) or status >= 500:
            order = _retry_after(error.response.headers)
            if order > LONGEST_ORDER_S:
                raise SrlmError(
                    f"{endpoint.url}: asks to wait {order:.0f} s ({why}); "
                    "run the same command again later"
                )
            return None, why, order
        if status in (400, 422) and (
            learned := self._dialect.learn(settings, error.param, str(error.message))
        ):
            if (note := f"{endpoint.url}: {learned}") not in self._told:
                self._told.append(note)
                self.notes.append(note)
            return None, why, 0.001
        if status == 404:
            raise SrlmError(
                f"{endpoint.url}: model {self._terms.model!r} or its path is not there ({why}); "
                "check engine.base_url (it ends with /v1) and the model's name"
            )
        return [self._failure(why)] * n, why, 0.0

    def _refused(self, endpoint: _Endpoint, error: Any) -> SrlmError:
        held = "is set" if self._terms.key else "is not set"
        return SrlmError(
            f"{endpoint.url}: refuses the key or the account (HTTP {error.status_code}: "
            f"{self._terms.without_key(error.message)}); the key is read from the environment "
            f"variable {self._terms.key_env}, which {held}"
        )

    def _give_up_when_all_are_down(self, endpoints: list[_Endpoint], why: str) -> None:
        now, limit = time.monotonic(), self._terms.down_timeout_s
        if all(e.down_since is not None and now - e.down_since > limit for e in endpoints):
            urls = ", ".join(e.url for e in endpoints)
            raise SrlmError(
                f"{urls}: no connection for {limit:g} s ({why}); start the server and run the "
                "same command again, what is answered is kept"
            )

    async def _pause(self, seconds: float) -> bool:
        """Waits; false when the run is being stopped."""
        assert self._wake is not None
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return True
        return False

    def _failure(self, why: str) -> Completion:
        return Completion(why, "error", Usage(0, 0))


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
