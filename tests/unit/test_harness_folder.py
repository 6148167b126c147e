"""A run folder belongs to one configuration; what is not a run folder is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import RunConfig
from harness.folder import claim
from harness.inputs import is_file
from harness.recipe import load_recipe
from results.errors import UsageError

HASHES = {"base_weights": "a", "prompts.path": "b"}


def config(*overrides: str) -> RunConfig:
    return load_recipe("quickstart", list(overrides)).config


def test_the_same_configuration_may_come_back(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    claim(tmp_path, config("seed=3"), HASHES)
    before = (tmp_path / "config.yaml").read_bytes()
    (tmp_path / "iter_1").mkdir()
    claim(tmp_path, config("seed=3"), HASHES)
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_another_configuration_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    claim(tmp_path, config(), HASHES)
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(UsageError) as caught:
        claim(tmp_path, config("seed=3", "candidates.decoding.top_p=0.5"), HASHES)
    text = str(caught.value)
    assert "\n" not in text and str(tmp_path) in text
    assert "seed" in text and "0" in text and "3" in text
    assert "candidates.decoding.top_p" in text and "1" in text and "0.5" in text
    assert "iterations" not in text
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_many_differences_are_counted(tmp_path: Path) -> None:
    claim(tmp_path, config(), HASHES)
    changes = ["seed=3", "iterations=2", "pairs.min_pairs=1", "pairs.min_margin=2",
               "candidates.n=3", "prompts.shots=2", "judge.draws=1"]  # fmt: skip
    with pytest.raises(UsageError, match="and 2 more"):
        claim(tmp_path, config(*changes), HASHES)


def test_a_rule_that_differs_is_another_configuration(tmp_path: Path) -> None:
    claim(tmp_path, config("gate.rules=[{metric: x, rule: min, threshold: 1}]"), HASHES)
    with pytest.raises(UsageError, match="gate"):
        claim(tmp_path, config("gate.rules=[{metric: x, rule: min, threshold: 2}]"), HASHES)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"not empty and not a run folder .*'thesis\.tex'"):
        claim(tmp_path, config(), HASHES)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["a: [", "\x00", "- 1\n", ""])
def test_a_damaged_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        claim(tmp_path, config(), HASHES)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "config.yaml").read_text() == text


def test_odd_values_come_back_as_they_were(tmp_path: Path) -> None:
    odd = ["data.options={phrase: 'a: \\u2028 #b', share: 1.0e-7, list: [1, null, yes]}",
           "description='\"x\\n y'"]  # fmt: skip
    claim(tmp_path, config(*odd), HASHES)
    claim(tmp_path, config(*odd), HASHES)


def test_a_changed_input_is_refused_and_named(tmp_path: Path) -> None:
    claim(tmp_path, config(), HASHES)
    with pytest.raises(UsageError, match=r"not what this run began with: prompts\.path;"):
        claim(tmp_path, config(), {**HASHES, "prompts.path": "c"})
    claim(tmp_path, config(), HASHES)


def test_what_a_killed_first_write_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.4242.tmp").write_text("half")
    claim(tmp_path, config(), HASHES)
    (tmp_path / "manifest.json").unlink()
    claim(tmp_path, config(), HASHES)
    assert (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize("text", ["x" * 5000, "a\0b", "", "no-such-file"])
def test_a_phrase_is_not_taken_for_a_file(text: str) -> None:
    assert not is_file(text)


def test_a_manifest_without_hashes_is_refused(tmp_path: Path) -> None:
    claim(tmp_path, config(), HASHES)
    (tmp_path / "manifest.json").write_text('{"hashes": []}')
    with pytest.raises(UsageError, match="no 'hashes' in it"):
        claim(tmp_path, config(), HASHES)
