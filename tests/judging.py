"""``srlm judge`` on a server that stands in for the paid judge: what its tests share."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests.fake_server import FakeServer, last_text

KEY = "sk-a-secret-of-the-user"
TOP = {"judge", "judge_spec", "model", "data", "data_format", "data_sha256", "kind", "n", "of",
       "scale", "metrics", "unscored", "diagnosis", "human_agreement", "annotator_test", "fitness",
       "notes", "prompts", "min_scored"}  # fmt: skip
METRIC = {"name", "value", "low", "high", "confidence", "n", "of", "convention", "reason"}
FIVE = {"pairwise_accuracy", "pairwise_accuracy_half_ties", "five_best", "exact_match", "spearman",
        "kendall_tau"}  # fmt: skip
PAIRWISE = {"accuracy", "accuracy_scored_only", "consistency", "agreement", "cohen_kappa",
            "position_bias", "macro_precision", "macro_recall", "macro_f1"}  # fmt: skip


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def ranked(path: Path, prompts: int = 40, **more: Any) -> Path:
    """Two responses each; the better one says quality 4, the other quality 2."""
    return write(path, *(
        {"id": f"p{i}", "prompt": f"Question {i}?", **more, "responses": [
            {"id": "good", "text": f"answer {i} of quality 4", "rank": 0},
            {"id": "bad", "text": f"answer {i} of quality 2", "rank": 1},
        ]} for i in range(prompts)
    ))  # fmt: skip


def labelled(path: Path, pairs: int = 40) -> Path:
    return write(path, *(
        {"id": f"p{i}", "prompt": f"Question {i}?", "label": ["first", "second"][i % 2],
         "first": f"answer {i} of quality {4 - 2 * (i % 2)}",
         "second": f"answer {i} of quality {2 + 2 * (i % 2)}"}
        for i in range(pairs)
    ))  # fmt: skip


def qualities(body: dict[str, Any]) -> list[int]:
    return [int(found) for found in re.findall(r"quality (\d)", last_text(body))]


def fair(body: dict[str, Any]) -> str:
    """Sees what is there, whatever the judge's form."""
    seen = qualities(body)
    if len(seen) > 1:
        return f"Reasons.\nVerdict: {'A' if seen[0] > seen[1] else 'B'}"
    return f"Reasons.\nScore: {seen[0]}"


def unfair(body: dict[str, Any]) -> str:
    return f"Reasons.\nScore: {5 - qualities(body)[0]}"


class Judging:
    """``srlm judge`` on a server, and what came of it."""

    def __init__(self, folder: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]):
        self.folder, self.server, self.capsys = folder, server, capsys
        self.data = ranked(folder / "ranked.jsonl")
        self.out = folder / "out"
        self.err = ""

    def __call__(self, *words: object) -> tuple[int, str]:
        """Exit code and stdout; argparse's refusals count as the exit code that they are."""
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = int(str(end.code))
        out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err and "did not foresee" not in self.err
        return code, out

    def validate(self, *words: object, judge: object = "additive5", data: Path | None = None,
                 out: Path | None = None, draws: int | None = 1) -> tuple[int, str]:  # fmt: skip
        settings = [] if draws is None else [f"judge.draws={draws}"]
        return self(
            "judge", "validate", "--judge", judge, "--model", "openai:m",
            "--data", data or self.data, "--out", out or self.out,
            f"engine.base_url={self.server.url}", *settings, *words,
        )  # fmt: skip

    def document(self, *words: object, code: int = 0, **more: Any) -> dict[str, Any]:
        """The one JSON document of a validation that must end with ``code``."""
        got, out = self.validate("--json", *words, **more)
        assert got == code, self.err
        return document(out)

    def agreement(self, judgments: Path, data: Path, *words: object) -> dict[str, Any]:
        code, out = self("judge", "agreement", "--judgments", judgments, "--data", data, "--json",
                         *words)  # fmt: skip
        assert code == 0, self.err
        return document(out)

    def refused(self, *words: object, code: int = 2, **more: Any) -> str:
        """The one line of a refused validation, which leaves no folder."""
        got, out = self.validate(*words, **more)
        assert (got, out) == (code, ""), self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def document(out: str) -> dict[str, Any]:
    """stdout as one JSON document without NaN."""

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} in the document")

    found: dict[str, Any] = json.loads(out, parse_constant=no_constant)
    return found


def check_metrics(found: dict[str, Any], names: set[str]) -> None:
    assert names <= found["metrics"].keys()
    parts = [found["metrics"], *(found[key] for key in ("human_agreement",) if found[key])]
    if found["diagnosis"]:
        parts += [found["diagnosis"]["metrics"], found["diagnosis"]["categories"]]
    for part in parts:
        for metric in part.values():
            assert metric.keys() == METRIC
            assert metric["convention"] and 0 <= metric["n"] <= metric["of"]
            assert (metric["value"] is not None) or metric["reason"]
            if metric["low"] is not None:
                assert metric["low"] <= metric["value"] <= metric["high"]
