"""The paper's own iterations before the gate: which rules would have held them, and by what."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest

from harness.gate_config import Rule
from harness.gate_report import summary
from harness.paper_gate import (
    MODELS,
    Figure,
    as_figure,
    average,
    default_rules,
    is_paper,
    paper_decision,
    published,
)
from results.errors import UsageError
from results.figures import figures
from results.records import GateDecision, RuleResult
from results.reference_rows import reference_rows

NLP = ("arc_easy", "arc_challenge", "hellaswag", "siqa", "piqa", "gsm8k", "mmlu", "obqa", "nq")


def failed(decision: GateDecision) -> set[str]:
    return {rule.metric for rule in decision.rules if not rule.passed}


def one(rule: Rule, candidate: str = "paper:M3", incumbent: str | None = "paper:M2") -> RuleResult:
    return paper_decision(candidate, incumbent, [rule]).rules[0]


def test_what_would_have_held() -> None:
    """Lengths of 1092, 1552 and 2552 characters; the mean of nine benchmarks falls both times."""
    for candidate, incumbent, growth in (("M2", "M1", 0.421), ("M3", "M2", 0.644)):
        decision = paper_decision(f"paper:{candidate}", f"paper:{incumbent}")
        assert decision.decision == "hold"
        assert failed(decision) == {"length_growth", "nlp_average"}
        rules = {rule.metric: rule for rule in decision.rules}
        assert set(rules) == {"win_rate", "average", "length_growth", "nlp_average",
                              "safety.refusal", *(f"datasets.{name}" for name in NLP)}  # fmt: skip
        assert rules["length_growth"].value == pytest.approx(growth, abs=5e-4)
        assert rules["length_growth"].threshold == 0.25
        assert rules["win_rate"].passed and rules["average"].passed
        assert [rule.outcome for rule in decision.rules].count("failed") == 2


def test_the_win_rate_worked_out_by_hand() -> None:
    rule = Rule(metric="win_rate", rule="improves")
    found = one(rule)
    error = sqrt((0.2044 * 0.7956 + 0.1538 * 0.8462) / 805)
    assert found.value == pytest.approx(0.0506)
    assert found.low == pytest.approx(0.0506 - 1.959964 * error, abs=1e-7)
    assert found.high == pytest.approx(0.0506 + 1.959964 * error, abs=1e-7)
    assert (found.n_used, found.of, found.passed) == (805, 805, True)
    assert "(unpaired, binomial), improves needs low of the difference > 0" in found.reason
    wider = one(Rule(metric="win_rate", rule="improves", alpha=0.001))
    assert wider.low is not None and wider.low < 0 and wider.outcome == "inconclusive"
    assert one(rule, "paper:M2", "paper:M3").outcome == "failed"


def test_without_an_interval_the_values_are_compared_and_it_is_said() -> None:
    for metric, kind, passed in (("average", "no_regression", True), ("average", "improves", True),
                                 ("categories.coding", "no_regression", False),
                                 ("pairwise_accuracy", "improves", True),
                                 ("five_best", "no_regression", False)):  # fmt: skip
        found = one(Rule(metric=metric, rule=kind))
        assert (found.low, found.high) == (None, None) and found.passed is passed
        assert "no interval published, the values alone compared" in found.reason
        assert found.outcome == ("passed" if passed else "failed")
    coding = one(Rule(metric="categories.coding", rule="no_regression", threshold=0.05 + 1e-9))
    assert coding.passed and coding.value == pytest.approx(-0.05)


def test_bounds_of_one_model() -> None:
    assert one(Rule(metric="datasets.nq", rule="min", threshold=0.3)).passed
    assert one(Rule(metric="datasets.nq", rule="min", threshold=0.31)).outcome == "inconclusive"
    assert one(Rule(metric="datasets.nq", rule="min", threshold=0.4)).outcome == "failed"
    assert one(Rule(metric="length_growth", rule="max", threshold=0.65)).passed
    assert not one(Rule(metric="length_growth", rule="max", threshold=0.64)).passed


def test_one_benchmark_at_the_usual_level_sees_two_falls_of_m2() -> None:
    """What docs/paper-replay.md says of the nine at alpha 0.05 each."""
    rules = [Rule(metric=f"datasets.{name}", rule="no_regression") for name in NLP]
    assert failed(paper_decision("paper:M2", "paper:M1", rules)) == {"datasets.arc_easy",
                                                                     "datasets.nq"}  # fmt: skip
    assert failed(paper_decision("paper:M3", "paper:M2", rules)) == set()
    both = {f"datasets.{name}" for name in ("arc_easy", "arc_challenge", "hellaswag", "siqa", "nq")}
    assert failed(paper_decision("paper:M3", "paper:M1", rules)) == both


def test_the_average_of_m3_turns_on_the_last_digit() -> None:
    """What docs/paper-replay.md says: the upper end is nearer to 0 than the figures are exact."""
    found = one(Rule(metric="nlp_average", rule="no_regression"))
    assert found.high is not None and -5e-5 < found.high < 0
    assert found.value == pytest.approx(-0.0989 / 9)


def test_without_a_champion_only_rules_of_the_model_alone_are_decided() -> None:
    alone = [Rule(metric="win_rate", rule="min", threshold=0.5)]
    assert not paper_decision("paper:M1", None, alone).rules[0].passed
    for rules in (None, [Rule(metric="length_growth", rule="max", threshold=0.25)]):
        with pytest.raises(UsageError, match=r"compares with the champion; give --incumbent"):
            paper_decision("paper:M1", None, rules)


def test_an_average_with_a_variance_that_nobody_knows_is_not_taken_as_exact() -> None:
    known, unknown = Figure(0.6, 100, 0.0024, "binomial"), Figure(0.4, 0)
    assert average([known, known]).variance == pytest.approx(0.0012)
    found = average([known, unknown])
    assert (found.value, found.n, found.variance) == (0.5, 100, None)
    assert "no interval published" in found.how


@pytest.mark.parametrize(
    ("candidate", "incumbent", "wrong"),
    [
        ("paper:m3", None, "paper:m3: no such model of the paper; did you mean 'paper:M3'?"),
        ("paper:M3", "paper:SFT", r"paper:SFT: no such model.*there are: paper:M1, paper:M2"),
        ("paper:M3", "runs/x/evaluation", "runs/x/evaluation: found a file, expected paper:M1"),
        ("a.jsonl", "paper:M3", "a.jsonl: found a file"),
    ],
)
def test_other_models_are_refused(candidate: str, incumbent: str | None, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        paper_decision(candidate, incumbent)


def test_rules_that_could_never_pass_are_refused() -> None:
    with pytest.raises(UsageError, match=r"rule 1 \(min\): metric 'win_rat' is not published; did "
                                         "you mean 'win_rate'"):  # fmt: skip
        one(Rule(metric="win_rat", rule="min", threshold=0))
    with pytest.raises(UsageError, match="length_growth compares with the incumbent already"):
        one(Rule(metric="length_growth", rule="improves"))


def test_what_names_the_paper() -> None:
    assert is_paper("paper:M3") and is_paper("paper:") and not is_paper("paper")
    assert not is_paper(None) and not is_paper("runs/paper:M3")
    assert len(default_rules()) == 14


def test_every_model_has_the_same_figures() -> None:
    names = {frozenset(published(model)) for model in MODELS}
    assert len(names) == 1
    for model in MODELS:
        there = published(model)
        assert all(there[f"datasets.{name}"].variance for name in NLP)
        assert there["nlp_average"].n == 36835


def test_nlp_figures_are_whole_counts_of_the_sizes_that_are_stated() -> None:
    rows = [row for row in reference_rows("self_rewarding") if row["benchmark"] == "nlp"]
    assert len(rows) == 5 and len(rows[0]["metrics"]["datasets"]) == 9
    assert {metric.n for metric in rows[0]["metrics"]["datasets"].values()} == {0}  # Llama 2
    for row in rows[1:]:
        for metric in row["metrics"]["datasets"].values():
            count = round(metric.value * metric.n)
            assert round(count / metric.n, 4) == pytest.approx(metric.value), metric


def test_the_binomial_error_is_never_below_a_published_one() -> None:
    """Of the leaderboard's rows, which have both: what the replay has to do without."""
    ratios = []
    for row in reference_rows("alpaca_eval2"):
        own = dict(figures(row["metrics"]))
        told = as_figure("win_rate", own)
        bound = as_figure("win_rate", {"win_rate": own["win_rate"]})
        assert told.how == "from the published standard error" and bound.how == "binomial"
        assert told.variance is not None and bound.variance is not None
        assert told.variance <= bound.variance
        if told.variance:
            ratios.append(sqrt(bound.variance / told.variance))
    # What docs/paper-replay.md says of them.
    assert (len(ratios), round(min(ratios), 2), round(max(ratios), 2)) == (16, 1.11, 1.19)


def test_the_page_shows_what_the_gate_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "paper-replay.md").read_text(encoding="utf-8")
    for candidate, incumbent in (("paper:M2", "paper:M1"), ("paper:M3", "paper:M2")):
        _, _, table = summary(paper_decision(candidate, incumbent), candidate).partition("\n\n")
        assert table in page
