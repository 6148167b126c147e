"""Two validations side by side, and per-prompt values as commands take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.judge_validation import Validation
from judges.compare import Comparison, Side, compare
from judges.pointwise import Key
from judges.score_table import read_score_table
from results.errors import UsageError
from results.files import read_model
from results.lines import numbered_records
from results.records import PairJudgment, Value
from results.store import RecordFile


class PromptValue(BaseModel):
    """A line of per-prompt values, as commands take them."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    prompt_id: str
    value: float = Field(ge=0, le=1)


def read_values(path: Path, metric: str) -> list[Value]:
    """Values of one metric by prompt: of an evaluation or validation folder, or of a JSON Lines
    file ``{"prompt_id", "value"}`` with values in 0..1.

    Raises:
        UsageError: the folder has no such metric, or a prompt is there twice.
        SrlmError: a line is not of this form.
    """
    if path.is_dir():
        file = RecordFile(path / "values.jsonl", Value)
        values = file.read()
        found = [value for value in values if value.metric == metric]
        if not found:
            known = sorted({value.metric for value in values})
            raise UsageError(
                f"{file.path}: no values of {metric!r}; it has {', '.join(known) or 'none'}"
            )
        return found
    seen: dict[str, int] = {}
    found = []
    for number, line in numbered_records(path, PromptValue):
        if line.prompt_id in seen:
            raise UsageError(
                f"{path}:{number}: prompt {line.prompt_id!r} is there already at line "
                f"{seen[line.prompt_id]}; give each prompt one value"
            )
        seen[line.prompt_id] = number
        found.append(
            Value(prompt_id=line.prompt_id, metric=metric, num=line.value, cluster=line.prompt_id)
        )
    return found


def as_judged(values: Sequence[Value], judged: Sequence[Value]) -> list[Value]:
    """``values`` with the cluster that the same prompt has in ``judged``: a file of values names
    prompts alone, an evaluation also which of them have one text.
    """
    cluster = {value.prompt_id: value.cluster for value in judged}
    return [
        value.model_copy(update={"cluster": cluster.get(value.prompt_id, value.cluster)})
        for value in values
    ]


@dataclass(frozen=True)
class OtherJudge:
    """An earlier validation: its name, and its scores (ranked data) or judgments (pairs)."""

    name: str
    scores: dict[Key, float | None]
    judgments: list[PairJudgment]


def best_other(
    folders: Sequence[Path], data_sha256: str, kind: str, prompts: str
) -> OtherJudge | None:
    """The judge with the highest accuracy among validations on the same data; null without any.

    Raises:
        UsageError: one is no validation, or is on other data.
    """
    best: tuple[float, Path, Validation] | None = None
    for folder in folders:
        found = _read(folder)
        if (found.data_sha256, found.kind, found.prompts) != (data_sha256, kind, prompts):
            raise UsageError(
                f"{folder}: not on the same data ({found.data}, {found.n} {found.kind}); validate "
                "both with the same --data, --held-out and --limit"
            )
        value = found.metrics["pairwise_accuracy" if kind == "ranked" else "accuracy"].value
        if value is not None and (best is None or value > best[0]):
            best = (value, folder, found)
    if best is None:
        return None
    _, folder, found = best
    path = folder / "judgments.jsonl"
    if kind == "ranked":
        return OtherJudge(_name(found), read_score_table(path).means(found.min_scored), [])
    return OtherJudge(_name(found), {}, RecordFile(path, PairJudgment).read())


def compare_folders(a: Path, b: Path) -> tuple[Comparison, tuple[str, str]]:
    """The paired differences, b minus a, and what the two are called.

    Raises:
        UsageError: one is no validation, or they are on other data, or counted otherwise.
    """
    first, second = _read(a), _read(b)
    for what in ("data_sha256", "data_format", "kind", "n", "prompts"):
        if getattr(first, what) != getattr(second, what):
            raise UsageError(
                f"{a} and {b} are not on the same data ({what}: {getattr(first, what)} and "
                f"{getattr(second, what)}); validate both with the same --data, --held-out and "
                "--limit"
            )
    for name in sorted(first.metrics.keys() & second.metrics.keys()):
        counted = first.metrics[name].convention, second.metrics[name].convention
        if counted[0] != counted[1]:
            raise UsageError(
                f"{a} and {b} do not count {name} alike ({counted[0]} - and - {counted[1]}); give "
                "judge validate the same --unscored and --annotators once more, it calls nothing"
            )
    by = "pairwise_accuracy" if first.kind == "ranked" else "accuracy"
    found = compare(_side(a, first), _side(b, second), by)
    return found, (_name(first), _name(second))


def _read(folder: Path) -> Validation:
    path = folder / "metrics.json"
    if not path.is_file():
        raise UsageError(f"{folder}: no validation (no metrics.json); make it with judge validate")
    return read_model(path, Validation)


def _side(folder: Path, found: Validation) -> Side:
    values = RecordFile(folder / "values.jsonl", Value).read()
    if found.kind != "ranked" or found.scale is None:
        return Side(values)
    means = read_score_table(folder / "judgments.jsonl").means(found.min_scored)
    low, high = found.scale
    return Side(values, means, (int(low), int(high)))


def _name(found: Validation) -> str:
    return f"{found.judge} on {found.model}"
