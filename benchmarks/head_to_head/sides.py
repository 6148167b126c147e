"""The two sides: who answered what, and the prompts that both answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.alpaca_eval2.annotations import read_outputs
from judges.pointwise import cluster_of
from results.errors import SrlmError
from results.records import Candidate, Evaluated, Value
from results.store import RecordFile
from results.text import excerpt
from results.weights import text_hash

OUTPUTS = "outputs.jsonl"  # where an evaluation keeps a model's answers


@dataclass(frozen=True)
class Item:
    """A prompt: its id, its text, and the part of the set that it belongs to."""

    id: str
    prompt: str
    category: str | None = None


@dataclass(frozen=True)
class Measured:
    """What an evaluation's figures by prompt hang on: benchmark, judge of the answers, hash of what
    was asked, and the opponent of its win rate.
    """

    benchmark: str
    judge: str | None
    data: str
    baseline: str | None


@dataclass(frozen=True)
class Side:
    """A model's answers by item id, null where it gave none.

    ``identity`` names its weights, null where nobody knows. ``values``: per-prompt figures of an
    evaluation, by metric and item id; ``measured``: what they hang on.
    """

    name: str
    items: list[Item]
    answers: dict[str, str | None]
    identity: str | None = None
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    measured: Measured | None = None

    def hash(self) -> str:
        """Of the prompts and the answers."""
        return text_hash([[i.id, i.prompt, i.category, self.answers[i.id]] for i in self.items])


@dataclass(frozen=True)
class Match:
    """A prompt with both answers; null where a side has none."""

    item: Item
    first: str | None
    second: str | None

    @property
    def played(self) -> bool:
        """Whether both sides have an answer."""
        return self.first is not None and self.second is not None

    @property
    def cluster(self) -> str:
        """Prompts with the same text are resampled as one."""
        return cluster_of(self.item.prompt)


def side_of_file(path: Path) -> Side:
    """The answers of a ``model_outputs.json`` (AlpacaEval's form; .gz too)."""
    rows = read_outputs(path)
    if not rows:
        raise SrlmError(f"{path}: found no row, expected a model's outputs; name another file")
    items = [Item(cluster_of(row.instruction), row.instruction, row.dataset) for row in rows]
    answers = {item.id: row.output for item, row in zip(items, rows, strict=True)}
    return Side(rows[0].generator, items, dict(answers))


def side_of_folder(folder: Path, found: Evaluated, texts: Mapping[str, str]) -> Side:
    """The answers of an evaluation folder.

    Args:
        folder: of the evaluation.
        found: what it measured.
        texts: the benchmark's prompts by id.

    Raises:
        SrlmError: it keeps no single answers, or not to the benchmark's prompts.
    """
    file = RecordFile(folder / OUTPUTS, Candidate)
    if not file.done:
        raise SrlmError(
            f"{file.path}: not there, expected a finished evaluation with one answer to each "
            "prompt (alpaca_eval2, micro_world); for mt_bench use options.pairwise=true"
        )
    records = file.read()
    lacking = next((r.prompt_id for r in records if r.prompt_id not in texts), None)
    if lacking is not None:
        raise SrlmError(
            f"{file.path}: found an answer to {excerpt(lacking)!r}, which is no prompt of the "
            "benchmark as its config.yaml has it; give a folder as srlm eval left it"
        )
    places = {name: place for place, name in enumerate(texts)}
    records.sort(key=lambda record: places[record.prompt_id])
    categories, values = _values(folder)
    items = [Item(r.prompt_id, texts[r.prompt_id], categories.get(r.prompt_id)) for r in records]
    answers = {r.prompt_id: None if r.finish_reason == "error" else r.text for r in records}
    measured = Measured(found.benchmark, found.judge, found.data, found.baseline)
    return Side(found.model, items, answers, found.identity, values, measured)


def _values(folder: Path) -> tuple[dict[str, str], dict[str, dict[str, float]]]:
    """Categories by prompt, and figures by metric and prompt."""
    categories: dict[str, str] = {}
    values: dict[str, dict[str, float]] = {}
    for value in RecordFile(folder / "values.jsonl", Value).read():
        if value.category is not None:
            categories[value.prompt_id] = value.category
        if value.den:
            values.setdefault(value.metric, {})[value.prompt_id] = value.num / value.den
    return categories, values


def matched(first: Side, second: Side) -> list[Match]:
    """The prompts with both sides' answers, in the order of ``first``.

    Joined by id where both sides have the same ids for the same texts, else by text. The category
    is that of ``first``, where it has none that of ``second``.

    Raises:
        SrlmError: a side has a prompt that the other lacks, or a text twice.
    """
    if {(i.id, i.prompt) for i in first.items} == {(i.id, i.prompt) for i in second.items}:
        pairs = [(item, item.id) for item in first.items]
    else:
        theirs = _by_text(second)
        _refuse_alone(first, second, theirs)
        _refuse_alone(second, first, _by_text(first))
        pairs = [(item, theirs[item.prompt].id) for item in first.items]
    categories = {item.id: item.category for item in second.items}
    return [
        Match(
            replace(item, category=item.category or categories[other]),
            first.answers[item.id],
            second.answers[other],
        )
        for item, other in pairs
    ]


def _refuse_alone(side: Side, other: Side, there: Mapping[str, Item]) -> None:
    alone = [item.prompt for item in side.items if item.prompt not in there]
    if alone:
        raise SrlmError(
            f"{side.name} has {len(alone)} of {len(side.items)} prompts that {other.name} lacks "
            f"(the first is {excerpt(alone[0])!r}), expected answers to the same prompts; give two "
            "sides of one set"
        )


def _by_text(side: Side) -> dict[str, Item]:
    several = Counter(item.prompt for item in side.items)
    twice = next((text for text, n in several.items() if n > 1), None)
    if twice is not None:
        raise SrlmError(
            f"{side.name} answers {excerpt(twice)!r} {several[twice]} times, and the other side "
            "has other ids: which answers belong together is not said; give two sides of one "
            "benchmark with the same options"
        )
    return {item.prompt: item for item in side.items}


def match_hash(matches: Sequence[Match]) -> str:
    """Of all prompts and answers: verdicts on them compare with verdicts under the same hash."""
    return text_hash([[m.item.id, m.item.prompt, m.first, m.second] for m in matches])
