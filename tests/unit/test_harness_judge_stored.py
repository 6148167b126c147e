"""srlm judge agreement, compare and estimate: figures by hand, odd files, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_server import last_text
from tests.judging import (
    FIVE,
    PAIRWISE,
    TOP,
    Judging,
    check_metrics,
    document,
    fair,
    labelled,
    ranked,
    unfair,
    write,
)

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
