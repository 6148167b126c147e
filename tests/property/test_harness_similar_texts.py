"""The index of near copies says what rouge-score says of every pair, and misses none."""

from __future__ import annotations

import warnings

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompt_filters.similar import SimilarTexts, tokens_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports
    from rouge_score import rouge_scorer, tokenizers

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
# Few words, so that texts share some; and odd ones: case, digits, other scripts, controls.
WORDS = st.sampled_from(
    ["a", "b", "c", "dog", "Dog", "9", "don't", "x-y", "ß", "İs", "日本", "\x00"]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=14).map(" ".join), st.text(max_size=30))
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9])


def rouge_l(one: str, other: str) -> float:
    return float(SCORER.score(one, other)["rougeL"].fmeasure)


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_tokens_are_those_of_rouge_score(text: str) -> None:
    assert tokens_of(text) == tokenizers.DefaultTokenizer(use_stemmer=False).tokenize(text)


@settings(deadline=None, max_examples=150)
@given(st.lists(TEXTS, max_size=8), TEXTS, THRESHOLDS)
def test_the_index_is_rouge_score_over_all(kept: list[str], new: str, threshold: float) -> None:
    index = SimilarTexts(threshold)
    for number, text in enumerate(kept):
        index.add(str(number), text)
    scores = [rouge_l(text, new) for text in kept]
    best = max(scores, default=0.0)
    found = index.most_similar(new)
    if best > threshold:
        assert found is not None
        assert (found.f1, found.name) == (best, str(scores.index(best)))
    else:
        assert found is None
