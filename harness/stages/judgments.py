"""Self-judgments: the judge scores every candidate that can be chosen, several draws each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.run import Run, StopRun
from judges.judging import Response, judge_responses, unscored_share
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
                "judged; raise candidates.decoding.max_tokens or train longer"
            )
            raise StopRun(k, "candidates", 0, 1, message)
        judge = run.judge(run.checkpoint(k - 1))
        run.display.start(f"M{k}", "judgments", len(responses) * run.spec.draws)
        found = judge_responses(judge, responses, file, run.config.seed)
        reasons = Counter(j.reason for j in found if j.reason)
        listed = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        left_out = len(candidates) - len(responses)
        run.display.finish(
            f"M{k}", "judgments",
            f"{len(found)} judgments of {len(responses)} candidates ({left_out} unterminated or "
            f"blank left out), {sum(reasons.values())} unscored"
            + (f": {listed}" if listed else ""),
        )  # fmt: skip
    found = file.read()
    check_unscored(run, k, unscored_share(found), len(found), file.path)
    return found


def check_unscored(run: Run, k: int, share: float, n: int, path: Path) -> None:
    """Raises StopRun with exit code 4 when ``share`` of ``n`` judgments is above the limit."""
    limit = run.config.judge.max_unscored
    if share > limit:
        message = (
            f"M{k}: {share:.1%} of {n} judgments are unscored, at most {limit:.0%} may be "
            f"(judge.max_unscored); see {path}"
        )
        raise StopRun(k, "unscored_rate", share, limit, message, exit_code=4)
