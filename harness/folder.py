"""A run's folder belongs to one configuration and to the inputs that it began with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from harness.lineage import champion_before
from results.errors import UsageError
from results.files import read_json, write_bytes, write_json
from results.manifest import build_manifest, diff_config

SMOKE_MARK = ".smoke"  # in a folder that the next smoke run may empty


class HasSeed(Protocol):
    """A configuration: a pydantic model with a seed."""

    @property
    def seed(self) -> int: ...  # noqa: D102

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...  # noqa: D102


def claim(folder: Path, config: HasSeed, hashes: dict[str, str],
          free: Sequence[str] = ("budget",)) -> None:  # fmt: skip
    """Takes a new folder for this run, or checks that it is this run's. The budget may differ.

    Writes ``config.yaml`` and ``manifest.json``; the configuration comes first and both are whole
    or not there, so that a kill in between leaves a folder that the next start completes. The mark
    of a smoke run is taken off a new folder: a smoke run sets it again.

    Args:
        folder: the run's.
        config: the resolved configuration.
        hashes: of everything that the configuration points at, by name.
        free: sections and settings (``key.sub``) that may differ from start to start.

    Raises:
        UsageError: the folder holds another configuration, or an input has changed since the run
            began (says what differs), or something else is in it.
    """
    ours = config.model_dump(mode="json")
    path, manifest = folder / "config.yaml", folder / "manifest.json"
    if path.exists():
        _same_configuration(path, ours, free)
    else:
        _nothing_else(folder)
        (folder / SMOKE_MARK).unlink(missing_ok=True)
        text = yaml.safe_dump(ours, sort_keys=False, allow_unicode=True)
        write_bytes(path, text.encode())
    if manifest.exists():
        _same_inputs(manifest, hashes)
    else:
        write_json(manifest, build_manifest(ours, {"run": config.seed}, hashes))


def other_settings(folder: Path, k: int) -> str:
    """Where settings and data can be changed when M_k cannot be made: ``claim`` refuses it here."""
    trained = folder / f"iter_{champion_before(folder, k)}"
    keeps = f" (start={trained} keeps what is trained)" if (trained / "checkpoint").is_dir() else ""
    return f"changes need a new --out{keeps}"


def note_spent(folder: Path, spent: list[dict[str, Any]]) -> None:
    """Keeps in the manifest what the run's model calls took; written only where it changed.

    Args:
        folder: the run's.
        spent: one ``results.calls.Spent`` a model.
    """
    path = folder / "manifest.json"
    header = read_json(path)
    if header.get("spent") != spent:
        write_json(path, {**header, "spent": spent})


def _nothing_else(folder: Path) -> None:
    # Hidden files are the lock, and what a killed write left behind.
    others = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    if others:
        raise UsageError(
            f"{folder}: not empty and not a run folder (it has {others[0]!r} but no "
            "config.yaml); choose another --out"
        )


def _same_configuration(path: Path, ours: dict[str, Any], free: Sequence[str]) -> None:
    try:
        theirs = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path}: cannot be read as YAML; restore it or choose another --out"
        ) from error
    differences = diff_config(theirs if isinstance(theirs, dict) else {}, ours)
    differences = [line for line in differences if not _is_free(line.partition(":")[0], free)]
    if differences:
        shown = "; ".join(differences[:5])
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise UsageError(
            f"{path.parent} is a run of another configuration: {shown}{more}; choose another "
            "--out, or the same settings as before"
        )


def _is_free(key: str, free: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in free)


def _same_inputs(manifest: Path, ours: dict[str, str]) -> None:
    header = read_json(manifest)
    theirs = header.get("hashes") if isinstance(header, dict) else None
    if not isinstance(theirs, dict):
        raise UsageError(f"{manifest}: no 'hashes' in it; restore it or choose another --out")
    changed = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    if changed:
        raise UsageError(
            f"{manifest.parent}: not what this run began with: {', '.join(changed)}; restore it, "
            "or choose another --out"
        )
