"""Refuses to start when another package stands where one of our five should be.

The names are common words (there is a public package ``judges``). Read as text, not imported, so
that a stranger's code does not run.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = ("results", "backends", "judges", "benchmarks", "harness")
MARK = '"""srlm'


def shadowed() -> str | None:
    """One line that names the package in the way and the mend, or None when all are ours."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = None if spec is None else spec.origin
        if origin is None or not _ours(Path(origin)):
            where = origin or (list(spec.submodule_search_locations or []) if spec else "nowhere")
            return (
                f"srlm: the package {name!r} is not srlm's but {where}; uninstall what brings it, "
                "or install srlm into an environment of its own"
            )
    return None


def _ours(path: Path) -> bool:
    try:
        return path.read_text(encoding="utf-8").startswith(MARK)
    except (OSError, UnicodeDecodeError):
        return False
