"""The one lookup behind every plug point: names, suggestions, collisions, options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import results.plugins
from results.errors import SrlmError, UsageError
from results.plugins import Table, construct

TABLE = Table(
    "engine", "srlm.test", {"path": "pathlib:Path", "gone": "no_such_package.x:Y"},
    {"gone": "install it with: pip install 'srlm[local]'"},
)  # fmt: skip


class Point:
    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value


def register(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    asked: list[str] = []

    def found(group: str) -> list[Point]:
        asked.append(group)
        assert group == "srlm.test"
        return [Point(*p) for p in points]

    monkeypatch.setattr(results.plugins, "entry_points", found)


def test_a_name_and_a_direct_target_load() -> None:
    assert TABLE.load("path") is Path
    assert TABLE.load("pathlib:PurePath").__name__ == "PurePath"


def test_nothing_is_imported_before_it_is_asked_for(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "lazy_part_of_a_test.py").write_text("PART = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = Table("part", "srlm.test", {"lazy": "lazy_part_of_a_test:PART"}, {})
    assert "lazy" in table.names() and "lazy_part_of_a_test" not in sys.modules
    assert table.load("lazy") == 7
    del sys.modules["lazy_part_of_a_test"]


def test_unknown_name_suggests_and_lists() -> None:
    with pytest.raises(UsageError, match=r"unknown engine 'paht'; did you mean 'path'\?.*gone"):
        TABLE.load("paht")
    with pytest.raises(UsageError) as caught:
        TABLE.load("zzzzzz")
    assert "did you mean" not in str(caught.value)


def test_a_path_with_a_colon_is_not_taken_for_a_module() -> None:
    with pytest.raises(UsageError, match="unknown engine"):
        TABLE.load("hf:/weights/m0")


def test_missing_package_gives_the_command_that_installs_it() -> None:
    with pytest.raises(SrlmError, match=r"cannot be loaded.*pip install 'srlm\[local\]'") as caught:
        TABLE.load("gone")
    assert caught.value.exit_code == 1
    with pytest.raises(UsageError, match=r"pathlib has no 'Pathh'"):
        TABLE.load("pathlib:Pathh")


def test_outside_parts_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, ("theirs", "pathlib:PurePosixPath"))
    assert TABLE.load("theirs").__name__ == "PurePosixPath"
    assert sorted(TABLE.names()) == ["gone", "path", "theirs"]


@pytest.mark.parametrize(
    "points",
    [
        [("path", "stranger:Path")],
        [("same", "one:A"), ("same", "two:A")],
    ],
)
def test_two_parts_of_one_name_are_an_error(monkeypatch, points: list[tuple[str, str]]) -> None:
    register(monkeypatch, *points)
    with pytest.raises(UsageError, match=r"two parts are called engine '(path|same)'.*uninstall"):
        TABLE.load("gone")


def test_one_part_registered_twice_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, ("path", "pathlib:Path"), ("path", "pathlib:Path"))
    assert TABLE.load("path") is Path


class Part:
    def __init__(self, model: str, batch_size: int = 1) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size},\nexpected >= 1")
        self.model, self.batch_size = model, batch_size


def open_free(**options: Any) -> dict[str, Any]:
    return options


def test_construct_passes_options_through() -> None:
    part = construct("engine", "x", Part, {"model": "m", "batch_size": 4})
    assert (part.model, part.batch_size) == ("m", 4)
    assert construct("engine", "x", open_free, {"anything": 1}) == {"anything": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "m", "batchsize": 4}, r"engine 'x' has no option 'batchsize'; did you mean"),
        ({"model": "m", "zzz": 4}, r"no option 'zzz' \(there are: batch_size, model\)"),
        ({"batch_size": 4}, r"engine 'x' needs the option 'model': it is not set"),
        ({"model": "m", "batch_size": 0}, r"engine 'x': batch_size is 0, expected >= 1"),
        ({"model": "m", "batch_size": "many"}, r"engine 'x': '<' not supported"),
    ],
)
def test_construct_refuses_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        construct("engine", "x", Part, options)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2
