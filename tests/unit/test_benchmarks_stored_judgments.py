"""Judgments that others stored: read as they stand, every oddity named with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.human_data.notes import Notes
from benchmarks.stored_judgments import is_pointwise, pair_judgments, pointwise_judgments
from results.errors import SrlmError
from results.records import Judgment, PairJudgment

KNOWN = {("p", "a"), ("p", "b")}
A: dict[str, Any] = {"prompt_id": "p", "response_id": "a"}
AB: dict[str, Any] = {"prompt_id": "p", "order": "AB"}
Line = dict[str, Any] | str | bytes


def write(path: Path, *lines: Line) -> Path:
    """One JSON Lines file; texts and bytes as they are."""
    rows = [json.dumps(x).encode() if isinstance(x, dict) else x for x in lines]
    path.write_bytes(b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in rows))
    return path


def points(path: Path, *lines: Line) -> tuple[list[Judgment], list[str]]:
    notes = Notes("j.jsonl")
    file = write(path / "j.jsonl", *lines)
    assert is_pointwise(file)
    return list(pointwise_judgments(file, KNOWN, (0, 5), notes)), notes.lines()


def verdicts(path: Path, *lines: Line) -> tuple[list[PairJudgment], list[str]]:
    notes = Notes("j.jsonl")
    file = write(path / "j.jsonl", *lines)
    assert not is_pointwise(file)
    return pair_judgments(file, {"p", "q"}, notes), notes.lines()


def refused(path: Path, *lines: Line) -> str:
    """The error of a file, one line."""
    file = write(path / "j.jsonl", *lines)
    with pytest.raises(SrlmError) as caught:
        if is_pointwise(file):
            list(pointwise_judgments(file, KNOWN, (0, 5), Notes("j.jsonl")))
        else:
            pair_judgments(file, {"p"}, Notes("j.jsonl"))
    text = str(caught.value)
    assert "\n" not in text and str(file.name) in text
    return text


OURS = {"v": 1, "draw": 0, "status": "scored", "score": 4, "reason": None, "text": "Score: 4"}


@pytest.mark.parametrize(
    "changed",
    [{}, *({key: "gone"} for key in ("v", "draw", "status", "reason", "text")),
     {"text": None}, {"draw": None}, {"status": "ok"}, {"reason": "said so"}, {"score": "4"},
     {"logprobs": "theirs"}, {"tokens": "many"}, {"judge": {"name": "x"}, "cost": 0.1}],
    ids=str,
)  # fmt: skip
def test_a_score_is_used_as_it_stands(tmp_path: Path, changed: dict[str, Any]) -> None:
    row = A | OURS | changed
    row = {key: value for key, value in row.items() if value != "gone"}
    (found,), notes = points(tmp_path, row)
    assert (found.status, found.score, found.reason, found.draw) == ("scored", 4.0, None, 0)
    assert notes == []


@pytest.mark.parametrize(
    ("line", "reason", "note"),
    [
        ('{"prompt_id": "p", "response_id": "a", "score": NaN}', "no_value", "no finite number"),
        ('{"prompt_id": "p", "response_id": "a", "score": -Infinity}', "no_value", "no finite"),
        (A | {"score": "four"}, "no_value", "no finite number, counted as unscored: four"),
        (A | {"score": [4]}, "no_value", "no finite number"),
        (A | {"score": None}, "not_said", None),
        (A, "not_said", None),
        (A | {"score": None, "reason": "refused"}, "refused", None),
        (A | {"score": 5.01}, "out_of_range", "off the scale 0 to 5 (--scale)"),
        (A | {"score": -1}, "out_of_range", "off the scale"),
        # FastChat's failure is -1; a 0 that says it is none must not become one either.
        (A | {"score": 0, "status": "unscored"}, "not_said", "called unscored"),
        (A | OURS | {"status": "unscored", "reason": "empty"}, "empty", "called unscored"),
    ],
)
def test_what_is_no_score_is_unscored(
    tmp_path: Path, line: Line, reason: str, note: str | None
) -> None:
    (found,), notes = points(tmp_path, line)
    assert (found.status, found.score, found.reason) == ("unscored", None, reason)
    assert len(notes) == (note is not None)
    assert note is None or (note in notes[0] and notes[0].startswith("j.jsonl:1: "))


def test_ids_that_are_numbers_are_read_as_text(tmp_path: Path) -> None:
    notes = Notes("j.jsonl")
    file = write(tmp_path / "j.jsonl", {"prompt_id": 7, "response_id": 1, "score": 2})
    (found,) = pointwise_judgments(file, {("7", "1")}, (0, 5), notes)
    assert (found.prompt_id, found.response_id, found.score) == ("7", "1", 2.0)


def test_samples_without_a_draw_are_draws_in_the_order_of_the_file(tmp_path: Path) -> None:
    b = A | {"response_id": "b"}
    rows = [A | {"score": 1}, b | {"score": 2}, A | {"score": 3}, b | {"score": 4}]
    found, notes = points(tmp_path, *rows)
    assert [(j.response_id, j.draw) for j in found] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert notes == []


def test_a_repeated_draw_is_kept_and_said(tmp_path: Path) -> None:
    found, notes = points(tmp_path, A | OURS, A | OURS | {"score": 2})
    assert [j.score for j in found] == [4, 2]
    assert notes == ["j.jsonl:2: the same draw of a response again, kept as another draw: p/a"]
    rows = [AB | {"verdict": "first"}, AB | {"verdict": "second"}, AB | {"verdict": "tie"},
            AB | {"order": "BA", "verdict": "tie"}]  # fmt: skip
    both, notes = verdicts(tmp_path, *rows)
    # As draws of their own: of two judgments of one draw the metrics would take the first alone.
    assert [(j.order, j.draw, j.verdict) for j in both] == [
        ("AB", 0, "first"), ("AB", 1, "second"), ("AB", 2, "tie"), ("BA", 0, "tie")
    ]  # fmt: skip
    assert [note.split(":")[1] for note in notes] == ["2", "3"]


def test_judgments_of_something_else_are_left_out_and_counted(tmp_path: Path) -> None:
    strangers = [A | {"response_id": f"x{i}", "score": 1} for i in range(7)]
    found, notes = points(tmp_path, *strangers, A | {"score": 3})
    assert [j.score for j in found] == [3]
    assert len(notes) == 1 and "(7 times in all: lines 1, 2, 3, 4, 5, ...)" in notes[0]
    other, notes = verdicts(tmp_path, AB | {"prompt_id": "z", "verdict": "tie"},
                            AB | {"prompt_id": "q", "verdict": "tie"})  # fmt: skip
    assert [j.prompt_id for j in other] == ["q"] and "j.jsonl:1: a judgment of a pair" in notes[0]


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({"verdict": "first"}, "first", None),
        ({"verdict": "tie", "text": None, "draw": None, "reason": None, "x": 1}, "tie", None),
        ({"verdict": None}, None, "not_said"),
        ({}, None, "not_said"),
        ({"verdict": "A"}, None, "no_value"),
        ({"verdict": ["first"]}, None, "no_value"),
        ({"verdict": "first", "status": "unscored"}, None, "not_said"),
        ({"verdict": None, "status": "unscored", "reason": "empty"}, None, "empty"),
    ],
)
def test_verdicts(
    tmp_path: Path, changed: dict[str, Any], verdict: str | None, reason: str | None
) -> None:
    (found,), _ = verdicts(tmp_path, AB | changed)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.status == ("scored" if verdict else "unscored")


@pytest.mark.parametrize(
    ("lines", "where", "words"),
    [
        ([], "", "the file is empty"),
        ([""], "", "the file is empty"),
        ([A | {"score": 1}, '{"prompt_id": "p", "respon'], ":2:", "not JSON"),
        ([A | {"score": 1}, b'{"prompt_id": "p\xff"}'], ":2:", "expected UTF-8"),
        ([A | {"score": 1}, "[1]"], ":2:", "expected one JSON object"),
        ([{"score": 1}], ":1:", "expected a judgment with response_id and score"),
        ([A | {"score": 1}, AB | {"verdict": "tie"}], ":2:", "no key 'response_id'"),
        ([AB | {"verdict": "tie"}, A | {"score": 1}], ":2:", "order: found no such key"),
        ([A | {"score": 1}, {"response_id": "a", "score": 1}], ":2:", "no key 'prompt_id'"),
        ([AB | {"order": "ab", "verdict": "tie"}], ":1:", "order: found 'ab'"),
        ([A | {"score": 1, "v": 2}], ":1:", "v: found 2"),
        ([A | {"score": 1, "draw": 1.5}], ":1:", "draw: found 1.5"),
        ([A | {"prompt_id": ["p"], "score": 1}], ":1:", "prompt_id: found"),
        (['{"prompt_id": "\\ud800", "response_id": "a", "score": 1, "x": 0}'], ":1:", "\\ud800"),
    ],
)
def test_a_line_that_is_no_judgment_is_named(
    tmp_path: Path, lines: list[Line], where: str, words: str
) -> None:
    text = refused(tmp_path, *lines)
    assert f"j.jsonl{where}" in text and words in text


def test_the_patient_way_goes_on_where_the_fast_one_stopped(tmp_path: Path) -> None:
    """No line twice, none left out, wherever the first odd line stands."""
    for odd in range(4):
        rows: list[Line] = [A | OURS | {"draw": i, "score": i} for i in range(4)]
        rows[odd] = A | {"score": odd, "theirs": True}
        found, notes = points(tmp_path, *rows)
        assert [j.score for j in found] == [0, 1, 2, 3]
        assert [j.draw for j in found] == [0, 1, 2, 3] and notes == []


@pytest.mark.parametrize("form", ["gz", "crlf", "bom", "blank lines", "named wrongly"])
def test_files_as_they_come(tmp_path: Path, form: str) -> None:
    data = "".join(json.dumps(A | {"score": s}) + "\n" for s in (1, 2)).encode()
    path = tmp_path / ("j.jsonl.gz" if form == "gz" else "j.jsonl")
    data = {
        "gz": gzip.compress(data),
        "crlf": data.replace(b"\n", b"\r\n"),
        "bom": b"\xef\xbb\xbf" + data,
        "blank lines": b"\n" + data.replace(b"\n", b"\n\n") + b"  \n",
        "named wrongly": gzip.compress(data),
    }[form]
    path.write_bytes(data)
    assert is_pointwise(path)
    found = list(pointwise_judgments(path, KNOWN, (0, 5), Notes("j")))
    assert [j.score for j in found] == [1, 2]


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl.gz"
    data = "".join(json.dumps(A | {"score": i % 5, "text": str(i)}) + "\n" for i in range(5000))
    path.write_bytes(gzip.compress(data.encode())[:-30])
    with pytest.raises(SrlmError, match="damaged"):
        list(pointwise_judgments(path, KNOWN, (0, 5), Notes("j")))


def test_hostile_words_are_plain_in_notes_and_errors(tmp_path: Path) -> None:
    bad = "\x1b[31mred\x1b]0;title\x07\u202e"
    _, notes = points(tmp_path, A | {"prompt_id": bad, "score": 1}, A | {"score": bad})
    text = refused(tmp_path, A | {"score": 1}, {bad: 1})
    for line in [*notes, text, refused(tmp_path, {bad: 1})]:
        assert "\x1b" not in line and "\u202e" not in line and "\x07" not in line
    assert len(notes) == 2 and "red" in notes[0]
