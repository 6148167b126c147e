"""Ranked prompts without people: each IFT answer over answers that were worsened on purpose."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from backends.collect import collect, to_candidate
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from backends.tokens import as_messages
from benchmarks.worsened import damaged, most_similar
from harness.run import Run
from judges.rankings import RankedPrompt, RankedResponse
from results.records import Candidate, Example
from results.store import RecordFile

ANSWERS_EACH = 3  # at most of a prompt: the human one, another one's, a damaged one
ANSWERS = "answers.jsonl"  # of the SFT baseline, in the folder of the seed data


def bootstrap(
    run: Run, ift: Sequence[Example], caller: Caller
) -> tuple[list[RankedPrompt], dict[str, int]]:
    """Ranked prompts from the IFT examples, and how many worse answers of each kind there are.

    Rank 0 is the human answer. Rank 1 have the model's own answer to the most similar instruction
    that is another one (``other``), and the human answer damaged in text (``cut``, ``appended``);
    which of these two is the better nobody knows. A worse answer that is blank, unterminated or the
    human one again is left out, and a prompt without any.

    Args:
        run: the run.
        ift: the seed data's.
        caller: the SFT baseline.
    """
    places = chosen(run, len(ift))
    similar = most_similar(ift, places, run.config.seed)
    said = _answers(run, ift, [s for s in similar if s is not None], caller)
    counts: Counter[str] = Counter()
    found = []
    texts = [example.completion for example in ift]
    for place, other in zip(places, similar, strict=True):
        example = ift[place]
        worse: dict[str, str] = {}
        if other is None:
            counts["left out: no other instruction"] += 1
        elif (why := _unusable(said[ift[other].id])) is not None:
            counts[f"left out: {why}"] += 1
        else:
            worse["other"] = said[ift[other].id].text
        rng = random.Random(f"damaged:{run.config.seed}:{example.id}")
        if (found_damage := damaged(example.completion, texts, rng)) is None:
            counts["left out: one word"] += 1
        else:
            worse[found_damage[0]] = found_damage[1]
        responses = [RankedResponse(id="human", text=example.completion, rank=0)]
        for kind, text in worse.items():
            if text.strip() == example.completion.strip():
                counts["left out: same text"] += 1
                continue
            counts[kind] += 1
            responses.append(RankedResponse(id=kind, text=text, rank=1))
        if len(responses) > 1:
            found.append(RankedPrompt(id=example.id, prompt=example.prompt, responses=responses))
    return found, dict(counts)


def chosen(run: Run, n: int) -> list[int]:
    """Places of the IFT examples that ranked prompts are made of."""
    wanted = run.config.data.bootstrap.prompts
    if wanted is None or wanted >= n:
        return list(range(n))
    return sorted(random.Random(f"bootstrap:{run.config.seed}").sample(range(n), wanted))


def _answers(
    run: Run, ift: Sequence[Example], places: Sequence[int], caller: Caller
) -> dict[str, Candidate]:
    """The model's answer to each of the instructions, by the id of its example."""
    file = RecordFile(run.folder / "seed" / ANSWERS, Candidate)
    asked = [ift[place] for place in dict.fromkeys(places)]
    requests = [Request(as_messages(example.prompt)) for example in asked]
    config = GenerateConfig(**run.config.candidates.decoding.model_dump(), seed=run.config.seed)

    def record(answer: Answer) -> Candidate:
        example = asked[answer.index]
        return to_candidate(answer, example.id, f"{example.id}-c0")

    run.display.start("SFT baseline", "answers", len(requests))
    found = collect(file, caller, requests, config, record)
    return {answer.prompt_id: answer for answer in found}


def _unusable(answer: Candidate) -> str | None:
    if answer.finish_reason != "stop":
        return f"answer ended by {answer.finish_reason}"
    return None if answer.text.strip() else "blank answer"
