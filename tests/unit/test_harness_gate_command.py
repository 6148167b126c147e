"""srlm gate from files: each form, each exit code, and one line for what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from harness.cli import main
from results.records import Evaluated, Unscored, Value
from results.stats import ratio_metric
from results.store import RecordFile, write_json
from tests.real_data import real_data

RULES = """rules:
  - {metric: win_rate, rule: min, threshold: 0.3}
"""
PAIRED = """rules:
  - {metric: win_rate, rule: improves}
  - {metric: win_rate, rule: no_regression, threshold: 0.05}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text(RULES)
    Path("paired.yaml").write_text(PAIRED)


def shares(mean: float, seed: int = 0, n: int = 300) -> list[float]:
    return (np.random.default_rng(seed).random(n) < mean).astype(float).tolist()


def lines(name: str, values: list[float], first: int = 0) -> str:
    text = "".join(
        json.dumps({"prompt_id": f"p{i}", "value": v}) + "\n" for i, v in enumerate(values, first)
    )
    Path(name).write_text(text)
    return name


def folder(name: str, values: list[float], data: str = "d") -> str:
    records = [
        Value(prompt_id=f"p{i}", metric="win_rate", num=v, cluster=f"p{i}")
        for i, v in enumerate(values)
    ]
    RecordFile(Path(name) / "values.jsonl", Value).replace(records)
    metrics = {"win_rate": ratio_metric("win_rate", records, len(records), "")}
    write_json(
        Path(name) / "metrics.json",
        Evaluated(
            model=name, benchmark="b", identity="i", data=data, judge="j", judge_is_judged=False,
            judge_spec=None, judge_model=None, baseline=None, n=len(records), metrics=metrics,
            unscored=Unscored(),
        ).model_dump(),
    )  # fmt: skip
    return name


def annotations(name: str, values: list[float | None], model: str = "ours") -> str:
    rows = [
        {"instruction": f"p{i}", "output_1": "a", "output_2": "b", "generator_1": "base",
         "generator_2": model, "annotator": "judge", "preference": None if v is None else 1 + v}
        for i, v in enumerate(values)
    ]  # fmt: skip
    Path(name).write_bytes(gzip.compress(json.dumps(rows).encode()))
    return name


