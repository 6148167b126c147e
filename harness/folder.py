"""A run's folder belongs to one configuration."""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.config import RunConfig
from results.errors import UsageError
from results.files import write_bytes
from results.manifest import diff_config


def claim(folder: Path, config: RunConfig) -> None:
    """Writes ``config.yaml`` into a new folder, or checks that it is this configuration's.

    Raises:
        UsageError: the folder holds another configuration (says what differs), or something else.
    """
    path = folder / "config.yaml"
    ours = config.model_dump(mode="json")
    if not path.exists():
        others = sorted(p.name for p in folder.iterdir() if p.name != ".lock")
        if others:
            raise UsageError(
                f"{folder}: not empty and not a run folder (it has {others[0]!r} but no "
                "config.yaml); choose another --out"
            )
        text = yaml.safe_dump(ours, sort_keys=False, allow_unicode=True)
        write_bytes(path, text.encode())
        return
    try:
        theirs = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path}: cannot be read as YAML; restore it or choose another --out"
        ) from error
    differences = diff_config(theirs if isinstance(theirs, dict) else {}, ours)
    if differences:
        shown = "; ".join(differences[:5])
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise UsageError(
            f"{folder} is a run of another configuration: {shown}{more}; choose another --out, "
            "or the same settings as before"
        )
