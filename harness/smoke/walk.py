"""The stages of the loop, each once, one after the other, and what is to be said of each.

They are the loop's own functions. What would stop a full run is written down here and walked past,
with stand-ins where the next stage would have nothing to do; what breaks ends the walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.registry import SeedData
from harness.compute import epochs_of
from harness.config import RunConfig
from harness.folder import claim
from harness.inputs import input_hashes
from harness.loop import FREE, read_inputs
from harness.run import Run, StopRun
from harness.smoke import stand_ins
from harness.smoke.meter import MeteredTrainer, Reading, read
from harness.smoke.scale import batch_of, fewer, shrink
from harness.stages.candidates import candidates
from harness.stages.evaluation import evaluation
from harness.stages.gate import gate
from harness.stages.judgments import check_unscored, judgments
from harness.stages.pairs import pairs
from harness.stages.prompts import prompts, wanted
from harness.stages.seed import keep_seed
from harness.stages.training import dpo, sft
from results.errors import SrlmError
from results.records import Candidate, Judgment, Prompt
from results.store import RecordFile

# unclear: it would have stopped a full run, but was done by a model that is hardly trained here.
Status = Literal["passed", "unclear", "would have failed", "failed", "skipped", "not reached"]
K = 2  # the iteration that the walk makes


@dataclass(frozen=True)
class Passage:
    """One stage: how it went, in a line, and what its model calls took."""

    model: str
    stage: str
    status: Status
    line: str
    took: Reading = field(default_factory=Reading)


@dataclass
class Walk:
    """What the stages hand on to each other. ``full`` is the configuration that is tried."""

    run: Run
    full: RunConfig
    trainer: MeteredTrainer
    data: SeedData = field(default_factory=lambda: SeedData([], []))
    cut: SeedData = field(default_factory=lambda: SeedData([], []))
    asked: list[Prompt] = field(default_factory=list)
    answers: list[Candidate] = field(default_factory=list)
    scored: list[Judgment] = field(default_factory=list)
    would: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def not_enough(self, line: str, by_policy: bool) -> None:
        """Notes what would stop a full run. ``by_policy``: because of what the policy wrote, which
        may be better once it has been trained as long as the full run trains it.
        """
        steps = [report.steps for kind, report in self.trainer.reports if kind == "sft"]
        if not by_policy or not steps:
            self.would.append(line)
            return
        settings = self.full.sft.settings
        examples = len(self.data.ift) + len(self.data.eft)
        of = math.ceil(examples / batch_of(settings)) * epochs_of(settings)
        if steps[-1] >= of:
            self.would.append(line)
        else:
            self.unclear.append(f"{line}; M1 has had {steps[-1]} of {of:.0f} training steps here")

    @property
    def self_judged(self) -> bool:
        """Whether the policy is the judge."""
        return self.run.config.judge.model == "self"

    @property
    def baseline(self) -> Path | None:
        """The opponent's evaluation folder."""
        folders = {"sft": self.run.sft_baseline, "m0": self.run.folder / "m0"}
        found = folders.get(self.run.config.evaluation.baseline)
        return None if found is None else found / "evaluation"


Stage = tuple[str, str, Callable[[Walk], str]]  # model, stage, what it does and says


def stages(config: RunConfig) -> list[Stage]:
    """All stages in the order of the loop."""
    found: list[Stage] = [("", "inputs", _inputs)]
    if config.evaluation.baseline == "sft":
        found += [
            ("SFT baseline", "training", _train_baseline),
            ("SFT baseline", "evaluation", _evaluate_baseline),
        ]
    found += [
        ("M0", "evaluation", _evaluate_m0),
        ("M1", "training", _train_m1),
        ("M1", "evaluation", lambda walk: _evaluate(walk, 1)),
        ("M1", "gate", lambda walk: _gate(walk, 1)),
    ]
    if config.iterations == 1:
        return found
    return [
        *found,
        ("M1", "judge", _judge_check),
        ("M2", "prompts", _prompts),
        ("M2", "candidates", _candidates),
        ("M2", "judgments", _judgments),
        ("M2", "pairs", _pairs),
        ("M2", "training", _train_m2),
        ("M2", "evaluation", lambda walk: _evaluate(walk, K)),
        ("M2", "gate", lambda walk: _gate(walk, K)),
    ]


def go(walk: Walk) -> list[Passage]:
    """Walks through all stages; after one that breaks the others are not reached."""
    found: list[Passage] = []
    todo = stages(walk.full)
    for at, (model, stage, do) in enumerate(todo):
        before, walk.would, walk.unclear = read(walk.run), [], []
        try:
            line = do(walk)
        except Exception as error:
            took = read(walk.run).since(before)
            found.append(Passage(model, stage, "failed", _reason(error, model, stage), took))
            found += [Passage(m, s, "not reached", "") for m, s, _ in todo[at + 1 :]]
            break
        status: Status = "skipped" if do is _judge_check else "passed"
        if walk.would or walk.unclear:
            status = "would have failed" if walk.would else "unclear"
            line = "; ".join([*walk.would, *walk.unclear, line])
        found.append(Passage(model, stage, status, line, read(walk.run).since(before)))
    return found


def _reason(error: Exception, model: str, stage: str) -> str:
    """What broke in one line, with the mend where it is memory."""
    text = " ".join(str(error).split())
    if not isinstance(error, SrlmError):
        text = f"{type(error).__name__}: {text}"
    if "out of memory" in text.lower():
        step = "dpo" if model == f"M{K}" else "sft"
        keys = f"{step}.settings.batch_size or max_length"
        text += f"; lower {keys if stage == 'training' else 'engine.batch_size'}"
    return text


