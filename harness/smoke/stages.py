"""The stages of the loop on the walk of a smoke run: the loop's own functions, each once.

Where one gives nothing, a stand-in gives the next real work to do.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from harness.config import RunConfig
from harness.folder import claim
from harness.inputs import input_hashes
from harness.loop import FREE, enough_scored, read_inputs
from harness.plan import plan
from harness.plan_inputs import Inputs
from harness.run import StopRun
from harness.smoke import stand_ins
from harness.smoke.scale import batch_tried, fewer, mark, shrink
from harness.smoke.walk import SKIPPED, K, Stage, Walk
from harness.stages.audit import PairAudit, audit
from harness.stages.audit_labels import RESULT
from harness.stages.beside import beside
from harness.stages.candidates import candidates
from harness.stages.eft import eft, mend
from harness.stages.evaluation import evaluation
from harness.stages.gate import gate
from harness.stages.judgments import judgments
from harness.stages.monitors import monitors
from harness.stages.pairs import least_pairs, pairs
from harness.stages.prompts import most_prompts, prompts
from harness.stages.seed import keep_seed
from harness.stages.training import dpo, sft
from results.files import read_model
from results.records import Judgment
from results.store import RecordFile


def stages(config: RunConfig) -> list[Stage]:
    """All stages in the order of the loop."""
    found: list[Stage] = [("", "inputs", _inputs)]
    makes_eft = config.data.eft != "source"
    if config.evaluation.baseline == "sft" or makes_eft:
        found.append(("SFT baseline", "training", _train_baseline))
    if config.evaluation.baseline == "sft":
        found.append(("SFT baseline", "evaluation", _evaluate_baseline))
    found.append(("M0", "evaluation", _evaluate_m0))
    if makes_eft:
        found.append(("SFT baseline", "EFT", _eft))
    if config.start == "base":
        found.append(("M1", "training", _train_m1))
    found += [
        ("M1", "evaluation", lambda walk: _evaluate(walk, 1)),
        ("M1", "gate", lambda walk: _gate(walk, 1)),
    ]
    if config.iterations == 1:
        return found
    return [
        *found,
        ("M1", SKIPPED, _judge_check),
        ("M2", "prompts", _prompts),
        ("M2", "candidates", _candidates),
        ("M2", "judgments", _judgments),
        ("M2", "pairs", _pairs),
        *([("M2", "audit", _audit)] if config.audit is not None else []),
        ("M2", "training", _train_m2),
        ("M2", "evaluation", lambda walk: _evaluate(walk, K)),
        ("M2", "gate", lambda walk: _gate(walk, K)),
        ("M2", "monitors", _monitors),
    ]


def _inputs(walk: Walk) -> str:
    run = walk.run
    walk.data = read_inputs(run)
    # Counted from what has been opened: a plan alone fetches nothing, and assumes the rest.
    walk.plan = plan(Inputs(replace(run, config=walk.full), walk.data))
    run.benchmark, benchmark = shrink(run.benchmark)
    for name, other in run.beside.items():
        run.beside[name], said = shrink(other)
        benchmark = f"{benchmark}, {said}"
    walk.cut = fewer(walk.data, run.config)
    walk.eft = walk.cut.eft
    claim(run.folder, run.config, input_hashes(run, walk.cut), FREE)
    mark(run.folder)
    run.prepare_base()
    keep_seed(run, walk.cut)
    kind = "EFT" if walk.full.data.eft == "source" else "ranked prompts"
    few, all_of = (
        (walk.cut.eft, walk.data.eft) if kind == "EFT" else (walk.cut.ranked, walk.data.ranked)
    )
    return (
        f"{len(walk.cut.ift)} of {len(walk.data.ift)} IFT, {len(few)} of "
        f"{len(all_of)} {kind}, {most_prompts(run.config.prompts, K)} of "
        f"{most_prompts(walk.full.prompts, K)} new prompts, {benchmark}"
    )


def _train_baseline(walk: Walk) -> str:
    sft(walk.run, "SFT baseline", walk.cut.ift, walk.run.sft_baseline)
    return _tuned(walk, "SFT baseline")


def _train_m1(walk: Walk) -> str:
    sft(walk.run, "M1", [*walk.cut.ift, *walk.eft], walk.run.iteration(1))
    return _tuned(walk, "M1")


def _train_m2(walk: Walk) -> str:
    dpo(walk.run, K)
    return _trained(walk)


def _eft(walk: Walk) -> str:
    run, least = walk.run, walk.full.data.judged.min_examples
    try:
        walk.eft = eft(run, walk.cut)
    except StopRun:
        walk.eft = []
    expected = walk.full_eft(len(walk.eft))
    if expected < least:
        walk.not_enough(
            f"M1 is not trained: about {expected} EFT examples would come out, "
            f"data.judged.min_examples needs {least}; {mend(run)}",
            "SFT baseline",
        )
    if walk.eft:
        return f"{len(walk.eft)} examples"
    walk.eft = stand_ins.eft(run, batch_tried(run.config.sft.settings))
    return f"{len(walk.eft)} judgments stand in, agree they or not"


def _tuned(walk: Walk, model: str) -> str:
    walk.sft_steps[model] = walk.trainer.reports[-1][1].steps
    return _trained(walk)


def _trained(walk: Walk) -> str:
    report = walk.trainer.reports[-1][1]
    left_out = f", {report.left_out} too long left out" if report.left_out else ""
    return f"{report.examples} examples{left_out}, {report.steps} optimiser steps"


def _evaluate_baseline(walk: Walk) -> str:
    base = walk.run.sft_baseline
    evaluation(walk.run, "SFT baseline", base / "checkpoint", base / "evaluation", None)
    beside(walk.run, "SFT baseline", base / "checkpoint", base)
    return "scores of few prompts: no result"


def _evaluate_m0(walk: Walk) -> str:
    run, folder = walk.run, walk.run.m0 / "evaluation"
    evaluation(run, "M0", run.base, folder, None if run.opponent == folder else run.opponent)
    if run.opponent == folder:
        beside(run, "M0", run.base, run.m0)
    return "scores of few prompts: no result"


def _evaluate(walk: Walk, k: int) -> str:
    run, folder = walk.run, walk.run.iteration(k) / "evaluation"
    measured = evaluation(run, f"M{k}", run.checkpoint(k), folder, run.opponent)
    beside(run, f"M{k}", run.checkpoint(k), run.iteration(k))
    try:
        enough_scored(run, k, measured, folder)
    except StopRun as stop:
        walk.not_enough(str(stop), walk.judge)
    return f"{measured.unscored.n} of {measured.unscored.of} judgments unscored"


def _gate(walk: Walk, k: int) -> str:
    decision = gate(walk.run, k, k - 1 if k > 1 else None)
    failed = ", ".join(r.metric for r in decision.rules if not r.passed)
    said = f"{decision.decision}: {failed}" if failed else decision.decision
    return f"{len(decision.rules)} rules work; on so few prompts it says nothing ({said})"


def _monitors(walk: Walk) -> str:
    monitors(walk.run, K)
    return "figures of few prompts: no result"


def _judge_check(walk: Walk) -> str:
    return "not asked of a model that is hardly trained; srlm judge validate asks it of any model"


def _prompts(walk: Walk) -> str:
    run = walk.run
    try:
        walk.asked = prompts(run, K, walk.data.ift)
    except StopRun as stop:
        n = most_prompts(run.config.prompts, K)
        walk.asked = stand_ins.prompts(run, K, walk.data.ift, n)
        walk.not_enough(str(stop), "M1" if run.config.prompts.model == "policy" else None)
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
                walk.not_enough(str(stop), walk.judge)
                break
            walk.answers = stand_ins.candidates(run, K, walk.data.ift)
            walk.not_enough(f"{stop}; went on with them as if they had", "M1")
    scored = sum(j.score is not None for j in walk.scored)
    return f"{scored} scored of {len(walk.scored)}"


def _pairs(walk: Walk) -> str:
    run, full = walk.run, walk.full
    try:
        own = len(pairs(run, K, walk.asked, walk.answers, walk.scored))
    except StopRun:
        own = 0
    of, all_of = most_prompts(run.config.prompts, K), most_prompts(full.prompts, K)
    expected, batch = round(own / of * all_of), batch_tried(full.dpo.settings)
    yielded = f"{own} pairs of {of} prompts"
    least = least_pairs(replace(run, config=full))
    if expected < least:
        walk.not_enough(
            f"M{K} is not trained: about {expected} of {all_of} prompts would give a pair, "
            f"pairs.min_pairs needs {least}",
            "M1",
        )
    filled = stand_ins.pairs(run, K, walk.asked, walk.answers, walk.data.ift, batch)
    return yielded + (f", {filled} stand-ins beside them for a batch of DPO" if filled else "")


def _audit(walk: Walk) -> str:
    settings = walk.run.config.audit
    if settings is not None and settings.by == "people":
        return f"people are asked on the full run alone, {settings.size} pairs an iteration"
    with suppress(StopRun):  # the pairs are of a model that is hardly trained, or stand-ins
        audit(walk.run, K)
    found = read_model(walk.run.iteration(K) / "audit" / RESULT, PairAudit)
    if found.lacks_labels:
        walk.not_enough(found.reason, None)
    return f"{found.share.n} of {found.share.of} pairs labelled; of so few it says nothing"
