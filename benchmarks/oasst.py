"""Open Assistant message trees: first-turn instructions with answers that people ranked."""

from __future__ import annotations

from pathlib import Path

from benchmarks.human_data import read_human_data
from benchmarks.human_data.notes import Notes
from benchmarks.human_data.oasst_trees import read_trees as tree_groups
from benchmarks.human_data.source import Source
from benchmarks.human_data.split import held_out_prompt
from benchmarks.registry import SeedData
from judges.pointwise import render
from judges.rankings import RankedPrompt
from judges.spec import JudgeSpec, load_spec
from results.errors import UsageError
from results.lines import read_json_lines
from results.records import Example

__all__ = ["held_out_prompt", "read_any_rankings", "read_trees", "seed_data"]


def read_trees(path: Path, language: str = "en") -> list[RankedPrompt]:
    """First turns in ``language`` and their ranked answers (rank 0 = best), one or more each.

    ``read_human_data`` reads the same and leaves out those with one answer: they order nothing.
    """
    rows = read_json_lines(path)
    found = tree_groups(Source(path, rows, Notes(str(path)), language))
    return [prompt for _, prompt in found if isinstance(prompt, RankedPrompt)]


def read_any_rankings(path: Path) -> list[RankedPrompt]:
    """Human rankings from any file of ranked data that ``read_human_data`` knows."""
    data = read_human_data(str(path))
    if data.kind != "ranked":
        raise UsageError(
            f"{path}: found pairwise labels ({data.format}), expected ranked responses"
        )
    return data.ranked


def seed_data(seed: int, path: str, held_out_share: float = 0.3, eft: str = "ranks",
              judge: str = "additive5", limit: int | None = None) -> SeedData:  # fmt: skip
    """IFT = the best answer (rank 0) of every instruction outside the held-out share.

    Args:
        seed: not used; the trees decide.
        path: message trees (.jsonl or .jsonl.gz).
        held_out_share: must be the evaluation's, so that no prompt is in both.
        eft: ``ranks`` gives every ranked answer a score by its place among the others (best =
            top of the judge's scale, worst = bottom); ``none`` makes no EFT.
        judge: the judge spec whose prompt the EFT examples show.
        limit: instructions at most.
    """
    if eft not in ("ranks", "none"):
        raise ValueError(f"eft is {eft!r}, expected 'ranks' or 'none'")
    trees = [r for r in read_trees(Path(path)) if not held_out_prompt(r.prompt, held_out_share)]
    trees = trees[:limit]
    ift = [
        Example(id=f"ift-{t.id}", prompt=t.prompt, completion=r.text, kind="ift")
        for t in trees
        for r in t.responses
        if r.rank == 0
    ]
    return SeedData(ift, _eft_from_ranks(trees, judge) if eft == "ranks" else [])


def _eft_from_ranks(trees: list[RankedPrompt], judge: str) -> list[Example]:
    spec = load_spec(judge)
    low, high = spec.scale
    examples = []
    for tree in trees:
        # Only the order counts: a rank that nobody got (a deleted answer's) is no place.
        ranks = sorted({r.rank for r in tree.responses if r.rank is not None})
        if len(ranks) < 2:
            continue
        places = {rank: place for place, rank in enumerate(ranks, 1)}
        for response in tree.responses:
            assert response.rank is not None
            at = places[response.rank]
            score = round(high - (at - 1) / (len(ranks) - 1) * (high - low))
            place = f"Of {len(tree.responses)} answers people put this one at place {at}."
            examples.append(
                Example(
                    id=f"eft-{response.id}",
                    prompt=render(spec, tree.prompt, response.text),
                    completion=_readable(spec, f"{place}\nScore: {score}", score),
                    kind="eft",
                    meta={"score": score},
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
