"""Who labels the drawn pairs: people in a file, the verifier, or a judge from outside."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from benchmarks.benchmark import HasVerifier
from harness.audit_config import Audit
from harness.run import Run
from judges.judging import judge_pairs
from judges.labels import Choice
from judges.pair_audit import BlindPair, label_of, mistaken
from judges.pairwise import JudgedPair, pair_verdicts
from judges.pointwise import prompt_text
from judges.spec import JudgeSpec, load_spec
from results.errors import SrlmError, UsageError
from results.files import write_bytes
from results.lines import read_json_lines, to_record
from results.records import AuditLabel, Conversation, PairJudgment
from results.store import RecordFile
from results.text import excerpt

TO_LABEL, LABELS = "to_label.jsonl", "labels.jsonl"  # what people are given, and give back
KEPT, JUDGMENTS, RESULT = "audited.jsonl", "judgments.jsonl", "audit.json"
UNNAMED = "not named"
CHOICES: dict[str, Choice] = {"win": "first", "tie": "tie", "loss": "second"}
# What a terminal or an editor obeys and JSON leaves as it is: DEL, C1, bidi controls, U+2028 and 9.
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class LabelLine(BaseModel):
    """One line of what people give back: a line of ``to_label.jsonl``, its label filled in or not
    yet.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    prompt: str | Conversation
    first: str
    second: str
    label: Literal["first", "second", "tie", ""]
    annotator: str | None = None


def keep_sample(folder: Path, drawn: Sequence[BlindPair]) -> None:
    """Writes what is shown. Labels of other pairs, which came of other judgments, go first."""
    path, data = folder / TO_LABEL, _lines(drawn)
    if path.exists() and path.read_bytes() == data:
        return
    for name in (RESULT, KEPT, JUDGMENTS):
        for old in (folder / name, folder / f"{name}.part"):
            old.unlink(missing_ok=True)
    write_bytes(path, data)


def _lines(drawn: Sequence[BlindPair]) -> bytes:
    """Nothing in them tells which answer was chosen, and nothing in them moves a terminal."""
    found = []
    for pair in drawn:
        prompt = (
            pair.prompt
            if isinstance(pair.prompt, str)
            else [turn.model_dump() for turn in pair.prompt]
        )
        row = {"id": pair.id, "prompt": prompt, "first": pair.first, "second": pair.second,
               "label": ""}  # fmt: skip
        text = json.dumps(row, ensure_ascii=False)
        found.append(_OBEYED.sub(lambda m: f"\\u{ord(m[0]):04x}", text) + "\n")
    return "".join(found).encode()


def from_people(folder: Path, drawn: Sequence[BlindPair]) -> list[AuditLabel]:
    """The labels that people have given so far, none where they have not begun.

    Raises:
        SrlmError: a line that is of no pair here, or of other texts, or no label; or one annotator
            labels a pair twice. Names the line and the mend.
    """
    path = folder / LABELS
    if not path.exists() or not path.stat().st_size:
        return []
    pairs = {pair.id: pair for pair in drawn}
    found: list[AuditLabel] = []
    seen: dict[tuple[str, str], int] = {}
    for number, row in read_json_lines(path):
        line, where = to_record(path, number, row, LabelLine), f"{path}:{number}"
        pair = pairs.get(line.id)
        if pair is None:
            raise SrlmError(
                f"{where}: id: found {excerpt(line.id)!r}, expected one of the {len(pairs)} in "
                f"{TO_LABEL} beside it; mend or remove the line"
            )
        for key in ("prompt", "first", "second"):
            if getattr(line, key) != getattr(pair, key):
                raise SrlmError(
                    f"{where}: {key} of pair {line.id!r}: found "
                    f"{excerpt(str(getattr(line, key)))!r}, expected "
                    f"{excerpt(str(getattr(pair, key)))!r} as in {TO_LABEL}; label that file's "
                    "lines as they stand"
                )
        if not line.label:
            continue
        who = line.annotator or UNNAMED
        earlier = seen.setdefault((line.id, who), number)
        if line.annotator and earlier != number:
            raise SrlmError(
                f"{where}: annotator {excerpt(who)!r} has labelled pair {line.id!r} at line "
                f"{earlier} already; remove one of the two lines"
            )
        found.append(label_of(pair, who, line.label, ""))
    return found


