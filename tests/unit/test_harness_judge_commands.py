"""srlm judge as a user meets it: documents, exit codes, resuming, refusals. A server stands in for
the paid judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests.fake_server import FakeServer, last_text

KEY = "sk-a-secret-of-the-user"
TOP = {"judge", "judge_spec", "model", "data", "data_format", "data_sha256", "kind", "n", "of",
       "scale", "metrics", "unscored", "diagnosis", "human_agreement", "annotator_test", "fitness",
       "notes"}  # fmt: skip
METRIC = {"name", "value", "low", "high", "confidence", "n", "of", "convention", "reason"}
FIVE = {"pairwise_accuracy", "pairwise_accuracy_half_ties", "five_best", "exact_match", "spearman",
        "kendall_tau"}  # fmt: skip
PAIRWISE = {"accuracy", "accuracy_scored_only", "consistency", "agreement", "cohen_kappa",
            "position_bias", "macro_precision", "macro_recall", "macro_f1"}  # fmt: skip


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def ranked(path: Path, prompts: int = 40, **more: Any) -> Path:
    """Two responses each; the better one says quality 4, the other quality 2."""
    return write(path, *(
        {"id": f"p{i}", "prompt": f"Question {i}?", **more, "responses": [
            {"id": "good", "text": f"answer {i} of quality 4", "rank": 0},
            {"id": "bad", "text": f"answer {i} of quality 2", "rank": 1},
        ]} for i in range(prompts)
    ))  # fmt: skip


def labelled(path: Path, pairs: int = 40) -> Path:
    return write(path, *(
        {"id": f"p{i}", "prompt": f"Question {i}?", "label": ["first", "second"][i % 2],
         "first": f"answer {i} of quality {4 - 2 * (i % 2)}",
         "second": f"answer {i} of quality {2 + 2 * (i % 2)}"}
        for i in range(pairs)
    ))  # fmt: skip


def qualities(body: dict[str, Any]) -> list[int]:
    return [int(found) for found in re.findall(r"quality (\d)", last_text(body))]


def fair(body: dict[str, Any]) -> str:
    """Sees what is there, whatever the judge's form."""
    seen = qualities(body)
    if len(seen) > 1:
        return f"Reasons.\nVerdict: {'A' if seen[0] > seen[1] else 'B'}"
    return f"Reasons.\nScore: {seen[0]}"


def unfair(body: dict[str, Any]) -> str:
    return f"Reasons.\nScore: {5 - qualities(body)[0]}"


class Judging:
    """``srlm judge`` on a server, and what came of it."""

    def __init__(self, folder: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]):
        self.folder, self.server, self.capsys = folder, server, capsys
        self.data = ranked(folder / "ranked.jsonl")
        self.out = folder / "out"
        self.err = ""

    def __call__(self, *words: object) -> tuple[int, str]:
        """Exit code and stdout; argparse's refusals count as the exit code that they are."""
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = int(str(end.code))
        out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err and "did not foresee" not in self.err
        return code, out

    def validate(self, *words: object, judge: object = "additive5", data: Path | None = None,
                 out: Path | None = None, draws: int | None = 1) -> tuple[int, str]:  # fmt: skip
        settings = [] if draws is None else [f"judge.draws={draws}"]
        return self(
            "judge", "validate", "--judge", judge, "--model", "openai:m",
            "--data", data or self.data, "--out", out or self.out,
            f"engine.base_url={self.server.url}", *settings, *words,
        )  # fmt: skip

    def document(self, *words: object, code: int = 0, **more: Any) -> dict[str, Any]:
        """The one JSON document of a validation that must end with ``code``."""
        got, out = self.validate("--json", *words, **more)
        assert got == code, self.err
        return document(out)

    def agreement(self, judgments: Path, data: Path, *words: object) -> dict[str, Any]:
        code, out = self("judge", "agreement", "--judgments", judgments, "--data", data, "--json",
                         *words)  # fmt: skip
        assert code == 0, self.err
        return document(out)

    def refused(self, *words: object, code: int = 2, **more: Any) -> str:
        """The one line of a refused validation, which leaves no folder."""
        got, out = self.validate(*words, **more)
        assert (got, out) == (code, ""), self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def document(out: str) -> dict[str, Any]:
    """stdout as one JSON document without NaN."""

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} in the document")

    found: dict[str, Any] = json.loads(out, parse_constant=no_constant)
    return found


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def judging(
    tmp_path: Path, running: FakeServer, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Judging:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda fd: None)  # durability is tested with the store
    running.reply, running.fault, running.key = fair, lambda body, attempt: None, KEY
    running.bodies.clear()
    running.answered.clear()
    running._seen.clear()
    return Judging(tmp_path, running, capsys)


