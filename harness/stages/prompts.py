"""New instructions for one iteration: written by the fixed M0 from few shots, or from a file."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from backends.engines.caller import Answer
from backends.engines.engine import GenerateConfig, Request
from harness.config import Prompts
from harness.run import Run, StopRun
from results.errors import UsageError
from results.records import Conversation, Example, Prompt
from results.store import RecordFile, read_json_lines

SPARE = 1.25  # prompts written for each one wanted: some are dropped


def prompts(run: Run, k: int, ift: Sequence[Example]) -> list[Prompt]:
    """The prompts of iteration ``k``, dropped ones with their reason among them."""
    file = RecordFile(run.iteration(k) / "prompts.jsonl", Prompt)
    if not file.done:
        run.display.start(f"M{k}", "prompts")
        if run.config.prompts.source == "file":
            _from_file(run, k, file)
        else:
            _self_instruct(run, k, list(ift), file)
        records = file.read()
        reasons = Counter(p.reason for p in records if p.reason)
        dropped = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        kept = sum(p.status == "kept" for p in records)
        run.display.finish(
            f"M{k}",
            "prompts",
            f"{kept} kept of {len(records)}" + (f": {dropped}" if dropped else ""),
        )
    found = file.read()
    if not any(p.status == "kept" for p in found):
        message = f"M{k}: no prompt was kept of {len(found)}; see {file.path}"
        raise StopRun(k, "prompts", 0, 1, message)
    return found


def wanted(config: Prompts, k: int) -> int:
    """How many prompts iteration ``k`` (2 = the first DPO step) is to have."""
    return config.count[min(k - 2, len(config.count) - 1)]


class _Filter:
    """Says why an instruction may not be used, or takes it."""

    def __init__(self, run: Run, ift: Sequence[Example], wanted: int) -> None:
        self.run, self.wanted = run, wanted
        self.seed_texts = set(instructions(ift))
        self.kept: set[str] = set()

    def reason(self, text: str, finish_reason: str | None) -> str | None:
        """Null when ``text`` is kept."""
        found = self._why_not(text, finish_reason)
        if found is None:
            self.kept.add(text)
        return found

    def _why_not(self, text: str, finish_reason: str | None) -> str | None:
        if finish_reason not in (None, "stop"):
            return "unterminated"
        if not text:
            return "empty"
        if len(text.split()) > self.run.config.prompts.max_words:
            return "too_long"
        if text in self.kept:
            return "duplicate"
        if text in self.seed_texts:
            return "in_seed_data"
        if self.run.benchmark.held_out(text):
            return "held_out"
        return "surplus" if len(self.kept) >= self.wanted else None


def instructions(ift: Sequence[Example]) -> list[str]:
    """The different instructions of the seed data a line each as models write, sorted."""
    return sorted({" ".join(text.split()) for e in ift if (text := _one_turn(e.prompt))})


def _one_turn(prompt: str | Conversation) -> str | None:
    """The text of a prompt that is one user turn; a longer conversation is no instruction."""
    if isinstance(prompt, str):
        return prompt
    return prompt[0].content if len(prompt) == 1 and prompt[0].role == "user" else None


def check_shots(run: Run, ift: Sequence[Example]) -> None:
    """Raises UsageError when the seed data has fewer instructions than a few-shot prompt shows."""
    config, found = run.config.prompts, len(instructions(ift))
    if config.source == "self_instruct" and run.config.iterations > 1 and found < config.shots:
        raise UsageError(
            f"prompts.shots is {config.shots}, but the seed data has {found} different "
            "instructions; lower prompts.shots or give more seed data"
        )


def _self_instruct(run: Run, k: int, ift: list[Example], file: RecordFile[Prompt]) -> None:
    config = run.config.prompts
    texts = instructions(ift)
    needed = wanted(config, k)
    filters = _Filter(run, ift, needed)
    caller = run.caller(run.base)
    decoding = GenerateConfig(
        **{**config.decoding.model_dump(), "stop": ("\n",), "seed": run.config.seed}
    )
    there, written = len(file.read()), 0
    for _ in range(config.rounds):
        missing = needed - len(filters.kept)
        if missing <= 0:
            break
        draws = range(written, written + math.ceil(missing * SPARE))
        requests = [few_shot(texts, config.shots, f"{run.config.seed}:{k}:{d}") for d in draws]
        answers = sorted(
            (a for batch in caller.run(requests, decoding) for a in batch), key=lambda a: a.index
        )
        records = [_record(k, written + a.index, a, filters) for a in answers]
        file.append(records[max(0, there - written) :])
        written += len(records)
    file.finalise()


def few_shot(texts: list[str], shots: int, seed: str) -> Request:
    """A numbered list of instructions that the model goes on with."""
    chosen = random.Random(f"prompts:{seed}").sample(texts, shots)
    lines = [f"{i}. {text}" for i, text in enumerate(chosen, 1)]
    return Request("\n".join([*lines, f"{shots + 1}."]))


def _record(k: int, number: int, answer: Answer, filters: _Filter) -> Prompt:
    done = answer.completion
    text = " ".join(done.text.split())
    reason = "error" if done.finish_reason == "error" else filters.reason(text, done.finish_reason)
    return Prompt(
        id=f"m{k}-{number}",
        prompt=text,
        source="self_instruct",
        status="dropped" if reason else "kept",
        reason=reason,
        call=answer.key,
        text=done.text,
        finish_reason=done.finish_reason,
        tokens=done.usage.completion_tokens,
    )


def _from_file(run: Run, k: int, file: RecordFile[Prompt]) -> None:
    """The next prompts of the user's file: each iteration goes on where the one before ended."""
    config = run.config.prompts
    path = Path(str(config.path))
    rows = read_prompt_file(path)
    first = sum(wanted(config, j) for j in range(2, k))
    chosen = rows[first : first + wanted(config, k)]
    if not chosen:
        message = f"{path}: {len(rows)} prompts, all used by earlier iterations; add more"
        raise StopRun(k, "prompts", 0, 1, message)
    filters = _Filter(run, [], len(chosen))
    records = []
    for name, text in chosen:
        reason = filters.reason(text, None)
        records.append(
            Prompt(
                id=name,
                prompt=text,
                source=path.name,
                status="dropped" if reason else "kept",
                reason=reason,
            )
        )
    file.replace(records)


def read_prompt_file(path: Path) -> list[tuple[str, str]]:
    """Id and text of every line ``{"prompt": text, "id"?}``; UsageError names a wrong line."""
    rows: dict[str, str] = {}
    for line, row in read_json_lines(path):
        if not isinstance(row.get("prompt"), str):
            raise UsageError(
                f"{path}:{line}: no 'prompt' with a text; expected {{\"prompt\": ...}}"
            )
        name = f"line-{line}" if row.get("id") is None else str(row["id"])
        if name in rows:  # candidates and scores are joined by id
            raise UsageError(f"{path}:{line}: id {name!r} is there more than once; rename one")
        rows[name] = row["prompt"].strip()
    return list(rows.items())
