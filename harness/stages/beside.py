"""The benchmarks beside the main one: each is an evaluation of its own, in ``iter_K/beside/NAME``.

They are about what may not be lost while the main figure rises. Gate rules and alarms name their
metrics ``NAME.METRIC``.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.benchmark import Benchmark
from harness.run import Run
from harness.stages.evaluation import METRICS, Opponent, measure, named, summary
from results.files import read_model
from results.records import Evaluated

BESIDE = "beside"  # the folder in that of a model


def beside(run: Run, title: str, weights: Path, place: Path) -> dict[Path, Evaluated]:
    """Measures the model in ``weights`` on every benchmark beside the main one; returns what was
    measured, by its folder.

    Args:
        run: the run.
        title: how tables call the model.
        weights: its folder.
        place: the model's folder in the run; what is finished there is left as it is.
    """
    measured: dict[Path, Evaluated] = {}
    for name, benchmark in run.beside.items():
        folder = place / BESIDE / name
        if (folder / METRICS).exists():
            measured[folder] = read_model(folder / METRICS, Evaluated)
            continue
        theirs = None if run.opponent is None else run.opponent.parent / BESIDE / name
        opponent = Opponent()
        if theirs is not None and theirs != folder and against(benchmark):
            identity = read_model(theirs / METRICS, Evaluated).identity
            opponent = Opponent(named(run.config.evaluation.baseline, identity), theirs)
        run.display.start(title, name)
        model, judge = run.caller(weights), run.judge(weights)
        found = measure(benchmark, title, model, judge, opponent, folder, run.config.seed)
        run.display.finish(title, name, summary(found.metrics))
        measured[folder] = found
    return measured


def against(benchmark: Benchmark) -> bool:
    """Whether it measures something against an opponent."""
    return list(benchmark.metrics(True)) != list(benchmark.metrics(False))


def beside_folders(place: Path) -> dict[str, Path]:
    """The evaluations beside the main one that lie in a model's folder, by name."""
    folder = place / BESIDE
    if not folder.is_dir():
        return {}
    return {inside.name: inside for inside in sorted(folder.iterdir())
            if (inside / METRICS).is_file()}  # fmt: skip
