"""MT-Bench on any text and any order: prompts as upstream formats them, figures of sets."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mt_bench import stored
from benchmarks.mt_bench.grading import to_grade
from benchmarks.mt_bench.pairs import ORDERS, turns
from benchmarks.mt_bench.questions import Asked, Question, read_graders
from judges.pairwise import render_pair
from judges.pointwise import render
from judges.spec import JudgeSpec
from tests.mt_bench_files import PROMPTS, lines, write_files

HOSTILE = st.text(alphabet=st.sampled_from(list("{}[]<>/_12abAB \n\\$%")) | st.characters(
    blacklist_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["{answer}", "{question_1}", "{response_2}", "{prompt}", "[[10]]", "{reference}", "{0}", "{{}}"]
)  # fmt: skip
TEXTS = st.lists(HOSTILE, min_size=2, max_size=2)


@pytest.fixture(scope="module")
def graders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, JudgeSpec]:
    path = Path(write_files(tmp_path_factory.mktemp("mt"))["judge_prompts"])
    return read_graders(path, "single") | read_graders(path, "pair")


def fields(q: list[str], r: list[str], sides: dict[str, list[str]]) -> dict[str, str]:
    """Every name that a template of upstream may have, with its text."""
    found = {"question": q[0], "question_1": q[0], "question_2": q[1], "ref_answer_1": r[0],
             "ref_answer_2": r[1]}  # fmt: skip
    for name, said in sides.items():
        found |= {name: said[0], f"{name}_1": said[0], f"{name}_2": said[1]}
    return found


@given(q=st.lists(HOSTILE.filter(bool), min_size=2, max_size=2), ours=TEXTS, theirs=TEXTS,
       reference=TEXTS, category=st.sampled_from(["math", "writing"]))  # fmt: skip
def test_no_text_leaves_its_place(
    graders: dict[str, JudgeSpec],
    q: list[str],
    ours: list[str],
    theirs: list[str],
    reference: list[str],
    category: str,
) -> None:
    question = Question(question_id=1, category=category, turns=q)
    asked = Asked([question], {"1": reference} if category == "math" else {})
    single = fields(q, reference, {"answer": ours})
    for name, responses in to_grade(asked, {"1": list(ours)}).items():
        for r in responses:
            shown = render(graders[name], r.prompt, r.text, r.reference)
            assert shown == PROMPTS[name].format(**single)
    found = turns(asked, {"1": list(ours)}, {"1": list(theirs)})
    assert [turn.turn for turn in found] == [1, 2]
    for turn in found:
        for order, (a, b) in zip(ORDERS, ((ours, theirs), (theirs, ours)), strict=True):
            assert turn.pair is not None
            both = fields(q, reference, {"answer_a": a, "answer_b": b})
            shown = render_pair(graders[turn.judged_by], turn.pair, order)
            assert shown == PROMPTS[turn.judged_by].format(**both)


RATINGS = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.integers(75, 165), st.sampled_from([1, 2])),
    st.sampled_from([None, -1, 1, 2.5, 7, 10]),
    min_size=1,
    max_size=12,
)


@given(ratings=RATINGS, order=st.randoms(use_true_random=False))
def test_the_order_of_lines_has_no_say(ratings: dict, order) -> None:
    made = [
        {"model": m, "question_id": q, "turn": t, "judge": ["gpt-4", "p"], "score": score}
        for (m, q, t), score in ratings.items()
    ]
    mixed = order.sample(made, len(made))
    with tempfile.TemporaryDirectory() as name:
        found = [
            stored.rows(lines(Path(name) / f"{i}.jsonl", *map(json.dumps, of)))
            for i, of in enumerate((made, mixed))
        ]
    assert found[0] == found[1]
    for row in found[0]:
        kept = [s for (m, *_), s in ratings.items() if m == row["model"] and s and s > 0]
        average = row["metrics"]["average"]
        assert average.n == len(kept) <= average.of
        assert average.value == (pytest.approx(sum(kept) / len(kept)) if kept else None)
        asked = sum(m == row["model"] for m, *_ in ratings)
        assert row["unscored"]["n"] == row["metrics"]["unscored"].value == asked - len(kept)
        assert row["unscored"]["of"] == asked
