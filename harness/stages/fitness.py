"""Before a judge's scores train anything: is it fit to judge? Asked once, of M1's judge."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from backends.engines.engine import Request
from benchmarks.benchmark import HasRankings
from benchmarks.human_data import read_human_data
from benchmarks.human_data.split import shared_prompts
from benchmarks.judge_validation import HeldAgainst, for_judge, judge_ranked, refuse_held
from benchmarks.registry import SeedData
from harness.lineage import forget_stop
from harness.run import Run, StopRun
from judges.fitness import Fitness, ranked_fitness
from judges.judging import ranked_responses
from judges.pointwise import judge_request
from judges.rankings import RankedPrompt
from judges.score_table import score_table
from results.errors import UsageError
from results.files import read_model, write_json
from results.records import Judgment
from results.store import RecordFile
from results.text import excerpt

STOPPED = "judge fitness"  # how the metric of a decision that ends a run here begins


class JudgeFitness(BaseModel):
    """The contents of judge_fitness.json. ``fitness`` is null where a judge was waived that no
    human data are there for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: str | None
    waived_by: str | None
    fitness: Fitness | None


def check_human_data(run: Run, seed: SeedData) -> None:
    """Refuses a run whose judge could not be checked before its scores train the policy.

    Raises:
        UsageError: no human data for the judge, and nobody has waived the check; or the data are
            in the training data too.
    """
    fit = run.config.judge.fit
    if run.config.iterations == 1 or (fit.waived_by is not None and fit.data is None):
        return
    _, ranked = _human_data(run)
    if fit.data is not None:  # of a benchmark's own prompts the seed data is known to hold none
        both = [item.id for item in shared_prompts([*seed.ift, *seed.ranked], ranked)]
        if both:
            raise UsageError(
                f"judge.fit.data {fit.data}: {len(both)} of {len(ranked)} prompts are in the seed "
                f"data too (the first is {excerpt(both[0])!r}), expected held-out ones; remove "
                "them from one of the two"
            )
    refuse_held(run.spec, HeldAgainst(ranked=ranked))


def calls(run: Run) -> list[Request]:
    """What the check will ask; on a benchmark's own rankings nothing that its evaluation of M1 has
    not asked already.
    """
    if run.config.judge.fit.data is None:
        return []
    _, ranked = _human_data(run)
    return [
        judge_request(run.spec, r.prompt, r.text, draw, r.reference)
        for r in ranked_responses(ranked)
        for draw in range(run.spec.draws)
    ]


def fitness(run: Run) -> JudgeFitness:
    """The verdict on M1's judge, held against people on held-out prompts.

    A verdict that stopped the run may be looked at again: under another criterion, with a waiver,
    or when calls of the judge had failed. What was scored is never asked again.

    Raises:
        StopRun: it is not fit, and nobody has waived that.
    """
    folder = run.iteration(1) / "judge_fitness"
    path = folder / "judge_fitness.json"
    found = read_model(path, JudgeFitness) if path.exists() else None
    if found is None or _outdated(run, folder, found):
        found = _measure(run, folder, path)
    verdict = found.fitness
    if verdict is not None and not verdict.fit and found.waived_by is None:
        tried = "; try: " + "; ".join(verdict.advice) if verdict.advice else ""
        message = (
            f"the judge of M1 is {verdict.verdict}{tried} (srlm judge validate shows more; the "
            f"same command with --out {run.folder} judge.fit.waived_by=NAME goes on all the same)"
        )
        check = next(c for c in verdict.checks if c.required and not c.passed)
        bound = {"level": check.low, "length": check.low, "random": check.low, "other": check.high}
        seen = bound.get(check.name, check.value)
        raise StopRun(2, f"{STOPPED}, {check.name}", 0.0 if seen is None else seen,
                      check.threshold, message)  # fmt: skip
    forget_stop(run.folder, 2, STOPPED)
    return found


def _outdated(run: Run, folder: Path, found: JudgeFitness) -> bool:
    fit, verdict = run.config.judge.fit, found.fitness
    if found.waived_by != fit.waived_by:
        return True
    if verdict is None or verdict.fit:
        return verdict is not None and verdict.criterion != fit.criterion
    failed = RecordFile(folder / "judgments.jsonl", Judgment).reopen(
        lambda judgment: judgment.finish_reason != "error"
    )
    return failed > 0 or verdict.criterion != fit.criterion


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
        table = score_table(judgments)
        means = table.means(run.spec.min_scored)
        verdict = ranked_fitness(fit.criterion, ranked, means, table.unscored())
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


def fit_rankings(path: str) -> list[RankedPrompt]:
    """The rankings in ``judge.fit.data``."""
    return for_judge(read_human_data(path), "pointwise").ranked


def any_human_data(run: Run) -> tuple[str, list[RankedPrompt]] | None:
    """Name and rankings: the file that was given, else the benchmark's own."""
    path = run.config.judge.fit.data
    if path is not None:
        return path, fit_rankings(path)
    if isinstance(run.benchmark, HasRankings):
        return run.benchmark.name, list(run.benchmark.rankings)
    return None
