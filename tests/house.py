"""A toy run in a folder of its own: its models climb a ladder, and its gate decides on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests import ladder

HALF = {"dpo.settings.learning_rate": {"times": 0.5}}


RETRY = {"on_hold": "retry", "retries": 2, "changes": [HALF]}


class House:
    """A recipe, its run folder, and what the last start printed."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], **gate: object) -> None:
        home.mkdir()
        self.recipe, self.folder, self.capsys = (
            ladder.write_recipe(home, **gate),
            home / "run",
            capsys,
        )

    def run(self, *overrides: str) -> int:
        self.capsys.readouterr()
        ladder.CALLS.clear()
        words = [
            "--debug",
            "run",
            str(self.recipe),
            "--json",
            "--out",
            str(self.folder),
            *overrides,
        ]
        try:
            return main(words)
        finally:
            self.out, self.err = self.capsys.readouterr()

    @property
    def rows(self) -> dict[str, Any]:
        return {row["model"]: row for row in json.loads(self.out)["rows"]}

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def files(self) -> dict[str, bytes]:
        kinds = (".jsonl", ".json", ".safetensors")
        return {
            str(p.relative_to(self.folder)): p.read_bytes()
            for p in sorted(self.folder.rglob("*"))
            if p.suffix in kinds and p.name != "manifest.json"
        }


def houses(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def made(name: str = "a", **gate: object) -> House:
        return House(tmp_path / name, capsys, **gate)

    return made
