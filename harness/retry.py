"""Makes failed calls of a run again and asks once more where a judgment did not parse; only that.

What training has used stays as it is: another judgment then would not be the one that the weights
come from. So the last iteration alone is looked at.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.alarms.measuring import FILE as ALARMS
from harness.attempts import attempt, begun
from harness.failed_calls import (
    OUTCOMES,
    RETRIES,
    Line,
    failed_calls,
    failed_lines,
    reopen,
    unscored_judgments,
    unscored_lines,
    without_answer,
)
from harness.lineage import GATE
from harness.run import Run, StopRun
from harness.stages.beside import beside, beside_folders
from harness.stages.bootstrap import ANSWERS
from harness.stages.candidates import candidates
from harness.stages.eft import JUDGMENTS, REPORT, eft, eft_spec
from harness.stages.evaluation import evaluation
from harness.stages.judgments import judgments
from harness.stages.monitors import FILE as MONITORS
from harness.stages.prompts import missed_calls
from harness.stages.prompts import prompts as written
from harness.stages.seed import read_seed
from results.errors import UsageError
from results.records import Candidate, Judgment, Prompt, Retry
from results.store import RecordFile

# What is made of an iteration's records last: it goes first when they are opened again.
CONCLUSIONS = (GATE, ALARMS, MONITORS)


@dataclass(frozen=True)
class Retried:
    """``of`` calls were made again, ``left`` of them have no usable answer still. ``where`` is the
    stage, null when nothing was to be done.
    """

    where: str | None
    of: int
    left: int


def retry(run: Run) -> Retried:
    """Retries the last iteration's stages, or its evaluation when it is trained already.

    Raises:
        UsageError: the folder has no iteration, or no evaluation of its last model yet.
    """
    k, folder = _where(run)
    if folder.name == "seed":
        return _seed(run)
    if folder.name != "evaluation":
        with attempt(run, k):
            return _step(run, k, folder)
    if k == 0 or not (folder / "metrics.json").exists():
        raise UsageError(
            f"{run.folder}: its last model is not evaluated yet, so nothing has ended that could "
            "be retried; go on with srlm run"
        )
    return _evaluation(run, k, folder)


def left_alone(run: Run) -> str | None:
    """What has no answer and is not looked at, as one line; null where there is nothing."""
    ours = _where(run)[1].relative_to(run.folder).as_posix()
    others = {place: n for place, n in without_answer(run.folder).items() if place != ours}
    if not others:
        return None
    places = ", ".join(f"{n} in {place}" for place, n in others.items())
    return (
        f"left alone: {places} without an answer; what training has used or what came before the "
        "last iteration stays as it is"
    )


def _where(run: Run) -> tuple[int, Path]:
    """The last iteration's number, and the folder of the records that may be made again."""
    k = 0
    while begun(run.folder, k + 1):
        k += 1
    if k < 2 and not run.checkpoint(1).exists() and (run.folder / "seed" / JUDGMENTS).exists():
        return k, run.folder / "seed"
    folder = run.iteration(k)
    return k, folder if k > 1 and not run.checkpoint(k).exists() else folder / "evaluation"


def _seed(run: Run) -> Retried:
    """The judgments that EFT is made from, before M1 is trained on them."""
    folder = run.folder / "seed"
    answers, judged = folder / ANSWERS, folder / JUDGMENTS
    failed, unscored = failed_lines(answers), unscored_lines(judged)
    if not failed and not unscored:
        return Retried(None, 0, 0)
    stale = [folder / "eft.jsonl", folder / REPORT]
    stale += [run.iteration(1) / name for name in (GATE, "sft.jsonl")]
    for path in stale:
        path.unlink(missing_ok=True)
    _ask_otherwise(judged, unscored, eft_spec(run).draws)
    reopen(judged, lambda line: line["status"] == "scored")
    if failed:
        reopen(answers, lambda line: line["finish_reason"] != "error")
    with suppress(StopRun):  # the run says it again when it goes on
        eft(run, read_seed(run))
    left = len(failed_lines(answers)) + len(unscored_lines(judged))
    return Retried("seed judgments", len(failed) + len(unscored), left)


