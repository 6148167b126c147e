"""A model's outputs to the prompts of a set: asked for, and written as AlpacaEval has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.collect import to_candidate
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from benchmarks.alpaca_eval2.annotations import Instruction, Output, read_instructions, read_outputs
from benchmarks.groups import Group, collect_groups
from judges.pointwise import cluster_of
from results.errors import SrlmError
from results.records import Candidate, Message
from results.store import RecordFile, write_json
from results.text import excerpt

RESPONSE = "output"  # id of a model's one answer to a prompt


@dataclass(frozen=True)
class Item:
    """A prompt of the set, and what the baseline answers to it.

    ``id`` is the start of the prompt's hash: the same prompt in another set or order is the same.
    """

    id: str
    instruction: str
    dataset: str | None
    baseline: str


def read_items(prompts: Path | None, baseline: Path) -> tuple[list[Item], str]:
    """Returns the set with the baseline's outputs, in the order of the prompts, and its name.

    Args:
        prompts: a JSON list of rows with ``instruction``; null = all that the baseline answers.
        baseline: its ``model_outputs.json``.

    Raises:
        SrlmError: a file is none of its kind, has a prompt twice or without text, or the baseline
            has no output to one of the prompts.
    """
    theirs = read_outputs(baseline)
    by_prompt = {row.instruction: row for row in theirs}
    items = []
    for number, row in enumerate(read_instructions(prompts or baseline)):
        found = by_prompt.get(row.instruction)
        if found is None:
            raise SrlmError(
                f"{prompts}: row {number}: the prompt {excerpt(row.instruction)!r} is not in "
                f"{baseline}, expected the baseline's outputs of the same set; give the two files "
                "that belong together"
            )
        items.append(_item(row, found))
    return items, theirs[0].generator


def _item(row: Instruction, found: Output) -> Item:
    dataset = row.dataset if row.dataset is not None else found.dataset
    return Item(cluster_of(row.instruction), row.instruction, dataset, found.output)


def generate(
    model: Caller,
    prompts: Sequence[tuple[str, str]],
    file: RecordFile[Candidate],
    config: GenerateConfig,
) -> dict[str, str]:
    """Returns the model's outputs to (id, text) of prompts, by id, kept in ``file``.

    Each prompt is one user message. A call that failed (a prompt too long for the model, say) is
    not among them: its record holds the reason. An output stays as it is, blanks and all.
    """

    def record(answer: Answer) -> Candidate:
        return to_candidate(answer, prompts[answer.index][0], RESPONSE)

    requests = [Request((Message(role="user", content=text),)) for _, text in prompts]
    records = collect_groups(
        file,
        model,
        [Group(requests, config, record)],
        [],
        lambda candidate: (candidate.prompt_id,),
        {(name,): place for place, (name, _) in enumerate(prompts)},
    )
    return {r.prompt_id: r.text for r in records if r.finish_reason != "error"}


def write_outputs(
    path: Path, model: str, items: Sequence[Item], outputs: Mapping[str, str]
) -> None:
    """Writes the ``model_outputs.json`` of ``model``; a prompt without an output has no row."""
    rows = [
        {
            "dataset": item.dataset,
            "instruction": item.instruction,
            "output": outputs[item.id],
            "generator": model,
        }
        for item in items
        if item.id in outputs
    ]
    write_json(path, rows)
