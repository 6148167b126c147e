"""Before DPO: are the pairs right often enough? A random sample of them is labelled blind.

The labels decide whether training starts. They never decide which pairs are trained on.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.benchmark import HasVerifier
from harness.audit_config import Audit
from harness.folder import other_settings
from harness.lineage import forget_stop
from harness.run import Run, StopRun
from harness.stages.audit_labels import (
    JUDGMENTS,
    KEPT,
    LABELS,
    RESULT,
    TO_LABEL,
    annotators,
    audit_spec,
    from_judge,
    from_people,
    from_verifier,
    keep_sample,
    missing,
)
from judges.pair_audit import BlindPair, Counts, chosen_is_better, count, draw_blind
from judges.spec import describe
from results.errors import UsageError
from results.files import read_model, write_json
from results.records import AuditLabel, Metric, Pair, PairJudgment, Unscored
from results.store import RecordFile
from results.text import excerpt

STOPPED = "pair audit"  # how the metric of a decision that ends a run here begins


class PairAudit(BaseModel):
    """The contents of audit.json.

    ``share`` is of right pairs among those labelled, ``n`` of ``of`` drawn, with its lower bound
    over the ``pairs`` of the iteration. ``annotators``: how many pairs each has labelled; ``judge``
    is the spec of one from outside. ``lacks_labels``: too many are unscored. ``passed`` says
    nothing of a waiver.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    by: str
    judge: str | None
    noise: float
    pairs: int
    lacks_labels: bool
    right: int
    wrong: int
    ties: int
    unscored: Unscored
    share: Metric
    floor: float
    level: float
    passed: bool
    reason: str
    annotators: dict[str, int] = Field(default_factory=dict)
    waived_by: str | None
    seed: int


def check_audit(run: Run) -> None:
    """Refuses an audit that could not be made.

    Raises:
        UsageError: the benchmark has no verifier, or the judge is not one that can label pairs, or
            is the one whose scores they were chosen by.
    """
    audit = run.config.audit
    if audit is None or run.config.iterations == 1:
        return
    if audit.by == "verifier" and not isinstance(run.benchmark, HasVerifier):
        raise UsageError(
            f"audit.by: benchmark {run.benchmark.name!r} has no verifier; expected people or "
            "engine:model, a judge"
        )
    if audit.by == run.config.judge.model:
        raise UsageError(
            f"audit.by: {audit.by} is judge.model, whose scores choose the pairs; expected an "
            "independent judge, people or verifier"
        )
    audit_spec(audit)


def audit(run: Run, k: int) -> PairAudit | None:
    """The audit of iteration ``k``'s pairs, null where none is asked for.

    What was decided stands, and so does a waiver once it is recorded: a later start without it does
    not undo what it allowed. A waiver that comes later adds its name and reads no label again; only
    failed calls of a judge from outside are made again. Of pairs that were trained on nothing is
    looked at. The decision of an earlier start that ended here is forgotten when the run
    goes on.

    Raises:
        StopRun: labels are missing, or the pairs are not surely right often enough and nobody has
            waived that.
    """
    settings = run.config.audit
    if settings is None:
        return None
    folder = run.iteration(k) / "audit"
    if run.checkpoint(k).exists():
        forget_stop(run.folder, k, STOPPED)
        return _kept(folder)
    pairs = RecordFile(run.iteration(k) / "pairs.jsonl", Pair).read()
    drawn = draw_blind(pairs, settings.size, f"{run.config.seed}:{k}")
    keep_sample(folder, drawn)
    found = _kept(folder)
    waived_by = settings.waived_by if found is None else found.waived_by or settings.waived_by
    if found is None or _calls_failed(folder, found):
        found = _measure(run, k, settings, folder, drawn, len(pairs), waived_by)
    elif not found.passed and found.waived_by != waived_by:
        found = found.model_copy(update={"waived_by": waived_by})
        _keep(run, k, folder, found)
    if not found.passed and found.waived_by is None:
        raise _stop(run, k, found, folder)
    forget_stop(run.folder, k, STOPPED)
    return found


def _kept(folder: Path) -> PairAudit | None:
    path = folder / RESULT
    return read_model(path, PairAudit) if path.exists() else None


def _keep(run: Run, k: int, folder: Path, found: PairAudit) -> None:
    write_json(folder / RESULT, found.model_dump(mode="json"))
    waived = "" if found.passed or found.waived_by is None else f"; waived by {found.waived_by}"
    run.display.finish(f"M{k}", "audit", found.reason + waived)


def _measure(run: Run, k: int, settings: Audit, folder: Path, drawn: list[BlindPair],
             pairs: int, waived_by: str | None) -> PairAudit:  # fmt: skip
    run.display.start(f"M{k}", "audit", len(drawn))
    labels = _labels(run, k, settings, folder, drawn)
    counts = count(drawn, labels)
    share, lacking, passed = judge_counts(settings, counts, pairs)
    reason = _lacking(settings, counts) if lacking else _said(settings, counts, share, passed)
    spec = audit_spec(settings)
    found = PairAudit(
        by=settings.by, judge=None if spec is None else describe(spec), noise=settings.noise,
        pairs=pairs, lacks_labels=lacking, right=counts.right, wrong=counts.wrong, ties=counts.ties,
        unscored=counts.unscored, share=share, floor=settings.floor, level=settings.level,
        passed=passed, reason=reason, annotators=annotators(labels), waived_by=waived_by,
        seed=run.config.seed,
    )  # fmt: skip
    _keep(run, k, folder, found)
    return found


