"""Candidates: N completions of every prompt by the policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backends.collect import collect, to_candidate
from backends.engines.caller import Answer
from backends.engines.engine import GenerateConfig, Request
from backends.tokens import as_messages
from harness.run import Run
from results.records import Candidate, Prompt
from results.store import RecordFile


def candidates(run: Run, k: int, prompts: Sequence[Prompt]) -> list[Candidate]:
    """``candidates.n`` completions of each kept prompt by the champion before M_k."""
    file = RecordFile(run.iteration(k) / "candidates.jsonl", Candidate)
    if file.done:
        return file.read()
    asked = [
        (p, draw) for p in prompts if p.status == "kept" for draw in range(run.config.candidates.n)
    ]
    requests = [Request(as_messages(p.prompt), draw) for p, draw in asked]
    config = GenerateConfig(**run.config.candidates.decoding.model_dump(), seed=run.config.seed)

    def record(answer: Answer) -> Candidate:
        prompt, draw = asked[answer.index]
        return to_candidate(answer, prompt.id, f"{prompt.id}-c{draw}", draw)

    run.display.start(f"M{k}", "candidates", len(requests))
    found = collect(file, run.caller(run.before(k)), requests, config, record)
    ends = Counter(c.finish_reason for c in found if c.finish_reason != "stop")
    unfinished = "".join(f", {n} ended by {reason}" for reason, n in sorted(ends.items()))
    run.display.finish(f"M{k}", "candidates", f"{len(found)} of {len(requests)}{unfinished}")
    return found