def check_metrics(found: dict[str, Any], names: set[str]) -> None:
    assert names <= found["metrics"].keys()
    parts = [found["metrics"], *(found[key] for key in ("human_agreement",) if found[key])]
    if found["diagnosis"]:
        parts += [found["diagnosis"]["metrics"], found["diagnosis"]["categories"]]
    for part in parts:
        for metric in part.values():
            assert metric.keys() == METRIC
            assert metric["convention"] and 0 <= metric["n"] <= metric["of"]
            assert (metric["value"] is not None) or metric["reason"]
            if metric["low"] is not None:
                assert metric["low"] <= metric["value"] <= metric["high"]


# What it prints.


def test_a_fit_judge_ends_with_0_and_one_document(judging: Judging) -> None:
    found = judging.document()
    assert found.keys() == TOP
    assert (found["judge"], found["model"], found["data"]) == (
        "additive5", "openai:m", "ranked.jsonl"
    )  # fmt: skip
    assert (found["kind"], found["n"], found["of"], found["scale"]) == ("ranked", 40, 40, [0, 5])
    check_metrics(found, FIVE)
    assert found["metrics"]["pairwise_accuracy"]["value"] == 1.0
    assert found["metrics"]["five_best"]["value"] is None
    assert found["unscored"] == {"n": 0, "of": 80, "reasons": {}}
    assert found["fitness"]["fit"] is True
    assert "kept in" in judging.err and "80" in judging.err
    assert json.loads((judging.out / "metrics.json").read_text()) == found


def test_one_that_is_not_fit_ends_with_3_and_the_same_form(judging: Judging) -> None:
    judging.server.reply = unfair
    found = judging.document(code=3)
    assert found.keys() == TOP and found["metrics"]["pairwise_accuracy"]["value"] == 0.0
    assert found["fitness"]["fit"] is False and found["fitness"]["advice"]
    code, table = judging.validate()
    assert code == 3 and "not fit to judge" in table and "try: " in table
    assert len(judging.server.bodies) == 80


def test_too_many_unscored_end_with_4_and_the_same_form(judging: Judging) -> None:
    judging.server.reply = lambda body: "I would rather not." if len(last_text(body)) % 2 else "Hm"
    found = judging.document(code=4)
    assert found.keys() == TOP
    check_metrics(found, FIVE)
    assert found["unscored"]["n"] == found["unscored"]["of"] == 80
    assert sum(found["unscored"]["reasons"].values()) == 80
    assert found["metrics"]["pairwise_accuracy"]["value"] is None
    assert "80 of 80 judgments are unscored" in judging.err
    judging.server.bodies.clear()
    code, _ = judging.validate()
    assert code == 4 and not judging.server.bodies  # not at a second look either


def test_a_bound_for_unscored_of_the_users_own(judging: Judging) -> None:
    judging.server.reply = lambda body: "Hm" if "answer 1 " in last_text(body) else fair(body)
    assert judging.validate()[0] == 0
    assert judging.validate("judge.max_unscored=0.01", out=judging.folder / "strict")[0] == 4


def test_a_pairwise_judge_on_labelled_pairs(judging: Judging) -> None:
    found = judging.document(judge="pairwise", data=labelled(judging.folder / "pairs.jsonl"))
    assert found.keys() == TOP and found["kind"] == "pairwise" and found["diagnosis"] is None
    check_metrics(found, PAIRWISE)
    assert found["metrics"]["accuracy"]["value"] == 1.0 == found["metrics"]["consistency"]["value"]
    assert found["metrics"]["position_bias"]["value"] == 0.0
    assert found["unscored"]["of"] == len(judging.server.bodies) == 80


def test_a_pairwise_judge_on_ranked_data(judging: Judging) -> None:
    found = judging.document(judge="pairwise")
    assert found["kind"] == "pairwise" and found["metrics"]["accuracy"]["value"] == 1.0
    assert any("every two ranked responses" in note for note in found["notes"])
    stored = judging.agreement(judging.out / "judgments.jsonl", judging.data)
    assert stored["metrics"] == found["metrics"] and stored["unscored"] == found["unscored"]


def test_a_pointwise_judge_on_labelled_pairs(judging: Judging) -> None:
    data = labelled(judging.folder / "pairs.jsonl")
    found = judging.document(data=data)
    assert found["kind"] == "ranked" and found["metrics"]["pairwise_accuracy"]["value"] == 1.0
    assert any("majority's label ranks the two" in note for note in found["notes"])
    stored = judging.agreement(judging.out / "judgments.jsonl", data)
    assert stored["metrics"] == found["metrics"] and stored["diagnosis"] == found["diagnosis"]


