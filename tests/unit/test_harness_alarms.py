"""Every alarm on small runs: where it fires, where it is silent, and what it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.alarms.config import NAMES, AlarmSettings
from harness.alarms.finding import above, below, beyond, counted
from harness.alarms.measuring import FILE, held_by_alarms, lines, measure_alarms
from harness.alarms.safety import NOT_EVALUATED
from harness.alarms.table import AFTER, ALARMS, BEFORE
from harness.recipe import load_recipe
from results.alarms import Alarm, When
from results.errors import UsageError
from results.files import write_json
from results.records import Judgment, Metric
from results.store import RecordFile
from tests.alarm_cases import CASES, HACKED, HEALTHY
from tests.alarm_runs import Small, alarms_of

Found = dict[tuple[str, When], Alarm]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # durability is tested with the store


def cases(place: int) -> list[object]:
    return [
        pytest.param(*key, run, id=f"{key[0]}-{key[1].split()[0]}-{what}")
        for key, sides in CASES.items()
        for what, run in sides[place].items()
    ]


@pytest.fixture(scope="module")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Small], Found]:
    """What is raised in a run; many cases share the healthy one, which is measured once."""
    made: dict[int, Found] = {}

    def of(run: Small) -> Found:
        if id(run) not in made:
            made[id(run)] = alarms_of(run.make(tmp_path_factory.mktemp("run") / "run"))
        return made[id(run)]

    return of


@pytest.mark.parametrize(("name", "when", "run"), cases(0))
def test_fires(name: str, when: When, run: Small, raised: Callable[[Small], Found]) -> None:
    alarm = raised(run)[name, when]
    assert alarm.fired, alarm.evidence
    assert alarm.value is not None and alarm.does == "note" and 0 < alarm.n <= alarm.of


@pytest.mark.parametrize(("name", "when", "run"), cases(1))
def test_is_silent(name: str, when: When, run: Small, raised: Callable[[Small], Found]) -> None:
    alarm = raised(run)[name, when]
    assert not alarm.fired, alarm.evidence
    assert alarm.value is not None  # it looked


def test_a_healthy_run_raises_none(tmp_path: Path) -> None:
    folder = HEALTHY.make(tmp_path / "run")
    for k in (2, 3):
        found = alarms_of(folder, k)
        assert not [alarm.evidence for alarm in found.values() if alarm.fired]
    # Of the second iteration there is nothing before it to compare with, and that is said.
    rise = alarms_of(folder, 2)["length_growth", BEFORE]
    assert rise.value is None and "iteration 2 is the first" in rise.evidence
    assert ("position_bias", AFTER) not in found and ("safety", AFTER) not in found


def test_the_evidence_of_a_hacked_step_names_the_phrase_and_both_figures(tmp_path: Path) -> None:
    folder = HACKED.make(tmp_path / "run")
    config = load_recipe(str(folder / "config.yaml"), []).config
    found = measure_alarms(folder, config, 3)
    alarm = next(a for a in found.alarms if (a.name, a.when) == ("reward_hacking", AFTER))
    assert "'i hope this helps'" in alarm.evidence and "win rate of M3 minus" in alarm.evidence
    assert alarm.high is not None and alarm.high < alarm.threshold == 0.05
    said = list(lines([found]))
    assert said[0] == f"M3: {len(found.fired)} of {len(found.alarms)} alarms fired"
    assert f"  reward_hacking (after evaluation): {alarm.evidence}" in said


def test_without_an_evaluation_the_second_phase_is_left_out(tmp_path: Path) -> None:
    folder = HACKED.make(tmp_path / "run")
    (folder / "iter_3" / "evaluation" / "metrics.json").unlink()
    config = load_recipe(str(folder / "config.yaml"), []).config
    found = measure_alarms(folder, config, 3)
    assert found.phases == [BEFORE] and {a.when for a in found.alarms} == {BEFORE}
    # The step before is known: M2 against M1.
    assert "reward_hacking" in {a.name for a in found.fired}


def test_safety_that_nobody_looked_at_is_said_and_is_no_alarm(tmp_path: Path) -> None:
    for suite, said in (("[]", "no safety suite"), ("[clear]", "clear of alarms.safety_suite")):
        folder = HEALTHY.but(config=f"alarms: {{safety_suite: {suite}}}\n").make(tmp_path / suite)
        config = load_recipe(str(folder / "config.yaml"), []).config
        found = measure_alarms(folder, config, 3)
        assert [s.startswith(NOT_EVALUATED) and said in s for s in found.statements] == [True]
        assert not found.fired
        assert list(lines([found, found])).count(found.statements[0]) == 1
    folder = CASES["safety", AFTER][1]["nothing is lost"].make(tmp_path / "looked")
    config = load_recipe(str(folder / "config.yaml"), []).config
    assert measure_alarms(folder, config, 3).statements == []


def test_settings_decide_what_follows(tmp_path: Path) -> None:
    said = "alarms: {hold: [grown_phrase], stop: [ties], ignore: [repeated, reward_hacking]}\n"
    folder = HACKED.but(config=said).make(tmp_path / "run")
    found = alarms_of(folder)
    assert not {"repeated", "reward_hacking"} & {name for name, _ in found}
    assert found["ties", BEFORE].does == "stop"
    config = load_recipe(str(folder / "config.yaml"), []).config
    place = folder / "iter_3"
    assert held_by_alarms(place) == []
    write_json(place / FILE, measure_alarms(folder, config, 3).model_dump())
    rules = held_by_alarms(place)
    assert {(rule.rule, rule.metric, rule.passed) for rule in rules} == {
        ("alarm", "grown_phrase", False)
    }
    assert all(rule.reason.startswith("alarm grown_phrase: ") for rule in rules)
    loose = HACKED.but(config="alarms: {grown_phrase: 0.9}\n").make(tmp_path / "loose")
    assert not alarms_of(loose)["grown_phrase", AFTER].fired


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("alarms.hold=[lenght_growth]", "did you mean 'length_growth'"),
        ("alarms={hold: [ties], ignore: [ties]}", "listed twice"),
        ("alarms.stop=[ties, ties]", "listed twice"),
        ("alarms.ties=1.5", "alarms.ties"),
        ("alarms.reward_hakcing=0.1", "reward_hacking"),
        ("alarms.too_few_pairs=0.5", "too_few_pairs"),
    ],
)
def test_wrong_settings_are_refused_by_name(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match="alarms") as refused:
        load_recipe("quickstart", [setting])
    assert said in str(refused.value)


def metric(value: float | None, low: float | None, high: float | None) -> Metric:
    return Metric(name="m", value=value, low=low, high=high, n=9, of=9, convention="", reason="why")


def test_the_end_of_the_interval_decides_and_equal_is_not_beyond() -> None:
    assert above(metric(0.3, 0.21, 0.4), 0.2, "x").fired
    assert not above(metric(0.3, 0.2, 0.4), 0.2, "x").fired
    assert not above(metric(0.9, None, None), 0.2, "x").fired
    assert below(metric(-0.3, -0.4, -0.21), -0.2, "x").fired
    assert not below(metric(-0.3, -0.4, -0.2), -0.2, "x").fired
    assert beyond(metric(-0.3, -0.4, -0.21), 0.2, "x").fired
    assert beyond(metric(0.3, 0.21, 0.4), 0.2, "x").fired
    assert not beyond(metric(0.0, -0.3, 0.3), 0.2, "x").fired
    nothing = above(metric(None, None, None), 0.2, "x")
    assert not nothing.fired and nothing.evidence == "x: not measured (why)"


def test_a_share_of_counts_has_wilsons_interval() -> None:
    # Wilson (1927) by hand for 8 of 10 and z = 1.959964.
    found = counted("x", 8, 10, "", "")
    assert (found.low, found.high) == (pytest.approx(0.490162, abs=1e-6),
                                       pytest.approx(0.943318, abs=1e-6))  # fmt: skip
    assert counted("x", 0, 0, "", "none").value is None


def test_draws_of_one_prompt_are_no_cases_of_their_own(tmp_path: Path) -> None:
    """What a judge says of a whole prompt is one observation, however often it was asked."""
    whole = HEALTHY.but(  # a few candidates are told apart, so that there are pairs
        score=lambda k, i, d: 1 if i % 20 >= 18 or (i % 7 == 0 and d == 0) else 3, unscored=20
    )
    folder = whole.make(tmp_path / "run")
    judged = [
        Judgment(prompt_id=f"i{i}", response_id="", draw=draw, text="",
                 status="unscored" if i < 2 else "scored", score=None if i < 2 else 3,
                 reason="no_score" if i < 2 else None)
        for i in range(10) for draw in range(10)
    ]  # fmt: skip
    RecordFile(folder / "iter_3" / "evaluation" / "judgments.jsonl", Judgment).replace(judged)
    found = alarms_of(folder)
    for alarm, share, of in ((found["same_score", BEFORE], 0.85, 540),
                             (found["unscored", AFTER], 0.2, 100)):  # fmt: skip
        assert (alarm.value, alarm.n, alarm.of) == (pytest.approx(share), of, of)
        alone = counted("x", round(share * of), of, "", "")
        assert alone.low is not None and alone.low > alarm.threshold  # as independent cases
        assert not alarm.fired and alarm.low is not None and alarm.low < alarm.threshold


def test_every_threshold_stands_under_the_name_of_its_alarm() -> None:
    assert set(NAMES) <= set(AlarmSettings.model_fields)
    assert list(dict.fromkeys(watch.name for watch in ALARMS)) == list(NAMES)
