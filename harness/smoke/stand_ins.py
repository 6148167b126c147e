"""What a smoke run goes on with where a stage gave nothing: the next stage has real work then.

Stand-ins say so in their ids; they are no result.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.run import Run
from harness.stages.few_shot import instructions
from judges.pointwise import render
from judges.rankings import RankedPrompt
from results.records import Candidate, Example, Judgment, Pair, Prompt
from results.store import RecordFile

NAME = "stand-in"


def eft(run: Run, n: int) -> list[Example]:
    """The SFT baseline's first judgments of ``n`` ranked answers as EFT, agree they or not; a blank
    one says "-".
    """
    folder = run.folder / "seed"
    said = {
        (j.prompt_id, j.response_id): j.text
        for j in RecordFile(folder / "judgments.jsonl", Judgment).read()
        if j.draw == 0
    }
    found = [
        Example(
            id=f"{NAME}-{prompt.id}-{response.id}",
            prompt=render(run.spec, prompt.prompt, response.text, prompt.reference),
            completion=said.get((prompt.id, response.id), "").strip() or "-",
            kind="eft",
        )
        for prompt in RecordFile(folder / "ranked.jsonl", RankedPrompt).read()
        for response in prompt.responses
    ]
    return found[:n]


def prompts(run: Run, k: int, ift: Sequence[Example], n: int) -> list[Prompt]:
    """``n`` seed instructions behind the prompts that were dropped."""
    file = RecordFile(run.iteration(k) / "prompts.jsonl", Prompt)
    texts = instructions(ift)[:n]
    file.replace(
        [
            *file.read(),
            *(Prompt(id=f"{NAME}-{i}", prompt=t, source=NAME) for i, t in enumerate(texts)),
        ]
    )
    return file.read()


def candidates(run: Run, k: int, ift: Sequence[Example]) -> list[Candidate]:
    """The candidates as if each had ended where it was cut; blank and failed ones are seed
    answers.
    """
    file = RecordFile(run.iteration(k) / "candidates.jsonl", Candidate)
    found = []
    for i, one in enumerate(file.read()):
        usable = one.text.strip() and one.finish_reason != "error"
        text = one.text if usable else ift[i % len(ift)].completion
        found.append(one.model_copy(update={"text": text, "finish_reason": "stop"}))
    file.replace(found)
    return found


def pairs(run: Run, k: int, prompts: Sequence[Prompt], candidates: Sequence[Candidate],
          ift: Sequence[Example], n: int) -> int:  # fmt: skip
    """Fills the pairs of iteration ``k`` up to ``n``; returns how many were filled in.

    A kept prompt without a pair gives its first two different candidates, else two seed answers.
    """
    file = RecordFile(run.iteration(k) / "pairs.jsonl", Pair)
    found = file.read()
    there, paired = len(found), {pair.prompt_id for pair in found}
    texts: dict[str, list[str]] = {}
    for one in candidates:
        if one.text.strip():
            texts.setdefault(one.prompt_id, []).append(one.text)
    seeds = list(dict.fromkeys(example.completion for example in ift))[:2]
    for prompt in prompts:
        if len(found) >= n or prompt.status != "kept" or prompt.id in paired:
            continue
        different = list(dict.fromkeys(texts.get(prompt.id, [])))
        chosen_rejected = different if len(different) > 1 else seeds
        if len(chosen_rejected) > 1:
            found.append(_pair(prompt, *chosen_rejected[:2]))
    file.replace(found)
    return len(found) - there


def _pair(prompt: Prompt, chosen: str, rejected: str) -> Pair:
    return Pair(
        prompt_id=prompt.id,
        prompt=prompt.prompt,
        chosen_id=f"{NAME}-{prompt.id}-chosen",
        rejected_id=f"{NAME}-{prompt.id}-rejected",
        chosen=chosen,
        rejected=rejected,
        chosen_score=1.0,
        rejected_score=0.0,
        margin=1.0,
    )