@pytest.mark.parametrize(("orders", "per_pair"), [("random", 1), ("AB", 1), ("both", 2)])
def test_orders(judging: Judging, orders: str, per_pair: int) -> None:
    data = labelled(judging.folder / "pairs.jsonl")
    found = judging.document(f"judge.orders={orders}", judge="pairwise", data=data)
    rows = [json.loads(x) for x in (judging.out / "judgments.jsonl").read_text().splitlines()]
    count = {order: sum(row["order"] == order for row in rows) for order in ("AB", "BA")}
    assert len(rows) == 40 * per_pair == len(judging.server.bodies)
    assert found["metrics"]["accuracy"]["value"] == 1.0
    if orders == "random":
        assert 5 < count["BA"] < 35
        assert found["metrics"]["consistency"]["value"] is None
    else:
        assert count == {"AB": 40, "BA": 40 * (per_pair - 1)}


def test_what_others_wrote_never_reaches_the_terminal_raw(judging: Judging) -> None:
    bad = "\x1b[31mred\x1b]0;title\x07\u202e[bold]x[/bold][/]"
    data = write(judging.folder / "bad.jsonl", *(
        {"id": f"{bad}{i}", "prompt": bad, "category": bad, "responses": [
            {"id": f"a{bad}", "text": f"{bad} quality 2", "rank": 0},
            {"id": f"b{bad}", "text": f"{bad} quality 4", "rank": 1},
            {"id": f"b{bad}", "text": "twice", "rank": 1},
        ]} for i in range(3)
    ))  # fmt: skip
    judging.server.reply = lambda body: f"{bad}\n{fair(body)}"
    code, table = judging.validate(data=data)
    assert code == 3
    _, plan = judging.validate("--plan", data=data, out=judging.folder / "b")
    judgments = write(
        judging.folder / "j.jsonl",
        {"prompt_id": f"{bad}0", "response_id": f"a{bad}", "score": bad, "reason": bad},
        {"prompt_id": f"{bad}0", "response_id": f"a{bad}", "score": None, "reason": bad},
        {"prompt_id": bad, "response_id": bad, "score": 1},
    )
    words = ("judge", "agreement", "--judgments", judgments, "--data", data)
    code, stored = judging(*words)
    assert code == 0 and "[bold]" in stored
    _, compared = judging("judge", "compare", judging.out, judging.out)
    for text in (table, plan, stored, compared, judging.err):
        assert not set("\x1b\x07\u202e") & set(text)
    assert "[bold]" in table and "[bold]" in plan  # markup is shown as the text that it is


# Going on, and what is refused.


def test_the_same_command_again_calls_nothing_and_says_the_same(judging: Judging) -> None:
    first = judging.document()
    files = {p.name: p.read_bytes() for p in judging.out.iterdir() if p.is_file()}
    assert judging.document() == first
    assert len(judging.server.bodies) == 80 and set(judging.server.answered.values()) == {1}
    assert {p.name: p.read_bytes() for p in judging.out.iterdir() if p.is_file()} == files


def test_a_budget_stops_and_more_of_it_goes_on(judging: Judging) -> None:
    line = judging.refused("budget.max_calls=30", "engine.max_concurrency=4", code=3)
    assert "budget.max_calls: 30 calls are made and 50 more" in line
    assert len(judging.server.bodies) == 30 and not (judging.out / "metrics.json").exists()
    found = judging.document("budget.max_calls=80", "engine.max_concurrency=4")
    assert len(judging.server.bodies) == 80 and set(judging.server.answered.values()) == {1}
    whole = judging.document("engine.max_concurrency=4", out=judging.folder / "whole")
    assert whole == found
    part, all_at_once = (
        (folder / "judgments.jsonl").read_bytes()
        for folder in (judging.out, judging.folder / "whole")
    )
    assert part == all_at_once


def test_interrupted_between_calls_nothing_is_called_twice(judging: Judging) -> None:
    import backends.engines.caller as caller

    kept = caller.Caller._keep
    calls = 0

    def stops(self: Any, done: Any, requests: Any, config: Any) -> None:
        nonlocal calls
        kept(self, done, requests, config)
        calls += len(done)
        if calls > 25:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caller.Caller, "_keep", stops)
        code, out = judging.validate("engine.max_concurrency=2", "--json")
        assert (code, out) == (130, "")
    before = len(judging.server.bodies)
    assert 25 < before < 80
    judging.document("engine.max_concurrency=2")
    assert set(judging.server.answered.values()) == {1} and len(judging.server.answered) == 80


