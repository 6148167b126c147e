"""Ranked and pairwise files of our own: what is read, what is odd, what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.human_data import HumanData, read_human_data
from benchmarks.human_data.grades import ranks_by_score
from benchmarks.human_data.notes import Notes
from benchmarks.oasst import read_any_rankings
from judges.labels import Label
from judges.rankings import read_rankings
from results.errors import SrlmError, UsageError
from results.records import Message


def write(path: Path, rows: list[Any]) -> str:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def ranked(name: str, ranks: list[Any], **more: Any) -> dict[str, Any]:
    texts = [{"id": f"r{i}", "text": f"answer {i}", "rank": r} for i, r in enumerate(ranks)]
    return {"id": name, "prompt": f"prompt {name}", "responses": texts, **more}


def scored(name: str, scores: list[Any]) -> dict[str, Any]:
    texts = [{"id": f"r{i}", "text": f"answer {i}", "score": s} for i, s in enumerate(scores)]
    return {"id": name, "prompt": f"prompt {name}", "responses": texts}


def pair(name: str, label: str = "first", **more: Any) -> dict[str, Any]:
    return {"id": name, "prompt": "Why?", "first": "A", "second": "B", "label": label, **more}


def read(tmp_path: Path, rows: list[Any], **more: Any) -> HumanData:
    return read_human_data(write(tmp_path / "d.jsonl", rows), **more)


def only_note(data: HumanData) -> str:
    (note,) = data.notes
    assert "\n" not in note
    return note


def test_ranked_lines_are_read_as_the_strict_reader_reads_them(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    rows = [
        ranked("a", [1, 0, 0], category="sums", reference="42", lang="en"),
        ranked("b", [0, None, 2, 1], prompt=turns),
    ]
    for name in ("r.jsonl", "r.jsonl.gz"):
        path = write(tmp_path / name, rows)
        data = read_human_data(path)
        assert data.ranked == read_rankings(Path(path)) == read_any_rankings(Path(path))
        assert (data.kind, data.format, data.name, data.of) == ("ranked", "ranked", name, 2)
        assert (data.pairs, data.notes) == ([], [])
    assert data.ranked[0].category == "sums" and data.ranked[0].reference == "42"
    assert data.ranked[1].prompt == [Message(role="user", content="Hi")]


def test_sha256_is_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    one = read(tmp_path, [ranked("a", [0, 1])]).sha256
    assert one == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read(tmp_path, [ranked("a", [1, 0])]).sha256 != one


def test_the_same_rows_as_an_array_name_their_own_lines(tmp_path: Path) -> None:
    rows = [ranked("a", [0, 1]), ranked("b", [0, 3]), ranked("c", [0, 5])]
    path = tmp_path / "d.json"
    path.write_text("\ufeff" + json.dumps(rows, indent=1))
    data = read_human_data(str(path))
    assert [p.id for p in data.ranked] == ["a", "b", "c"]
    lines = path.read_text().splitlines()
    for note, name in zip(data.notes, "bc", strict=True):
        number = int(note.removeprefix(f"{path}:").split(":")[0])
        assert f'"id": "{name}"' in lines[number]  # the line behind the opening brace
    flat = tmp_path / "flat.json.gz"
    flat.write_bytes(gzip.compress(json.dumps(rows).encode()))
    assert read_human_data(str(flat)).ranked == data.ranked


def test_scores_rank_where_there_are_no_ranks(tmp_path: Path) -> None:
    data = read(tmp_path, [scored("a", [0.1 + 0.2, 5, None, 0.3]), ranked("b", [1, 0])])
    assert [r.rank for r in data.ranked[0].responses] == [1, 0, None, 1]
    assert [r.score for r in data.ranked[0].responses] == [0.1 + 0.2, 5, None, 0.3]
    assert [r.rank for r in data.ranked[1].responses] == [1, 0]
    assert ranks_by_score([]) == [] and ranks_by_score([None]) == [None]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "4", True, 10**400])
def test_a_score_that_is_no_number_is_left_out_and_told(tmp_path: Path, bad: Any) -> None:
    data = read(tmp_path, [scored("a", [bad, 1, 2])])
    assert [(r.rank, r.score) for r in data.ranked[0].responses] == [(None, None), (1, 1), (0, 2)]
    note = only_note(data)
    assert note.startswith(f"{tmp_path / 'd.jsonl'}:1: score is no finite number")
    assert "response 'r0'" in note and len(note) < 250


@pytest.mark.parametrize("bad", [True, "0", 0.5, [0], float("nan")])
def test_a_rank_that_is_no_whole_number_is_left_out_and_told(tmp_path: Path, bad: Any) -> None:
    data = read(tmp_path, [ranked("a", [bad, 0, 1.0])])
    assert [r.rank for r in data.ranked[0].responses] == [None, 0, 1]
    assert "d.jsonl:1: rank is no whole number, response used without" in only_note(data)


@pytest.mark.parametrize(
    ("row", "note"),
    [
        (ranked("x", [0, 2, 3]), "ranks with gaps or not from 0, kept.*'x' has 0, 2, 3"),
        (ranked("x", [1, 2]), "ranks with gaps or not from 0"),
        (ranked("x", [4, 4]), "all responses are tied, kept"),
        (ranked("x", [0, 1], prompt=" \n"), "prompt is empty, kept: prompt 'x'"),
        ({**ranked("x", []), "responses": [
            {"id": "a", "text": "", "rank": 0}, {"id": "b", "text": "b", "rank": 1},
        ]}, "response is empty, kept: prompt 'x', response 'a'"),
        ({**ranked("x", []), "responses": [
            {"id": "a", "text": "same", "rank": 0}, {"id": "b", "text": "same", "rank": 1},
        ]}, "responses of one prompt are the same text, kept: prompt 'x', responses 'a' and 'b'"),
        ({**ranked("x", []), "responses": [
            {"id": "a", "text": "a", "rank": 0, "score": 1},
            {"id": "b", "text": "b", "rank": 1, "score": 2},
        ]}, "scores and ranks order the responses differently, ranks used"),
    ],
)  # fmt: skip
def test_odd_prompts_are_kept_and_told(tmp_path: Path, row: dict[str, Any], note: str) -> None:
    data = read(tmp_path, [ranked("first", [0, 1]), row])
    assert [p.id for p in data.ranked] == ["first", "x"]
    found = [n for n in data.notes if "all responses are tied" not in n or "tied" in note]
    assert found[0].startswith(f"{tmp_path / 'd.jsonl'}:2: ")
    assert re.search(note, found[0])


def test_places_with_ties_are_no_gaps(tmp_path: Path) -> None:
    assert read(tmp_path, [ranked("a", [0, 0, 2, 3]), ranked("b", [0, 0, 1])]).notes == []


def test_what_cannot_be_used_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        ranked("a", [0, 1]),
        ranked("one", [0]),
        ranked("none", [None, None]),
        ranked("a", [1, 0]),
        ranked("b", [0, 1]),
    ]
    twice = ranked("c", [0, 1, 2])
    twice["responses"][2]["id"] = "r0"
    data = read(tmp_path, [*rows, twice])
    assert [(p.id, len(p.responses)) for p in data.ranked] == [("a", 2), ("b", 2), ("c", 2)]
    assert [r.rank for r in data.ranked[0].responses] == [0, 1]
    assert data.of == 6
    assert sorted(note.split("d.jsonl:")[1][:40] for note in data.notes) == [
        "2: fewer than two responses with a human",
        "3: fewer than two responses with a human",
        "4: prompt id is there already, the later",
        "6: response id is there already in this ",
    ]
    assert any("'a', first at line 1" in note for note in data.notes)
    assert [p.id for p in read_human_data(str(tmp_path / "d.jsonl"), limit=2).ranked] == ["a", "b"]
    with pytest.raises(UsageError, match=r"nothing that can be used as ranked: .*jsonl:1: fewer"):
        read(tmp_path, [ranked("one", [0])])
    with pytest.raises(UsageError, match="limit is 0"):
        read(tmp_path, rows, limit=0)


def test_two_scales_are_told(tmp_path: Path) -> None:
    data = read(tmp_path, [scored("a", [0.2, 0.7]), scored("b", [3, 5]), scored("c", [0, 1])])
    assert "d.jsonl:1: scores from 0 to 1 here and all above 1 elsewhere (up to 5)" in only_note(
        data
    )
    assert read(tmp_path, [scored("a", [0.2, 0.7]), scored("c", [0, 1])]).notes == []
    assert read(tmp_path, [scored("a", [1, 5]), scored("c", [0, 1])]).notes == []


def test_a_broken_file_does_not_print_a_line_for_each_line(tmp_path: Path) -> None:
    rows = [ranked(f"p{i}", ["x", 0, 2]) for i in range(500)]
    data = read(tmp_path, rows)
    assert len(data.notes) == 2 and len(data.ranked) == 500
    assert "(500 times in all: lines 1, 2, 3, 4, 5, ...)" in data.notes[0]
    notes = Notes("f")
    for line in (3, 5, 8, 9):
        notes.add(line, "odd", f"it {line}")
        assert len(notes.lines()) == (1 if line == 9 else {3: 1, 5: 2, 8: 3}[line])
    assert notes.lines() == ["f:3: odd: it 3 (4 times in all: lines 3, 5, 8, 9)"]


def test_hostile_ids_do_not_reach_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[31mred\n" * 50
    data = read(tmp_path, [ranked(evil, [0, 9]), ranked("b", [0, 1]), ranked(evil, [0, 1])])
    assert all("\x1b" not in n and "\n" not in n and len(n) < 400 for n in data.notes)
    assert len(data.notes) == 2


def test_pairs_gather_their_annotators(tmp_path: Path) -> None:
    data = read(tmp_path, [
        pair("a", annotator="ann", category="sums"),
        pair("b", "tie", prompt=[{"role": "user", "content": "Hi"}], lang="en"),
        pair("a", "second", annotator="bob", reference="42"),
    ])  # fmt: skip
    assert (data.kind, data.format, data.of, data.ranked) == ("pairwise", "pairwise", 2, [])
    assert data.pairs[0].labels == (
        Label(label="first", annotator="ann"),
        Label(label="second", annotator="bob"),
    )
    assert (data.pairs[0].category, data.pairs[0].reference) == ("sums", "42")
    assert data.pairs[1].labels == (Label(label="tie"),)
    assert data.notes == []
    with pytest.raises(UsageError, match=r"found pairwise labels \(pairwise\), expected ranked"):
        read_any_rankings(tmp_path / "d.jsonl")


@pytest.mark.parametrize("key", ["prompt", "first", "second"])
def test_one_id_for_two_pairs_is_an_error_that_names_both_lines(tmp_path: Path, key: str) -> None:
    with pytest.raises(SrlmError, match=rf"d\.jsonl:3: {key} of pair 'a'.*d\.jsonl:1, ") as it:
        read(tmp_path, [pair("a"), pair("b"), pair("a", **{key: "other"})])
    assert "\n" not in str(it.value)


def test_odd_pairs_are_kept_and_told(tmp_path: Path) -> None:
    data = read(tmp_path, [
        pair("a", annotator="ann"),
        pair("a", "tie", annotator="ann"),
        pair("b", second=" "),
        pair("c", second="A"),
        pair("d", prompt=""),
    ])  # fmt: skip
    assert [len(p.labels) for p in data.pairs] == [2, 1, 1, 1]
    assert [n.split("d.jsonl:")[1].split(",")[0] for n in data.notes] == [
        "2: annotator has labelled this pair before",
        "3: response is empty",
        "4: both responses are the same text",
        "5: prompt is empty",
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "responses": []}, r"d\.jsonl:2: prompt: found no such key"),
        ({**ranked("a", [0, 1]), "responses": 3}, r"d\.jsonl:2: responses: found 3"),
        ({**ranked("a", [0, 1]), "responses": [3]}, r"d\.jsonl:2: responses\.0: found 3"),
        ({**ranked("a", [0, 1]), "responses": [{"id": "a"}]}, r"2: responses\.0\.text: found no"),
        (ranked("a", [10**400, 1]), r"2: responses\.0\.rank: .*less than or equal"),
        (ranked("a", [0, 1], prompt=[]), r"2: prompt\."),
        (ranked("a", [0, 1], prompt="x\ud800"), r"2: found \\ud800, half a character"),
        ([1], r"2: found \[1\], expected one JSON object"),
    ],
)
def test_a_row_of_no_use_is_an_error_that_names_its_line(
    tmp_path: Path, row: Any, message: str
) -> None:
    with pytest.raises(SrlmError, match=message) as it:
        read(tmp_path, [ranked("first", [0, 1]), row])
    assert "\n" not in str(it.value)


def test_a_label_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SrlmError, match=r"jsonl:2: label: found 'A'.*'first', 'second' or 'tie'"):
        read(tmp_path, [pair("a"), pair("b", "A")])


def test_wrong_encodings_name_byte_and_line(tmp_path: Path) -> None:
    line = json.dumps(ranked("a", [0, 1]))
    bad = line.replace("answer 0", "caf\u00e9").encode("latin-1")
    path = tmp_path / "d.jsonl"
    path.write_bytes(line.encode() + b"\n" + bad)
    with pytest.raises(SrlmError, match=r"d\.jsonl:2: found byte 0xe9 at column \d+, expected UTF"):
        read_human_data(str(path))
    array = tmp_path / "d.json"
    array.write_bytes(b"[" + line.encode() + b",\n" + bad + b"]")
    column = bad.index(b"\xe9") + 1
    with pytest.raises(SrlmError, match=rf"d\.json:2: found byte 0xe9 at column {column}, "):
        read_human_data(str(array))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", r"d\.json:1: not JSON"),
        ("[]", "no rows in it"),
        ('[ROW\n{"b": 2}]', r"d\.json:2: found '\{\"b\": 2\}\]', expected ',' or '\]'"),
        ("[ROW,\n7]", r"d\.json:2: found 7 in the array"),
        ("[ROW]\nmore", r"found 'more' after the array"),
        ('[ROW,{"a": "\\udc00"}]', r"d\.json:1: found \\udc00, half a character"),
        ("[ROW", r"found 'the end of the file'"),
        ("[ROW,\n]", r"d\.json:2: not JSON"),
        ("[ROW,\n[" + "9" * 5000 + "]]", r"d\.json:2: not JSON \(Exceeds the limit"),
        ("[" * 100_000, "nested too deeply|not JSON|in the array"),
    ],
)
def test_broken_arrays(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text.replace("ROW", json.dumps(ranked("a", [0, 1]))))
    with pytest.raises(SrlmError, match=message) as it:
        read_human_data(str(path), "ranked")
    assert "\n" not in str(it.value)


def test_a_torn_gzip_is_one_line(tmp_path: Path) -> None:
    rows = [ranked(str(i), [0, 1]) for i in range(999)]
    lines = "\n".join(map(json.dumps, rows))
    for name, text in (("d.jsonl.gz", lines), ("d.json.gz", json.dumps(rows))):
        data = gzip.compress(text.encode(), compresslevel=0)
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(SrlmError, match="damaged"):
            read_human_data(str(tmp_path / name), "ranked")


def test_formats_are_told_and_misnamed_ones_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [{"question": "?", "answer": "!"}])
    with pytest.raises(UsageError, match=r"d\.jsonl:1: found an object with the keys question, an"):
        read_human_data(path)
    with pytest.raises(UsageError, match="unknown human data format 'rankd'; did you mean 'ranked"):
        read_human_data(path, "rankd")
    with pytest.raises(UsageError, match="'pandalm' has no parts, found 'pandalm:x'"):
        read_human_data(path, "pandalm:x")
    with pytest.raises(UsageError, match="no such file"):
        read_human_data(str(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="no such file"):
        read_human_data(str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"found a folder without human\.jsonl"):
        read_human_data(str(tmp_path))
    (tmp_path / "d.tar.gz").write_bytes(b"x")
    with pytest.raises(UsageError, match="found an archive; unpack it"):
        read_human_data(str(tmp_path / "d.tar.gz"))
