"""Calls through a provider's batch endpoint: handed in as a file, fetched when all are done.

What the account's batches hold already is never handed in again: a run that was interrupted picks
them up, those that expired or were cancelled meanwhile included.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backends.engines.attempt import PATHS
from backends.engines.dialect import Dialect, NoLogprobs, prompt_fields, shares
from backends.engines.endpoints import Endpoint, Terms, no_logprobs
from backends.engines.engine import Completion, Discarded, GenerateConfig, Request, Usage
from backends.engines.provider_batches import OVER, ProviderBatches
from backends.engines.reply import failure, read_reply

LINES, BYTES = 50_000, 180 << 20  # of one input file, a little under the providers' limits
ROUNDS = 3  # calls that a batch did not answer are handed in again, so often altogether

Group = list[tuple[int, Completion]]
Part = list[tuple[str, int, dict[str, Any]]]  # id, position, line of the input file


@dataclass(frozen=True)
class _Job:
    """A batch that is waited for, and the calls in it, by their ids."""

    batch: Any
    positions: dict[str, int]


@dataclass(frozen=True)
class _Line:
    """What a result line says: an answer, or why there is none; ``paid`` is null where nothing was
    answered.
    """

    done: Completion | None
    why: str = ""
    paid: Usage | None = None


class BatchCalls:
    """A flight of calls (see ``engine.Flight``)."""

    def __init__(self, terms: Terms, dialect: Dialect, requests: Sequence[Request],
                 seeds: Sequence[int], config: GenerateConfig) -> None:  # fmt: skip
        self.retried = 0
        self.notes: list[str] = []
        self.discarded: list[Discarded] = []
        self._terms, self._dialect = terms, dialect
        self._requests, self._seeds, self._config = requests, seeds, config
        self._left = set(range(len(requests)))
        self._why: dict[int, str] = {}
        self._batches = ProviderBatches(terms)

    def __iter__(self) -> Iterator[Group]:
        """Groups of finished calls, one a batch; empty ones while a batch is waited for."""
        jobs = yield from self._picked_up()
        if self._config.logprobs and not self._dialect.has_logprobs and self._left:
            # Whether the server gives any, only an answer tells: one is asked for ahead of all.
            first = jobs or [self._handed_in(part) for part in self._parts([min(self._left)])]
            yield from self._finished(first)
            jobs = []
        for attempt in range(ROUNDS):
            new = self._left.difference(*(job.positions.values() for job in jobs))
            self.retried += len(new) if attempt else 0
            for part in self._parts(sorted(new)):
                jobs.append(self._handed_in(part))
                yield []
            yield from self._finished(jobs)
            jobs = []
            if not self._left:
                return
        yield [
            (i, failure(self._terms, self._why.get(i, "not answered"))) for i in sorted(self._left)
        ]

    def stop(self) -> Group:
        """Batches go on at the provider; the same command picks them up."""
        self._batches.close()
        return []

    def _picked_up(self) -> Generator[Group, None, list[_Job]]:
        """Takes the good answers of batches that are over, and returns those that are not."""
        ids = {self._id(i): i for i in self._left}
        jobs = []
        for batch in self._batches.holding(ids.keys()):
            if batch.status in OVER:
                # What failed there is asked anew: this may be the user's second attempt at it.
                done = self._fetched(_Job(batch, ids), again=True)
                said = f"batch {batch.id}, {batch.status}: {len(done)} answers picked up"
            else:
                here = self._batches.asked(batch)
                jobs.append(_Job(batch, {name: ids[name] for name in ids.keys() & here}))
                said, done = f"batch {batch.id} of {len(here)} calls picked up", {}
            self.notes.append(f"{self._terms.urls[0]}: {said}")
            yield list(done.items())
        return jobs

    def _finished(self, jobs: Iterable[_Job]) -> Iterator[Group]:
        """Waits for batches; gives their answers, and the calls of which none can be used."""
        for job in jobs:
            while job.batch.status not in OVER:
                job = replace(job, batch=self._batches.later(job.batch))
                yield []
            yield list(self._fetched(job).items())

    def _id(self, i: int) -> str:
        return f"{self._seeds[i]:x}"  # of the call's key: no other call has it

    def _parts(self, left: list[int]) -> Iterator[Part]:
        """What one file may hold; all of one path, as a batch must be."""
        for raw in (False, True):
            part: Part = []
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
            "custom_id": self._id(i),
            "method": "POST",
            "url": f"/v1{PATHS[raw]}",
            "body": body | self._terms.extra,
        }

    def _handed_in(self, part: Part) -> _Job:
        batch = self._batches.hand_in([line for _, _, line in part])
        self.notes.append(f"{self._terms.urls[0]}: batch {batch.id} of {len(part)} calls handed in")
        return _Job(batch, {name: i for name, i, _ in part})

    def _fetched(self, job: _Job, again: bool = False) -> dict[int, Completion]:
        """The calls of a batch that have an end, by position.

        An answer that was paid for and cannot be used ends its call, which is then a failed one:
        a day later it would hardly be another. ``again``: such calls stay to be asked.

        Raises:
            NoLogprobsError: none of the answers has what the judge reads its scores from.
        """
        found: dict[int, Completion] = {}
        without: NoLogprobs | None = None
        for name, row in self._batches.results(job.batch):
            i = job.positions.get(name)
            if i is None or i in found or i not in self._left:
                continue
            try:
                line = self._read(i, row)
            except NoLogprobs as error:
                without = error
                line = _Line(None, str(error), _paid(row))
            if line.done is not None:
                found[i] = line.done
                continue
            self._why[i] = line.why
            if line.paid is not None:
                at = f"{job.batch.id} {name}"
                self.discarded.append(Discarded(line.paid, at, ended=not again))
                if not again:
                    found[i] = failure(self._terms, line.why)
        if without is not None and not self._dialect.has_logprobs and not again:
            terms = self._terms
            raise no_logprobs(terms, Endpoint(terms.urls[0], None, 1), without)
        self._left -= found.keys()
        return found

    def _read(self, i: int, row: dict[str, Any]) -> _Line:
        """One line of a result file, whatever form it has. Raises NoLogprobs."""
        try:
            response = row.get("response") or {}
            body = response.get("body")
            if _answered(response):
                return self._answer(body, _paid(row))
            said = self._refusal(i, row.get("error"), body)
            return _Line(None, f"HTTP {response.get('status_code')}: {said}")
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            said = self._terms.without_key(error)
            return _Line(None, f"unreadable answer ({said})", _paid(row))

    def _answer(self, body: Any, paid: Usage | None) -> _Line:
        found = read_reply(self._terms, self._dialect, body, 1, self._config)
        for note in found.notes:
            self._note(note)
        if found.done is None:
            return _Line(None, found.why, paid)
        (done,) = found.done
        good = done.finish_reason != "error"
        return _Line(done if good else None, "" if good else done.text, paid)

    def _note(self, line: str) -> None:
        if (note := f"{self._terms.urls[0]}: {line}") not in self.notes:
            self.notes.append(note)

    def _refusal(self, i: int, error: Any, body: Any) -> str:
        """What a line says that was not answered; a setting that is refused is left out of the
        next batch.
        """
        error = error or (body.get("error") if isinstance(body, dict) else body)
        param = None
        if isinstance(error, dict):
            error, param = error.get("message"), error.get("param")
        said = self._terms.without_key(error or "no reason given")
        raw = isinstance(self._requests[i].prompt, str)
        settings = self._dialect.settings(self._config, self._seeds[i], raw)
        learned = self._dialect.learn(settings, param, said)
        if learned:
            self._note(learned)
        return said


def _answered(response: dict[str, Any]) -> bool:
    return str(response.get("status_code")) == "200"


def _paid(row: dict[str, Any]) -> Usage | None:
    """What the answer in a line took; null where the line is no answer."""
    response = row.get("response")
    if not isinstance(response, dict) or not _answered(response):
        return None
    body = response.get("body")
    return shares(body.get("usage") if isinstance(body, dict) else None, 1)[0]