def _inputs(walk: Walk) -> str:
    run = walk.run
    walk.data = read_inputs(run)
    run.benchmark, benchmark = shrink(run.benchmark)
    walk.cut = fewer(walk.data, run.config)
    claim(run.folder, run.config, input_hashes(run, walk.cut), FREE)
    keep_seed(run, walk.cut)
    return (
        f"{len(walk.cut.ift)} of {len(walk.data.ift)} IFT, {len(walk.cut.eft)} of "
        f"{len(walk.data.eft)} EFT, {wanted(run.config.prompts, K)} of "
        f"{wanted(walk.full.prompts, K)} new prompts, {benchmark}"
    )


def _train_baseline(walk: Walk) -> str:
    sft(walk.run, "SFT baseline", walk.cut.ift, walk.run.sft_baseline)
    return _trained(walk)


def _train_m1(walk: Walk) -> str:
    sft(walk.run, "M1", [*walk.cut.ift, *walk.cut.eft], walk.run.iteration(1))
    return _trained(walk)


def _train_m2(walk: Walk) -> str:
    dpo(walk.run, K)
    return _trained(walk)


def _trained(walk: Walk) -> str:
    report = walk.trainer.reports[-1][1]
    left_out = f", {report.left_out} too long left out" if report.left_out else ""
    return f"{report.examples} examples{left_out}, {report.steps} optimiser steps"


def _evaluate_baseline(walk: Walk) -> str:
    base = walk.run.sft_baseline
    evaluation(walk.run, "SFT baseline", base / "checkpoint", base / "evaluation", None)
    return "scores of few prompts: no result"


def _evaluate_m0(walk: Walk) -> str:
    folder = walk.run.folder / "m0" / "evaluation"
    opponent = None if walk.baseline == folder else walk.baseline
    evaluation(walk.run, "M0", walk.run.base, folder, opponent)
    return "scores of few prompts: no result"


def _evaluate(walk: Walk, k: int) -> str:
    run, folder = walk.run, walk.run.iteration(k) / "evaluation"
    unscored = evaluation(run, f"M{k}", run.checkpoint(k), folder, walk.baseline).unscored
    try:
        share = unscored.n / unscored.of if unscored.of else 0.0
        check_unscored(run, k, share, unscored.of, folder / "judgments.jsonl")
    except StopRun as stop:
        walk.not_enough(str(stop), walk.self_judged)
    return f"{unscored.n} of {unscored.of} judgments unscored"


def _gate(walk: Walk, k: int) -> str:
    champion = walk.run.iteration(k - 1) / "evaluation" if k > 1 else None
    decision = gate(walk.run, k, champion)
    failed = ", ".join(r.metric for r in decision.rules if not r.passed)
    said = f"{decision.decision}: {failed}" if failed else decision.decision
    return f"{len(decision.rules)} rules work; on so few prompts it says nothing ({said})"


def _judge_check(walk: Walk) -> str:
    return "not asked of a model that is hardly trained; srlm judge validate asks it of any model"


def _prompts(walk: Walk) -> str:
    run = walk.run
    try:
        walk.asked = prompts(run, K, walk.data.ift)
    except StopRun as stop:
        n = wanted(run.config.prompts, K)
        walk.asked = stand_ins.prompts(run, K, walk.data.ift, n)
        walk.not_enough(str(stop), by_policy=False)
        return f"{_kept(walk)} seed instructions stand in"
    return f"{_kept(walk)} kept of {len(walk.asked)}"


def _kept(walk: Walk) -> int:
    return sum(p.status == "kept" for p in walk.asked)


def _candidates(walk: Walk) -> str:
    walk.answers = candidates(walk.run, K, walk.asked)
    failed = [c.text for c in walk.answers if c.finish_reason == "error"]
    cut = sum(c.finish_reason == "length" for c in walk.answers)
    said = f"{len(walk.answers)} candidates, {cut} cut at max_tokens"
    return said + (f", {len(failed)} failed: {failed[0]}" if failed else "")


def _judgments(walk: Walk) -> str:
    run = walk.run
    for _ in range(2):
        try:
            walk.scored = judgments(run, K, walk.asked, walk.answers)
            break
        except StopRun as stop:
            if stop.result.metric != "candidates":
                file = RecordFile(run.iteration(K) / "judgments.jsonl", Judgment)
                walk.scored = file.read()
                walk.not_enough(str(stop), walk.self_judged)
                break
            walk.answers = stand_ins.candidates(run, K, walk.data.ift)
            walk.not_enough(f"{stop}; went on with them as if they had", by_policy=True)
    scored = sum(j.score is not None for j in walk.scored)
    return f"{scored} scored of {len(walk.scored)}"


def _pairs(walk: Walk) -> str:
    run, full = walk.run, walk.full
    try:
        own = len(pairs(run, K, walk.asked, walk.answers, walk.scored))
    except StopRun:
        own = 0
    of, all_of = wanted(run.config.prompts, K), wanted(full.prompts, K)
    expected, batch = round(own / of * all_of), batch_of(full.dpo.settings)
    yielded = f"{own} pairs of {of} prompts"
    for key, least in (("pairs.min_pairs", full.pairs.min_pairs),
                       ("a batch (dpo.settings.batch_size)", batch)):  # fmt: skip
        if expected < least and not walk.would and not walk.unclear:
            line = f"M{K} is not trained: about {expected} of {all_of} prompts would give a pair"
            walk.not_enough(f"{line}, {key} needs {least}", by_policy=True)
    filled = stand_ins.pairs(run, K, walk.asked, walk.answers, walk.data.ift, batch)
    return yielded + (f", {filled} stand-ins beside them for a batch of DPO" if filled else "")
