"""The monitors of a small run folder: made, kept, read again, put side by side, plotted."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import harness.stages.monitors as stage
from harness.anchored import EvaluationFolder, by_category, headline, judge_figures
from harness.cli import main
from harness.gate_config import Rule
from harness.recipe import load_recipe
from harness.run import run_spec
from results.monitors import MONITORS, common_anchor, heading, shown
from results.pooled import pooled_metrics
from results.records import Candidate, Evaluated, Judgment, Metric, Pair, Prompt, Unscored, Value
from results.store import RecordFile, write_json

CONFIG = """
extends: quickstart
gate: {file: null}
"""


def judged(prompt: str, response: str, score: float) -> list[Judgment]:
    return [
        Judgment(prompt_id=prompt, response_id=response, draw=draw, status="scored", score=score,
                 reason=None, text="")
        for draw in range(3)
    ]  # fmt: skip


def make_step(place: Path, level: float, tail: str) -> None:
    """Forty prompts, two candidates each; every second one ends with ``tail``."""
    prompts = [Prompt(id=f"p{i}", prompt=f"Say number {i}.", source="s") for i in range(40)]
    prompts.append(Prompt(id="x", prompt="Say", source="s", status="dropped", reason="duplicate"))
    candidates, judgments, pairs = [], [], []
    for i in range(40):
        texts = [f"The number is {i}.", f"It is {i}. {tail}"]
        for draw, text in enumerate(texts):
            candidates.append(
                Candidate(prompt_id=f"p{i}", response_id=f"p{i}-{draw}", draw=draw, text=text,
                          finish_reason="stop", tokens=1, call="")
            )  # fmt: skip
            judgments += judged(f"p{i}", f"p{i}-{draw}", level + draw)
        pairs.append(
            Pair(prompt_id=f"p{i}", prompt="", chosen_id="", rejected_id="", chosen=texts[1],
                 rejected=texts[0], chosen_score=level + 1, rejected_score=level, margin=1)
        )  # fmt: skip
    RecordFile(place / "prompts.jsonl", Prompt).replace(prompts)
    RecordFile(place / "candidates.jsonl", Candidate).replace(candidates)
    RecordFile(place / "judgments.jsonl", Judgment).replace(judgments)
    RecordFile(place / "pairs.jsonl", Pair).replace(pairs)


def evaluated(model: str, metrics: dict[str, Metric] | None = None, data: str = "") -> Evaluated:
    return Evaluated(
        model=model, benchmark="b", identity="", data=data, judge="oracle", judge_is_judged=False,
        judge_spec="", judge_model="self", baseline=None, n=30, metrics=metrics or {},
        unscored=Unscored(),
    )  # fmt: skip


def make_evaluation(place: Path, k: int, right: float, data: str = "d") -> None:
    place.mkdir(parents=True)
    values = [
        Value(prompt_id=f"item-{i}", metric="win_rate", num=float(i < 30 * right), cluster=str(i),
              category="list" if i % 2 else "sort")
        for i in range(30)
    ]  # fmt: skip
    RecordFile(place / "values.jsonl", Value).replace(values)
    RecordFile(place / "judgments.jsonl", Judgment).replace(
        [j for i in range(5) for r in range(3) for j in judged(f"r{i}", f"a{r}", r + k / 4)]
    )
    tail = "I hope this helps." if k > 1 else "Done it is."
    texts = [
        Candidate(prompt_id=f"item-{i}", response_id="", draw=0, text=f"{i}. {tail}",
                  finish_reason="stop", tokens=1, call="") for i in range(30)
    ]  # fmt: skip
    RecordFile(place / "outputs.jsonl", Candidate).replace(texts)
    write_json(place / "metrics.json", evaluated(f"M{k}", data=data).model_dump())


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fsync", lambda fd: None)

    def made(name: str, level: float = 3.0, tail: str = "Ask me again now.") -> Path:
        folder = tmp_path / name
        for k in (1, 2, 3):
            make_evaluation(folder / f"iter_{k}" / "evaluation", k, 0.3 + k / 10)
        make_step(folder / "iter_2", 2.0, "Ask me.")
        make_step(folder / "iter_3", level, tail)
        (folder / "config.yaml").write_text(CONFIG)
        return folder

    return made


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["monitors", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_made_is_kept_and_read_again(make, capsys) -> None:
    folder = make("run")
    first = said(capsys, str(folder))
    kept = folder / "iter_3" / "monitors.json"
    before = kept.read_bytes()
    second, third = first["runs"][0]["iterations"]
    assert third == json.loads(before)
    assert third["prompts"] == {"duplicate": 1, "kept": 40}
    assert sum(third["pairs"].values()) == 41 and third["pairs"]["kept"] == 40
    metrics = third["metrics"]
    assert metrics["self_score"]["value"] == pytest.approx(3.5)
    assert metrics["self_score_change"]["value"] == pytest.approx(1.0)
    assert metrics["judge_inflation"]["value"] == pytest.approx(0.25)
    assert metrics["judge_tau"]["value"] == pytest.approx(1.0)
    assert metrics["anchored_change"]["value"] == pytest.approx(0.1)
    assert metrics["pair_yield"]["value"] == 1.0
    assert third["phrases"]["grown_phrase"]["text"] == "ask me again now"
    assert metrics["grown_phrase"]["value"] == pytest.approx(0.5)
    assert third["categories"]["list"]["n"] == 15
    assert second["phrases"]["output_phrase"]["text"] == "i hope this helps"
    assert second["metrics"]["output_phrase"]["value"] == 1.0
    assert second["metrics"]["self_score_change"]["value"] is None
    assert "iteration 2" in second["metrics"]["self_score_change"]["reason"]
    (folder / "iter_3" / "candidates.jsonl").write_text("broken")
    assert said(capsys, str(folder)) == first and kept.read_bytes() == before


def test_failed_calls_and_surplus_are_no_dropped_prompts(make, capsys) -> None:
    folder = make("run")
    file = RecordFile(folder / "iter_3" / "prompts.jsonl", Prompt)
    spare = [
        Prompt(id=f"{reason}{i}", prompt="", source="s", status="dropped", reason=reason)
        for reason in ("error", "surplus")
        for i in range(9)
    ]
    file.replace([*file.read(), *spare])
    metric = said(capsys, str(folder))["runs"][0]["iterations"][1]["metrics"]["prompts_dropped"]
    assert metric["value"] == pytest.approx(1 / 41) and (metric["n"], metric["of"]) == (41, 59)


def test_of_adaptive_draws_those_count_that_every_candidate_got(make, capsys) -> None:
    folder = make("run")
    file = RecordFile(folder / "iter_3" / "judgments.jsonl", Judgment)
    third = {"status": "unscored", "score": None, "reason": "no_score"}
    found = [j.model_copy(update=third) if j.draw == 2 else j for j in file.read()]
    file.replace([j for j in found if j.draw < 2 or j.prompt_id < "p2"])  # few get a third draw
    (folder / "config.yaml").write_text(CONFIG + "judge: {adaptive: {until: certain}}\n")
    third = said(capsys, str(folder))["runs"][0]["iterations"][1]
    assert third["unscored"] == {"n": 0, "of": 160, "reasons": {}}
    assert third["metrics"]["unscored_rate"]["of"] == 160
    assert sum(bar["n"] for bar in third["by_draw"]) == 160
    assert main(["monitors", str(folder)]) == 0
    assert "judge.adaptive: of single judgments the first ones count" in capsys.readouterr().out


def test_side_by_side_names_what_tells_two_runs_apart(make, capsys) -> None:
    one, two = make("one"), make("two", level=4.0)
    found = {(d["k"], d["monitor"]): d for d in said(capsys, str(one), str(two))["differences"]}
    assert found[3, "self_score"]["apart"] is True
    assert found[3, "self_score"]["pairs"] == [["one", "two"]]
    assert found[2, "self_score"]["apart"] is False
    assert found[3, "distinct_1"]["apart"] is None
    assert main(["monitors", str(one), str(two)]) == 0
    table = capsys.readouterr().out
    assert "tell the runs apart" in table and "win rate % by category" in table


def test_shares_are_percent_in_the_table_and_fractions_in_json(make, capsys) -> None:
    folder = make("run")
    metrics = said(capsys, str(folder))["runs"][0]["iterations"][1]["metrics"]
    assert metrics["anchored_change"]["value"] == pytest.approx(0.1)
    assert main(["monitors", str(folder)]) == 0
    table = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "anchored change % +10.0 [" in table and "win rate % M2 to M3: +10.0 [" in table
    assert "anchored change, same step % – +10.0 [" in table and " list 46.7 [" in table


def test_the_unit_is_the_anchors_and_none_where_two_runs_have_two() -> None:
    anchors = [SimpleNamespace(anchor=name) for name in ("win_rate", None, "spearman")]
    assert common_anchor(anchors[:2]) == "win_rate" and common_anchor(anchors) is None
    metric = Metric(name="anchored_change", value=0.0876, n=1, of=1, convention="")
    assert shown(metric, "win_rate") == "+8.8" and shown(metric, None) == "+0.088"
    assert shown(metric, "spearman") == "+0.09"
    assert heading("anchored_change", "win_rate") == "anchored change %"
    assert heading("anchored_change", None) == "anchored change"


def test_the_judges_of_two_iterations_are_compared_by_text_of_prompt() -> None:
    def folder(level: float, texts: int) -> EvaluationFolder:
        judgments = [
            j for i in range(4) for r in range(3) for j in judged(f"r{i}", f"a{r}", r + level * i)
        ]
        values = [
            Value(prompt_id=f"r{i}", metric="unscored_rate", num=0, cluster=f"text {i % texts}")
            for i in range(4)
        ]
        return EvaluationFolder(evaluated("M2"), values, judgments)

    spec = run_spec(load_recipe("quickstart", []).config)
    for texts, interval in ((4, True), (2, True), (1, False)):
        sides = folder(0.5, texts), folder(0.0, texts)
        found = judge_figures(*sides, spec, "self")
        assert not isinstance(found, str)
        metrics = pooled_metrics(found)
        assert metrics["judge_inflation"].value == pytest.approx(0.75)
        assert [len(set(f.cluster.tolist())) for f in found] == [texts] * 2
        assert (metrics["judge_inflation"].low is not None) == interval


@pytest.mark.parametrize(
    ("rules", "anchor"),
    [
        ("unscored_rate max, pairwise_accuracy no_regression", "pairwise_accuracy"),
        ("exact_match min, pairwise_accuracy improves", "pairwise_accuracy"),
        ("exact_match min, win_rate no_regression", "exact_match"),  # no value of a win rate
        ("unscored_rate max", "exact_match"),
        ("unscored_rate max, exact_match max, pairwise_accuracy max", None),
    ],
)
def test_the_anchor_is_what_the_gate_wants_to_rise(rules: str, anchor: str | None) -> None:
    names = ("unscored_rate", "exact_match", "pairwise_accuracy")
    metrics = {n: Metric(name=n, value=None, n=0, of=0, convention="", reason="") for n in names}
    values = [Value(prompt_id="p", metric=name, num=1, cluster="p") for name in names]
    gate = [
        Rule.model_validate(dict(zip(("metric", "rule"), rule.split(), strict=True), threshold=0))
        for rule in rules.split(", ")
    ]
    assert headline(EvaluationFolder(evaluated("M2", metrics), values), gate) == anchor


def test_a_category_of_wins_alone_is_not_sure_of_them() -> None:
    values = [
        Value(prompt_id=str(i), metric=metric, num=num, cluster=str(i), category="list")
        for metric, num in (("win_rate", 1.0), ("position_bias", -0.5))
        for i in range(5)
    ]
    folder = EvaluationFolder(values=values)
    found = pooled_metrics(by_category(folder, "win_rate"))["list"]
    assert found.low is not None and found.low < 0.6 and found.high == 1.0
    assert pooled_metrics(by_category(folder, "position_bias"))["list"].low == -0.5


def test_other_data_and_another_judge_are_null_with_a_reason(make, capsys) -> None:
    folder = make("run")
    place = folder / "iter_2" / "evaluation" / "metrics.json"
    place.write_text(place.read_text().replace('"d"', '"other"'))
    third = said(capsys, str(folder))["runs"][0]["iterations"][1]
    for name in ("judge_tau", "judge_inflation", "anchored_change", "output_phrase"):
        assert third["metrics"][name]["value"] is None
        assert "different data" in third["metrics"][name]["reason"]


def test_an_iteration_without_evaluation_is_shown_and_not_kept(make, capsys) -> None:
    folder = make("run")
    (folder / "iter_3" / "evaluation" / "metrics.json").unlink()
    assert main(["monitors", str(folder)]) == 0
    shown = capsys.readouterr()
    assert "M3 has no evaluation" in shown.err and "M3" in shown.out
    assert not (folder / "iter_3" / "monitors.json").exists()


def test_hostile_texts_do_not_reach_the_terminal(make, capsys) -> None:
    folder = make("run", tail="[red]bold\x1b[31m and more words")
    assert main(["monitors", str(folder)]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out


def test_no_run_and_no_pairs_are_one_line_each(make, capsys, tmp_path: Path) -> None:
    assert main(["monitors", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
    folder = make("run")
    for k in (2, 3):
        (folder / f"iter_{k}" / "pairs.jsonl").unlink()
    assert main(["monitors", str(folder)]) == 2
    assert "no iteration has pairs yet" in capsys.readouterr().err
    assert main(["monitors", str(folder), str(folder)]) == 2


def test_plots_need_a_known_ending_and_matplotlib(make, capsys, monkeypatch) -> None:
    folder = make("run")
    assert main(["monitors", str(folder), "--plot", "page.gif"]) == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["monitors", str(folder), "--plot", "page.png"]) == 1
    assert "srlm[plots]" in capsys.readouterr().err


def test_a_plot_is_the_same_bytes_each_time(make, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    # Two panels are enough: all of them take a second, more on a busy machine.
    few = {name: MONITORS[name] for name in ("self_score", "anchored_change")}
    monkeypatch.setattr("harness.monitor_plot.MONITORS", few)
    folder = make("_run$")
    pages = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for page in pages:
        assert main(["monitors", str(folder), "--plot", str(page)]) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert b"<svg" in pages[0].read_bytes()


def test_the_stage_measures_once_and_says_one_line(make, monkeypatch) -> None:
    folder, lines = make("run"), []
    config = load_recipe(str(folder / "config.yaml"), []).config
    display = SimpleNamespace(start=lambda *a: None, finish=lambda *a: lines.append(a))
    run = SimpleNamespace(
        folder=folder, config=config, spec=run_spec(config), display=display,
        iteration=lambda k: folder / f"iter_{k}",
    )  # fmt: skip
    first = stage.monitors(run, 3)  # type: ignore[arg-type]
    monkeypatch.setattr(stage, "measure", None)
    assert stage.monitors(run, 3) == first  # type: ignore[arg-type]
    [(title, name, facts)] = lines
    assert (title, name) == ("M3", "monitors") and facts.startswith("self-score 3.50")
