"""Model calls to records: the shape that every stage which calls a model shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from results.records import Candidate, Record
from results.store import RecordFile

R = TypeVar("R", bound=Record)


def collect(file: RecordFile[R], caller: Caller, requests: Sequence[Request],
            config: GenerateConfig, to_record: Callable[[Answer], R]) -> list[R]:  # fmt: skip
    """Answers every request and appends its record to ``file``, which is then finalised.

    A finalised file is read, not made again. While the work goes on records stand in the order in
    which answers came; the finalised file has them in the order of the engine's plan, so that an
    interrupted run ends with the same file as one that was not. Calls that an interrupted run
    finished come from the cache; those that failed are made again.
    """
    if file.done:
        return file.read()
    records = answer_all(file, caller, requests, config, to_record, begun(file))
    found = [records[place] for place in sorted(records)]
    file.replace(found)
    return found


def to_candidate(answer: Answer, prompt_id: str, response_id: str, draw: int = 0) -> Candidate:
    """The record of an answer that is one completion of a prompt."""
    done = answer.completion
    return Candidate(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=draw,
        text=done.text,
        finish_reason=done.finish_reason,
        tokens=done.usage.completion_tokens,
        call=answer.key,
    )


def begun(file: RecordFile[R]) -> Counter[str]:
    """The records that an interrupted stage left, as lines: those are not appended again."""
    return Counter(record.model_dump_json() for record in file.read())


def answer_all(file: RecordFile[R], caller: Caller, requests: Sequence[Request],
               config: GenerateConfig, to_record: Callable[[Answer], R],
               there: Counter[str]) -> dict[int, R]:  # fmt: skip
    """Answers every request and appends its record to ``file``, which stays open for more.

    Args:
        file: not finalised.
        caller: who is asked.
        requests: what is asked; ``Answer.index`` counts them.
        config: the decoding.
        to_record: makes a record of an answer.
        there: as ``begun`` says; each record found in it is taken out of it.

    Returns:
        The records by the place of their request in the engine's plan.
    """
    records: dict[int, R] = {}
    with closing(caller.run(requests, config)) as finished:
        for answers in finished:
            made = {answer.place: to_record(answer) for answer in answers}
            caller.tally.unscored += sum(
                getattr(r, "status", "") == "unscored" for r in made.values()
            )
            new = []
            for record in made.values():
                line = record.model_dump_json() if there else ""
                if there[line]:
                    there[line] -= 1
                else:
                    new.append(record)
            if new:
                file.append(new)
            records |= made
    return records