def judge_counts(settings: Audit, counts: Counts, pairs: int) -> tuple[Metric, bool, bool]:
    """The share of right pairs of an iteration's ``pairs``, whether too many labels are lacking to
    say, and whether it passes.
    """
    share = chosen_is_better(counts, pairs, settings.level)
    lacking = share.low is None or counts.unscored.n > settings.max_unscored * share.of
    return share, lacking, not lacking and share.low is not None and share.low > settings.floor


def _labels(run: Run, k: int, settings: Audit, folder: Path,
            drawn: list[BlindPair]) -> list[AuditLabel]:  # fmt: skip
    if settings.by == "verifier":
        return from_verifier(run, k, settings, folder, drawn)
    if settings.by == "people":
        labels = from_people(folder, drawn)
        if (left := missing(drawn, labels)) and settings.waived_by is None:
            raise _wait(run, k, folder, drawn, left)
    else:
        labels = from_judge(run, settings, folder, drawn)
    RecordFile(folder / KEPT, AuditLabel).replace(labels)
    return labels


def _lacking(settings: Audit, counts: Counts) -> str:
    lost = counts.unscored
    listed = ", ".join(f"{n} {reason}" for reason, n in lost.reasons.items())
    return (
        f"too few labels: {lost.n} of {lost.of} drawn pairs are unscored ({listed}), at most "
        f"{settings.max_unscored:.0%} may be (audit.max_unscored)"
    )


def _said(settings: Audit, counts: Counts, share: Metric, passed: bool) -> str:
    return (
        f"chosen is better in {counts.right} of {counts.n} pairs, {share.value:.1%}, at least "
        f"{share.low:.1%} at {settings.level:.0%} confidence ({counts.wrong} wrong, "
        f"{counts.ties} tied, {counts.unscored.n} unscored), {'' if passed else 'not '}above "
        f"{settings.floor:.0%}"
    )


def _stop(run: Run, k: int, found: PairAudit, folder: Path) -> StopRun:
    """The end of the run here, with the figures in its decision and what can be done in words."""
    share = found.share
    best = chosen_is_better(
        Counts(share.n, 0, 0, found.unscored), found.pairs, found.level
    ).low  # if every label had been that the chosen answer is better
    more = f"audit.size above {share.of}, of {found.pairs} pairs"
    if found.lacks_labels:
        mend = f"see {folder / KEPT} for why"
        if _failed(folder):
            mend = "calls failed: run the same command again when the judge answers"
    elif best is not None and best <= found.floor:
        mend = f"too few labels: not even {share.n} right ones would do; {more}"
    else:
        mend = f"look at the pairs ({folder / KEPT} beside pairs.jsonl) and change the judge"
        if share.value is not None and share.value > found.floor and share.of < found.pairs:
            mend += f", or draw more of them ({more})"
    message = (
        f"M{k} is not trained: {found.reason}; {mend}; {other_settings(run.folder, k)}; the same "
        f"command with --out {run.folder} audit.waived_by=NAME trains on them all the same"
    )
    end = StopRun(k, f"{STOPPED}, {share.name}", share.low or 0.0, found.floor, message)
    end.result = end.result.model_copy(
        update={"rule": "min", "value": share.value, "low": share.low, "high": share.high,
                "n_used": share.n, "of": share.of}
    )  # fmt: skip
    return end


def _wait(run: Run, k: int, folder: Path, drawn: list[BlindPair], left: list[BlindPair]) -> StopRun:
    there = len(drawn) - len(left)
    begun = (
        f"{there} of {len(drawn)} pairs are labelled in {folder / LABELS}, {len(left)} are missing "
        f"(the first is {excerpt(left[0].id)!r}): add them there"
        if there
        else f"{len(drawn)} pairs are to be labelled: copy {folder / TO_LABEL} to {LABELS} beside "
        "it and give every line its label, first, second or tie"
    )
    message = f"M{k} waits for people: {begun}, then run the same command again"
    run.display.finish(f"M{k}", "audit", f"{there} of {len(drawn)} pairs labelled by people")
    return StopRun(k, f"{STOPPED}, labels", there, len(drawn), message)


def _calls_failed(folder: Path, found: PairAudit) -> bool:
    """Whether an audit that did not pass lacks calls that failed: they are to be made again."""
    if found.passed or not _failed(folder):
        return False
    RecordFile(folder / JUDGMENTS, PairJudgment).reopen(lambda j: j.finish_reason != "error")
    return True


def _failed(folder: Path) -> bool:
    judgments = RecordFile(folder / JUDGMENTS, PairJudgment)
    return any(judgment.finish_reason == "error" for judgment in judgments.read())
