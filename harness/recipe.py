"""From a recipe and overrides to a configuration: reading, merging, and saying what is wrong."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from harness.config import RunConfig
from harness.gate_config import Rule, RulesFile
from results.errors import UsageError, did_you_mean
from results.weights import text_hash

BENCHMARK = "evaluation.benchmark"
NAMING = ("name", "benchmark")  # keys of a section that say which part it is about
M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads ``1e-4`` as the number that it is (YAML 1.1 takes it for text)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+"), list("-+0123456789")
)


@dataclass(frozen=True)
class Loaded:
    """A checked configuration. ``origins`` has where each leaf value comes from, by dotted key."""

    config: RunConfig
    origins: dict[str, str]
    default_folder: Path


def recipes() -> dict[str, Path]:
    """Shipped recipes by name."""
    folder = Path(str(importlib.resources.files("harness"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def descriptions() -> dict[str, str]:
    """What each shipped recipe is for; some need settings of the user's before they load."""
    return {name: str(_read(path)[0].get("description", "")) for name, path in recipes().items()}


def load_recipe(name_or_path: str, overrides: list[str]) -> Loaded:
    """The configuration of a shipped recipe or of a YAML file, with ``key.sub=value`` overrides.

    Raises:
        UsageError: no such recipe or file, not YAML, an unknown key, a wrong type.
    """
    path = _find(name_or_path)
    tree, origins = _read(path)
    # Seed data is the section data; seed alone is the number that draws come from, no section.
    overrides = [
        f"data.{text.removeprefix('seed.')}" if text.startswith("seed.") else text
        for text in overrides
    ]
    own: dict[str, Any] = {}
    # The benchmark first: another one has options of its own, which stand before or after it.
    for text, key, value in sorted(_assignments(overrides), key=lambda a: a[1] != BENCHMARK):
        if key == BENCHMARK and value != tree.get("evaluation", {}).get("benchmark"):
            tree["evaluation"] = {**tree.get("evaluation", {}), "options": {}}
            origins = {k: v for k, v in origins.items() if not _under(k, "evaluation.options")}
        _set(tree, key.split("."), value, text)
        origins = {k: v for k, v in origins.items() if not _under(k, key)} | {key: "override"}
        if _under(key, "gate"):
            _set(own, key.split("."), value, text)
    # A rules file named on the command line lies where the command was given.
    _read_rules(own, Path(), "override")
    tree = _merge(tree, own)
    origins |= dict.fromkeys(flatten(own), "override")
    config = _validate(tree, path)
    suffix = f"-{text_hash(sorted(overrides))[:8]}" if overrides else ""
    complete = {k: _origin(k, origins) for k in flatten(config.model_dump())}
    return Loaded(config, complete, Path("runs") / f"{path.stem}{suffix}")


def read_overrides(overrides: list[str]) -> dict[str, Any]:
    """``key.sub=value`` texts as nested mappings; UsageError on one that is not of this form."""
    tree: dict[str, Any] = {}
    for text, key, value in _assignments(overrides):
        _set(tree, key.split("."), value, text)
    return tree


def _assignments(overrides: list[str]) -> Iterator[tuple[str, str, Any]]:
    """(text, key, value) of each ``key.sub=value``."""
    for text in overrides:
        key, found, value = text.partition("=")
        if not found or not key:
            raise UsageError(f"override {text!r}: expected key.sub=value")
        yield text, key, _scalar(text, value)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings to ``{"key.sub": value}``; lists and empty mappings are values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return flat


def _find(name_or_path: str) -> Path:
    shipped = recipes()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise UsageError(f"{path}: no such file; expected a recipe in YAML")
    meant = did_you_mean(name_or_path, shipped)
    raise UsageError(
        f"unknown recipe {name_or_path!r}{meant} (there are: {', '.join(shipped)}; or a .yaml file)"
    )


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise UsageError(f"{path}{line}: {problem}; expected YAML") from error
    if not isinstance(tree, dict):
        raise UsageError(f"{path}: expected keys and values, found {type(tree).__name__}")
    return cast("dict[str, Any]", tree)


