"""The command line as a user meets it: help, exit codes, errors in one line, JSON on stdout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.guard import PACKAGES, shadowed

ROOT = Path(__file__).parents[2]
COMMANDS = [[], ["run"], ["leaderboard"], ["config"], ["config", "show"], ["ls"], ["data"],
            ["data", "fetch"]]  # fmt: skip
LATE = ("torch", "numpy", "pandas", "pydantic", "transformers", "datasets", "trl", "scipy", "rich",
        "yaml", "httpx2")  # fmt: skip


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code and the one line on stderr."""
    code = main(words)
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    return code, lines[0]


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_with_one_line(sent: signal.Signals, code: int, word: str) -> None:
    program = """
import time
import harness.cli

def wait(arguments):
    print("ready", flush=True)
    time.sleep(60)

harness.cli._ls = wait
raise SystemExit(harness.cli.main(["ls", "recipes"]))
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=-1, stderr=-1, text=True, cwd=ROOT
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    child.send_signal(sent)
    _, said = child.communicate(timeout=30)
    assert child.returncode == code
    assert said == f"srlm: {word}; the same command goes on from here\n"


def test_help_needs_no_heavy_package() -> None:
    code = f"""
import sys
from harness.cli import main
for words in {COMMANDS!r}:
    try:
        main([*words, "--help"])
    except SystemExit as end:
        assert end.code == 0
found = sorted(set({LATE!r}) & set(sys.modules))
assert not found, found
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: srlm") == len(COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["ls", "nothing"],
        ["dance"],
        ["run", "x", "--no"],
        ["ls", "recipes", "a=b"],
        ["run", "x", "--out", "y", "--a=b"],
    ],
)
def test_wrong_usage_ends_with_2(words: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert capsys.readouterr().out == ""


def test_unknown_names_end_with_2_and_a_suggestion(capsys, tmp_path: Path) -> None:
    code, line = refused(capsys, "run", "quickstrat")
    assert code == 2 and "did you mean 'quickstart'?" in line
    code, line = refused(capsys, "config", "show", "quickstart", "judge.modle=self")
    assert code == 2 and "did you mean 'model'?" in line
    code, line = refused(capsys, "run", str(tmp_path / "no.yaml"))
    assert code == 2 and "no such file" in line
    code, line = refused(capsys, "leaderboard", str(tmp_path))
    assert code == 2 and "neither a run nor an evaluation" in line


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("judge.spec=additiv5", "did you mean 'additive5'"),
        ("engine.name=hff", "unknown engine 'hff'; did you mean 'hf'?"),
        ("engine.batchsize=3", "did you mean 'batch_size'?"),
        ("trainer.name=tlr", "unknown trainer 'tlr'; did you mean 'trl'?"),
        ("sft.settings.epoch=3", "did you mean 'epochs'?"),
        ("evaluation.benchmark=micro_wold", "did you mean 'micro_world'?"),
        ("model.base=./nowhere", "no such folder"),
        ("judge.model=hff:/x", "unknown engine 'hff'; did you mean 'hf'?"),
        ("judge.model=hf:./nowhere", "no such folder"),
        ("data.source=micro_wold", "did you mean 'micro_world'?"),
        ("data.options.ifft=3", "did you mean 'ift'?"),
        ("engine.batch_size=many", "option batch_size: Input should be a valid integer"),
        ("engine.batch_size=0", "greater than or equal to 1, found 0"),
        ("engine.dtype=flaot32", "option dtype: "),
        ("engine.model=/elsewhere", "'model' is not an option: it is set elsewhere"),
        ("data.options.seed=4", "'seed' is not an option: it is set elsewhere"),
        ("seed=4294967296", "seed: Input should be less than 4294967296"),
        ("prompts.count=[0]", "prompts.count.0: Input should be greater than or equal to 1"),
        ("sft.settings.learning_rate=.inf", "sft.settings.learning_rate: Input should be a finite"),
        (
            "data={source: jsonl, options: {ift: itf.jsonl, eft: e.jsonl}}",
            "itf.jsonl: no such file",
        ),
        ("gate={rules: [{metric: win_rat, rule: improves}]}", "did you mean 'win_rate'?"),
        ("evaluation.baseline=none", "'win_rate' needs a baseline"),
        ("data.options.eft=-5", "option eft: Input should be greater than or equal to 0"),
        ("prompts={source: file, path: none.jsonl, count: [40]}", "none.jsonl: no such file"),
    ],
)
def test_wrong_parts_are_refused_before_work_and_leave_no_run(
    capsys, tmp_path: Path, override: str, message: str
) -> None:
    folder = tmp_path / "run"
    code, line = refused(
        capsys, "run", "quickstart", override, "--out", str(folder),
        "evaluation.options={items: 4, rankings: 1}",
    )  # fmt: skip
    assert code == 2 and message in line
    assert not folder.exists()  # a mended setting must find it free


