"""Evaluation: one model on a benchmark. It is complete when its metrics.json is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backends.engines.caller import Caller
from benchmarks.benchmark import Benchmark, own_prompts
from harness.run import Run
from judges.judging import Judge
from judges.spec import describe
from results.files import read_model
from results.records import Evaluated, Metric, Value
from results.store import RecordFile, write_json
from results.weights import text_hash

METRICS, VALUES = "metrics.json", "values.jsonl"  # of an evaluation folder


@dataclass(frozen=True)
class Opponent:
    """Who the win rate is against: the name, and the evaluation folder; null where there is none,
    or where the model that is measured is the opponent itself.
    """

    name: str | None = None
    folder: Path | None = None


def evaluation(
    run: Run, title: str, weights: Path, folder: Path, baseline: Path | None
) -> Evaluated:
    """Measures the model in ``weights`` and returns the contents of ``folder/metrics.json``.

    Args:
        run: the run.
        title: how tables call the model.
        weights: its folder.
        folder: for records, values and metrics.
        baseline: the opponent's evaluation folder, null where this is the opponent.
    """
    done = folder / METRICS
    if done.exists():
        return read_model(done, Evaluated)
    run.display.start(title, "evaluation")
    model, judge = run.caller(weights), run.judge(weights)
    opponent = Opponent(_opponent(run, baseline, model.engine.identity), baseline)
    found = measure(run.benchmark, title, model, judge, opponent, folder, run.config.seed)
    run.display.finish(title, "evaluation", summary(found.metrics))
    return found


def measure(
    benchmark: Benchmark,
    title: str,
    model: Caller,
    judge: Judge | None,
    opponent: Opponent,
    folder: Path,
    seed: int,
) -> Evaluated:
    """Measures ``model`` under the name ``title``; values first, metrics.json last."""
    result = benchmark.evaluate(model, judge, opponent.folder, folder, seed)
    RecordFile(folder / VALUES, Value).replace(result.values)
    judged_by = result.judge
    if judged_by is not None and result.judge_is_judged:
        # Every model that judges itself is another judge: no two such rows are ranked together.
        judged_by = named(judged_by, model.engine.identity)
    found = Evaluated(
        model=title,
        benchmark=benchmark.name,
        identity=model.engine.identity,
        data=result.data,
        judge=judged_by,
        judge_is_judged=result.judge_is_judged,
        judge_spec=None if judge is None or own_prompts(benchmark) else describe(judge.spec),
        judge_model=None if judge is None else judge.name,
        baseline=result.baseline or opponent.name,
        n=result.n,
        metrics=result.metrics,
        unscored=result.unscored,
    )
    write_json(folder / METRICS, found.model_dump())
    return found


def _opponent(run: Run, baseline: Path | None, identity: str) -> str | None:
    """Which model the win rate is against: its name and the start of its weights' hash, so that
    win rates against baselines of different runs do not look alike.

    Args:
        run: the run.
        baseline: the opponent's evaluation folder, null for the opponent itself.
        identity: of the model that is measured.
    """
    kind = run.config.evaluation.baseline
    if kind == "none":
        return None
    if baseline is not None:
        identity = read_model(baseline / METRICS, Evaluated).identity
    return named(kind, identity)


def named(name: str, identity: str) -> str:
    """A name that tells two models called alike apart: with the start of the weights' hash."""
    return f"{name} {text_hash(identity)[:8]}"


def summary(metrics: dict[str, Metric]) -> str:
    """The benchmark's first figures that have a value."""
    found = [f"{m.name} {m.value:.3f}" for m in metrics.values() if m.value is not None]
    return ", ".join(found[:4]) or f"none of {len(metrics)} metrics has a value"
