"""The benchmark Protocol: what is asked of a model, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from backends.engines.caller import Caller
from judges.judging import Judge
from judges.labels import Choice
from judges.rankings import RankedPrompt
from results.records import Metric, Unscored, Value

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """What a benchmark measured: aggregates, and the per-prompt values behind them.

    ``metrics`` has the names that ``Benchmark.metrics`` gives; a figure without a value is null.
    Gates compare two models by their ``values``; a metric without values cannot be gated.
    ``n`` is the number of prompts, ``judge`` who judged the model's answers (rows with different
    judges are not ranked together) and ``judge_is_judged`` whether that was the model itself.
    ``data`` is a hash of what was asked and how: figures under another one do not compare.
    ``baseline`` names the opponent of the win rate where the benchmark brings its own.
    """

    n: int
    judge: str | None
    metrics: dict[str, Metric]
    values: list[Value]
    unscored: Unscored = field(default_factory=Unscored)
    data: str = ""
    judge_is_judged: bool = False
    baseline: str | None = None


@runtime_checkable
class HasRankings(Protocol):
    """A benchmark that has human rankings of held-out prompts: a judge can be checked on them."""

    rankings: list[RankedPrompt]


@runtime_checkable
class HasDataFiles(Protocol):
    """A benchmark that reads files of the user's: an evaluation of other bytes is another one."""

    def data_hash(self) -> str:
        """Of what the files hold; SrlmError where they are missing."""
        ...


@runtime_checkable
class Shrinkable(Protocol):
    """A benchmark that can be had with fewer prompts, to try a run at a small scale."""

    def smaller(self, n: int) -> Benchmark:
        """The same with about ``n`` prompts. It holds out all that it held out before."""
        ...


def evenly(items: Sequence[T], n: int) -> list[T]:
    """``n`` of the items, or all of fewer, evenly from the first to the last."""
    total = len(items)
    return [items[i * total // n] for i in range(n)] if n < total else list(items)


@runtime_checkable
class HasPromptTexts(Protocol):
    """A benchmark that says what it asks: what is trained on can be compared with its prompts."""

    def prompt_texts(self) -> Iterable[tuple[str, str]]:
        """Id and text of every prompt, of its human rankings too."""
        ...


@runtime_checkable
class Drawable(Protocol):
    """A benchmark whose prompts can be asked a few at a time: a gate may stop before all are."""

    def prompt_ids(self) -> list[str]:
        """Every prompt that ``evaluate`` would ask, by the ``prompt_id`` of its values."""
        ...

    def drawn_metrics(self) -> Sequence[str]:
        """The metrics that ``draw`` gives values of, each the mean of numbers from 0 to 1."""
        ...

    def draw(self, ids: Sequence[str], model: Caller, judge: Judge | None, baseline: Path | None,
             folder: Path, seed: int) -> list[Value]:  # fmt: skip
        """Measures ``model`` on these prompts alone; the other arguments as in ``evaluate``, whose
        calls these are: what was drawn is not asked again when the rest is.
        """
        ...


@runtime_checkable
class HasVerifier(Protocol):
    """A benchmark that can tell itself which of two answers is better. It labels a sample of the
    preference pairs before they are trained on, and nothing else: never which pairs there are.
    """

    def verify(self, prompt: str, first: str, second: str) -> Choice | None:
        """The better answer, or a tie; null where it cannot tell."""
        ...


@runtime_checkable
class HasOwnPrompts(Protocol):
    """A benchmark that asks the judge in its own words: a judge spec has no say there."""

    own_judge_prompts: bool


def named_metrics(
    benchmark: Benchmark, baseline: bool, beside: Mapping[str, Benchmark]
) -> list[str]:
    """Every metric that a gate rule or an alarm may name. Those of a benchmark beside the main one
    begin with the name that it stands under, and a dot.
    """
    found = list(benchmark.metrics(baseline))
    for part, other in beside.items():
        found += [f"{part}.{name}" for name in other.metrics(baseline)]
    return found


def own_prompts(benchmark: object) -> bool:
    """Whether the benchmark asks the judge in its own words."""
    return isinstance(benchmark, HasOwnPrompts) and benchmark.own_judge_prompts


class Benchmark(Protocol):
    """One benchmark. Constructed with its own options as keyword arguments."""

    name: str

    def held_out(self, text: str) -> bool:
        """Whether an instruction belongs to the evaluation and may never be trained on."""
        ...

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The names of all that it measures; those of a win rate only with a ``baseline``. A gate
        rule may name these, and a wrong one is refused before anything is computed.
        """
        ...

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Measures ``model``, keeping its records in ``folder``.

        Args:
            model: who answers.
            judge: who judges, where the benchmark measures a judge or needs one.
            baseline: the opponent's folder of this same benchmark, null for no win rate.
            folder: for the record files; a file that is finalised there is not made again.
            seed: of decoding and of intervals.
        """
        ...
