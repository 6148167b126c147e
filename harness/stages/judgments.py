"""Self-judgments: the judge scores every candidate that can be chosen, several draws each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
            raise StopRun(
                f"M{k}: none of {len(candidates)} candidates ended by itself, so none can be "
                "judged; raise candidates.decoding.max_tokens or train longer"
            )
        judge = run.judge(run.checkpoint(k - 1))
        run.display.start(f"M{k}", "judgments", len(responses) * run.spec.draws)
        found = judge_responses(judge, responses, file, run.config.seed)
        reasons = Counter(j.reason for j in found if j.reason)
        listed = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        left_out = len(candidates) - len(responses)
        run.display.finish(
            f"M{k}", "judgments",
            f"{len(found)} of {len(responses)} candidates ({left_out} unterminated or blank left "
            f"out), {sum(reasons.values())} unscored" + (f": {listed}" if listed else ""),
        )  # fmt: skip
    found = file.read()
    share = unscored_share(found)
    if share > run.config.judge.max_unscored:
        raise StopRun(
            f"M{k}: {share:.1%} of {len(found)} judgments are unscored, at most "
            f"{run.config.judge.max_unscored:.0%} may be (judge.max_unscored); see {file.path}",
            exit_code=4,
        )
    return found