def gate(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict, str]:
    rules = [] if "--rules" in words else ["--rules", "rules.yaml"]
    code = main(["gate", *rules, *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else {}, err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code, found, err = gate(capsys, *words)
    assert code in (1, 2) and not found and err.count("\n") == 1
    return err


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("form", ["lines", "folder", "annotations"])
def test_every_form_decides_alike(capsys, form: str, sequential: bool) -> None:
    make = {"lines": lines, "folder": folder, "annotations": annotations}[form]
    more = ["--sequential", "--seed", "4"] if sequential else []
    results = {}
    for name, mean in (("good", 0.6), ("bad", 0.1)):
        path = make(name, shares(mean))
        code, found, _ = gate(capsys, "--candidate", path, *more)
        rule = found["rules"][0]
        assert (code, found["decision"]) == ((0, "promote") if name == "good" else (3, "hold"))
        assert rule["passed"] is (name == "good") and rule["of"] == 300
        assert rule["sequential"] is sequential
        assert (rule["n_used"] < 150) is sequential
        results[name] = rule
    if sequential:
        assert results["bad"]["outcome"] == "failed" and results["bad"]["high"] < 0.3
        assert "sequential" in results["bad"]["reason"]


def test_the_seed_decides_the_order_and_nothing_else_does(capsys) -> None:
    values = shares(0.4)
    one = lines("one.jsonl", values)
    backwards = Path(one).read_text().splitlines(keepends=True)[::-1]
    Path("two.jsonl").write_text("".join(backwards))
    found = [
        gate(capsys, "--candidate", name, "--sequential", "--seed", seed)[1]
        for name, seed in (("one.jsonl", "1"), ("two.jsonl", "1"), ("one.jsonl", "2"))
    ]
    assert found[0] == found[1] != found[2]


def test_the_champion_is_compared_with_prompt_by_prompt(capsys) -> None:
    before = shares(0.3)
    after = [max(a, b) for a, b in zip(before, shares(0.3, 1), strict=True)]
    ours, theirs = lines("ours", after), lines("theirs", before)
    both = ["--rules", "paired.yaml", "--candidate", ours, "--incumbent", theirs]
    code, found, _ = gate(capsys, *both, "--sequential")
    assert code == 0 and [r["outcome"] for r in found["rules"]] == ["passed", "passed"]
    assert all(r["n_used"] < 300 for r in found["rules"])
    assert gate(capsys, *both)[0] == 0
    turned = ["--rules", "paired.yaml", "--candidate", theirs, "--incumbent", ours]
    assert gate(capsys, *turned, "--sequential")[0] == gate(capsys, *turned)[0] == 3


def test_inconclusive_is_a_result_of_its_own(capsys) -> None:
    path = lines("ours", shares(0.35))
    code, found, _ = gate(capsys, "--candidate", path, "--sequential", "--at-most", "20")
    rule = found["rules"][0]
    assert code == 3 and rule["outcome"] == "inconclusive" and not rule["passed"]
    assert rule["n_used"] == 20 < rule["settles_at"] <= 300
    assert f"about {rule['settles_at']} of 300 would settle it" in rule["reason"]
    assert main(["gate", "--rules", "rules.yaml", "--candidate", path, "--sequential",
                 "--at-most", "20"]) == 3  # fmt: skip
    shown = capsys.readouterr().out
    assert "hold, sequential: 0 of 1 rules passed" in shown and "inconclusive" in shown
    assert "these prompts" in shown


def test_predictors_save_values(capsys) -> None:
    values = shares(0.4)
    path = lines("ours", values)
    lines("foretold", [0.8 * v + 0.1 for v in values][:290])  # ten prompts without a prediction
    lines("too", [0.6 * v + 0.2 for v in values])

    def used(*words: str) -> int:
        runs = [gate(capsys, "--candidate", path, "--sequential", "--seed", seed, *words)
                for seed in "01234"]  # fmt: skip
        return sum(found["rules"][0]["n_used"] for _, found, _ in runs)

    assert used("--predictor", "foretold", "--predictor", "too") < 0.8 * used()


def test_a_metrics_document_decides_by_its_interval(capsys) -> None:
    good, bad = (f"{folder(n, shares(m))}/metrics.json" for n, m in (("g", 0.7), ("b", 0.2)))
    assert gate(capsys, "--candidate", good)[0] == 0
    assert gate(capsys, "--candidate", bad)[0] == 3
    both = ["--rules", "paired.yaml", "--candidate", good, "--incumbent", bad]
    code, found, _ = gate(capsys, *both)
    assert code == 0 and "intervals of both" in found["rules"][0]["reason"]
    Path("strict.yaml").write_text("rules: [{metric: win_rate, rule: min, threshold: 0.3, "
                                   "alpha: 0.01}]")  # fmt: skip
    code, found, _ = gate(capsys, "--rules", "strict.yaml", "--candidate", good)
    assert code == 3 and found["rules"][0]["value"] is None
    assert "alpha 0.01 asks for 0.99" in found["rules"][0]["reason"]
    Path("bare.json").write_text('{"metrics": {"win_rate": 0.9}}')
    code, found, _ = gate(capsys, "--candidate", "bare.json")
    assert code == 3 and "has no interval in bare.json" in found["rules"][0]["reason"]
    Path("rows.json").write_text(json.dumps({"rows": [json.loads(Path(good).read_text())]}))
    assert gate(capsys, "--candidate", "rows.json")[0] == 0
    assert "has no values per prompt" in refused(capsys, "--candidate", good, "--sequential")


def test_what_cannot_be_read_one_by_one_is_read_in_full(capsys) -> None:
    Path("length.yaml").write_text("rules: [{metric: win_rate, rule: max, threshold: 90}]")
    path = folder("long", [40.0, 60.0] * 50)
    code, found, _ = gate(capsys, "--rules", "length.yaml", "--candidate", path, "--sequential")
    rule = found["rules"][0]
    assert code == 0 and not rule["sequential"] and rule["n_used"] == rule["of"] == 100
    assert rule["reason"].endswith("read in full: its values do not lie in 0..1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"prompt_id": "a", "value": 1.5}\n', "bad:1: value: found 1.5, expected a number from 0"),
        ('{"prompt_id": "a", "value": NaN}\n', "bad:1: value: found nan"),
        ('{"prompt_id": "a", "value": true}\n', "bad:1: value: found True"),
        ('{"prompt_id": "a", "value": 1}\n{"prompt_id": "a", "value": 0}\n', "'a' has two values"),
        ('{"prompt_id": "a", "valeu": 1}\n', "bad:1: unknown key 'valeu'; did you mean 'value'?"),
        ('{"prompt_id": "a"}\n', "bad:1: no 'value'"),
        ('{"prompt_id": ["a"], "value": 1}\n', "bad:1: prompt_id: found ['a'], expected text"),
        ('{"prompt_id": "a", "value": 1}\n{"prompt', "bad:2: found"),
        ("", "bad: the file is empty"),
        ("hello\n", "bad:1: not JSON"),
        ("[]", "bad: found an empty list"),
        ('{"metrics": {}}', "bad: found no 'metrics' in it"),
        ('{"metrics": {"win_rate": {"value": "x"}}}', "bad: metrics.win_rate.value: Input"),
        ('{"metrics": {"win_rat": 0.5}}', "rule 1 is about 'win_rate', which is not in it; did you "
         "mean 'win_rat'?"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(capsys, text: str, said: str) -> None:
    Path("bad").write_text(text)
    assert said in refused(capsys, "--candidate", "bad")


def test_what_does_not_fit_is_one_line(capsys) -> None:
    ours = lines("ours", shares(0.5))
    assert "no such file" in refused(capsys, "--candidate", "nowhere")
    paired = ["--rules", "paired.yaml", "--candidate", ours]
    assert "give --incumbent FILE" in refused(capsys, *paired)
    other = lines("other", shares(0.5), first=1000)
    assert "none of its 300 prompts is among" in refused(capsys, *paired, "--incumbent", other)
    assert "are for --sequential" in refused(capsys, "--candidate", ours, "--predictor", ours)
    assert "predicts none of the 300 prompts" in refused(
        capsys, "--candidate", ours, "--sequential", "--predictor", other
    )
    assert "expected a number from 1" in refused(
        capsys, "--candidate", ours, "--sequential", "--at-most", "0"
    )
    Path("two.yaml").write_text("rules: [{metric: a, rule: max, threshold: 1}, "
                                "{metric: b, rule: max, threshold: 1}]")  # fmt: skip
    assert "the rules are about 2 metrics" in refused(
        capsys, "--rules", "two.yaml", "--candidate", ours
    )
    Path("iter_1").mkdir()
    folder("iter_1/evaluation", shares(0.5))
    assert "give iter_1/evaluation" in refused(capsys, "--candidate", "iter_1")
    d, e = folder("d", shares(0.5)), folder("e", shares(0.5), data="another")
    assert "data is 'another', of the candidate 'd'" in refused(
        capsys, "--rules", "paired.yaml", "--candidate", d, "--incumbent", e
    )
    rows = annotations("rows", [None, None])
    assert "none of its 2 rows has a preference" in refused(capsys, "--candidate", rows)
    Path("wrong.yaml").write_text("rules: [{metric: win_rate, rule: min, treshold: 0.3}]")
    assert "did you mean 'threshold'?" in refused(
        capsys, "--rules", "wrong.yaml", "--candidate", ours
    )


def test_prompts_without_a_champions_value_are_left_out_and_said(capsys) -> None:
    ours, theirs = lines("ours", shares(0.9)), lines("theirs", shares(0.1)[:250])
    _, found, _ = gate(capsys, "--rules", "paired.yaml", "--candidate", ours,
                       "--incumbent", theirs, "--sequential")  # fmt: skip
    rule = found["rules"][0]
    assert rule["of"] == 250
    assert "50 prompts without a value of the champion left out" in rule["reason"]


def test_reports_name_the_model_and_not_its_folder(capsys, tmp_path: Path) -> None:
    def named(path: str) -> tuple[str, str | None]:
        gate(capsys, "--candidate", path, "--junit", "gate.xml", "--summary", "gate.md")
        case = ET.parse("gate.xml").getroot().find(".//testcase")
        assert case is not None
        return Path("gate.md").read_text().split(" promoted")[0], case.get("classname")

    made = Path(folder("run/iter_3/evaluation", shares(0.6)))
    told = made / "metrics.json"
    told.write_text(json.dumps({**json.loads(told.read_text()), "model": "M3"}))
    assert named(str(made)) == named(str(told)) == ("### Gate: M3", "srlm gate M3")
    nightly = tmp_path / "nightly"
    nightly.mkdir()
    ours = lines(str(nightly / "ours.jsonl"), shares(0.6))
    assert named(ours)[1] == "srlm gate nightly/ours.jsonl"
    assert named(lines("ours.jsonl", shares(0.6)))[1] == "srlm gate ours.jsonl"


def test_published_annotations(capsys) -> None:
    data = real_data("alpaca_eval", "annotations")
    file = data / "claude-2.1__weighted_alpaca_eval_gpt4_turbo.json.gz"
    code, found, _ = gate(capsys, "--candidate", str(file), "--sequential", "--seed", "1")
    assert (code, found["rules"][0]["outcome"]) == (3, "failed")  # 15.7 % of 805
    assert found["rules"][0]["n_used"] < 200
