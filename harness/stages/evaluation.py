"""Evaluation: one model on the run's benchmark. It is complete when its metrics.json is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.run import Run
from results.records import Metric, Value
from results.store import RecordFile, read_json, write_json
from results.weights import text_hash


def evaluation(
    run: Run, title: str, weights: Path, folder: Path, baseline: Path | None
) -> dict[str, Any]:
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
        found: dict[str, Any] = read_json(done)
        return found
    run.display.start(title, "evaluation")
    model = run.caller(weights)
    result = run.benchmark.evaluate(model, run.judge(weights), baseline, folder, run.config.seed)
    values = RecordFile(folder / "values.jsonl", Value)
    if not values.done:
        values.replace(result.values)
    found = {
        "model": title,
        "benchmark": run.benchmark.name,
        "identity": model.engine.identity,
        "judge": result.judge,
        "baseline": _opponent(run, baseline, model.engine.identity),
        "n": result.n,
        "metrics": {name: metric.model_dump() for name, metric in result.metrics.items()},
        "unscored": result.unscored,
    }
    write_json(done, found)
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
        identity = read_json(baseline / "metrics.json")["identity"]
    return f"{kind} {text_hash(identity)[:8]}"


def _summary(metrics: dict[str, Metric]) -> str:
    shown = ("win_rate", "oracle_score", "correct", "pairwise_accuracy")
    parts = [
        f"{name} {metric.value:.3f}"
        for name in shown
        if (metric := metrics.get(name)) and metric.value is not None
    ]
    return ", ".join(parts) or f"{len(metrics)} metrics"