def test_overrides_stand_before_or_after_options(capsys) -> None:
    shown = []
    for words in (["seed=7", "iterations=2", "--json"], ["--json", "seed=7", "iterations=2"],
                  ["seed=7", "--json", "iterations=2"]):  # fmt: skip
        assert main(["config", "show", "quickstart", *words]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1] == shown[2]
    found = {row["key"]: (row["value"], row["origin"]) for row in shown[0]}
    assert found["seed"] == (7, "override") and found["iterations"] == (2, "override")
    assert found["judge.model"] == ("self", "quickstart.yaml")
    assert found["dpo.settings.learning_rate"][1] == "quickstart.yaml"
    assert found["candidates.decoding.max_tokens"][0] == 56


@pytest.mark.parametrize(
    "kind", ["recipes", "judges", "benchmarks", "engines", "trainers", "sources"]
)
def test_lists_as_table_and_json(capsys, kind: str) -> None:
    assert main(["ls", kind, "--json"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert rows and err == "" and all(set(row) == {"name", "what"} for row in rows)
    expected = {"recipes": "quickstart", "judges": "additive5", "benchmarks": "micro_world",
                "engines": "hf", "trainers": "trl", "sources": "jsonl"}[kind]  # fmt: skip
    assert expected in {row["name"] for row in rows}
    assert main(["ls", kind]) == 0
    assert expected in capsys.readouterr().out


def test_unforeseen_errors_are_one_line_too(capsys, monkeypatch) -> None:
    import harness.recipe

    def breaks(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(harness.recipe, "load_recipe", breaks)
    code, line = refused(capsys, "config", "show", "quickstart")
    assert code == 1 and "RuntimeError: two lines" in line and "--debug" in line
    with pytest.raises(RuntimeError):
        main(["--debug", "config", "show", "quickstart"])


def test_interruption_ends_with_130(capsys, monkeypatch) -> None:
    import harness.recipe

    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(harness.recipe, "load_recipe", stops)
    code, line = refused(capsys, "config", "show", "quickstart")
    assert code == 130 and "interrupted" in line


def test_our_packages_are_ours() -> None:
    assert shadowed() is None
    for name in PACKAGES:
        assert (ROOT / name / "__init__.py").read_text().startswith('"""srlm')


@pytest.mark.parametrize("regular", [True, False], ids=["package", "bare folder"])
def test_a_strangers_package_is_named_and_never_run(tmp_path: Path, regular: bool) -> None:
    folder = tmp_path / "site" / "judges"
    folder.mkdir(parents=True)
    mark = tmp_path / "it_ran"
    if regular:
        (folder / "__init__.py").write_text(f"open({str(mark)!r}, 'w')\n")
    else:
        (folder / "spec.py").write_text(f"open({str(mark)!r}, 'w')\n")
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "ls", "judges"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert not mark.exists()
    if regular:
        assert done.returncode == 1 and done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1
        assert "the package 'judges' is not srlm's" in done.stderr and str(folder) in done.stderr
        assert "uninstall" in done.stderr
    else:  # a folder without __init__.py gives way to a real package
        assert done.returncode == 0 and "additive5" in done.stdout
