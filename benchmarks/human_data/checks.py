"""What of human data can be used, and what is odd in the rest: left out or kept, always noted."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from benchmarks.human_data.notes import Notes
from judges.labels import LabelledPair
from judges.pointwise import prompt_text
from judges.rankings import RankedPrompt

Ranked = tuple[int, RankedPrompt]
Pair = tuple[int, LabelledPair]
PROMPT, PAIR = "prompt {!r}", "pair {!r}"


def usable_ranked(found: Iterable[Ranked], notes: Notes) -> list[RankedPrompt]:
    """Returns the prompts that order something, in order: an id of their own, two ranks or more."""
    kept: list[Ranked] = []
    lines: dict[str, int] = {}
    for line, prompt in found:
        if prompt.id in lines:  # scores are joined by id, so two prompts would share them
            _repeated(line, "prompt", prompt.id, lines[prompt.id], notes)
            continue
        lines[prompt.id] = line
        ranks = [r.rank for r in prompt.responses if r.rank is not None]
        if len(ranks) < 2:
            what = "fewer than two responses with a human rank, prompt left out"
            notes.add(line, what, "prompt {!r} has {}", prompt.id, len(ranks))
            continue
        _look_at_ranks(line, prompt.id, ranks, notes)
        _look_at_texts(line, prompt, notes)
        kept.append((line, prompt))
    _look_at_scales(kept, notes)
    return [prompt for _, prompt in kept]


def usable_pairs(found: Iterable[Pair], notes: Notes) -> list[LabelledPair]:
    """Returns the pairs that have an id of their own, in order."""
    kept: list[LabelledPair] = []
    lines: dict[str, int] = {}
    for line, pair in found:
        if pair.id in lines:
            _repeated(line, "pair", pair.id, lines[pair.id], notes)
            continue
        lines[pair.id] = line
        if not prompt_text(pair.prompt).strip():
            notes.add(line, "prompt is empty, kept", PAIR, pair.id)
        if not pair.first.strip() or not pair.second.strip():
            notes.add(line, "response is empty, kept", PAIR, pair.id)
        if pair.first == pair.second:
            notes.add(line, "both responses are the same text, kept", PAIR, pair.id)
        kept.append(pair)
    return kept


def _repeated(line: int, kind: str, name: str, first: int, notes: Notes) -> None:
    what = f"{kind} id is there already, the later {kind} left out"
    notes.add(line, what, kind + " {!r}, first at line {}", name, first)


def _look_at_ranks(line: int, name: str, ranks: Sequence[int], notes: Notes) -> None:
    values = sorted(set(ranks))
    if len(values) == 1:
        notes.add(line, "all responses are tied, kept (they order nothing)", PROMPT, name)
    if values == list(range(len(values))):
        return
    # Ranks that count places (0, 1, 2) and ranks that count who is better (0, 0, 2) have no gaps.
    better = [sum(rank < value for rank in ranks) for value in values]
    if values != better:
        shown = ", ".join(map(str, sorted(ranks)))
        what = "ranks with gaps or not from 0, kept (only their order counts)"
        notes.add(line, what, "prompt {!r} has {}", name, shown)


def _look_at_texts(line: int, prompt: RankedPrompt, notes: Notes) -> None:
    if not prompt_text(prompt.prompt).strip():
        notes.add(line, "prompt is empty, kept", PROMPT, prompt.id)
    seen: dict[str, str] = {}
    for response in prompt.responses:
        first = seen.setdefault(response.text, response.id)
        if not response.text.strip():
            detail = "prompt {!r}, response {!r}"
            notes.add(line, "response is empty, kept", detail, prompt.id, response.id)
        elif first != response.id:
            what = "responses of one prompt are the same text, kept"
            detail = "prompt {!r}, responses {!r} and {!r}"
            notes.add(line, what, detail, prompt.id, first, response.id)


def _look_at_scales(found: Sequence[Ranked], notes: Notes) -> None:
    """Notes scores that cannot be on one scale with the ranks, or hardly with each other."""
    shares: list[tuple[int, str]] = []
    above: list[float] = []
    for line, prompt in found:
        # Of each rank the lowest score stands last, of the next one the highest first.
        graded = sorted(
            (r.rank, -r.score)
            for r in prompt.responses
            if r.rank is not None and r.score is not None
        )
        if any(a[0] < b[0] and a[1] > b[1] for a, b in itertools.pairwise(graded)):
            what = "scores and ranks order the responses differently, ranks used"
            notes.add(line, what, PROMPT, prompt.id)
        scores = [r.score for r in prompt.responses if r.score is not None]
        if scores and all(0 <= s <= 1 for s in scores) and not all(s in (0, 1) for s in scores):
            shares.append((line, prompt.id))
        elif scores and min(scores) > 1:
            above.append(max(scores))
    if shares and above:
        what = f"scores from 0 to 1 here and all above 1 elsewhere (up to {max(above):g}), kept"
        for line, name in shares:
            notes.add(line, f"{what}; compare them within a prompt only", PROMPT, name)
