"""The manifest and the difference between two configurations."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from results.manifest import build_manifest, diff_config, git_state, hardware


def test_manifest_is_json_and_complete() -> None:
    manifest = build_manifest({"judge": {"draws": 3}}, {"run": 7}, {"M0": "ab"})
    again = json.loads(json.dumps(manifest, allow_nan=False))
    assert again["config"] == {"judge": {"draws": 3}}
    assert (again["seeds"], again["hashes"], again["format_version"]) == (
        {"run": 7},
        {"M0": "ab"},
        1,
    )
    assert again["packages"]["pydantic"].count(".") >= 1
    assert "vllm_not_installed" not in again["packages"]
    assert again["hardware"]["cores"] >= 1 and again["hardware"]["ram_bytes"] > 1 << 20
    assert again["created"].endswith("+00:00")


def test_git_state(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True,
                       capture_output=True)  # fmt: skip

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    state = git_state(tmp_path)
    assert state is not None and len(state["commit"]) == 40 and state["dirty"] is False
    (tmp_path / "new.py").write_text("")
    assert git_state(tmp_path) == {**state, "dirty": True}
    # A package inside another project's checkout does not report that project's commit.
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert git_state(inside) is None


def test_gpus_come_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware()["gpus"] == []
    program.write_text("#!/bin/sh\necho 'H100, 81559 MiB, 550.1'\n")
    program.chmod(0o755)
    assert hardware()["gpus"] == ["H100, 81559 MiB, 550.1"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert hardware()["gpus"] == []
    monkeypatch.setattr("results.manifest.TIMEOUT_S", 0.1)
    program.write_text("#!/bin/sh\nexec /bin/sleep 20\n")
    assert hardware()["gpus"] == []


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, []),
        ({"a": {"b": 1}}, {"a": {"b": True}}, ["a.b: 1 -> true"]),
        ({"a": {"b": 1, "c": "x"}}, {"a": {"b": 2, "c": "x"}}, ["a.b: 1 -> 2"]),
        ({"a": None}, {}, ["a: null -> (absent)"]),
        ({}, {"a": {"x": "(absent)"}}, ['a.x: (absent) -> "(absent)"']),
        ({"a": {}}, {"a": {"x": 1}}, ["a: {} -> (absent)", "a.x: (absent) -> 1"]),
        ({"s": [1, 2]}, {"s": (1, 2.0)}, []),
        ({"s": [1, 2]}, {"s": [2, 1]}, ["s: [1, 2] -> [2, 1]"]),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, ["a: 1 -> 2", "b: 1 -> 2"]),
        ({"p": Path("x")}, {"p": "x"}, []),
    ],
)
def test_diff_config(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    assert diff_config(old, new) == lines
