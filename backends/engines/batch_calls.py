"""Calls through a provider's batch endpoint: handed in as a file, fetched when all are done.

A batch is found again by what it asks (its metadata hold a hash of that): a run that was
interrupted after handing in picks the batch up, whatever was lost on this side.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from backends.engines.dialect import (
    Dialect,
    NoLogprobs,
    Unusable,
    prompt_fields,
    read_answer,
    shares,
)
from backends.engines.endpoints import Terms
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from results.errors import SrlmError
from results.text import excerpt
from results.weights import text_hash

LINES, BYTES = 50_000, 180 << 20  # of one input file, a little under the providers' limits
POLL_S = 20.0
LISTED = 500  # the newest batches, among which one is looked for
ROUNDS = 3  # calls that a batch did not answer are handed in again, so often altogether
LOST = ("failed", "expired", "cancelled", "cancelling")
OVER = ("completed", *LOST)


@dataclass(frozen=True)
class _Job:
    """A batch at the provider, and the call behind each of its ids."""

    batch: Any
    positions: dict[str, int]


class BatchCalls:
    """A flight of calls (see ``engine.Flight``)."""

    def __init__(self, terms: Terms, dialect: Dialect, requests: Sequence[Request],
                 seeds: Sequence[int], config: GenerateConfig) -> None:  # fmt: skip
        import openai

        self.retried = 0
        self.notes: list[str] = []
        self._terms, self._dialect = terms, dialect
        self._requests, self._seeds, self._config = requests, seeds, config
        self._client = openai.OpenAI(
            api_key=terms.key or "none", base_url=terms.urls[0], timeout=terms.timeout_s,
            max_retries=5,
        )  # fmt: skip

    def __iter__(self) -> Iterator[list[tuple[int, Completion]]]:
        """Groups of finished calls, one a batch; empty ones while a batch is waited for."""
        left = list(range(len(self._requests)))
        why: dict[int, str] = {}
        for attempt in range(ROUNDS):
            self.retried += len(left) if attempt else 0
            jobs = []
            for part in self._parts(left):
                jobs.append(self._job(part))
                yield []
            left = []
            for job in jobs:
                while job.batch.status not in OVER:
                    time.sleep(POLL_S)
                    job = replace(job, batch=self._ask_for(job.batch.id))
                    yield []
                done = self._fetch(job, why)
                left += [i for i in job.positions.values() if i not in done]
                yield list(done.items())
            if not left:
                return
        yield [(i, Completion(why.get(i, "not answered"), "error", Usage(0, 0))) for i in left]

    def stop(self) -> list[tuple[int, Completion]]:
        """Batches go on at the provider; the same command picks them up."""
        self._client.close()
        return []

    def _parts(self, left: list[int]) -> Iterator[list[tuple[str, int, dict[str, Any]]]]:
        """(id, position, line of the input file) of the calls that one file may hold; all of one
        path, as a batch must be.
        """
        for raw in (False, True):
            part: list[tuple[str, int, dict[str, Any]]] = []
            size = 0
            for i in left:
                request = self._requests[i]
                if isinstance(request.prompt, str) != raw:
                    continue
                line = self._line(i, request, raw)
                length = len(json.dumps(line)) + 1
                if part and (len(part) == LINES or size + length > BYTES):
                    yield part
                    part, size = [], 0
                part.append((line["custom_id"], i, line))
                size += length
            if part:
                yield part

    def _line(self, i: int, request: Request, raw: bool) -> dict[str, Any]:
        settings = self._dialect.settings(self._config, self._seeds[i], raw)
        body = {"model": self._terms.model, **prompt_fields(request), **settings}
        return {
            "custom_id": f"{self._seeds[i]:x}",  # of the call's key: no other call has it
            "method": "POST",
            "url": "/v1/completions" if raw else "/v1/chat/completions",
            "body": body | self._terms.extra,
        }

    def _job(self, part: list[tuple[str, int, dict[str, Any]]]) -> _Job:
        """The batch of ``part``: the one that is there, else a new one."""
        lines = [line for _, _, line in part]
        mark = text_hash(sorted(json.dumps(line, sort_keys=True) for line in lines))
        with self._errors("handing a batch in"):
            batch, word = self._find(mark), "picked up"
            if batch is None:
                data = "".join(json.dumps(line) + "\n" for line in lines).encode()
                file = self._client.files.create(file=("calls.jsonl", data), purpose="batch")
                batch, word = self._client.batches.create(
                    input_file_id=file.id, endpoint=lines[0]["url"], completion_window="24h",
                    metadata={"srlm": mark},
                ), "handed in"  # fmt: skip
        self.notes.append(f"{self._terms.urls[0]}: batch {batch.id} of {len(lines)} calls {word}")
        return _Job(batch, {name: i for name, i, _ in part})

    def _find(self, mark: str) -> Any:
        """The newest batch that asks the same and may have answers; null when there is none."""
        for batch in islice(self._client.batches.list(limit=100), LISTED):
            if (batch.metadata or {}).get("srlm") != mark or batch.status in LOST:
                continue
            counts = batch.request_counts
            if batch.status == "completed" and counts is not None and not counts.completed:
                continue
            return batch
        return None

    def _ask_for(self, name: str) -> Any:
        with self._errors(f"asking for batch {name}"):
            return self._client.batches.retrieve(name)

    def _fetch(self, job: _Job, why: dict[int, str]) -> dict[int, Completion]:
        """The good answers of a batch that is over; ``why`` gets the reasons of the others."""
        batch, done = job.batch, {}
        if batch.status == "failed":
            errors = getattr(batch.errors, "data", None) or []
            said = "; ".join(str(e.message) for e in errors[:3]) or "no reason given"
            raise SrlmError(
                f"{self._terms.urls[0]}: batch {batch.id} failed: {self._terms.without_key(said)}; "
                "check the model's name and the account"
            )
        for name in (batch.output_file_id, batch.error_file_id):
            if name is None:
                continue
            with self._errors(f"fetching batch {batch.id}"):
                text = self._client.files.content(name).text
            for row in map(json.loads, filter(str.strip, text.split("\n"))):
                i = job.positions.get(row.get("custom_id"))
                if i is not None and i not in done:
                    found = self._read(i, row)
                    if isinstance(found, Completion):
                        done[i] = found
                    else:
                        why[i] = found
        return done

    def _read(self, i: int, row: dict[str, Any]) -> Completion | str:
        """One line of a result file: an answer, or why there is none."""
        response = row.get("response") or {}
        status, body = response.get("status_code"), response.get("body")
        if status != 200 or not isinstance(body, dict):
            error = row.get("error") or (body or {}).get("error") or {}
            said = self._terms.without_key(error.get("message", "no reason given"))
            settings = self._dialect.settings(self._config, self._seeds[i])
            try:
                learned = self._dialect.learn(settings, error.get("param"), said)
            except NoLogprobs as refused:
                return str(refused)
            if learned and (note := f"{self._terms.urls[0]}: {learned}") not in self.notes:
                self.notes.append(note)
            return f"HTTP {status}: {said}"
        try:
            usage = shares(body.get("usage"), 1)[0]
            done = read_answer(body["choices"][0], usage, self._config)
        except (Unusable, ValueError, TypeError, LookupError, AttributeError) as error:
            return f"unreadable answer ({excerpt(str(error), 100)})"
        if self._config.logprobs and done.text and done.logprobs is None:
            return "answered without log-probabilities"
        return replace(done, text=self._terms.scrubbed(done.text))

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turns the client's errors into ours: a batch goes on without us, so that none is lost."""
        import openai

        try:
            yield
        except openai.APIError as error:
            raise SrlmError(
                f"{self._terms.urls[0]}: {doing} did not work "
                f"({self._terms.without_key(error.message)}); run the same command again, batches "
                f"go on at the provider (the key is read from {self._terms.key_env})"
            ) from None