def from_verifier(run: Run, k: int, audit: Audit, folder: Path,
                  drawn: Sequence[BlindPair]) -> list[AuditLabel]:  # fmt: skip
    """What the benchmark says of each pair, some of it made wrong where there is ``audit.noise``.
    Each label is kept before the next one is asked for.
    """
    file = RecordFile(folder / KEPT, AuditLabel)
    benchmark = run.benchmark
    if file.done or not isinstance(benchmark, HasVerifier):
        return file.read()
    there = {label.prompt_id for label in file.read()}
    for done, pair in enumerate(drawn, 1):
        if pair.id not in there:
            said = benchmark.verify(prompt_text(pair.prompt), pair.first, pair.second)
            if said is not None and said not in get_args(Choice):
                raise SrlmError(
                    f"benchmark {benchmark.name!r}: verify gave {excerpt(said)!r} for pair "
                    f"{pair.id!r}, expected first, second, tie or null; mend that package"
                )
            if said is not None:
                said = mistaken(said, audit.noise, f"{run.config.seed}:{k}:{pair.id}")
            who = f"verifier of {benchmark.name}"
            file.append([label_of(pair, who, said, "not_verifiable")])
            run.display.progress(done, len(drawn), "")
    file.finalise()
    return file.read()


def from_judge(run: Run, audit: Audit, folder: Path,
               drawn: Sequence[BlindPair]) -> list[AuditLabel]:  # fmt: skip
    """What a judge from outside says in both orders; two that disagree are a tie."""
    file = RecordFile(folder / JUDGMENTS, PairJudgment)
    spec = audit_spec(audit)
    judge = None if spec is None else run.auditor(spec)
    if judge is None:
        return []
    shown = [JudgedPair(pair.id, pair.prompt, pair.first, pair.second) for pair in drawn]
    judgments = judge_pairs(judge, shown, file, run.config.seed)
    verdicts = pair_verdicts(judgments)
    reasons = {j.prompt_id: j.reason for j in reversed(judgments) if j.reason is not None}
    found = []
    for pair in drawn:
        verdict = verdicts[pair.id].verdict
        label = None if verdict is None else CHOICES[verdict]
        found.append(label_of(pair, judge.name, label, reasons.get(pair.id, "no_verdict")))
    return found


def missing(drawn: Sequence[BlindPair], labels: Sequence[AuditLabel]) -> list[BlindPair]:
    """The pairs that nobody has labelled."""
    labelled = {label.prompt_id for label in labels}
    return [pair for pair in drawn if pair.id not in labelled]


def annotators(labels: Sequence[AuditLabel]) -> dict[str, int]:
    """How many pairs each has labelled."""
    return dict(sorted(Counter(x.annotator for x in labels if x.label is not None).items()))


def audit_spec(audit: Audit) -> JudgeSpec | None:
    """The spec of the judge that labels, asked in both orders; null where none does.

    Raises:
        UsageError: it gives scores, or shows a reference answer, which pairs have not.
    """
    if ":" not in audit.by:
        return None
    spec = load_spec(audit.spec)
    if spec.kind != "pairwise":
        raise UsageError(
            f"audit.spec: judge {spec.name!r} gives scores, expected one that compares two "
            "answers; name a pairwise one (srlm ls judges)"
        )
    if any(slot.startswith("reference") for slot in spec.slots):
        raise UsageError(
            f"audit.spec: judge {spec.name!r} shows a reference answer, and new prompts have "
            "none; name another"
        )
    return spec.model_copy(update={"orders": "both"})
