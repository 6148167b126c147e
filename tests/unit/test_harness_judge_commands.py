"""srlm judge validate as a user meets it: documents, exit codes, refusals in one line."""

from __future__ import annotations

import json

import pytest

from tests.fake_server import last_text
from tests.judging import (
    FIVE,
    PAIRWISE,
    TOP,
    Judging,
    check_metrics,
    fair,
    labelled,
    ranked,
    unfair,
    write,
)


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
    line = "over all starts: 80 model calls, 560 prompt tokens, 400 answer tokens, cost not known"
    assert line in judging.err.splitlines()
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
