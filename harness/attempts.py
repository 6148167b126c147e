"""Attempts at one iteration: what a retry changes, what it keeps, and where the one before goes.

The folder ``iter_K`` is always the attempt at hand. One that was held and is to be made again is
set aside whole, by one rename, to ``attempts/iter_K.N``; so the number of an attempt follows from
what lies there, and a kill at any moment leaves either the old state or the new one. The next one
begins with a copy of the records of the stages before the first one that a change touches; finished
calls of the others come from the cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config import RunConfig
from harness.run import Run, run_spec
from results.errors import UsageError
from results.files import sync_folder, write_bytes, writing

ATTEMPTS = "attempts"
# stage -> the records that are its own; patterns, so that what stands beside the pairs comes along
STAGES: dict[str, tuple[str, ...]] = {
    "prompts": ("prompts.jsonl",),
    "candidates": ("candidates.jsonl",),
    "judgments": ("judgments.jsonl", "retries.jsonl", "adaptive.json"),
    "pairs": ("pairs.jsonl", "audit*"),
    "training": (),
}
# setting -> the first stage that it touches
TOUCHES = {
    "candidates": "candidates",
    "judge.draws": "judgments",
    "pairs": "pairs",
    "dpo": "training",
}


def set_aside_folder(folder: Path, k: int, n: int) -> Path:
    """Where attempt ``n`` at M_k lies once there is another one."""
    return folder / ATTEMPTS / f"iter_{k}.{n}"


def attempt_number(folder: Path, k: int) -> int:
    """Which attempt at M_k ``iter_K`` is or will be, from 1."""
    n = 1
    while set_aside_folder(folder, k, n).is_dir():
        n += 1
    return n


def begun(folder: Path, k: int) -> bool:
    """Whether M_k was begun: between two attempts there is no ``iter_K``, and yet it was."""
    return (folder / f"iter_{k}").is_dir() or set_aside_folder(folder, k, 1).is_dir()


def attempt_folder(folder: Path, k: int, n: int) -> Path:
    """Where attempt ``n`` at M_k lies now."""
    aside = set_aside_folder(folder, k, n)
    return aside if aside.is_dir() else folder / f"iter_{k}"


def changes_of(config: RunConfig, n: int) -> dict[str, Any]:
    """What attempt ``n`` changes over the one before, as the recipe states it."""
    entries = config.gate.changes
    return entries[min(n - 1, len(entries)) - 1] if n > 1 and entries else {}


def attempt_config(config: RunConfig, n: int) -> RunConfig:
    """The settings of attempt ``n``: each retry's changes on top of those before it.

    Raises:
        UsageError: a setting is not there, its value is wrong, or a retry changes nothing.
    """
    tree = config.model_dump()
    for i in range(2, n + 1):
        for key, change in changes_of(config, i).items():
            _change(tree, key, change, f"gate.changes: retry {i - 1}")
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"gate.changes: retry {n - 1}: {where}: {message}") from None


def settings_of(config: RunConfig, n: int) -> dict[str, Any]:
    """The settings of attempt ``n`` that the recipe changes for it or before, by dotted key."""
    keys = [key for i in range(2, n + 1) for key in changes_of(config, i)]
    tree = attempt_config(config, n).model_dump()
    return {key: _value(tree, key) for key in dict.fromkeys(keys)}


def check_changes(run: Run) -> None:
    """Refuses changes that could not be made, before anything is computed.

    Raises:
        UsageError: the retry, its setting, and what is wrong.
    """
    before = run.config
    for n in range(2, run.config.gate.retries + 2):
        now = attempt_config(run.config, n)
        try:
            now.dpo.settings.update(run.trainer.check("dpo", now.dpo.settings))
            spec = run_spec(now)
        except UsageError as error:
            raise UsageError(f"gate.changes: retry {n - 1}: {error}") from None
        if spec == run_spec(before) and now == before:
            raise UsageError(
                f"gate.changes: retry {n - 1} ends with the settings of the attempt before, so "
                "the same model would come out; give other values, or {times: FACTOR}"
            )
        before = now


def first_touched(config: RunConfig, n: int) -> str:
    """The first stage that attempt ``n`` makes anew."""
    stages = list(STAGES)
    found = len(stages) - 1
    for key in changes_of(config, n):
        section = next(name for name in TOUCHES if key == name or key.startswith(f"{name}."))
        stage = TOUCHES[section]
        if section == "pairs" and config.judge.adaptive is not None:
            stage = "judgments"  # which draws are spared hangs on the margin
        found = min(found, stages.index(stage))
    return stages[found]


@contextmanager
def attempt(run: Run, k: int) -> Iterator[None]:
    """Gives the stages of M_k's step the settings of the attempt at hand, and what it keeps of the
    attempt before. Evaluations stay outside: all models are measured alike.
    """
    n = attempt_number(run.folder, k)
    if n == 1:
        yield
        return
    _carry_over(run, k, n)
    config, spec = run.config, run.spec
    run.config = attempt_config(config, n)
    run.spec = run_spec(run.config)
    try:
        yield
    finally:
        run.config, run.spec = config, spec


def set_aside(run: Run, k: int) -> None:
    """Makes room for another attempt at M_k; what this one was stays."""
    run.release()  # of its weights
    n = attempt_number(run.folder, k)
    place = set_aside_folder(run.folder, k, n)
    with writing(place):
        place.parent.mkdir(exist_ok=True)
        run.iteration(k).rename(place)
        sync_folder(place.parent)
        sync_folder(run.folder)
    run.display.note(f"M{k} attempt {n} is kept in {place}; attempt {n + 1} begins")


def _carry_over(run: Run, k: int, n: int) -> None:
    """Begins attempt ``n`` with copies of the records of untouched stages: all of them or none, for
    a stage that is opened again later must not find an old copy of the next one.
    """
    here, last = run.iteration(k), set_aside_folder(run.folder, k, n - 1)
    if here.is_dir():
        return
    draft = last.with_name(f"iter_{k}.next")
    with writing(draft):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        touched = list(STAGES).index(first_touched(run.config, n))
        for pattern in (p for stage in list(STAGES.values())[:touched] for p in stage):
            for found in sorted(last.glob(pattern)):
                for path in [found] if found.is_file() else sorted(found.rglob("*")):
                    if path.is_file():
                        write_bytes(draft / path.relative_to(last), path.read_bytes())
        draft.rename(here)
        sync_folder(run.folder)


def _change(tree: dict[str, Any], key: str, change: Any, where: str) -> None:
    """Sets ``key`` in nested mappings; a section's mapping is laid over what is there."""
    *sections, last = key.split(".")
    for name in sections:
        tree = tree.get(name, {}) if isinstance(tree, dict) else {}
    if not isinstance(tree, dict) or (last not in tree and sections[-1:] != ["settings"]):
        raise UsageError(f"{where}: there is no setting {key!r}; see srlm config show")
    if not (isinstance(change, dict) and set(change) == {"times"}):
        old = tree.get(last)
        if isinstance(old, dict) and isinstance(change, dict):
            change = {**old, **change}
        tree[last] = change
        return
    old, factor = tree.get(last), change["times"]
    if not _is_number(factor):
        raise UsageError(f"{where}: {key}: times {factor!r} is no number")
    if not _is_number(old):
        raise UsageError(f"{where}: {key} is {old!r}, which has no multiple; give a value")
    product = old * factor
    whole = isinstance(old, int) and float(product).is_integer()
    tree[last] = int(product) if whole else product


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(tree: dict[str, Any], key: str) -> Any:
    for name in key.split("."):
        tree = tree[name]
    return tree
