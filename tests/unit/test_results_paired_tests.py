"""Paired tests: against other ways to the same figure, and by adding up every outcome there is."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, multinomial

from results.errors import SrlmError
from results.paired_counts import _score, least_drop, loss_above, mcnemar
from results.paired_tests import counted, holm, paired_test
from results.records import Value


def values(numbers: list[float], den: float = 1.0, texts: int | None = None) -> list[Value]:
    return [
        Value(prompt_id=str(i), metric="m", num=x, den=den, cluster=str(i % (texts or 10**9)))
        for i, x in enumerate(numbers)
    ]


def worst_chance(outcomes: np.ndarray, n: int, margin: float) -> float:
    """Of any of these (won, lost), where the loss is the margin: the largest at any share won."""
    counts = np.c_[outcomes, n - outcomes.sum(axis=1)]
    return max(
        float(multinomial.pmf(counts, n, [won, won + margin, 1 - 2 * won - margin]).sum())
        for won in np.linspace(0, (1 - margin) / 2, 60)
    )


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (3, 9), (9, 3), (0, 5), (40, 61)])
def test_mcnemar_is_the_binomial_test(won: int, lost: int) -> None:
    loss, either = mcnemar(won, lost)
    if won + lost == 0:
        assert (loss, either) == (1.0, 1.0)
        return
    both = won + lost
    assert loss == pytest.approx(binomtest(lost, both, alternative="greater").pvalue)
    assert either == pytest.approx(binomtest(lost, both).pvalue)


@pytest.mark.parametrize(("won", "lost", "n", "margin"), [(5, 20, 100, 0.05), (0, 9, 60, 0.02),
                                                          (30, 31, 400, 0.1)])  # fmt: skip
def test_the_score_is_tangos(won: int, lost: int, n: int, margin: float) -> None:
    """The likeliest share of won samples, found by search, gives the same statistic."""

    def unlikely(share: float) -> float:
        rest = max(1 - 2 * share - margin, 1e-300)
        own = won * math.log(share) if won else 0.0
        return -(own + lost * math.log(share + margin) + (n - won - lost) * math.log(rest))

    share = minimize_scalar(unlikely, bounds=(1e-12, (1 - margin) / 2), method="bounded",
                            options={"xatol": 1e-12}).x  # fmt: skip
    by_search = (lost - won - n * margin) / math.sqrt(n * (2 * share + margin * (1 - margin)))
    assert float(_score(np.array([won]), np.array([lost]), n, margin)[0]) == pytest.approx(
        by_search, abs=1e-4
    )


@pytest.mark.parametrize(("n", "margin", "alpha"), [(30, 0.0, 0.05), (24, 0.05, 0.05),
                                                    (24, 0.1, 0.05), (30, 0.1, 0.01)])  # fmt: skip
def test_a_loss_of_the_margin_is_a_finding_no_more_often_than_alpha(
    n: int, margin: float, alpha: float
) -> None:
    """Exact: every outcome of n samples, at every share of won samples."""
    outcomes = [(won, lost) for won in range(n + 1) for lost in range(n + 1 - won)]
    found = np.array([o for o in outcomes if loss_above(margin, *o, n) <= alpha])
    assert len(found)
    assert alpha / 5 < worst_chance(found, n, margin) <= alpha


def test_the_normal_approximation_errs_more_often() -> None:
    n, margin = 30, 0.1
    won, lost = np.array([(w, lost) for w in range(n + 1) for lost in range(n + 1 - w)]).T
    found = _score(won, lost, n, margin) >= NormalDist().inv_cdf(0.95)
    assert worst_chance(np.c_[won, lost][found], n, margin) > 0.08


def test_no_loss_above_the_margin_is_no_finding() -> None:
    assert loss_above(0.1, 5, 12, 100) == 1.0
    assert loss_above(1.0, 0, 100, 100) == 1.0
    assert loss_above(0.02, 0, 30, 100) < 1e-4


@pytest.mark.parametrize(("n", "apart", "margin"), [(400, 40, 0.0), (400, 40, 0.02), (150, 0, 0.0)])
def test_the_least_drop_is_found_with_four_fifths(n: int, apart: int, margin: float) -> None:
    drop = least_drop(n, apart, 0.05, margin)
    assert drop is not None and drop > margin
    rng, share = np.random.default_rng(0), max(apart / n, drop)
    draws = rng.multinomial(n, [(share - drop) / 2, (share + drop) / 2, 1 - share], size=4000)
    power = np.mean([loss_above(margin, int(w), int(lost), n) <= 0.05 for w, lost, _ in draws])
    assert power == pytest.approx(0.8, abs=0.025)


def test_the_least_drop_of_many_samples_is_connors() -> None:
    n, share, alpha = 8000, 0.1, 0.01
    drop = least_drop(n, int(n * share), alpha)
    assert drop is not None
    z_alpha, z_power = (NormalDist().inv_cdf(q) for q in (1 - alpha, 0.8))
    needed = ((z_alpha * math.sqrt(share) + z_power * math.sqrt(share - drop**2)) / drop) ** 2
    assert needed == pytest.approx(n, rel=0.03)


def test_too_few_samples_see_nothing() -> None:
    assert least_drop(4, 1, 0.05) is None  # four losses of four have p = 1/16
    assert least_drop(5, 1, 0.05) is not None
    assert least_drop(0, 0, 0.05) is None
    assert counted(4, 0, 4).least_drop(0.05) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_right_or_wrong_is_counted() -> None:
    ours, theirs = [0.0] * 6 + [1.0] * 2 + [1.0] * 12, [1.0] * 6 + [0.0] * 2 + [1.0] * 12
    found = paired_test("m", values(ours), values(theirs))
    assert found is not None
    assert (found.method, found.n, found.won, found.lost) == ("counts", 20, 2, 6)
    assert (found.p_loss, found.p) == mcnemar(2, 6)
    shared = paired_test("m", values(ours)[:10], values(theirs))
    assert shared is not None and shared.n == 10
    assert paired_test("m", values(ours)[:3], values(theirs)[5:]) is None


def test_samples_of_one_text_are_flipped_together() -> None:
    """Six losses of one text are one loss."""
    ours, theirs = [0.0] * 6 + [1.0] * 14, [1.0] * 20
    one_text = [v.model_copy(update={"cluster": "x" if int(v.prompt_id) < 6 else v.cluster})
                for v in values(ours)]  # fmt: skip
    theirs_too = [v.model_copy(update={"cluster": w.cluster})
                  for v, w in zip(values(theirs), one_text, strict=True)]  # fmt: skip
    found = paired_test("m", one_text, theirs_too)
    assert found is not None and found.method == "sign flips"
    assert found.p_loss == pytest.approx(0.5, abs=0.02)
    alone = paired_test("m", values(ours), values(theirs))
    assert alone is not None and alone.p_loss == 1 / 64


def test_flips_of_all_signs_are_added_up() -> None:
    """Eight differences: of 256 signs, those with as large a sum can be counted."""
    apart = np.array([0.5, 0.3, 0.2, 0.4, -0.1, 0.25, 0.35, -0.3])
    ours, theirs = (0.5 - apart / 2).tolist(), (0.5 + apart / 2).tolist()
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    exact = float((signs.T @ np.abs(apart) >= apart.sum() - 1e-9).mean())
    found = paired_test("m", values(ours), values(theirs), seed=3)
    assert found is not None
    assert found.p_loss == pytest.approx(exact, abs=0.006)
    assert (found.won, found.lost) == (2, 6)


def test_flips_err_no_more_often_than_they_say() -> None:
    rng, wrong, seen, drop = np.random.default_rng(1), 0, 0, 0.0
    for seed in range(60):
        theirs = rng.random(60)
        noise = rng.normal(0, 0.2, 60)
        level = paired_test("m", values((theirs + noise).tolist()), values(theirs.tolist()),
                            seed=seed)  # fmt: skip
        assert level is not None
        wrong += level.p_loss <= 0.05
        drop = level.least_drop(0.05) or 0.0
        fell = paired_test("m", values((theirs + noise - 0.0642 - 0.1).tolist()),
                           values(theirs.tolist()), margin=0.1, seed=seed)  # fmt: skip
        assert fell is not None
        seen += fell.p_loss <= 0.05
    assert drop == pytest.approx(0.0642, rel=0.25)  # 2.486 x .2 / root of 60
    assert wrong <= 8  # 3 are to be expected
    assert seen >= 40  # 48 are


def test_a_ratio_of_unlike_weights_is_tested() -> None:
    ours = [v.model_copy(update={"den": 1.0 + i % 3}) for i, v in enumerate(values([0.5] * 30))]
    theirs = [v.model_copy(update={"num": v.num + 0.4}) for v in ours]
    found = paired_test("m", ours, theirs)
    assert found is not None and found.p_loss < 0.001 and found.lost == 30
    assert paired_test("m", values([0.0], den=0.0), values([0.0], den=0.0)) is None


def test_alike_is_no_difference() -> None:
    found = paired_test("m", values([0.5] * 9), values([0.5] * 9))
    assert found is not None
    assert (found.p_loss, found.p, found.least_drop(0.05)) == (1.0, 1.0, None)


def test_a_sample_twice_is_refused() -> None:
    with pytest.raises(SrlmError, match="two values for prompt '0'"):
        paired_test("m", [*values([1.0]), *values([0.0])], values([1.0]))