def _prompts(run: Run, k: int, folder: Path, missed: int) -> Retried:
    """Writes the prompts anew, with what was made of them gone: finished calls come from the cache,
    and whatever an answer that was missing would have changed is as if it had never failed.
    """
    stale = (*CONCLUSIONS, "pairs.jsonl", "judgments.jsonl", "candidates.jsonl", "prompts.jsonl")
    for name in stale:  # the prompts last: a kill in between leaves nothing of other prompts
        for path in (folder / name, folder / f"{name}.part"):
            path.unlink(missing_ok=True)
    with suppress(StopRun):  # the run says it again when it goes on
        written(run, k, read_seed(run).ift)
    return Retried(f"M{k} prompts", missed, missed_calls(run, k))


def _step(run: Run, k: int, folder: Path) -> Retried:
    """Prompts, or else candidates and judgments, before training."""
    if missed := missed_calls(run, k):
        return _prompts(run, k, folder, missed)
    prompts = RecordFile(folder / "prompts.jsonl", Prompt)
    answers = RecordFile(folder / "candidates.jsonl", Candidate)
    scored = RecordFile(folder / "judgments.jsonl", Judgment)
    if not scored.done:
        raise UsageError(f"{scored.path}: is not complete yet; go on with srlm run")
    failed = failed_lines(answers.path)
    unscored = unscored_lines(scored.path)
    if not failed and not unscored:
        return Retried(None, 0, 0)
    for name in (*CONCLUSIONS, "pairs.jsonl"):
        (folder / name).unlink(missing_ok=True)
    _ask_otherwise(scored.path, unscored, run.spec.draws)
    reopen(scored.path, lambda line: line["status"] == "scored")
    if failed:
        reopen(answers.path, lambda line: line["finish_reason"] != "error")
    asked = prompts.read()
    found = judgments(run, k, asked, candidates(run, k, asked))
    left = len(failed_lines(answers.path)) + sum(j.status == "unscored" for j in found)
    return Retried(f"M{k} candidates and judgments", len(failed) + len(unscored), left)


def _evaluation(run: Run, k: int, folder: Path) -> Retried:
    """The answers that the benchmarks asked for, and their judgments."""
    unscored: dict[Path, list[Line]] = {}
    failed: dict[Path, list[Line]] = {}
    for place in (folder, *beside_folders(folder.parent).values()):
        more, calls = unscored_judgments(place), failed_calls(place)
        unscored |= more
        failed |= {path: found for path, found in calls.items() if path not in more}
    again = sum(map(len, [*failed.values(), *unscored.values()]))
    if not again:
        return Retried(None, 0, 0)
    stale = [folder.parent / name for name in CONCLUSIONS]
    places = dict.fromkeys(path.parent for path in (*failed, *unscored))
    for path in (*stale, *(place / name for place in places for name in OUTCOMES)):
        path.unlink(missing_ok=True)
    for path, lines in unscored.items():
        _ask_otherwise(path, lines, run.spec.draws)
        reopen(path, lambda line: line["status"] == "scored")
    for path in failed:
        reopen(path, lambda line: line.get("finish_reason") != "error")
    evaluation(run, f"M{k}", run.checkpoint(k), folder, run.opponent)
    beside(run, f"M{k}", run.checkpoint(k), folder.parent)
    left = sum(len(failed_lines(path)) for path in failed)
    left += sum(len(unscored_lines(path)) for path in unscored)
    return Retried(f"M{k} evaluation", again, left)


def _ask_otherwise(path: Path, unscored: list[Line], draws: int) -> None:
    """Notes for every judgment that did not parse a draw that was never asked: the same one would
    give the same answer. A call that failed has no answer, so it keeps its draw.

    Args:
        path: of the judgments.
        unscored: those of them without a score.
        draws: how many there are of each response, or of each order of a pair.
    """
    file = RecordFile(path.with_name(RETRIES), Retry)
    asked = {(r.prompt_id, r.response_id, r.draw): r.asked_as for r in file.read()}
    for line in unscored:
        if line["finish_reason"] != "error":
            of = line["response_id"] if "response_id" in line else line["order"]
            key = (line["prompt_id"], of, line["draw"])
            asked[key] = asked.setdefault(key, line["draw"]) + draws
    file.replace(
        Retry(prompt_id=p, response_id=r, draw=d, asked_as=n) for (p, r, d), n in asked.items()
    )
