"""lm-eval's own task files: found by name and read without importing lm-eval, which takes seconds.

Building lm-eval's index of all its tasks takes longer still; a task is looked for by its line here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from results.errors import SrlmError, UsageError
from results.plugins import require

EXTRA = "install it with: pip install 'srlm[nlp]'"
PACKAGES = ("lm_eval", "datasets")


def version() -> str:
    """lm-eval's version.

    Raises:
        SrlmError: it is not installed.
    """
    require(PACKAGES, "benchmark 'nlp'", EXTRA)
    return importlib.metadata.version("lm_eval")


@cache
def tasks_folder() -> Path:
    """Where lm-eval's task files lie; errors as ``version``."""
    require(PACKAGES, "benchmark 'nlp'", EXTRA)
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "tasks"


@cache
def leaves(name: str) -> tuple[tuple[str, Path], ...]:
    """Every task that the task, group or tag ``name`` is made of, in the order of its files.

    Returns:
        Pairs of lm-eval's name and its file.

    Raises:
        UsageError: lm-eval has nothing of that name.
    """
    found = _find(name)
    if found is None:
        raise UsageError(
            f"task {name!r}: lm-eval {version()} has none of that name; see the folders of its "
            "lm_eval/tasks"
        )
    kind, path = found
    if kind == "task":
        return ((name, path),)
    # Members stand beside their group: one look through its folder finds them all.
    index = _index(path.parent)
    return tuple(dict.fromkeys(_members(name, index, ())))


def settings(path: Path) -> dict[str, Any]:
    """A task file with those that it includes; functions are their names as text.

    Raises:
        SrlmError: a file cannot be read.
    """
    own = _load(path)
    base: dict[str, Any] = {}
    named = own.pop("include", None)
    for include in [] if named is None else named if isinstance(named, list) else [named]:
        base |= settings(path.parent / include)
    return base | own


@cache
def _lines() -> dict[str, tuple[str, Path]]:
    """Name -> kind and file, by the lines that say ``task: NAME`` or ``group: NAME``."""
    line = re.compile(rb"""^["']?(task|group)["']?:[ \t]*["']?([^\s"'#]+)["']?[ \t]*$""", re.M)
    found: dict[str, tuple[str, Path]] = {}
    for path in _files(tasks_folder()):
        for kind, name in line.findall(path.read_bytes()):
            found.setdefault(name.decode(), (kind.decode(), path))
    return found


def _find(name: str) -> tuple[str, Path] | None:
    """The kind and file of ``name``; for a tag one of the files that carry it."""
    if name in (lines := _lines()):
        return lines[name]
    for path in _files(tasks_folder()):
        if name.encode() in path.read_bytes() and name in _tags(_load(path)):
            return "tag", path
    return None


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".yaml"))


def _index(folder: Path) -> dict[str, list[tuple[str, Any]]]:
    """Name -> what carries it: ("task", file), ("group", its members), ("tag", a task's name)."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for path in _files(folder):
        own = _load(path)
        name, members = own.get("task"), own.get("group")
        if isinstance(members, str):
            found.setdefault(members, []).append(("group", name))
        elif isinstance(name, str):
            found.setdefault(name, []).append(("task", path))
            for tag in _tags(own):
                found.setdefault(tag, []).append(("tag", name))
    return found


def _members(
    name: str, index: dict[str, list[tuple[str, Any]]], above: tuple[str, ...]
) -> Iterator[tuple[str, Path]]:
    if name in above:
        return
    if name not in index:
        yield from leaves(name)
        return
    for kind, what in index[name]:
        if kind == "task":
            yield name, what
        elif kind == "tag":
            yield from _members(what, index, (*above, name))
        else:
            for member in what if isinstance(what, list) else [what]:
                own = member if isinstance(member, str) else member["task"]
                yield from _members(own, index, (*above, name))


def _tags(own: dict[str, Any]) -> list[str]:
    tags = own.get("tag") or []
    return [tags] if isinstance(tags, str) else list(tags)


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Reads ``!function module.name`` as the text that stands there."""


_Loader.add_constructor("!function", lambda loader, node: f"!function {node.value}")


def _load(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise SrlmError(f"{path}: a task file of lm-eval cannot be read ({why})") from error
    return found if isinstance(found, dict) else {}