def test_failed_calls_are_made_again_by_the_same_command_and_only_they(judging: Judging) -> None:
    def fault(body: dict[str, Any], attempt: int) -> str | None:
        return "400" if "answer 7 " in last_text(body) else None

    judging.server.fault = fault
    judging.server.reply = lambda body: "Hm" if "answer 9 " in last_text(body) else fair(body)
    found = judging.document()
    assert found["unscored"] == {"n": 4, "of": 80, "reasons": {"error": 2, "no_score": 2}}
    judging.server.fault = lambda body, attempt: None
    judging.server.bodies.clear()
    again = judging.document()
    assert "2 calls that failed are made again" in judging.err
    assert len(judging.server.bodies) == 2
    assert all("answer 7 " in last_text(body) for body in judging.server.bodies)
    assert again["unscored"] == {"n": 2, "of": 80, "reasons": {"no_score": 2}}
    judging.document()
    assert len(judging.server.bodies) == 2


def test_another_budget_criterion_or_convention_goes_on(judging: Judging) -> None:
    judging.server.reply = lambda body: "Hm" if "answer 1 " in last_text(body) else fair(body)
    first = judging.document()
    more = judging.document("--unscored", "wrong", "budget.max_calls=500", "fit.max_unscored=0.01",
                            code=3)  # fmt: skip
    assert len(judging.server.bodies) == 80
    accuracy = [found["metrics"]["pairwise_accuracy"] for found in (first, more)]
    assert [(m["value"], m["n"], m["of"]) for m in accuracy] == [(1.0, 39, 40), (0.975, 40, 40)]
    assert "unscored = wrong" in accuracy[1]["convention"]


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["judge.draws=2"], "judge.draws: 1 -> 2"),
        (["--seed", "1"], "seed: 0 -> 1"),
        (["--limit", "5"], "limit: null -> 5"),
        (["--held-out", "0.5"], "held_out: 1 -> 0.5"),
        (["--language", "all"], 'language: "en" -> null'),
        (["--all-turns"], "first_turn: true -> false"),
        (["judge.max_unscored=0.1"], "judge.max_unscored: 0.5 -> 0.1"),
    ],
)
def test_a_folder_is_of_one_validation(judging: Judging, words: list[str], differs: str) -> None:
    judging.document()
    line = judging.refused(*words)
    assert "another configuration" in line and differs in line
    assert len(judging.server.bodies) == 80


def test_a_folder_is_of_one_judge_one_model_and_one_file(judging: Judging) -> None:
    judging.document()
    assert 'spec: "additive5" -> "additive5_short"' in judging.refused(judge="additive5_short")
    other = judging.folder / "other"
    other.mkdir()
    line = judging.refused(data=ranked(other / "ranked.jsonl", 41))
    assert "not what this run began with: data" in line
    line = judging.refused("engine.extra_body={min_p: 0.1}")
    assert "engine.extra_body" in line


def test_the_default_folder_has_a_name_for_each_validation(judging: Judging) -> None:
    words = ["judge", "validate", "--judge", "additive5", "--model", "openai:m", "--data",
             judging.data, f"engine.base_url={judging.server.url}", "judge.draws=1"]  # fmt: skip
    for more in ([], ["--limit", 5], ["budget.max_calls=90"], ["--unscored", "tie"]):
        assert judging(*words, *more)[0] in (0, 3)
    folders = sorted(p.name for p in (judging.folder / "runs").iterdir())
    assert len(folders) == 2 and all(name.startswith("validate-additive5-") for name in folders)
    assert len(judging.server.bodies) == 80 + 10


def test_the_plan_calls_nothing_and_counts_what_the_run_then_asks(judging: Judging) -> None:
    for judge, data, more in (
        ("additive5", judging.data, ["--limit", 7]),
        ("pairwise", labelled(judging.folder / "pairs.jsonl"), ["--limit", 7]),
        # Twins are one call: what is asked twice is answered once.
        ("choice5", write(judging.folder / "twins.jsonl", *(
            {"id": name, "prompt": "Same?", "responses": [
                {"id": "a", "text": "quality 4", "rank": 0},
                {"id": "b", "text": "quality 2", "rank": 1},
            ]} for name in ("x", "y")
        )), []),
    ):  # fmt: skip
        judging.server.bodies.clear()
        out = judging.folder / f"planned-{judge}"
        words: dict[str, Any] = {"judge": judge, "data": data, "out": out, "draws": 2}
        code, text = judging.validate("--plan", "--json", *more, **words)
        assert code == 0 and not out.exists() and not judging.server.bodies
        plan = document(text)
        (step,) = plan["steps"]
        assert step["calls"] == plan["total"]["calls"] > 0
        assert plan["prompts"]["judgments"]
        code, shown = judging.validate("--plan", *more, **words)
        assert code == 0 and not judging.server.bodies and f"{step['calls']}" in shown
        assert judging.validate(*more, **words)[0] in (0, 3, 4)
        assert len(judging.server.bodies) == step["calls"]


