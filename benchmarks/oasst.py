"""Open Assistant's conversations, or any human-ranked data: first-turn instructions with answers
that people ranked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchmarks.human_data import read_answers, read_human_data
from benchmarks.human_data.split import bare_text, held_out_prompt, split_prompts
from benchmarks.registry import SeedData
from judges.pointwise import render
from judges.rankings import RankedPrompt, RankedResponse
from judges.spec import JudgeSpec, load_spec
from results.errors import UsageError
from results.records import Example

__all__ = ["held_out_prompt", "read_any_rankings", "read_trees", "seed_data"]


def read_trees(path: Path, language: str = "en") -> list[RankedPrompt]:
    """First turns in ``language`` and their ranked answers (rank 0 = best), one or more each.

    ``read_human_data`` reads the same and leaves out those with one answer: they order nothing.
    """
    return read_answers(str(path), language).answered


def read_any_rankings(path: Path) -> list[RankedPrompt]:
    """Human rankings from any file of ranked data that ``read_human_data`` knows."""
    data = read_human_data(str(path))
    if data.kind != "ranked":
        raise UsageError(
            f"{path}: found pairwise labels ({data.format}), expected ranked responses"
        )
    return data.ranked


def seed_data(
    seed: int,
    path: str,
    ift: Annotated[int, Field(ge=1)] | None = None,
    language: str | None = "en",
    held_out_share: Annotated[float, Field(ge=0, le=1)] = 0.3,
    eft: str = "ranks",
    judge: str = "additive5",
    limit: Annotated[int, Field(ge=1)] | None = None,
) -> SeedData:
    """IFT = the best answer (rank 0) of instructions outside the held-out share.

    The pool for judged EFT is those instructions that have several ranked answers, whether their
    best answer is among the ``ift`` chosen ones or not.

    Args:
        seed: not used; the data decide.
        path: message trees, ``hub:owner/name``, or any ranked data that ``read_human_data`` reads.
        ift: examples at most, those of the highest human quality; null = all.
        language: of Open Assistant data, this one alone; null = all. Other data name none.
        held_out_share: must be the evaluation's, so that no prompt is in both.
        eft: ``ranks`` gives every ranked answer a score by its place among the others (best =
            top of the judge's scale, worst = bottom); ``none`` makes no EFT.
        judge: the judge spec whose prompt the EFT examples show.
        limit: instructions at most, the first ones.

    Raises:
        UsageError: no answered prompt in the language, or none is left to train on; or EFT by rank
            from data with one answer a prompt.
    """
    if eft not in ("ranks", "none"):
        raise ValueError(f"eft is {eft!r}, expected 'ranks' or 'none'")
    data = read_answers(path, language)
    trees = split_prompts(data.answered, held_out_share)[0][:limit]
    if not trees:
        raise UsageError(
            f"{path}: all {len(data.answered)} prompts are held out (data.options.held_out_share "
            f"{held_out_share}); lower it, here and for the evaluation"
        )
    if eft == "ranks" and all(
        sum(r.rank is not None for r in tree.responses) < 2 for tree in trees
    ):
        raise UsageError(
            f"{path}: each of {len(trees)} prompts has one ranked answer, so there is no order to "
            "make EFT from; use data with several, or data.options.eft=none and "
            "data.eft=bootstrap"
        )
    usable = {prompt.id for prompt in data.ranked}
    # What Open Assistant's people ranked first may be deleted: then there is no best answer.
    zero = data.format.startswith("oasst_")
    best = [(t, r) for t in trees if (r := _best(t, zero)) is not None]
    chosen, notes = _by_quality(path, best, ift)
    return SeedData(
        [
            Example(id=f"ift-{t.id}", prompt=t.prompt, completion=r.text, kind="ift")
            for t, r in chosen
        ],
        _eft_from_ranks(trees, judge) if eft == "ranks" else [],
        [t for t in trees if t.id in usable],
        notes,
    )


def _best(tree: RankedPrompt, zero: bool) -> RankedResponse | None:
    """The first answer with the lowest rank; ``zero``: which must be 0."""
    ranked = [(r.rank, r) for r in tree.responses if r.rank is not None and r.text.strip()]
    rank, response = min(ranked, key=lambda found: found[0], default=(0, None))
    return response if rank == 0 or not zero else None


def _by_quality(
    path: str, best: list[tuple[RankedPrompt, RankedResponse]], n: int | None
) -> tuple[list[tuple[RankedPrompt, RankedResponse]], list[str]]:
    """The ``n`` answers of the highest quality in the order of the data, and what is to be said."""
    if n is None:
        return best, []
    graded = sum(r.score is not None for _, r in best)
    order = sorted(
        range(len(best)),
        key=lambda i: -s if (s := best[i][1].score) is not None else float("inf"),
    )
    chosen = [best[i] for i in sorted(order[:n])]
    notes = []
    if len(best) < n:
        notes.append(f"{path}: {len(best)} answered instructions to train on, {n} asked for: all")
    elif not graded:
        notes.append(f"{path}: no human quality in it; IFT is the first {n} of {len(best)}")
    else:
        lowest = min((r.score for _, r in chosen if r.score is not None), default=None)
        without = f", {len(best) - graded} have none" if graded < len(best) else ""
        notes.append(
            f"{path}: IFT is the {n} of {len(best)} best answers with the highest human quality, "
            f"{lowest:g} and above{without}"
        )
    return chosen, notes


def _eft_from_ranks(trees: list[RankedPrompt], judge: str) -> list[Example]:
    spec = load_spec(judge)
    low, high = spec.scale
    examples = []
    for tree in trees:
        ranked = [(r.rank, r) for r in tree.responses if r.rank is not None]
        # Only the order counts: a rank that nobody got (a deleted answer's) is no place.
        ranks = sorted({rank for rank, _ in ranked})
        if len(ranks) < 2:
            continue
        places = {rank: place for place, rank in enumerate(ranks, 1)}
        for rank, response in ranked:
            at = places[rank]
            score = round(high - (at - 1) / (len(ranks) - 1) * (high - low))
            place = f"Of {len(ranked)} answers people put this one at place {at}."
            examples.append(
                Example(
                    id=f"eft-{response.id}",
                    prompt=render(spec, tree.prompt, response.text),
                    completion=_readable(spec, f"{place}\nScore: {score}", score),
                    kind="eft",
                    meta={"score": score, "instruction": bare_text(tree.prompt)},
                )
            )
    return examples


def _readable(spec: JudgeSpec, completion: str, score: int) -> str:
    """``completion``, which the judge's own parser must read as ``score``."""
    if spec.read(completion).score != score:
        raise UsageError(
            f"judge {spec.name!r} does not read {completion[-9:]!r} as {score}, so it cannot learn "
            "from EFT data that end so; use a judge with a last line 'Score: k', or eft: none"
        )
    return completion
