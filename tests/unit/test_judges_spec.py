from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import results.plugins
from judges.spec import JudgeSpec, list_specs, load_spec, prompt_hash
from results.errors import UsageError

GOOD: dict[str, Any] = {
    "name": "mine",
    "version": 1,
    "description": "my judge",
    "rubric": "mine.md",
    "scale": [0, 5],
    "decoding": {"temperature": 0.7, "top_p": 0.9, "max_tokens": 100},
    "draws": 3,
    "min_scored": 2,
}


def write(folder: Path, text: str = "Q {prompt} A {response}", **changes: Any) -> str:
    (folder / "mine.md").write_text(text + "\n", encoding="utf-8")
    path = folder / "mine.yaml"
    kept = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    path.write_text(yaml.safe_dump(kept), encoding="utf-8")
    return str(path)


class _Point:
    """An entry point, as importlib.metadata gives it."""

    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value


def register(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = [_Point(name, value) for name, value in points.items()]
    monkeypatch.setattr(results.plugins, "entry_points", lambda group: found)


def a_path() -> str:
    return OUTSIDE


OUTSIDE = ""
WRONG = 3


def test_figures_depend_on_these_prompts() -> None:
    """A change of either text is a new judge, with a version of its own."""
    assert prompt_hash(load_spec("additive5")) == "56f8f34bf61410cc"
    assert prompt_hash(load_spec("additive5_short")) == "18e7ce6623124041"


@pytest.mark.parametrize("name", ["additive5", "additive5_short"])
def test_shipped_judges_load(name: str) -> None:
    spec = load_spec(name)
    assert spec.name == name
    assert spec.scale == (0, 5)
    assert spec.draws == 3
    assert spec.description
    assert "\n" not in spec.description
    assert spec.rubric == spec.rubric.strip()


def test_additive5_decoding_is_the_papers() -> None:
    spec = load_spec("additive5")
    assert (spec.decoding.temperature, spec.decoding.top_p) == (0.7, 0.9)
    assert (spec.decoding.max_tokens, spec.min_scored) == (400, 1)
    assert spec.rubric.endswith("Score: <total>")


def test_from_a_file(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path))
    assert spec.rubric == "Q {prompt} A {response}"
    assert spec.parser.label == "Score"


def test_the_rubric_may_stand_in_the_yaml_itself(tmp_path: Path) -> None:
    beside = load_spec(write(tmp_path, "Q {prompt}\nA {response}"))
    inside = load_spec(write(tmp_path, rubric="Q {prompt}\nA {response}\n"))
    assert inside == beside


def test_the_judge_in_the_docs_is_one(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "parts.md").read_text(encoding="utf-8")
    for number, text in enumerate(re.findall(r"```yaml\n(# \w+\.yaml.*?)```", docs, re.DOTALL)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert load_spec(str(path)).example is not None
    assert number == 1


def test_prompt_hash_follows_the_rubric_alone(tmp_path: Path) -> None:
    first = load_spec(write(tmp_path))
    other_draws = load_spec(write(tmp_path, draws=5))
    other_text = load_spec(write(tmp_path, text="Q: {prompt} A {response}"))
    assert prompt_hash(first) == prompt_hash(other_draws) != prompt_hash(other_text)


def test_unknown_name_suggests() -> None:
    with pytest.raises(UsageError, match=r"'additiv5'; did you mean 'additive5'.*additive5_short"):
        load_spec("additiv5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"darws": 3}, "unknown key 'darws'; did you mean 'draws'"),
        (
            {"decoding": {**GOOD["decoding"], "topp": 1}},
            "unknown key 'decoding.topp'; did you mean 'top_p'",
        ),
        ({"parser": {"labl": "x"}}, "has no option 'labl'; did you mean 'label'"),
        ({"scale": ...}, "'scale' is missing"),
        ({"scale": [5, 0]}, "low < high"),
        ({"draws": 0}, "draws: found 0"),
        ({"min_scored": 4}, "min_scored 4 is above draws 3"),
        ({"parser": {"label": "Score:"}}, "label: found 'Score:', expected letters"),
        ({"parser": {"name": "regex"}}, "unknown parser 'regex'"),
        ({"decoding": {"temperature": -1, "top_p": 1, "max_tokens": 1}}, "temperature: found -1"),
        ({"rubric": ...}, "rubric: found None, expected the path"),
        ({"rubric": "no.md"}, "no.md: no such file, expected the rubric"),
        ({"kind": "pair"}, "kind: found pair"),
        ({"kind": "pairwise"}, "rubric: expected {first} exactly once, it is there 0 times"),
        ({"parser": {"name": "no_module:x"}}, "cannot be loaded"),
        ({"parser": {"name": "first_score", "choices": "AB"}}, "has no option 'choices'"),
        ({"example": {"text": "Score: 3", "score": 4}}, "reads 3.0 in it, expected 4.0; mend"),
        ({"example": {"text": "I think 3", "score": 3}}, "reads no_score in it, expected 3.0"),
        ({"example": {"text": "Score: 7", "score": 7}}, "reads out_of_range in it"),
        ({"example": {"text": "Score: 3"}}, "expected a score or a verdict"),
        ({"example": {"text": "A", "verdict": "A"}}, "a pointwise judge needs a score in it"),
        ({"example": {"txt": "Score: 3", "score": 3}}, "'example.txt'; did you mean 'text'"),
    ],
)
def test_refused_with_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_spec(write(tmp_path, **changes))
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    assert text.startswith(str(tmp_path))


@pytest.mark.parametrize("rubric", ["{prompt}", "{prompt}{response}{response}", "{response}", ""])
def test_each_slot_once(tmp_path: Path, rubric: str) -> None:
    with pytest.raises(UsageError, match="exactly once"):
        load_spec(write(tmp_path, rubric))


@pytest.mark.parametrize("text", ["- a\n", "a: [", "", "\x00"])
def test_not_a_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"bad\.yaml"):
        load_spec(str(path))


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_spec(str(tmp_path / "none.yaml"))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        load_spec(str(tmp_path / "b.yaml"))
    with pytest.raises(UsageError, match="cannot be read"):
        load_spec(f"{tmp_path}/")


def test_judges_of_outside_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec(write(tmp_path))
    monkeypatch.setattr(f"{__name__}.OUTSIDE", write(tmp_path))
    register(monkeypatch, as_path=f"{__name__}:OUTSIDE", as_call=f"{__name__}:a_path",
             wrong=f"{__name__}:WRONG", gone="no_such_package:x")  # fmt: skip
    assert load_spec("as_path") == load_spec("as_call") == spec
    with pytest.raises(UsageError, match="'wrong': the entry point gives 3"):
        load_spec("wrong")
    listed = list_specs()
    assert listed["as_path"] == "my judge"
    assert listed["gone"].startswith("cannot be loaded")
    assert {"additive5", "additive5_short"} <= listed.keys()


def test_outside_packages_cannot_take_a_shipped_name(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, additive5="other:JUDGE")
    with pytest.raises(UsageError, match="two parts are called judge 'additive5'"):
        list_specs()


def test_specs_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_spec("additive5").draws = 1  # type: ignore[misc,unused-ignore]
    assert isinstance(load_spec("additive5"), JudgeSpec)
