"""Two evaluations of the same benchmark and data, by sample and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.gates import Measured, rounds_for
from results.errors import UsageError
from results.files import read_model
from results.paired_tests import holm, paired_test
from results.records import Evaluated, Metric, Value
from results.stats import paired_difference, ratio
from results.text import excerpt

SAME = ("benchmark", "data", "judge", "baseline")


@dataclass(frozen=True)
class Compared:
    """One metric of two models on the samples that both have a value of.

    Attributes:
        name: of the metric.
        a: the first model's figure on these samples, in the metric's unit.
        b: the second model's.
        difference: b minus a with its interval; ``n`` of ``of`` samples are shared.
        won: samples where b's value is the higher.
        lost: samples where it is the lower.
        p: two-sided, of "there is no difference".
        p_adjusted: the same by Holm over all metrics that are compared.
        p_loss: one-sided, of "b lost nothing".
        detectable: the smallest true drop that would have been found with 80 % power, one-sided, at
            alpha over the number of metrics; null where none would be.
        method: how the p-values were found.
    """

    name: str
    a: float
    b: float
    difference: Metric
    won: int
    lost: int
    p: float
    p_adjusted: float
    p_loss: float
    detectable: float | None
    method: str

    def document(self) -> dict[str, Any]:
        """As it is printed by ``--json``."""
        own = {key: value for key, value in vars(self).items() if key != "difference"}
        return own | {"difference": self.difference.model_dump()}


@dataclass(frozen=True)
class Comparison:
    """What ``a`` and ``b`` are called, and what they share; ``left_out``: metrics that cannot be
    compared, with the reason.
    """

    a: str
    b: str
    benchmark: str
    alpha: float
    metrics: list[Compared]
    left_out: dict[str, str]


def compare_evaluations(a: Path, b: Path, alpha: float = 0.05, seed: int = 0) -> Comparison:
    """Compares every metric that both evaluation folders have values of.

    Args:
        a: the earlier model's folder.
        b: the later one's.
        alpha: 1 - confidence of the intervals, and of the drop that could have been seen.
        seed: of intervals and sign flips.

    Raises:
        UsageError: one is no evaluation, or they differ in benchmark, data, judge, baseline or in
            what a metric counts.
    """
    first, second = _read(a), _read(b)
    _same_question(a, first, b, second)
    ours, theirs = Measured.read(b).values, Measured.read(a).values
    shared = [name for name in ours if name in theirs]
    left_out: dict[str, str] = {
        name: f"{(a if name in ours else b).name} has no value of it"
        for name in dict.fromkeys([*first.metrics, *second.metrics])
        if (name in ours) != (name in theirs)
    }
    tests = {}
    for name in shared:
        test = paired_test(name, ours[name], theirs[name], seed=seed)
        if test is None:
            left_out[name] = "no sample has a value of both"
        else:
            tests[name] = test
    adjusted = holm([test.p for test in tests.values()])
    found = []
    for (name, test), together in zip(tests.items(), adjusted, strict=True):
        before, after = _on_shared(theirs[name], ours[name])
        difference = paired_difference(
            name, ours[name], theirs[name], "b minus a, paired by sample", seed,
            rounds_for(alpha), 1 - alpha,
        )  # fmt: skip
        found.append(
            Compared(
                name, before, after, difference, test.won, test.lost, test.p, together,
                test.p_loss, test.least_drop(alpha / len(tests)), test.method,
            )
        )  # fmt: skip
    if not found:
        raise UsageError(f"{a} and {b}: no metric with values of both; evaluate both alike")
    return Comparison(
        _called(first, a), _called(second, b), first.benchmark, alpha, found, left_out
    )


def _read(folder: Path) -> Evaluated:
    if not (folder / "metrics.json").is_file():
        inside = folder / "evaluation"
        mend = (
            f"give {inside}"
            if inside.is_dir()
            else "give what srlm eval wrote, or iter_K/evaluation"
        )
        raise UsageError(f"{folder}: not an evaluation (no metrics.json in it); {mend}")
    return read_model(folder / "metrics.json", Evaluated)


def _same_question(a: Path, first: Evaluated, b: Path, second: Evaluated) -> None:
    # A model that judges itself is another judge each time; that both do is one way to judge.
    both_own = first.judge_is_judged and second.judge_is_judged
    for key in SAME:
        one, other = getattr(first, key), getattr(second, key)
        if one != other and not (key == "judge" and both_own):
            raise UsageError(
                f"{a} and {b} differ in {key}: {_said(one)} and {_said(other)}; their figures "
                "cannot be compared, evaluate both alike"
            )
    for name in first.metrics.keys() & second.metrics.keys():
        one, other = first.metrics[name].convention, second.metrics[name].convention
        if one != other:
            raise UsageError(
                f"{a} and {b} do not count {name} alike: {_said(one)} and {_said(other)}; "
                "evaluate both alike"
            )


def _said(value: str | None) -> str:
    return "none" if value is None else repr(excerpt(value))


def _on_shared(a: Sequence[Value], b: Sequence[Value]) -> tuple[float, float]:
    """Both figures on the samples that both have."""
    shared = {value.prompt_id for value in a} & {value.prompt_id for value in b}
    before, after = (
        ratio([value for value in side if value.prompt_id in shared]) for side in (a, b)
    )
    assert before is not None and after is not None  # there was a test of them
    return before, after


def _called(found: Evaluated, folder: Path) -> str:
    return f"{found.model} ({folder})"