def _read(path: Path, seen: tuple[Path, ...] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """A recipe merged over the one it extends, and the file that gave each value."""
    if path.resolve() in seen:
        raise UsageError(f"{path}: extends itself through {' -> '.join(p.stem for p in seen)}")
    tree = _load_yaml(path)
    parent = tree.pop("extends", None)
    _read_rules(tree, path.parent, str(path))
    origins = dict.fromkeys(flatten(tree), path.name)
    if parent is None:
        return tree, origins
    if not isinstance(parent, str):
        raise UsageError(f"{path}: extends is {parent!r}, expected the name of a recipe")
    beside = path.parent / f"{parent}.yaml"
    base, inherited = _read(beside if beside.is_file() else _find(parent), (*seen, path.resolve()))
    kept = {k: v for k, v in inherited.items() if not any(_under(k, own) for own in origins)}
    return _merge(base, tree), {**kept, **origins}


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _another(old, value):
            merged[key] = _merge(cast("dict[str, Any]", old), value)
        else:
            merged[key] = value
    return merged


def _another(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a section names another part, an engine for one, which has options of its own."""
    return any(key in old and new.get(key, old[key]) != old[key] for key in NAMING)


def _scalar(text: str, value: str) -> Any:
    try:
        return yaml.load(value, _Loader) if value else ""
    except yaml.YAMLError as error:
        raise UsageError(f"override {text!r}: the value is not YAML") from error


def _set(tree: dict[str, Any], keys: list[str], value: Any, text: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise UsageError(f"override {text!r}: {key!r} is a value, not a section")
    tree[keys[-1]] = value


def _under(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def _origin(key: str, origins: dict[str, str]) -> str:
    found = [k for k in origins if _under(key, k)]
    return origins[max(found, key=len)] if found else "default"


def _read_rules(tree: dict[str, Any], folder: Path, where: str) -> None:
    """``gate.file``, relative to ``folder``, is read into ``gate.rules``: a run's configuration
    then says it all. Rules given instead, or no file, take the place of an inherited file's.
    """
    gate = tree.get("gate")
    if not isinstance(gate, dict):
        return
    if gate.get("file"):
        if gate.get("rules"):
            raise UsageError(f"{where}: gate has both file and rules; give one of them")
        # The rules stand for the file from here on: a run's config.yaml is a recipe of its own.
        rules = read_rules(folder / str(gate["file"]))
        gate["rules"], gate["file"] = [rule.model_dump() for rule in rules], None
    elif "file" in gate:
        gate.setdefault("rules", [])
    elif "rules" in gate:
        gate["file"] = None


def read_rules(path: Path) -> list[Rule]:
    """The rules in a YAML file ``rules: [{metric, rule, threshold, alpha}]``, checked."""
    return checked(RulesFile, _load_yaml(path), path).rules


def _validate(tree: dict[str, Any], path: Path) -> RunConfig:
    return checked(RunConfig, {"name": path.stem, **tree}, path)


def checked(model: type[M], tree: dict[str, Any], path: Path) -> M:
    """``tree`` as a ``model``; UsageError names ``path``, the key and the mend."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UsageError(_explain(model, error, path)) from error


def _explain(model: type[BaseModel], error: ValidationError, path: Path) -> str:
    """The first thing that is wrong, in one line with the key, what was found and the mend."""
    # A misspelt key often leaves the right one missing too: the misspelling is what to say.
    first = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")[0]
    keys = [str(part) for part in first["loc"]]
    where = ".".join(keys)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _fields(model, keys[:-1])
        meant = did_you_mean(keys[-1], known)
        return f"{path.name}: unknown key {where!r}{meant} (there are: {', '.join(known)}){more}"
    if first["type"] == "missing" or (first["input"] is None and first["type"] == "string_type"):
        return f"{path.name}: {where!r} is not set; it has no default{more}"
    found = first["input"]
    shown = f", found {found!r}" if not isinstance(found, dict) else ""
    message = first["msg"].removeprefix("Value error, ")
    # What is wrong with several settings together names them itself.
    at = f"{path.name}: {where}" if where else path.name
    return f"{at}: {message}{shown}{more}"


def _fields(model: type[BaseModel], keys: list[str]) -> list[str]:
    """The field names of the section that ``keys`` lead to."""
    for key in keys:
        field = model.model_fields.get(key)
        if field is None:
            continue
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        models = [t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)]
        if models:
            model = models[0]
    return list(model.model_fields)
