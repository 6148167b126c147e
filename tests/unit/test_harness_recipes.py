"""Configuration: what is refused and how it is said, where values come from, what extends what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.recipe import Loaded, flatten, load_recipe, read_rules, recipes
from results.errors import UsageError

GOOD: dict[str, Any] = {
    "model": {"base": "package:benchmarks.micro_world/m0"},
    "data": {"source": "micro_world"},
    "judge": {"spec": "additive5", "model": "self"},
    "evaluation": {"benchmark": "micro_world"},
}


def write(path: Path, tree: Any = None, **changes: Any) -> str:
    found = {**GOOD, **changes} if tree is None else tree
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found if isinstance(found, str) else yaml.safe_dump(found, sort_keys=False))
    return str(path)


def refusal(recipe: str, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_recipe(recipe, list(overrides))
    text = str(caught.value)
    assert "\n" not in text and caught.value.exit_code == 2
    return text


# What a recipe for a user's own data leaves open.
NEEDED = {
    "open_assistant": [
        "model.base=/m", "data.options.path=t.jsonl", "evaluation.options.rankings=t.jsonl"
    ],
    "paper-small": [
        "model.base=/m", "data.options.path=t.jsonl", "evaluation.options.rankings=t.jsonl"
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", recipes())
def test_shipped_recipes_load(name: str) -> None:
    loaded = load_recipe(name, NEEDED.get(name, []))
    assert loaded.config.name == name and loaded.config.description
    if name not in NEEDED:
        assert loaded.default_folder == Path("runs") / name
    assert loaded.config.judge.model == "self"
    assert set(loaded.origins) == set(flatten(loaded.config.model_dump()))


def test_hacked_and_quickstart_have_the_same_rules() -> None:
    rules = [load_recipe(name, []).config.gate for name in ("quickstart", "hacked")]
    assert rules[0] == rules[1] and len(rules[0].rules) >= 4
    said = str(rules[0]).lower()
    assert "hope" not in said and "hacked" not in said and "quickstart" not in said


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("itertions=2", "unknown key 'itertions'; did you mean 'iterations'? (there are: name, "),
        ("judge.modle=self", "unknown key 'judge.modle'; did you mean 'model'?"),
        ("candidates.decoding.topp=1", "'candidates.decoding.topp'; did you mean 'top_p'?"),
        ("gate.ruls=[]", "unknown key 'gate.ruls'; did you mean 'rules'?"),
        ("gate.rules=[{metric: x, rule: min, treshold: 1}]",
         "unknown key 'gate.rules.0.treshold'; did you mean 'threshold'?"),
        ("iterations=many", "iterations: Input should be a valid integer"),
        ("iterations=0", "iterations: Input should be greater than or equal to 1, found 0"),
        ("prompts.count=[]", "prompts.count: List should have at least 1 item"),
        ("prompts.count=[ten]", "prompts.count.0: Input should be a valid integer"),
        ("candidates.n=1", "candidates.n: "),
        ("candidates.decoding.top_p=0", "candidates.decoding.top_p: "),
        ("candidates.decoding=0.5", "candidates.decoding: "),
        ("judge=self", "judge: "),
        ("judge.model=gpt", "judge.model: 'gpt' is neither 'self' nor 'engine:model'"),
        ("judge.shuffle=perhaps", "judge.shuffle: "),
        ("evaluation.baseline=m1", "evaluation.baseline: Input should be 'sft', 'm0' or 'none'"),
        ("prompts.source=file", "prompts: source: file needs path"),
        ("prompts.path=x.jsonl", "path needs source: file"),
        ("gate.rules=[{metric: x, rule: min}]", "gate.rules.0: rule 'min' needs a threshold"),
        ("gate.rules=[{metric: x, rule: min, threshold: true}]", "expected a number"),
        ("gate.rules=[{metric: x, rule: improves, alpha: 1e-300}]", "gate.rules.0.alpha: "),
        ("iterations=true", "iterations: expected a number"),
        ("gate.rules=[{metric: x, rule: least}]", "gate.rules.0.rule: "),
        ("gate.rules=[{metric: x, rule: improves, alpha: 0}]", "gate.rules.0.alpha: "),
        ("name=a/b", "name: String should match pattern"),
        ("seed=-1", "seed: "),
        ("iterations.x=2", "'iterations' is a value, not a section"),
        ("iterations", "override 'iterations': expected key.sub=value"),
        ("=2", "override '=2': expected key.sub=value"),
        ("a={", "override 'a={': the value is not YAML"),
        ("1=2", "'1'"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_in_one_line(
    tmp_path: Path, override: str, message: str
) -> None:
    path = write(tmp_path / "mine.yaml", iterations=2)
    assert message in refusal(path, override)


def test_errors_name_the_file_and_how_many_more(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", sede=3, iterations="x")
    text = refusal(path)
    assert text.startswith("mine.yaml: ") and text.endswith("(and 1 more)")


def test_a_missing_judge_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", judge={"spec": "additive5"})
    assert refusal(path) == "mine.yaml: 'judge.model' is not set; it has no default"
    tree = {key: value for key, value in GOOD.items() if key != "judge"}
    assert "'judge' is not set" in refusal(write(tmp_path / "mine.yaml", tree))


def test_overrides_win_and_say_so(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", seed=1, sft={"settings": {"learning_rate": 1}})
    found = load_recipe(path, ["seed=7", "sft.settings.epochs=3", "judge.model=hf:a/b=c"])
    assert found.config.seed == 7
    assert found.config.sft.settings == {"learning_rate": 1, "epochs": 3}
    assert found.config.judge.model == "hf:a/b=c"
    where = found.origins
    assert where["seed"] == where["sft.settings.epochs"] == where["judge.model"] == "override"
    assert where["sft.settings.learning_rate"] == where["model.base"] == "mine.yaml"
    assert where["iterations"] == where["candidates.decoding.top_p"] == "default"


def test_an_overridden_section_is_an_override_in_every_part(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", sft={"settings": {"learning_rate": 1, "epochs": 2}})
    found = load_recipe(path, ["sft.settings={learning_rate: 3}"])
    assert found.config.sft.settings == {"learning_rate": 3}
    assert found.origins["sft.settings.learning_rate"] == "override"


def test_the_later_override_wins(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml")
    assert load_recipe(path, ["seed=1", "seed=2"]).config.seed == 2


def test_default_folder_follows_the_overrides(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml")

    def folder(*overrides: str) -> str:
        return load_recipe(path, list(overrides)).default_folder.name

    assert folder() == "mine"
    one = folder("seed=1")
    assert one.startswith("mine-") and len(one) == len("mine-") + 8
    assert len({folder(), one, folder("seed=2"), folder("seed=1", "iterations=2")}) == 4
    assert folder("iterations=2", "seed=1") == folder("seed=1", "iterations=2")


def test_extends_merges_sections_and_keeps_origins(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", seed=1, iterations=2,
          sft={"settings": {"learning_rate": 1, "epochs": 2}})  # fmt: skip
    path = write(tmp_path / "mine.yaml",
                 {"extends": "base", "seed": 5, "sft": {"settings": {"epochs": 9}}})  # fmt: skip
    found = load_recipe(path, [])
    assert (found.config.name, found.config.seed, found.config.iterations) == ("mine", 5, 2)
    assert found.config.sft.settings == {"learning_rate": 1, "epochs": 9}
    assert found.origins["seed"] == found.origins["sft.settings.epochs"] == "mine.yaml"
    assert found.origins["iterations"] == "base.yaml"
    assert found.origins["sft.settings.learning_rate"] == "base.yaml"


def rules_of(loaded: Loaded) -> list[str]:
    return [rule.metric for rule in loaded.config.gate.rules]


def test_a_users_recipe_may_extend_a_shipped_one(tmp_path: Path) -> None:
    # Its gate file stands beside the shipped recipe, not beside the user's.
    path = write(tmp_path / "mine.yaml", {"extends": "quickstart", "seed": 5})
    found = load_recipe(path, [])
    assert rules_of(found) == rules_of(load_recipe("quickstart", []))
    assert found.origins["gate.rules"] == "quickstart.yaml"


def test_rules_can_be_taken_away_or_given_instead(tmp_path: Path, monkeypatch) -> None:
    mine = [{"metric": "mine", "rule": "improves"}]
    given = write(tmp_path / "own.yaml", {"extends": "quickstart", "gate": {"rules": mine}})
    assert rules_of(load_recipe(given, [])) == ["mine"]
    none = write(tmp_path / "none.yaml", {"extends": "quickstart", "gate": {"rules": []}})
    assert rules_of(load_recipe(none, [])) == []
    assert rules_of(load_recipe("quickstart", ["gate.file=null"])) == []
    assert rules_of(load_recipe("quickstart", ["gate.rules=[]"])) == []
    assert rules_of(load_recipe("quickstart", [f"gate.rules={mine}"])) == ["mine"]
    # A file named on the command line lies where the command was given.
    write(tmp_path / "here" / "my_rules.yaml", {"rules": mine})
    monkeypatch.chdir(tmp_path / "here")
    assert rules_of(load_recipe("quickstart", ["gate.file=my_rules.yaml"])) == ["mine"]
    assert "both file and rules" in refusal(
        write(tmp_path / "both.yaml", gate={"file": "here/my_rules.yaml", "rules": mine})
    )


def test_a_missing_gate_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", gate={"file": "rules/none.yaml"})
    assert f"{tmp_path}/rules/none.yaml: " in refusal(path)


def test_rules_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    write(path, {"rules": [{"metric": "x", "rule": "min", "threshold": 1, "alfa": 0.1}]})
    with pytest.raises(UsageError, match=r"'rules\.0\.alfa'; did you mean 'alpha'"):
        read_rules(path)
    write(path, {"rules": [{"metric": "x", "rule": "max", "threshold": 0.5}]})
    assert [rule.model_dump() for rule in read_rules(path)] == [
        {
            "metric": "x",
            "rule": "max",
            "threshold": 0.5,
            "alpha": 0.05,
            "family": None,
            "missing": "hold",
        }
    ]
    write(path, {"ruls": []})
    with pytest.raises(UsageError, match="did you mean 'rules'"):
        read_rules(path)


def test_extends_in_a_circle_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", {"extends": "b"})
    write(tmp_path / "b.yaml", {"extends": "a"})
    assert "extends itself through a -> b" in refusal(str(tmp_path / "a.yaml"))
    write(tmp_path / "x" / "c.yaml", {"extends": "../x/c"})
    assert "extends itself" in refusal(str(tmp_path / "x" / "c.yaml"))


def test_extends_of_nothing(tmp_path: Path) -> None:
    assert "unknown recipe 'quickstrat'; did you mean 'quickstart'" in refusal(
        write(tmp_path / "a.yaml", {"extends": "quickstrat"})
    )
    assert "extends is ['quickstart'], expected the name of a recipe" in refusal(
        write(tmp_path / "a.yaml", {"extends": ["quickstart"]})
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\njudge: {spec: [\n", "mine.yaml:3: "),
        ("seed: 1\n\tmodel: x\n", "mine.yaml:2: "),
        ("- a\n", "expected keys and values, found list"),
        ("", "expected keys and values, found NoneType"),
        ("a: \x00", "mine.yaml"),
    ],
)
def test_text_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(write(tmp_path / "mine.yaml", text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no.yaml: no such file" in refusal(str(tmp_path / "no.yaml"))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    assert "b.yaml: cannot be read" in refusal(str(tmp_path / "b.yaml"))
    assert "unknown recipe 'quickstrt'; did you mean 'quickstart'" in refusal("quickstrt")
    assert "quickstart" in refusal("zzzz")


def test_non_text_keys_are_refused(tmp_path: Path) -> None:
    assert "mine.yaml: " in refusal(write(tmp_path / "mine.yaml", {**GOOD, 1: 2}))


def test_another_benchmark_takes_none_of_the_options_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: quickstart\nname: mine\nevaluation: {benchmark: judge_agreement, "
        "options: {rankings: r.jsonl}, baseline: none}\ngate: {file: null}\n"
    )
    assert load_recipe(str(path), []).config.evaluation.options == {"rankings": "r.jsonl"}
    kept = load_recipe("quickstart", ["evaluation.options.items=7"]).config.evaluation.options
    assert kept["items"] == 7 and kept["rankings"] == 80
    words = ["evaluation.options.rankings=r.jsonl", "evaluation.benchmark=judge_agreement"]
    for said in (words, words[::-1]):
        assert load_recipe("quickstart", said).config.evaluation.options == {"rankings": "r.jsonl"}
