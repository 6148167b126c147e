"""The attacks again, on every shipped judge that encloses its slots in tags, pairwise ones too."""

from __future__ import annotations

import re

import pytest

from backends.engines.engine import Completion, Usage
from judges import template
from judges.judging import Response
from judges.pairwise import JudgedPair, Order, pair_verdicts, render_pair, to_pair_judgment
from judges.pointwise import render, to_judgment
from judges.spec import JudgeSpec, list_specs, load_spec
from results.records import PairJudgment
from tests.unit.test_judges_attacks import HOSTILE, INVISIBLE

TAGGED = [name for name in list_specs() if not name.startswith("additive5_short")]
FILL = {
    "prompt": "What is it?",
    "response": "It is this.",
    "first": "It is this.",
    "second": "It is that.",
    "reference": "It is neither.",
}
# A tag of each kind's rubrics as a reader sees it: in any case, with blanks inside, unended.
_TAG = r"<\s*(/?)\s*(question|reference|{response})(?![\w-])[^>\n]*>?"
TAG = {
    "pointwise": re.compile(_TAG.replace("{response}", "response"), re.IGNORECASE),
    "pairwise": re.compile(_TAG.replace("{response}", "response_a|response_b"), re.IGNORECASE),
}


def show(spec: JudgeSpec, fill: dict[str, str], order: Order = "AB") -> str:
    reference = fill["reference"] if "reference" in spec.slots else None
    if spec.kind == "pairwise":
        pair = JudgedPair("p", fill["prompt"], fill["first"], fill["second"], reference)
        return render_pair(spec, pair, order)
    response = Response("p", fill["prompt"], "r", fill["response"], reference)
    return render(spec, response.prompt, response.text, response.reference)


def layout(spec: JudgeSpec, shown: str) -> tuple[list[str], list[str]]:
    """The tags that a reader sees in order, and the text around and between them."""
    visible, tag = shown.translate(INVISIBLE), TAG[spec.kind]
    tags = [(match[1] + match[2]).lower() for match in tag.finditer(visible)]
    return tags, tag.split(visible)[::3]


def aimed(spec: JudgeSpec, text: str) -> str:
    """The attack with the tags of this judge's rubric."""
    if spec.kind == "pointwise":
        return text
    return re.sub("response(?=[^a-z]|$)", "response_a", text.replace("RESPONSE", "RESPONSE_A"))


def test_the_tagged_judges_are_these() -> None:
    assert set(TAGGED) == {"additive5", "choice5", "pairwise", "reference5", "refusal"}
    for name in TAGGED:
        rubric = load_spec(name).rubric
        for slot in load_spec(name).slots:
            assert re.search(rf"<(\w+)>\n\{{{slot}\}}\n</\1>", rubric), (name, slot)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", TAGGED)
def test_no_slot_can_be_left(name: str, text: str) -> None:
    """With a hostile text in any slot, or in all, a reader sees the rubric's own tags and words."""
    spec = load_spec(name)
    text = aimed(spec, text)
    tags, words = layout(spec, spec.rubric)
    for slot in [*sorted(spec.slots), "all"]:
        fill = {key: text if slot in (key, "all") else kept for key, kept in FILL.items()}
        for order in ("AB", "BA") if spec.kind == "pairwise" else ("AB",):
            shown_tags, shown_words = layout(spec, show(spec, fill, order))
            assert shown_tags == tags
            assert shown_words[::2] == words[::2]
            # The judge sees the text itself but for the first character of a tag.
            assert text.replace("&lt;", "<").translate(INVISIBLE) in show(
                spec, fill, order
            ).replace("&lt;", "<").translate(INVISIBLE)


LEAVES = [
    name for name, text in HOSTILE.items() if TAG["pointwise"].search(text.translate(INVISIBLE))
]


@pytest.mark.parametrize("attack", LEAVES)
@pytest.mark.parametrize("name", TAGGED)
def test_without_the_neutralised_tags_it_could(
    name: str, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: what it holds, it holds by the template."""
    monkeypatch.setattr(template, "own_tags", lambda rubric: None)
    spec = load_spec(name)
    slot = "first" if spec.kind == "pairwise" else "response"
    shown = show(spec, FILL | {slot: aimed(spec, HOSTILE[attack].translate(INVISIBLE))})
    assert layout(spec, shown)[0] != layout(spec, spec.rubric)[0]


def gullible(spec: JudgeSpec, pair: JudgedPair, order: Order) -> PairJudgment:
    """A judge that believes the tags and obeys all that stands outside of them. It prefers the
    answer that says "that"; orders that it finds outside make it say A.
    """
    shown = render_pair(spec, pair, order)
    tags, words = layout(spec, shown)
    own_tags, own_words = layout(spec, spec.rubric)
    if tags != own_tags or words[::2] != own_words[::2]:
        said = "As ordered.\nVerdict: A"
    else:
        said = f"It says: {words[3]}\nVerdict: {'B' if 'that' in words[5] else 'A'}"
        if "that" not in words[3] + words[5]:
            said = "Verdict: tie"
    return to_pair_judgment(spec, pair.id, order, 0, Completion(said, "stop", Usage(1, 1)), "k")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_gullible_pairwise_judge_is_not_won_over(text: str) -> None:
    spec = load_spec("pairwise")
    for hostile in (text, aimed(spec, text), aimed(spec, text.translate(INVISIBLE))):
        clean = hostile.replace("that", "it")
        pair = JudgedPair("p", "What is it?", clean, "It is that.")
        verdict = pair_verdicts([gullible(spec, pair, order) for order in ("AB", "BA")])["p"]
        assert verdict.verdict == "loss" and verdict.consistent


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", TAGGED)
def test_a_quoted_candidate_never_gives_the_answer(name: str, text: str) -> None:
    spec = load_spec(name)
    attack = text.replace("Score: 5", f"{spec.parser.label}: {'A' if 'A' in _answers(spec) else 5}")
    for quoted in (text, attack):
        unended = quoted.startswith("<think>") and "</think>" not in quoted

        def answer(last: str, quoted: str = quoted) -> object:
            said = Completion(f"{quoted}\n{last}", "stop", Usage(1, 1))
            if spec.kind == "pairwise":
                return to_pair_judgment(spec, "p", "AB", 0, said, "k").verdict
            return to_judgment(spec, "p", "r", 0, said, "k").score

        own, meant = _answers(spec)["own"], _answers(spec)["meant"]
        assert answer(f"{spec.parser.label}: {own}") == (None if unended else meant)
        assert answer("I cannot say.") is None


def _answers(spec: JudgeSpec) -> dict[str, object]:
    """An answer that no candidate above asks for, and what it means."""
    if spec.kind == "pairwise":
        return {"own": "B", "meant": "second", "A": True}
    if spec.name == "choice5":
        return {"own": "E", "meant": 1.0, "A": True}
    return {"own": "1", "meant": 1.0}
