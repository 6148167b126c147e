"""Model calls to records: the shape that every stage which calls a model shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from results.records import Record
from results.store import RecordFile

R = TypeVar("R", bound=Record)


def collect(file: RecordFile[R], caller: Caller, requests: Sequence[Request],
            config: GenerateConfig, to_record: Callable[[Answer], R]) -> list[R]:  # fmt: skip
    """Answers every request and appends its record to ``file``, which is then finalised.

    A finalised file is read, not made again. Records that an interrupted run left in the file
    are kept; calls that it finished come from the cache, in the same batches, so that the file
    ends the same as if nothing had happened.
    """
    if file.done:
        return file.read()
    # The records of a batch are appended together and in the order of the plan, so what is there
    # is the start of what will be there.
    there = len(file.read())
    seen = 0
    for batch in caller.run(requests, config):
        records = [to_record(answer) for answer in batch]
        caller.tally.unscored += sum(getattr(r, "status", "") == "unscored" for r in records)
        file.append(records[max(0, there - seen) :])
        seen += len(records)
    file.finalise()
    return file.read()
