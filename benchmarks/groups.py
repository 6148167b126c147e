"""Records of one file whose calls differ in decoding or judge: group by group, finalised as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from backends.collect import answer_all, begun
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from judges.pairwise import Order
from results.errors import SrlmError
from results.records import PairJudgment, Record
from results.store import RecordFile

R = TypeVar("R", bound=Record)
NO_ANSWER = "no_answer"  # why a judgment is unscored where there is nothing to judge
Key = tuple[str, ...]  # what a record is about


@dataclass(frozen=True)
class Group(Generic[R]):
    """Calls with one decoding; ``to_record`` makes a record of an answer."""

    requests: Sequence[Request]
    config: GenerateConfig
    to_record: Callable[[Answer], R]


def collect_groups(
    file: RecordFile[R],
    caller: Caller,
    groups: Sequence[Group[R]],
    without_call: Sequence[R],
    key: Callable[[R], Key],
    order: Mapping[Key, int],
) -> list[R]:
    """Answers every group, as ``backends.collect.collect`` does a single one.

    Args:
        file: the records; a finalised one is read, not made again.
        caller: who is asked.
        groups: what is asked.
        without_call: records of what is not asked, for a reason that they give.
        key: what a record is about.
        order: the place of every key in the finalised file, whichever group it is of.

    Raises:
        SrlmError: the finalised file is about other things than ``order`` has.
    """
    if file.done:
        records = file.read()
        if {key(record) for record in records} != set(order):
            raise SrlmError(
                f"{file.path}: found {len(records)} records that are not about the {len(order)} "
                "items of this evaluation; use another folder, or remove the file"
            )
        return records
    there = begun(file)
    found = list(without_call)
    for group in groups:
        made = answer_all(file, caller, group.requests, group.config, group.to_record, there)
        found += made.values()
    found.sort(key=lambda record: order[key(record)])
    file.replace(found)
    return found


def unanswered_pair(prompt_id: str, order: Order) -> PairJudgment:
    """As of a call that failed: a retry asks for it again once both answers are there."""
    return PairJudgment(
        prompt_id=prompt_id,
        order=order,
        status="unscored",
        reason=NO_ANSWER,
        finish_reason="error",
    )
