"""Local data: which files of a folder hold the splits of a task.

``FOLDER/NAME/SPLIT.EXT`` (or ``SPLIT-*.EXT``, ``SPLIT/*.EXT``) with NAME the metric's name or
lm-eval's; of a task of many parts, ``FOLDER/NAME/PART/...``. Other names stand in
``FOLDER/files.yaml``: ``NAME: {SPLIT: PATTERN}``, where ``{part}`` stands for the part.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from results.errors import UsageError

FORMATS = {  # ending -> the loader of datasets that reads it
    ".arrow": "arrow",
    ".parquet": "parquet",
    ".jsonl": "json",
    ".json": "json",
    ".jsonl.gz": "json",
    ".json.gz": "json",
}
MAP = "files.yaml"
SPLITS = ("train", "validation", "test", "dev")


@dataclass(frozen=True)
class LocalFiles:
    """The files of one task by split; ``builder`` is the loader of datasets that reads them."""

    builder: str
    splits: dict[str, list[Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFolder:
    """A folder of local files and its ``files.yaml``, or that file alone: ``root`` is where its
    patterns begin.
    """

    root: Path
    named: dict[str, dict[str, Any]] = field(default_factory=dict)

    def find(
        self, names: Sequence[str], part: str | None, splits: Sequence[str]
    ) -> LocalFiles | None:
        """The files of a task, null where there is none.

        Args:
            names: under which its folder may stand, the first that has files is taken.
            part: of a task of many parts, what its folder is called.
            splits: that are looked for.

        Raises:
            UsageError: the files of one task are of several formats, or of none that is read.
        """
        for name in names:
            found = {split: files for split in splits if (files := self._of(name, part, split))}
            if found:
                return LocalFiles(_builder(name, found), found)
        return None

    def _of(self, name: str, part: str | None, split: str) -> list[Path]:
        if name in self.named:
            patterns = self.named[name].get(split, [])
            patterns = patterns if isinstance(patterns, list) else [patterns]
            return self._glob([str(p).replace("{part}", part or "") for p in patterns])
        places = [f"{name}/{part}"] if part else []
        for place in (*places, name):
            base = f"{glob.escape(place)}/{split}"
            for ending in FORMATS:
                for pattern in (f"{base}{ending}", f"{base}-*{ending}", f"{base}/*{ending}"):
                    if found := self._glob([pattern]):
                        return found
        return []

    def _glob(self, patterns: Sequence[str]) -> list[Path]:
        places = [str(self.root / pattern) for pattern in patterns]  # or absolute as they are
        return sorted({Path(p) for place in places for p in glob.glob(place)})  # noqa: PTH207


def open_folder(data: str) -> DataFolder:
    """The folder ``data``, or the mapping file of that name.

    Raises:
        UsageError: there is no such folder, or its ``files.yaml`` is not as it should be.
    """
    path = Path(data).expanduser()
    if not path.exists():
        raise UsageError(f"nlp: data {data}: no such folder; give the folder with the local files")
    mapping = path / MAP if path.is_dir() else path
    if not mapping.is_file():
        return DataFolder(path.absolute())
    try:
        found = yaml.safe_load(mapping.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise UsageError(f"{mapping}: cannot be read as YAML ({why})") from error
    if not isinstance(found, dict) or not all(isinstance(x, dict) for x in found.values()):
        raise UsageError(f"{mapping}: expected NAME: {{SPLIT: PATTERN}} for every task")
    for name, splits in found.items():
        if wrong := [split for split in splits if split not in SPLITS]:
            raise UsageError(
                f"{mapping}: {name}: found the split {wrong[0]!r}, expected one of "
                f"{', '.join(SPLITS)}"
            )
    return DataFolder(mapping.parent.absolute(), found)


def ending(path: Path) -> str | None:
    """The ending that says how ``path`` is read, null where none does."""
    return next((e for e in sorted(FORMATS, key=len, reverse=True) if path.name.endswith(e)), None)


def _builder(name: str, splits: dict[str, list[Path]]) -> str:
    kinds: dict[str, Path] = {}
    for path in (p for files in splits.values() for p in files):
        end = ending(path)
        if end is None or not path.is_file():
            raise UsageError(
                f"{path}: data of {name}: expected a file that ends in {', '.join(FORMATS)}"
            )
        kinds[FORMATS[end]] = path
    if len(kinds) > 1:
        shown = ", ".join(str(p) for p in kinds.values())
        raise UsageError(
            f"data of {name}: files of several formats ({shown}); write all its splits in one"
        )
    return next(iter(kinds))
