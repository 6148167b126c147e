"""Evaluation: one model on the run's benchmark. It is complete when its metrics.json is there."""

from __future__ import annotations

from pathlib import Path

from harness.run import Run
from judges.spec import describe
from results.files import read_model
from results.records import Evaluated, Metric, Value
from results.store import RecordFile, write_json
from results.weights import text_hash


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
    done = folder / "metrics.json"
    if done.exists():
        return read_model(done, Evaluated)
    run.display.start(title, "evaluation")
    model, judge = run.caller(weights), run.judge(weights)
    result = run.benchmark.evaluate(model, judge, baseline, folder, run.config.seed)
    values = RecordFile(folder / "values.jsonl", Value)
    if not values.done:
        values.replace(result.values)
    found = Evaluated(
        model=title,
        benchmark=run.benchmark.name,
        identity=model.engine.identity,
        data=result.data,
        judge=result.judge,
        judge_is_judged=result.judge_is_judged,
        judge_spec=describe(judge.spec),
        judge_model=judge.name,
        baseline=result.baseline or _opponent(run, baseline, model.engine.identity),
        n=result.n,
        metrics=result.metrics,
        unscored=result.unscored,
    )
    write_json(done, found.model_dump())
    run.display.finish(title, "evaluation", _summary(result.metrics))
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
        identity = read_model(baseline / "metrics.json", Evaluated).identity
    return f"{kind} {text_hash(identity)[:8]}"


def _summary(metrics: dict[str, Metric]) -> str:
    """The benchmark's first figures that have a value."""
    found = [f"{m.name} {m.value:.3f}" for m in metrics.values() if m.value is not None]
    return ", ".join(found[:4]) or f"none of {len(metrics)} metrics has a value"