def test_the_key_is_in_no_file_and_in_no_output(judging: Judging) -> None:
    code, out = judging.validate("--json")
    said = out + judging.err
    judging.server.key = "sk-another"
    code, out = judging.validate(out=judging.folder / "refused")
    assert code not in (0, 3)
    said += out + judging.err
    assert KEY not in said
    files = [p for p in judging.folder.rglob("*") if p.is_file()]
    assert len(files) > 5
    assert not [p for p in files if KEY.encode() in p.read_bytes()]


def test_a_reference_that_the_data_do_not_have(judging: Judging) -> None:
    line = judging.refused(judge="reference5")
    assert "shows a reference answer, and 40 of 40 prompts have none" in line
    assert not judging.out.exists() and not judging.server.bodies
    assert "have none" in judging.refused("--plan", judge="reference5")
    data = ranked(judging.folder / "with.jsonl", reference="The reference.")
    found = judging.document(judge="reference5", data=data)
    assert found["metrics"]["pairwise_accuracy"]["value"] == 1.0
    assert all("The reference." in last_text(body) for body in judging.server.bodies)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["judge.drws=2"], "unknown key 'judge.drws'; did you mean 'draws'?"),
        (["judeg.draws=2"], "unknown key 'judeg'; did you mean 'judge'?"),
        (["engine.max_concurency=2"], "did you mean 'max_concurrency'?"),
        (["fit.min_acuracy=0.6"], "did you mean 'min_accuracy'?"),
        (["budget.max_call=6"], "did you mean 'max_calls'?"),
        (["judge.draws=0"], "judge.draws: Input should be greater than or equal to 1"),
        (["judge.draws=many"], "judge.draws: "),
        (["judge.orders=random"], "judge 'additive5' is pointwise; leave it out"),
        (["judge.orders=BA"], "judge.orders: "),
        (["fit.min_accuracy=2"], "fit.min_accuracy: "),
        (["fit.min_accuracy=.nan"], "fit.min_accuracy: "),
        (["judge=3"], "judge: "),
        (["engine.max_concurrency=0"], "max_concurrency: "),
        (["budget.max_cost=1"], "budget.max_cost: no price is known for openai:m"),
        (["--format", "rankd"], "did you mean 'ranked'?"),
        (["--judge", "additiv5"], "did you mean 'additive5'?"),
        (["--judge", "./none.yaml"], "no such file"),
        (["--model", "m"], "--model 'm': expected engine:name"),
        (["--model", "opnai:m"], "unknown engine 'opnai'; did you mean 'openai'?"),
        (["--model", "openai:"], "--model 'openai:': expected engine:name"),
        (["--data", "none.jsonl"], "none.jsonl: no such file"),
        (["--held-out", "0"], "no prompt is left of 40"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused_in_one_line(
    judging: Judging, words: list[str], message: str
) -> None:
    assert message in judging.refused(*words)
    assert not judging.out.exists() and not judging.server.bodies


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--limit", "0"], "--limit: found '0', expected a whole number of at least 1"),
        (["--limit", "-3"], "--limit"),
        (["--held-out", "2"], "--held-out: found '2', expected a number from 0 to 1"),
        (["--held-out", "nan"], "--held-out"),
        (["--epsilon", "1.5"], "--epsilon"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "4294967296"], "--seed"),
        (["--unscored", "half"], "--unscored"),
        (["--annotators", "all"], "--annotators"),
        (["nonsense"], "override 'nonsense': expected key.sub=value"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_options_end_with_2(judging: Judging, words: list[str], message: str) -> None:
    code, out = judging.validate(*words)
    assert (code, out) == (2, "") and message in judging.err
    assert not judging.out.exists()


def test_odd_data_are_used_as_far_as_they_go(judging: Judging) -> None:
    rows = judging.data.read_text().splitlines()
    lone = {"id": "lone", "prompt": "One?", "responses": [{"id": "a", "text": "x", "rank": 0}]}
    data = write(judging.folder / "odd.jsonl", *rows, json.dumps(lone), rows[0])
    found = judging.document(data=data)
    assert (found["n"], found["of"]) == (40, 42)
    assert any("odd.jsonl:41: fewer than two responses" in note for note in found["notes"])
    assert any("odd.jsonl:42: prompt id is there already" in note for note in found["notes"])
    broken = write(judging.folder / "broken.jsonl", *rows[:3], '{"id": "cut')
    assert "broken.jsonl:4: found" in judging.refused(data=broken, code=1, out=judging.folder / "b")


def test_a_share_is_held_out_by_text(judging: Judging) -> None:
    found = judging.document("--held-out", "0.5", "fit.min_prompts=2")
    assert 8 < found["n"] < 32 and found["of"] == 40
    assert len(judging.server.bodies) == 2 * found["n"]


# Stored judgments: the figures by hand.

RANKED = [("p1", "abc"), ("p2", "ab"), ("p3", "ab"), ("p4", "ab")]
# p1: a before b, c unscored. p2: reversed. p3: tied. p4: b was never judged.
SCORES = [("p1", "a", 5), ("p1", "b", 3), ("p1", "c", None), ("p2", "a", 2), ("p2", "b", 4),
          ("p3", "a", 3), ("p3", "b", 3), ("p4", "a", 5)]  # fmt: skip


@pytest.mark.parametrize(
    ("unscored", "strict", "half", "pairs", "match"),
    [
        (None, 1 / 3, 1.5 / 3, 3, (1 / 3, 3)),
        ("drop", 1 / 3, 1.5 / 3, 3, (1 / 3, 3)),
        ("wrong", 1 / 6, 1.5 / 6, 6, (0.0, 4)),
        ("tie", 1 / 6, 3 / 6, 6, (0.0, 4)),
    ],
)
def test_ranked_conventions_by_hand(
    judging: Judging, unscored: str | None, strict: float, half: float, pairs: int,
    match: tuple[float, int],
) -> None:  # fmt: skip
    data = write(judging.folder / "r.jsonl", *(
        {"id": p, "prompt": f"{p}?", "responses": [
            {"id": r, "text": f"text {r}", "rank": rank} for rank, r in enumerate(responses)
        ]} for p, responses in RANKED
    ))  # fmt: skip
    file = write(judging.folder / "j.jsonl", *(
        {"prompt_id": p, "response_id": r, "score": score, "reason": "odd"}
        for p, r, score in SCORES
    ))  # fmt: skip
    found = judging.agreement(file, data, *(["--unscored", unscored] if unscored else []))
    assert found.keys() == TOP and found["model"] is None and found["judge"] == "j.jsonl"
    check_metrics(found, FIVE)
    got = {name: (m["value"], m["n"], m["of"]) for name, m in found["metrics"].items()}
    assert got["pairwise_accuracy"] == (pytest.approx(strict), pairs, 6)
    assert got["pairwise_accuracy_half_ties"] == (pytest.approx(half), pairs, 6)
    assert got["exact_match"] == (pytest.approx(match[0]), match[1], 4)
    assert got["five_best"] == (1.0, 2, 4)
    assert got["spearman"] == got["kendall_tau"] == (0.0, 2, 4)
    assert found["unscored"] == {"n": 1, "of": 8, "reasons": {"odd": 1}}
    assert not judging.server.bodies


LABELS = {"x": ["first", "first", "second"], "y": ["second"], "z": ["tie"],
          "w": ["first", "second"], "u": ["tie"]}  # fmt: skip
VERDICTS = {"x": ("first", "first"), "y": ("second", None), "z": ("tie", "first"),
            "w": ("first", "second"), "u": (None, None)}  # fmt: skip


@pytest.mark.parametrize(
    ("unscored", "annotators", "accuracy", "consistency"),
    [
        (None, None, (4 / 8, 8, 8), (1 / 5, 5)),
        ("wrong", "each", (4 / 8, 8, 8), (1 / 5, 5)),
        ("drop", "each", (4.5 / 7, 7, 8), (1 / 3, 3)),
        ("tie", "each", (5 / 8, 8, 8), (2 / 5, 5)),
        ("wrong", "majority", (2 / 4, 4, 5), (1 / 5, 5)),
        ("drop", "majority", (2.5 / 3, 3, 5), (1 / 3, 3)),
        ("tie", "majority", (3 / 4, 4, 5), (2 / 5, 5)),
    ],
)
def test_pairwise_conventions_by_hand(
    judging: Judging, unscored: str | None, annotators: str | None,
    accuracy: tuple[float, int, int], consistency: tuple[float, int],
) -> None:  # fmt: skip
    data = write(judging.folder / "l.jsonl", *(
        {"id": p, "prompt": f"{p}?", "first": "one", "second": "two", "label": label,
         "annotator": f"person {k}"}
        for p, labels in LABELS.items() for k, label in enumerate(labels)
    ))  # fmt: skip
    file = write(judging.folder / "j.jsonl", *(
        {"prompt_id": p, "order": order, "status": "scored" if said else "unscored",
         "verdict": said, "text": ""}
        for p, both in VERDICTS.items() for order, said in zip(("AB", "BA"), both, strict=True)
    ))  # fmt: skip
    words = [*(["--unscored", unscored] if unscored else []),
             *(["--annotators", annotators] if annotators else [])]  # fmt: skip
    found = judging.agreement(file, data, *words)
    check_metrics(found, PAIRWISE)
    got = {name: (m["value"], m["n"], m["of"]) for name, m in found["metrics"].items()}
    assert got["accuracy"] == (pytest.approx(accuracy[0]), *accuracy[1:])
    assert got["consistency"] == (pytest.approx(consistency[0]), consistency[1], 5)
    if annotators != "majority":
        assert got["accuracy_scored_only"] == (pytest.approx(8 / 13), 13, 16)
    assert got["position_bias"] == (0.0, 6, 10)
    assert found["unscored"] == {"n": 3, "of": 10, "reasons": {"not_said": 3}}
    # x has three pairs of labels, of which one agrees; w has one that does not.
    assert found["human_agreement"]["human_agreement"]["value"] == 1 / 4
    assert found["annotator_test"]["omega"] is None and found["annotator_test"]["of"] == 3


def test_other_scales(judging: Judging) -> None:
    judging.document()
    file = judging.out / "judgments.jsonl"
    found = judging.agreement(file, judging.data, "--scale", "1,4")
    assert found["scale"] == [1, 4] and found["metrics"]["five_best"]["value"] == 1.0
    found = judging.agreement(file, judging.data, "--scale", "3,9")
    assert found["unscored"] == {"n": 40, "of": 80, "reasons": {"out_of_range": 40}}
    assert any("off the scale 3 to 9 (--scale)" in note for note in found["notes"])


@pytest.mark.parametrize("scale", ["5,0", "5", "0,5,9", "0;5", "a,b", "3,3", ""])
def test_scales_that_are_none(judging: Judging, scale: str) -> None:
    file = write(judging.folder / "j.jsonl", {"prompt_id": "p0", "response_id": "good", "score": 1})
    words = ("judge", "agreement", "--judgments", file, "--data", judging.data)
    code, out = judging(*words, "--scale", scale)
    assert (code, out) == (2, "") and "expected LOW" in judging.err


@pytest.mark.parametrize("words", [["--unscored", "half"], ["--limit", "0"]])
def test_wrong_options_of_stored_files(judging: Judging, words: list[str]) -> None:
    code, out = judging("judge", "agreement", "--judgments", "j", "--data", judging.data, *words)
    assert (code, out) == (2, "") and words[0] in judging.err


def test_judgments_of_the_other_kind(judging: Judging) -> None:
    pairs = labelled(judging.folder / "pairs.jsonl")
    points = write(judging.folder / "points.jsonl",
                   {"prompt_id": "p0", "response_id": "good", "score": 1})  # fmt: skip
    verdicts = write(judging.folder / "verdicts.jsonl",
                     {"prompt_id": "p0", "order": "AB", "verdict": "first"})  # fmt: skip
    for file, data in ((points, pairs), (verdicts, judging.data)):
        found = judging.agreement(file, data)
        assert found["unscored"]["of"] == 0
        assert all(m["value"] is None for m in found["metrics"].values())
        assert any("the data do not have, left out" in note for note in found["notes"])


def test_stored_files_end_with_0_however_bad_the_judge(judging: Judging) -> None:
    file = write(judging.folder / "j.jsonl", *(
        {"prompt_id": f"p{i}", "response_id": "bad", "score": None} for i in range(40)
    ))  # fmt: skip
    found = judging.agreement(file, judging.data)
    assert found["fitness"]["fit"] is False and found["unscored"]["n"] == 40
    code, out = judging("judge", "agreement", "--judgments", file, "--data", judging.data)
    assert code == 0 and "40 of 40 judgments unscored" in out
    code, out = judging("judge", "agreement", "--judgments", "none.jsonl", "--data", judging.data)
    assert (code, out) == (2, "") and "none.jsonl: no such file" in judging.err


# Two of them, and estimates.


def test_compare(judging: Judging) -> None:
    judging.document()
    judging.server.reply = lambda body: (
        unfair(body) if "answer 3 " in last_text(body) else fair(body)
    )
    other = judging.folder / "other"
    judging.document("--seed", "1", out=other)
    code, out = judging("judge", "compare", judging.out, other, "--json")
    found = document(out)
    assert code == 0 and found["a"] == found["b"] == "additive5 on openai:m"
    accuracy = found["metrics"]["pairwise_accuracy"]
    assert accuracy["value"] == pytest.approx(-1 / 40) and accuracy["n"] == accuracy["of"] == 40
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert [p["prompt_id"] for p in found["prompts"]] == ["p3"]
    assert found["prompts"][0]["difference"] == -1.0
    code, table = judging("judge", "compare", judging.out, other)
    assert code == 0 and "p3" in table and "B minus A" in table
    same = document(judging("judge", "compare", other, other, "--json")[1])
    assert same["prompts"] == [] and same["metrics"]["pairwise_accuracy"]["value"] == 0.0


def test_what_cannot_be_compared(judging: Judging) -> None:
    judging.document()

    def refused(other: object) -> str:
        code, out = judging("judge", "compare", judging.out, other)
        assert (code, out) == (2, "") and len(judging.err.splitlines()) == 1
        return judging.err

    assert "no validation" in refused(judging.folder)
    small = judging.folder / "small"
    judging.document("--limit", 30, out=small, data=ranked(judging.folder / "other.jsonl", 41))
    assert "not on the same data" in refused(small)
    pairs = judging.folder / "pairs"
    judging.document(judge="pairwise", out=pairs)
    assert "not on the same data (kind: ranked and pairwise)" in refused(pairs)
    wrong = judging.folder / "wrong"
    judging.document("--unscored", "wrong", out=wrong)
    assert "exact_match" in refused(wrong) and "unscored = wrong" in judging.err


def values(path: Path, found: dict[str, float]) -> Path:
    return write(path, *({"prompt_id": k, "value": v} for k, v in found.items()))


def test_estimates(judging: Judging) -> None:
    # The judge is wrong on every tenth prompt, in the judged one's favour.
    truth = {f"p{i}": float(i % 2) for i in range(400)}
    judged = truth | {f"p{i}": 1.0 for i in range(0, 400, 10)}
    everyone = values(judging.folder / "judge.jsonl", judged)
    people = values(judging.folder / "people.jsonl", {k: truth[k] for k in list(truth)[:60]})
    words = ("judge", "estimate", "--values", everyone, "--human", people)
    found = document(judging(*words, "--json")[1])
    assert found["judge_only"]["value"] == pytest.approx(0.6)
    assert found["labels_only"]["value"] == pytest.approx(0.5)
    low, high = found["estimate"]["low"], found["estimate"]["high"]
    assert (
        low <= 0.5 <= high
        and high - low < found["labels_only"]["high"] - found["labels_only"]["low"]
    )
    code, table = judging(*words)
    assert code == 0 and "prediction-powered" in table
    pair = document(judging(*words, "--against", everyone, "--human-against", people, "--json")[1])
    assert pair["estimate"]["value"] == 0.0
    code, out = judging(*words, "--against", everyone)
    assert (code, out) == (2, "") and "go together" in judging.err


@pytest.mark.parametrize(
    ("row", "words", "code"),
    [
        ('{"prompt_id": "p", "value": 1.5}', "v.jsonl:2: value: found 1.5", 1),
        ('{"prompt_id": "p", "value": NaN}', "v.jsonl:2: ", 1),
        ('{"prompt_id": "p"}', "v.jsonl:2: value: found no such key", 1),
        ('{"prompt_id": "q\\u001b[31m", "value": 1}', "is there already at line 1", 2),
    ],
)
def test_values_that_are_none(judging: Judging, row: str, words: str, code: int) -> None:
    file = write(judging.folder / "v.jsonl", '{"prompt_id": "q\\u001b[31m", "value": 1}', row)
    got, out = judging("judge", "estimate", "--values", file, "--human", file)
    assert (got, out) == (code, "") and words in judging.err and "\x1b" not in judging.err
    assert "_Line" not in judging.err and len(judging.err.splitlines()) == 1


def test_values_of_a_folder(judging: Judging) -> None:
    judging.document()
    words = ("judge", "estimate", "--values", judging.out, "--human", judging.out)
    code, out = judging(*words)
    assert (code, out) == (2, "") and "no values of 'win_rate'; it has " in judging.err
    found = document(judging(*words, "--metric", "pairwise_accuracy", "--json")[1])
    assert found["estimate"]["value"] == 1.0
