"""Whatever stands in a row: it is read, or it is refused in one line that names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.human_data import read_human_data
from benchmarks.human_data.formats import KEYS, tell_format
from results.errors import SrlmError

MESSAGE = {"message_id": "m", "role": "prompter", "lang": "en", "text": "Q", "replies": [
    {"message_id": f"r{i}", "role": "assistant", "lang": "en", "text": f"{i}", "rank": i,
     "deleted": False} for i in range(2)
]}  # fmt: skip
SAID = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
GRADED = {"prompt_id": "p", "prompt_text": "Q", "response_id": "a", "response_text": "A",
          "language": "en", "quality_score": 0.5}  # fmt: skip
CHAT = {"source": "hi", "context": "fact", "system_id": "x", "system_output": "A",
        "scores": {"overall": 1.5}}  # fmt: skip
SHOWN = "###The instruction to evaluate:\nQ\n\n###Response to evaluate:\n{}\n\n###Score Rubrics:\nR"
ROWS: dict[str, list[dict[str, Any]]] = {
    "ranked": [{"id": "a", "prompt": "Q", "responses": [
        {"id": str(i), "text": "A", "rank": i, "score": i} for i in range(2)
    ]}],
    "oasst_trees": [{"message_tree_id": "m", "prompt": MESSAGE}],
    "oasst_messages": [MESSAGE | {"parent_id": None}],
    "oasst_quality": [GRADED, GRADED | {"response_id": "b"}],
    "topical_chat": [CHAT, CHAT | {"system_id": "y"}],
    "fastchat_votes": [{"question_id": 81, "model_a": "x", "model_b": "y", "winner": "tie",
                        "turn": 1, "judge": "j", "conversation_a": SAID, "conversation_b": SAID}],
    "pandalm": [{"idx": 0, "motivation_app": "a", "instruction": "Q", "input": "", "response1": "A",
                 "response2": "B", "annotator1": 1, "annotator2": 0}],
    "llmbar": [{"input": "Q", "output_1": "A", "output_2": "B", "label": 1}],
    "judgebench": [{"pair_id": "a", "question": "Q", "response_A": "A", "response_B": "B",
                    "label": "A>B", "source": "s"}],
    "rewardbench2": [{"id": "a", "prompt": "Q", "chosen": ["A"], "rejected": ["B"], "subset": "s"}],
    "pairwise": [{"id": "a", "prompt": "Q", "first": "A", "second": "B", "label": "tie"}],
    "hhh": [{"source": "honest"} | {f"{side}_instruction": SHOWN.format(text)
                                    for side, text in (("chosen", "A"), ("rejected", "B"))}],
}  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a row at which something else could stand."""
    inner = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [p for key, v in inner for p in [(*path, key), *places(v, (*path, key))]]


def put(row: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        row = row[key]
    row[path[-1]] = value


@pytest.mark.parametrize("name", KEYS)
# The time is the disk's: it says nothing about the reader.
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_value_anywhere(tmp_path: Path, name: str, data: st.DataObject) -> None:
    rows = json.loads(json.dumps(ROWS[name]))
    path = tmp_path / "d.jsonl"
    put(rows, data.draw(st.sampled_from([p for p in places(rows) if len(p) > 1])), data.draw(ANY))
    path.write_text("\n".join(map(json.dumps, rows)))
    try:
        found = read_human_data(str(path), name, first_turn=False)
    except SrlmError as error:
        text = str(error)
        assert "\n" not in text and "d.jsonl:" in text and len(text) < 700
    else:
        assert all("\n" not in note and f"{path}:" in note for note in found.notes)


@pytest.mark.parametrize("name", KEYS)
def test_each_format_is_told_from_its_keys(tmp_path: Path, name: str) -> None:
    assert tell_format("here", ROWS[name][0]) == name
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS[name])))
    data = read_human_data(str(path))
    assert data.format == name and len(data.ranked) + len(data.pairs) == 1
