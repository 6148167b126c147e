"""Self-judgments: the judge scores every candidate that can be chosen, several draws each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.failed_calls import commonest_error
from harness.folder import other_settings
from harness.run import Run, StopRun
from judges.adaptive import Adaptive, Saving, judge_adaptively
from judges.judging import Judge, Response, judge_responses, unscored, unscored_share
from results.files import read_model
from results.records import Candidate, Judgment, Prompt
from results.store import RecordFile


def judgments(run: Run, k: int, prompts: Sequence[Prompt],
              candidates: Sequence[Candidate]) -> list[Judgment]:  # fmt: skip
    """The judgments of iteration ``k``. Blank and unterminated candidates are not judged.

    Raises:
        StopRun: exit 4 when more than ``judge.max_unscored`` of the calls gave no score.
    """
    file = RecordFile(run.iteration(k) / "judgments.jsonl", Judgment)
    if not file.done:
        asked = {p.id: p.prompt for p in prompts}
        responses = [
            Response(c.prompt_id, asked[c.prompt_id], c.response_id, c.text)
            for c in candidates
            if c.finish_reason == "stop" and c.text.strip()
        ]
        if not responses:
            message = (
                f"M{k}: none of {len(candidates)} candidates ended by itself, so none can be "
                "judged; raise candidates.decoding.max_tokens or train longer; "
                f"{other_settings(run.folder, k)}"
            )
            raise StopRun(k, "candidates", 0, 1, message)
        judge = run.judge(run.before(k))
        run.display.start(f"M{k}", "judgments", len(responses) * run.spec.draws)
        found = _judge(run, judge, responses, file)
        lost = unscored(found)
        listed = ", ".join(f"{n} {reason}" for reason, n in sorted(lost.reasons.items()))
        left_out = len(candidates) - len(responses)
        run.display.finish(
            f"M{k}", "judgments",
            f"{len(found)} judgments of {len(responses)} candidates ({left_out} unterminated or "
            f"blank left out), {lost.n} unscored"
            + (f": {listed}" if listed else "") + _saved(file),
        )  # fmt: skip
    found = file.read()
    check_unscored(run, k, unscored_share(found), len(found), file.path)
    return found


def _judge(
    run: Run, judge: Judge, responses: Sequence[Response], file: RecordFile[Judgment]
) -> list[Judgment]:
    adaptive = run.config.judge.adaptive
    if adaptive is None:
        return judge_responses(judge, responses, file, run.config.seed)
    how = Adaptive(**adaptive.model_dump())
    margin = run.config.pairs.min_margin
    return judge_adaptively(judge, responses, file, run.config.seed, how, margin)


def _saved(file: RecordFile[Judgment]) -> str:
    """What adaptive draws saved and how well the pairs agree, in words; empty without them."""
    path = file.path.with_name("adaptive.json")
    if not path.exists():
        return ""
    saving = read_model(path, Saving)
    same = saving.agreement
    audit = (
        f"{same.value:.1%} [{same.low:.1%}, {same.high:.1%}] of {same.n} audited prompts"
        if same.value is not None
        else "not audited"
    )
    share = 1 - saving.asked / saving.of
    return f"; {share:.1%} of {saving.of} draws saved, pairs as with all of them: {audit}"


def check_unscored(run: Run, k: int, share: float, n: int, path: Path) -> None:
    """Raises StopRun with exit code 4 when ``share`` of ``n`` judgments is above the limit."""
    limit = run.config.judge.max_unscored
    if share > limit:
        message = (
            f"M{k}: {share:.1%} of {n} judgments are unscored, at most {limit:.0%} may be "
            f"(judge.max_unscored); see {path}{commonest_error([path])}"
        )
        raise StopRun(k, "unscored_rate", share, limit, message, exit_code=4)
