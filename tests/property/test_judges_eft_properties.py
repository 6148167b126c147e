"""Judgments to EFT, whatever the scores: counts that add up, orders that hold, shares that hold."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from judges.agreeing_sets import agreeing_sets
from judges.rankings import RankedPrompt, RankedResponse
from judges.resampling import cap, resample
from judges.spec import load_spec
from results.records import Judgment

SPEC = load_spec("additive5")
score = st.one_of(st.none(), st.integers(0, 5))


@st.composite
def judged(draw):
    pool, judgments = [], []
    draws = draw(st.integers(1, 3))
    for p in range(draw(st.integers(1, 3))):
        ranks = draw(st.lists(st.integers(0, 3), min_size=2, max_size=4).filter(
            lambda r: len(set(r)) > 1
        ))  # fmt: skip
        responses = [RankedResponse(id=str(i), text="x", rank=r) for i, r in enumerate(ranks)]
        pool.append(RankedPrompt(id=str(p), prompt="?", responses=responses))
        for d in range(draws):
            for i in range(len(ranks)):
                s = draw(score)
                judgments.append(Judgment(
                    prompt_id=str(p), response_id=str(i), draw=d, score=s,
                    status="unscored" if s is None else "scored",
                    reason="no_score" if s is None else None, text=f"Score: {s}",
                    finish_reason="stop",
                ))  # fmt: skip
    return pool, judgments, draws


@given(judged(), st.sampled_from(["drop", "keep"]), st.integers(1, 3))
def test_sets(data, ties, sets) -> None:
    pool, judgments, draws = data
    kept, counts = agreeing_sets(pool, judgments, SPEC, ties, sets)
    assert counts.of == len(pool) * draws
    assert counts.of == counts.agree + counts.tied + counts.disagree + counts.unscored
    assert counts.kept == len(kept)
    usable = counts.kept + counts.spare
    assert counts.agree <= usable <= counts.agree + (counts.tied if ties == "keep" else 0)
    assert max(Counter(s.prompt.id for s in kept).values(), default=0) <= sets
    for s in kept:
        ranks = [r.rank for r in s.prompt.responses]
        right = 0
        for i, j in combinations(range(len(ranks)), 2):
            if ranks[i] != ranks[j]:
                margin = (s.scores[i] - s.scores[j]) * (ranks[j] - ranks[i])
                assert margin > 0 or (ties == "keep" and margin == 0)
                right += margin > 0
        assert right
        assert [f"Score: {x:g}" for x in s.scores] == [j.text for j in s.judgments]
        assert {j.draw for j in s.judgments} == {s.draw}


@given(st.lists(st.sampled_from("012345"), max_size=60), st.floats(0.05, 1), st.integers(1, 30))
def test_shares(items, share, least) -> None:
    counts = Counter(items)
    found = Counter(resample(items, str, share, "x", least))
    total = found.total()
    assert found.keys() == counts.keys()  # no score is lost
    assert all(found[s] <= counts[s] for s in counts)
    most = cap(counts, share, least)
    assert all(found[s] == min(counts[s], most) for s in counts)
    if items:
        target = max(share, 1 / len(counts))
        in_need = total <= min(least, len(items)) + len(counts)
        assert max(found.values()) <= target * total + 1e-9 or in_need
        bigger = {s: min(n, most + 1) for s, n in counts.items()}
        if any(bigger[s] > found[s] for s in counts):  # one more of each would be too much
            assert max(bigger.values()) > target * sum(bigger.values()) - 1e-9
