"""The loop: seed data, SFT = M1, then self-reward steps by DPO, each behind its gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.registry import SeedData
from harness.after_gate import follows, how_to_answer, settle
from harness.attempts import attempt, check_changes, set_aside
from harness.called import PACE
from harness.error_budget import error_budget
from harness.folder import claim
from harness.inputs import input_hashes
from harness.lineage import champion_before, note_champion, promoted
from harness.rows import run_rows
from harness.run import Run, StopRun
from harness.stages.alarms import alarms_after, alarms_before, check_alarms
from harness.stages.audit import audit, check_audit
from harness.stages.beside import beside
from harness.stages.candidates import candidates
from harness.stages.eft import check_eft, eft
from harness.stages.evaluation import evaluation
from harness.stages.fitness import check_human_data, fitness
from harness.stages.gate import check_rules, describe, stop
from harness.stages.judgments import check_unscored, judgments
from harness.stages.pairs import check_counts, pairs
from harness.stages.prompts import check_shots, prompts
from harness.stages.seed import keep_seed, read_seed
from harness.stages.training import dpo, sft
from results.records import Evaluated, GateDecision

# Where the options of an engine stand.
ENGINES = ("engine", "judge.options", "prompts.options", "audit.options")
# May differ between starts; those of the first and the last line change no record.
FREE = ("budget", "hardware", "model.parameters", "judge.fit.criterion", "judge.fit.waived_by",
        "gate.on_gate", "gate.waived_by", "audit.waived_by",
        *(f"{part}.{key}" for part in ENGINES for key in PACE))  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code, what is to be said, and the leaderboard rows."""

    exit_code: int
    message: str
    rows: list[dict[str, Any]]


def loop(run: Run) -> Outcome:
    """Runs or resumes the whole loop. Every stage whose file is finalised is only read.

    All inputs are read before the folder is taken: a mistake in them leaves no run behind.
    """
    data = read_inputs(run)
    claim(run.folder, run.config, input_hashes(run, data), FREE)
    run.prepare_base()
    keep_seed(run, data)
    try:
        code, message = _iterate(run, data)
    except StopRun as end:
        stop(run, end.k, end.result)
        _note_champion(run)
        code, message = end.exit_code, f"the run stops before M{end.k} is the champion. {end}"
    finally:
        run.keep_spent()
    return Outcome(code, message, run_rows(run.folder))


def read_inputs(run: Run) -> SeedData:
    """Reads and checks all that a run begins with; returns its seed data. Nothing is written.

    Raises:
        SrlmError: the first thing that would end the run later.
    """
    with_baseline = run.config.evaluation.baseline != "none"
    check_rules(run.config.gate.rules, run.benchmark, with_baseline, run.beside)
    check_alarms(run)
    check_counts(run)
    error_budget(run.config)
    check_changes(run)
    run.check_engines()
    data = read_seed(run)
    check_eft(run, data)
    check_shots(run, data.ift)
    check_human_data(run, data)
    check_audit(run)
    return data


def _iterate(run: Run, data: SeedData) -> tuple[int, str]:
    baseline = _evaluate_baselines(run, data)
    last = run.config.iterations
    for k in range(1, last + 1):
        decision = _iteration(run, data, k, baseline)
        _note_champion(run)
        if decision.decision == "promote":
            continue
        policy = follows(decision)
        stays = f"champion stays {policy.champion}" if policy.champion else "there is no champion"
        if policy.then == "roll_back":
            stays = f"{stays}, {run.before(k)}"
        message = f"M{k} is not promoted, {stays}. {describe(decision)}"
        if policy.then != "roll_back" or k == last:
            return 3, f"{message}; {how_to_answer(run, k)}" if policy.then == "ask" else message
        run.display.note(f"{message}; M{k + 1} begins with {policy.champion}")
    return 0, f"M{last} is promoted: {run.checkpoint(last)}"


def _iteration(run: Run, data: SeedData, k: int, baseline: Path | None) -> GateDecision:
    """Makes, measures and decides on M_k, again with other settings where its retries say so."""
    champion = champion_before(run.folder, k) if k > 1 else None
    folder = run.iteration(k) / "evaluation"
    while True:
        _make(run, data, k)
        measured = evaluation(run, f"M{k}", run.checkpoint(k), folder, baseline)
        others = beside(run, f"M{k}", run.checkpoint(k), run.iteration(k))
        for place, found in {folder: measured, **others}.items():
            enough_scored(run, k, found, place)
        if k > 1:
            with attempt(run, k):
                alarms_after(run, k)
        decision = settle(run, k, champion)
        if follows(decision).then != "retry":
            return decision
        set_aside(run, k)


def _make(run: Run, data: SeedData, k: int) -> None:
    """Trains M_k: SFT of M0 for M1, then a self-reward step from the champion."""
    if k == 1 and run.config.start == "base":
        sft(run, "M1", [*data.ift, *eft(run, data)], run.iteration(1))
    elif k == 1:
        run.display.note(f"M1 is {run.checkpoint(1)} (start: {run.config.start})")
    else:
        if k == 2:
            fitness(run)
        with attempt(run, k):
            new = prompts(run, k, data.ift)
            answers = candidates(run, k, new)
            scored = judgments(run, k, new, answers)
            pairs(run, k, new, answers, scored)
            alarms_before(run, k)
            audit(run, k)
            dpo(run, k)


def _note_champion(run: Run) -> None:
    best = promoted(run.folder)
    note_champion(run.folder, best, None if best is None else run.checkpoint(best))


def _evaluate_baselines(run: Run, data: SeedData) -> Path | None:
    """Evaluates M0 and the SFT baseline (IFT only); returns the opponent's folder. Of the two the
    opponent alone is measured on the benchmarks beside the main one.
    """
    m0, base = run.m0 / "evaluation", run.sft_baseline / "evaluation"
    if run.opponent == base:
        weights = sft(run, "SFT baseline", data.ift, run.sft_baseline)
        evaluation(run, "SFT baseline", weights, base, None)
        beside(run, "SFT baseline", weights, run.sft_baseline)
    evaluation(run, "M0", run.base, m0, None if run.opponent == m0 else run.opponent)
    if run.opponent == m0:
        beside(run, "M0", run.base, run.m0)
    return run.opponent


def enough_scored(run: Run, k: int, measured: Evaluated, folder: Path) -> None:
    """Raises StopRun where too many of the judgments of M_k's evaluation are unscored."""
    unscored = measured.unscored
    share = unscored.n / unscored.of if unscored.of else 0.0
    check_unscored(run, k, share, unscored.of, folder / "judgments.jsonl")
