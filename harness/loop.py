"""The loop: seed data, SFT = M1, then self-reward steps by DPO, each behind its gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.registry import SeedData
from harness.rows import run_rows
from harness.run import Run, StopRun
from harness.stages.candidates import candidates
from harness.stages.evaluation import evaluation
from harness.stages.gate import describe, gate, stop
from harness.stages.judgments import judgments
from harness.stages.pairs import pairs
from harness.stages.prompts import prompts
from harness.stages.seed import seed
from harness.stages.training import dpo, sft
from judges.spec import prompt_hash
from results.manifest import build_manifest
from results.records import RuleResult
from results.store import write_json
from results.weights import text_hash, weights_hash


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code, what is to be said, and the leaderboard rows."""

    exit_code: int
    message: str
    rows: list[dict[str, Any]]


def loop(run: Run) -> Outcome:
    """Runs or resumes the whole loop. Every stage whose file is finalised is only read."""
    try:
        code, message = _iterate(run)
    except StopRun as end:
        code, message = end.exit_code, str(end)
    return Outcome(code, message, run_rows(run.folder))


def _iterate(run: Run) -> tuple[int, str]:
    data = seed(run)
    _write_manifest(run, data)
    baseline = _evaluate_baselines(run, data)
    champion: Path | None = None
    for k in range(1, run.config.iterations + 1):
        if k == 1:
            sft(run, "M1", [*data.ift, *data.eft], run.iteration(1))
        else:
            new = prompts(run, k, data.ift)
            answers = candidates(run, k, new)
            scored = judgments(run, k, new, answers)
            found = pairs(run, k, new, answers, scored)
            if len(found) < run.config.pairs.min_pairs:
                return _too_few(run, k, len(found))
            dpo(run, k)
        folder = run.iteration(k) / "evaluation"
        evaluation(run, f"M{k}", run.checkpoint(k), folder, baseline)
        decision = gate(run, k, champion)
        if decision.decision != "promote":
            kept = f"champion stays M{k - 1}" if champion else "there is no champion"
            return 3, f"M{k} is not promoted, {kept}. {describe(decision)}"
        champion = folder
    last = run.config.iterations
    return 0, f"M{last} is promoted: {run.checkpoint(last)}"


def _evaluate_baselines(run: Run, data: SeedData) -> Path | None:
    """Evaluates M0 and the SFT baseline (IFT only); returns the opponent's evaluation folder."""
    m0, base = run.folder / "m0" / "evaluation", run.sft_baseline / "evaluation"
    kind = run.config.evaluation.baseline
    opponent = {"sft": base, "m0": m0, "none": None}[kind]
    if kind == "sft":
        weights = sft(run, "SFT", data.ift, run.sft_baseline)
        evaluation(run, "SFT", weights, base, None)
    evaluation(run, "M0", run.base, m0, None if kind == "m0" else opponent)
    return opponent


def _too_few(run: Run, k: int, found: int) -> tuple[int, str]:
    least = run.config.pairs.min_pairs
    reason = f"{found} preference pairs, pairs.min_pairs needs {least}: nothing to train M{k} on"
    result = RuleResult(
        rule="min", metric="pairs", value=found, low=found, high=found, threshold=least,
        passed=False, n_used=found, of=found, reason=reason,
    )  # fmt: skip
    return 3, f"M{k} is not trained, champion stays M{k - 1}. {describe(stop(run, k, result))}"


def _write_manifest(run: Run, data: SeedData) -> None:
    path = run.folder / "manifest.json"
    if path.exists():
        return
    hashes = {
        "base_weights": weights_hash(run.base),
        "ift": text_hash([e.model_dump() for e in data.ift]),
        "eft": text_hash([e.model_dump() for e in data.eft]),
        "judge_prompt": prompt_hash(run.spec),
    }
    config = run.config.model_dump(mode="json")
    write_json(path, build_manifest(config, {"run": run.config.seed}, hashes))
