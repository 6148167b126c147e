"""A run that starts from a model of another run: it is checked, and it speaks as M0 does."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.chat_template import own_template
from benchmarks.registry import SeedData
from harness.display import Display
from harness.folder import claim
from harness.inputs import input_hashes
from harness.loop import loop
from harness.recipe import load_recipe
from harness.resolve import resolve
from harness.run import Run
from results.errors import SrlmError, UsageError
from tests.fake_server import FakeServer
from tests.tiny_models import tiny_model

SEED = SeedData([], [])
PLAIN = "model.chat_template=plain"


@pytest.fixture(scope="module")
def neox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model: it has no chat template."""
    return tiny_model("neox", tmp_path_factory.mktemp("neox"))


def opened(folder: Path, *words: str) -> Run:
    folder.mkdir(exist_ok=True)
    config = resolve(load_recipe("quickstart", [f"start={words[0]}", *words[1:]]).config)
    return Run.open(config, folder, Display())


def test_what_a_run_starts_from_is_checked_as_its_policy_is(neox: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no chat template.*model\.chat_template"):
        opened(tmp_path / "run", str(neox)).check_engines()
    assert list((tmp_path / "run").iterdir()) == []


def test_servers_are_asked_for_their_models_before_a_run_and_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789")
    with FakeServer(models=("house",), key="sk-right-0123456789") as server:
        words = [f"judge.options.base_url={server.url}", "judge.spec=additive5"]
        run = opened(tmp_path / "run", "base", "judge.model=openai:house", *words)
        with pytest.raises(SrlmError, match="refuses the key"):
            loop(run)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-right-0123456789")
        with pytest.raises(SrlmError, match="no model 'hause'; it serves house"):
            loop(opened(tmp_path / "run", "base", "judge.model=openai:hause", *words))
        assert list((tmp_path / "run").iterdir()) == [] == server.bodies
        run.check_engines()
    capsys.readouterr()
    run.check_engines()  # a server that is away may come before it is needed
    assert "not checked before the first call" in capsys.readouterr().err
    (run.folder / "manifest.json").write_text("{}")
    run.check_engines()
    assert capsys.readouterr().err == ""


def test_the_template_of_the_run_is_its_starts_too(neox: Path, tmp_path: Path) -> None:
    run = opened(tmp_path / "run", str(neox), PLAIN)
    run.check_engines()
    before = input_hashes(run, SEED)
    claim(run.folder, run.config, before)
    run.prepare_base()
    m1 = run.checkpoint(1)
    assert m1 == run.folder / "start" and own_template(m1) == own_template(run.base) != ""
    assert (m1 / "model.safetensors").resolve() == (neox / "model.safetensors").resolve()
    # The next start finds the inputs as they were, and M1 where it was.
    again = opened(run.folder, str(neox), PLAIN)
    again.check_engines()
    again.prepare_base()
    assert input_hashes(again, SEED) == before and again.checkpoint(1) == m1
    # A model that speaks so already is taken as it is, and so is any without the setting.
    other = opened(tmp_path / "other", str(m1), PLAIN)
    other.check_engines()
    other.prepare_base()
    assert other.checkpoint(1) == m1 and not (other.folder / "start").exists()
    plain = opened(tmp_path / "third", str(m1))
    plain.check_engines()
    plain.prepare_base()
    assert plain.checkpoint(1) == m1
