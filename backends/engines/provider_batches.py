"""Batches at a provider: handed in once, and found again by the calls that are in them.

A batch's metadata hold ids of its calls, and an id belongs to one call alone. So a batch is found
whatever was lost on this side, and also by who asks for more calls than are in it, or for fewer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from itertools import islice
from typing import Any

from backends.engines.endpoints import Terms
from results.errors import SrlmError

POLL_S = 20.0
LISTED = 500  # the newest batches, among which those are looked for that hold a call
OVER = ("completed", "failed", "expired", "cancelled")
FIELDS, IDS = 15, 32  # of metadata: 16 fields of 512 characters are what providers take
TRIES = 3  # of handing one batch in, and of fetching a file that lacks lines
NOT_NOW = (408, 409, 425, 429)


class ProviderBatches:
    """The batches of one account."""

    def __init__(self, terms: Terms) -> None:
        import openai

        self._terms = terms
        self._client = openai.OpenAI(
            api_key=terms.key or "none", base_url=terms.urls[0], timeout=terms.timeout_s,
            max_retries=5,
        )  # fmt: skip

    def close(self) -> None:
        """Ends the connections; the batches go on."""
        self._client.close()

    def holding(self, ids: AbstractSet[str]) -> list[Any]:
        """The batches that have, or may come to have, answers to calls with ``ids``, newest first.

        The ids in the metadata are the smallest of a batch's, so as good as drawn: that none of
        them is asked for is likely only where hardly any call of a large batch is.
        """
        with self._errors("asking for batches"):
            return [
                batch
                for batch in islice(self._client.batches.list(limit=100), LISTED)
                if not ids.isdisjoint(_marks(batch))
                and (batch.status not in OVER or batch.output_file_id)
            ]

    def hand_in(self, lines: Sequence[dict[str, Any]]) -> Any:
        """A new batch of ``lines`` of an input file, all for one path."""
        ids = sorted(line["custom_id"] for line in lines)[: FIELDS * IDS]
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        with self._errors("handing a batch in"):
            file = self._client.files.create(file=("calls.jsonl", data), purpose="batch")
            return self._create(
                input_file_id=file.id,
                endpoint=lines[0]["url"],
                completion_window="24h",
                metadata={
                    f"srlm{n // IDS}": ",".join(ids[n : n + IDS]) for n in range(0, len(ids), IDS)
                },
            )

    def _create(self, **asked: Any) -> Any:
        """Makes a batch. A server can make it and answer with an error all the same, so after one
        it is looked for before it is asked for again.
        """
        import openai

        once = self._client.with_options(max_retries=0)
        for left in reversed(range(TRIES)):
            try:
                return once.batches.create(**asked)
            except openai.APIError as error:
                status = getattr(error, "status_code", 500)
                if status < 500 and status not in NOT_NOW:
                    raise
                time.sleep(POLL_S)
                for batch in islice(self._client.batches.list(limit=100), LISTED):
                    if batch.input_file_id == asked["input_file_id"]:
                        return batch
                if not left:
                    raise
        raise AssertionError("unreachable")

    def later(self, batch: Any) -> Any:
        """How a batch stands after a while. Raises SrlmError where it failed as a whole."""
        time.sleep(POLL_S)
        with self._errors(f"asking for batch {batch.id}"):
            batch = self._client.batches.retrieve(batch.id)
        if batch.status == "failed":
            errors = getattr(batch.errors, "data", None) or []
            said = "; ".join(str(e.message) for e in errors[:3]) or "no reason given"
            raise SrlmError(
                f"{self._terms.urls[0]}: batch {batch.id} failed: {self._terms.without_key(said)}; "
                "check the model's name and the account"
            )
        return batch

    def asked(self, batch: Any) -> set[str]:
        """The ids of all calls in a batch."""
        rows = self._rows(batch.input_file_id, _count(batch, "total"))
        return {str(row.get("custom_id")) for row in rows}

    def results(self, batch: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """The lines that a batch has come to so far, by the ids of their calls; answers first."""
        for name, kind in ((batch.output_file_id, "completed"), (batch.error_file_id, "failed")):
            if name is not None:
                rows = self._rows(name, _count(batch, kind))
                yield from ((str(row.get("custom_id")), row) for row in rows)

    def _rows(self, name: str, expected: int) -> list[dict[str, Any]]:
        """The lines of a file. What it lacks of those ``expected`` would be paid for again, so it
        is fetched once more, should it have been cut on its way.
        """
        for left in reversed(range(TRIES)):
            with self._errors(f"fetching {name}"):
                rows = _objects(self._client.files.content(name).text)
            if len(rows) >= expected or not left:
                return rows
            time.sleep(POLL_S)
        raise AssertionError("unreachable")

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


def _objects(text: str) -> list[dict[str, Any]]:
    """The lines of a file. One that is cut short or no object says nothing of any call."""
    rows = []
    for line in text.removeprefix("\ufeff").split("\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _count(batch: Any, kind: str) -> int:
    """How many calls of a kind the provider says a batch has; 0 where it does not."""
    found = getattr(batch.request_counts, kind, None)
    return found if isinstance(found, int) else 0


def _marks(batch: Any) -> list[str]:
    fields = (batch.metadata or {}).items()
    return [id for name, ids in fields if name.startswith("srlm") for id in ids.split(",")]
