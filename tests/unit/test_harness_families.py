"""Rules that are tested together: who is in a family, what it decides, and who reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from harness.cli import main
from harness.families import expanded
from harness.gate_config import Gate, Rule, RulesFile
from harness.gates import Measured, decide
from harness.paper_gate import paper_decision
from harness.stages.gate import check_rules
from results.errors import UsageError
from results.paired_counts import mcnemar
from results.records import GateDecision, Value
from tests.evaluation_folders import evaluation
from tests.proofs.regressions import Case, detectable, held, holds_by_counts, holds_by_values

TASKS = ("arc_easy", "piqa", "gsm8k")
ALL = Rule(metric="nlp.*", rule="no_regression")


def measured(**rights: list[int]) -> Measured:
    return Measured(
        {
            f"nlp.{task}": [Value(prompt_id=f"{task}/{i}", metric=f"nlp.{task}", num=x,
                                  cluster=f"{task}/{i}") for i, x in enumerate(numbers)]
            for task, numbers in rights.items()
        }
    )  # fmt: skip


def pair(**counts: tuple[int, int]) -> tuple[Measured, Measured]:
    """A candidate that won and lost so many of 60 samples of each task, and its champion."""
    ours = {task: [1] * won + [0] * (60 - won) for task, (won, _) in counts.items()}
    theirs = {task: [0] * won + [1] * lost + [0] * (60 - won - lost)
              for task, (won, lost) in counts.items()}  # fmt: skip
    return measured(**ours), measured(**theirs)


def test_a_star_is_every_metric_that_begins_so() -> None:
    names = ["nlp.piqa", "safety.refusal", "nlp.arc_easy", "nlp.piqa"]
    other = Rule(metric="win_rate", rule="improves")
    found = expanded([other, ALL], names)
    assert [(r.metric, r.family) for r in found] == [
        ("win_rate", None), ("nlp.arc_easy", "nlp.*"), ("nlp.piqa", "nlp.*"),
    ]  # fmt: skip
    assert expanded([ALL], ["win_rate"]) == [ALL]
    named = Rule(metric="nlp.*", rule="no_regression", family="tasks")
    own = Rule(metric="nlp.piqa", rule="no_regression", family="tasks", threshold=0.02)
    found = expanded([named, own], names)
    assert [(r.metric, r.threshold) for r in found] == [("nlp.arc_easy", 0), ("nlp.piqa", 0.02)]


def test_a_family_decides_by_holm() -> None:
    """p of .02, which alone would hold, and does not among three."""
    ours, theirs = pair(arc_easy=(3, 12), piqa=(5, 5), gsm8k=(4, 4))
    alone = decide([Rule(metric="nlp.arc_easy", rule="no_regression")], ours, theirs, 0)
    assert alone.decision == "hold"
    assert alone.rules[0].p is None and alone.rules[0].family is None
    together = decide([ALL], ours, theirs, 0)
    assert together.decision == "promote"
    result = next(r for r in together.rules if r.metric == "nlp.arc_easy")
    p = mcnemar(3, 12)[0]
    assert (result.p, result.p_adjusted, result.family) == (p, pytest.approx(3 * p), "nlp.*")
    assert result.value == pytest.approx(-9 / 60) and result.low is not None
    assert result.detectable is not None and result.detectable > 9 / 60
    assert "with all 3 of family nlp.*" in result.reason
    assert f"a drop of {result.detectable:.3f} would have been seen" in result.reason
    ours, theirs = pair(arc_easy=(3, 22), piqa=(5, 5), gsm8k=(4, 4))
    found = decide([ALL], ours, theirs, 0)
    assert found.decision == "hold"
    assert [r.metric for r in found.rules if not r.passed] == ["nlp.arc_easy"]
    accepted = ALL.model_copy(update={"threshold": 0.2})
    assert decide([accepted], ours, theirs, 0).decision == "promote"


def test_a_task_that_the_candidate_lacks_is_not_forgotten() -> None:
    ours, theirs = pair(arc_easy=(4, 4), piqa=(5, 5))
    fewer = Measured({name: v for name, v in ours.values.items() if name != "nlp.piqa"})
    found = decide([ALL], fewer, theirs, 0)
    assert found.decision == "hold"
    assert [(r.metric, r.outcome) for r in found.rules] == [
        ("nlp.arc_easy", "passed"), ("nlp.piqa", "inconclusive"),
    ]  # fmt: skip
    assert decide([ALL], Measured({}), Measured({}), 0).decision == "hold"
    first = decide([ALL], ours, None, 0)
    assert first.decision == "promote" and {r.family for r in first.rules} == {"nlp.*"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"metric": "m", "rule": "min", "threshold": 1, "family": "f"}, "not for 'min'"),
        ({"metric": "nlp.*", "rule": "improves"}, "metric 'nlp.\\*' is for rule 'no_regression'"),
        ({"metric": "m", "rule": "no_regression", "family": "f", "threshold": -1}, "0 or more"),
        ({"metric": "m", "rule": "no_regression", "family": "f", "alpha": 1e-4}, "0.001 or more"),
    ],
)
def test_what_is_no_family_is_refused(rule: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rule.model_validate(rule)


def test_a_family_has_one_alpha() -> None:
    rules = [{"metric": m, "rule": "no_regression", "family": "f", "alpha": a}
             for m, a in (("a", 0.05), ("b", 0.01))]  # fmt: skip
    for model in (Gate, RulesFile):
        with pytest.raises(ValueError, match=r"rule 2 \(b\): alpha 0.01, but 0.05 above"):
            model.model_validate({"rules": rules})


def test_a_run_knows_what_a_star_is_about() -> None:
    class Suite:
        name = "nlp"

        def metrics(self, baseline: bool) -> list[str]:
            return ["win_rate", *(f"nlp.{task}" for task in TASKS)]

    check_rules([ALL], Suite(), False)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"'safety\.\*' is not one of benchmark 'nlp'"):
        rule = Rule(metric="safety.*", rule="no_regression")
        check_rules([rule], Suite(), False)  # type: ignore[arg-type]


RULES = "rules:\n  - {metric: '*', rule: no_regression}\n"


def test_srlm_gate_on_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    rng = np.random.default_rng(0)
    before = {task: (rng.random(400) < 0.6).astype(int) for task in TASKS}
    fell = before | {"gsm8k": np.where(rng.random(400) < 0.2, 0, before["gsm8k"])}
    for name, rights in (("a", before), ("b", fell)):
        evaluation(tmp_path / name, name, rights)
    said = ["gate", "--rules", str(rules), "--candidate", str(tmp_path / "b"),
            "--incumbent", str(tmp_path / "a")]  # fmt: skip
    assert main([*said, "--json"]) == 3
    found = GateDecision.model_validate(json.loads(capsys.readouterr().out))
    assert [(r.metric, r.outcome) for r in found.rules] == [
        ("arc_easy", "passed"), ("gsm8k", "failed"), ("piqa", "passed"),
    ]  # fmt: skip
    assert main([*said[:-1], str(tmp_path / "b")]) == 0
    capsys.readouterr()
    assert main([*said, "--sequential"]) == 2
    assert "leave out --sequential" in capsys.readouterr().err
    said[4] = str(tmp_path / "b" / "metrics.json")
    assert main(said) == 2
    assert "a family needs values per prompt" in capsys.readouterr().err


def test_the_paper_by_families() -> None:
    """M2 lost ARC-Easy and Natural Questions against M1; Holm over nine lets neither through."""
    rules = [Rule(metric="datasets.*", rule="no_regression")]
    found = paper_decision("paper:M3", "paper:M1", rules)
    lost = {r.metric for r in found.rules if not r.passed}
    assert len(found.rules) == 9 and found.decision == "hold"
    assert "datasets.arc_easy" in lost and "datasets.gsm8k" not in lost
    assert all(r.p is not None and r.p_adjusted >= r.p for r in found.rules)
    with pytest.raises(UsageError, match="no interval of average is published"):
        rule = Rule(metric="average", rule="no_regression", family="f")
        paper_decision("paper:M3", "paper:M1", [rule])


def test_a_small_proof() -> None:
    """`make regressions` in small, and values decide as counts do."""
    sizes = dict.fromkeys(TASKS, 300)
    drop = detectable(sizes, "piqa", 0)
    none = Case("nothing lost", sizes, 0, {}, False)
    one = Case("one lost", sizes, 0, {"piqa": drop}, True)
    assert held(none, 300) <= 300 * 0.05 + 3 * 3.8
    assert held(one, 300) >= 300 * 0.8 - 3 * 7
    rng = np.random.default_rng(0)
    for _ in range(6):
        counts = {task: tuple(rng.integers(5, 35, 2).tolist()) for task in TASKS}
        assert holds_by_values(one, counts) == holds_by_counts(one, counts)


@pytest.mark.parametrize("metrics", [("m", "m"), ("a*", "ab*"), ("*", "a*")])
def test_a_metric_is_tested_once_in_a_family(metrics: tuple[str, str]) -> None:
    twice = [Rule(metric=m, rule="no_regression", family="f") for m in metrics]
    with pytest.raises(ValidationError, match="would be tested twice; leave one of them out"):
        RulesFile(rules=twice)


def test_a_star_leaves_out_what_is_no_gain() -> None:
    star = Rule(metric="safety.*", rule="no_regression")
    names = ["safety.refusal", "safety.over_refusal", "safety.unscored_rate", "nlp.gsm8k"]
    assert [rule.metric for rule in expanded([star], names)] == ["safety.refusal"]
