"""Before a judge's scores train anything: is it fit to judge? Asked once, of M1's judge."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.benchmark import HasRankings
from benchmarks.human_data import read_human_data
from benchmarks.judge_validation import for_judge, judge_ranked, measure_ranked
from harness.run import Run, StopRun
from judges.fitness import Fitness
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.files import read_model, write_json


class JudgeFitness(BaseModel):
    """The contents of judge_fitness.json. ``fitness`` is null where a judge was waived that no
    human data are there for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: str | None
    waived_by: str | None
    fitness: Fitness | None


def check_human_data(run: Run) -> None:
    """Refuses a run whose judge could not be checked before its scores train the policy.

    Raises:
        UsageError: no human data for the judge, and nobody has waived the check.
    """
    fit = run.config.judge.fit
    if run.config.iterations > 1 and fit.waived_by is None:
        _human_data(run)


def fitness(run: Run) -> JudgeFitness:
    """The verdict on M1's judge, held against people on held-out prompts.

    Raises:
        StopRun: it is not fit, and nobody has waived that.
    """
    folder = run.iteration(1) / "judge_fitness"
    path = folder / "judge_fitness.json"
    found = read_model(path, JudgeFitness) if path.exists() else _measure(run, folder, path)
    verdict = found.fitness
    if verdict is not None and not verdict.fit and found.waived_by is None:
        tried = "; try: " + "; ".join(verdict.advice) if verdict.advice else ""
        message = (
            f"the judge of M1 is {verdict.verdict}{tried} (srlm judge validate shows more; "
            "judge.fit.waived_by=NAME goes on all the same)"
        )
        low = verdict.accuracy.low
        raise StopRun(2, "judge_accuracy", 0.0 if low is None else low,
                      verdict.criterion.min_accuracy, message)  # fmt: skip
    return found


def _measure(run: Run, folder: Path, path: Path) -> JudgeFitness:
    """The answers of M1's evaluation are in the cache: on the same rankings no call is made."""
    fit = run.config.judge.fit
    source = _human_data(run) if fit.waived_by is None else any_human_data(run)
    if source is None:
        found = JudgeFitness(data=None, waived_by=fit.waived_by, fitness=None)
        said = f"not checked, waived by {fit.waived_by}"
    else:
        name, ranked = source
        run.display.start("M1", "judge", sum(len(r.responses) for r in ranked) * run.spec.draws)
        judge = run.judge(run.checkpoint(1))
        judgments = judge_ranked(judge, ranked, folder, run.config.seed)
        figures, _ = measure_ranked(
            ranked, judgments, run.spec.scale, run.spec.min_scored, criterion=fit.criterion
        )
        verdict: Fitness = figures["fitness"]
        found = JudgeFitness(data=name, waived_by=fit.waived_by, fitness=verdict)
        accuracy = verdict.accuracy
        shown = "no pair with scores" if accuracy.value is None else (
            f"pairwise accuracy {accuracy.value:.3f}"
            + ("" if accuracy.low is None else f" [{accuracy.low:.3f}, {accuracy.high:.3f}]")
        )  # fmt: skip
        said = ("fit to judge" if verdict.fit else verdict.verdict) + f", {shown}"
        if fit.waived_by is not None and not verdict.fit:
            said += f"; waived by {fit.waived_by}"
    write_json(path, found.model_dump(mode="json"))
    run.display.finish("M1", "judge", said)
    return found


def _human_data(run: Run) -> tuple[str, list[RankedPrompt]]:
    found = any_human_data(run)
    if found is None:
        raise UsageError(
            f"benchmark {run.benchmark.name!r} has no human rankings to check the judge on before "
            "it trains anything; give judge.fit.data=FILE, or judge.fit.waived_by=NAME"
        )
    return found


def any_human_data(run: Run) -> tuple[str, list[RankedPrompt]] | None:
    """Name and rankings: the file that was given, else the benchmark's own."""
    path = run.config.judge.fit.data
    if path is not None:
        return path, for_judge(read_human_data(path), "pointwise").ranked
    if isinstance(run.benchmark, HasRankings):
        return run.benchmark.name, list(run.benchmark.rankings)
    return None
