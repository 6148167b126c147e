"""A wheel in a fresh environment, started where folders have the names of our packages."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, and the bin folder of an environment that has it and what it needs."""
    base = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(base), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = base.glob("srlm-*.whl")
    venv.create(base / "env", with_pip=True)
    pip = [str(base / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return wheel, base / "env" / "bin"


def test_the_wheel_has_our_five_packages_and_m0_alone(installed):
    names = zipfile.ZipFile(installed[0]).namelist()
    top = {name.split("/")[0] for name in names if "dist-info" not in name}
    assert top == {"harness", "backends", "judges", "benchmarks", "results"}
    assert [n for n in names if n.endswith(".safetensors")] == [
        "benchmarks/micro_world/m0/model.safetensors"
    ]
    # Prompts that people hand in, and requests: the only records that ship.
    assert sorted(n for n in names if n.endswith((".jsonl", ".sqlite"))) == [
        "benchmarks/micro_world/guarded_prompts.jsonl",
        "benchmarks/safety/contrasts.jsonl",
    ]
    assert "harness/recipes/quickstart.yaml" in names
    assert "judges/rubrics/additive5.md" in names


@pytest.mark.parametrize("words", [["run", "quickstart", "--help"], ["ls", "recipes"]])
def test_it_starts_beside_folders_of_the_same_names(installed, tmp_path, words):
    for name in ("judges", "benchmarks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not srlm')\n")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(installed[1] / "srlm"), *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout or "RECIPE" in done.stdout.upper()


def test_without_the_local_extra_a_run_says_what_to_install(installed, tmp_path):
    done = subprocess.run(
        [str(installed[1] / "srlm"), "run", "quickstart"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "srlm[local]" in done.stderr and "Traceback" not in done.stderr
