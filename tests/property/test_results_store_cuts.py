"""Whatever the records and wherever the cut: whole records come back, in order."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from results.records import Value
from results.store import RecordFile, read_jsonl

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.lists(
    st.builds(Value, prompt_id=TEXT, metric=TEXT, num=NUMBER, den=NUMBER, cluster=TEXT), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.data())
def test_any_cut_leaves_a_prefix_that_can_be_continued(
    values: list[Value], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = RecordFile(Path(folder) / "v.jsonl", Value)
        split = data.draw(st.integers(0, len(values)))
        file.append(values[:split])
        file.append(values[split:])
        whole = file.part.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        file.part.write_bytes(whole[:cut])
        again = RecordFile(file.path, Value)
        kept = again.read()
        assert kept == values[: whole[:cut].count(b"\n")]
        again.append(values[len(kept) :])
        again.finalise()
        assert again.read() == values
        assert file.path.read_bytes() == whole
        if values:
            assert read_jsonl(file.path, Value) == values
