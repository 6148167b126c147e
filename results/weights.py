"""Names a model by what it is: a hash over its weights, configuration and tokenizer.

The hash is part of every cache key, so it covers whatever changes an answer, and nothing that a
trainer merely leaves beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from results.errors import SrlmError
from results.files import read_json, write_json

WEIGHTS = ("*.safetensors", "*.bin")
OTHERS = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "*.index.json",  # which shard holds which tensor
    "*.py",  # modelling code that comes with the weights
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.spm",
    "chat_template*",
)
# The trainer's own state: other folders and dates in it do not make another model.
LEFT_OUT = ("training_args.bin", "optimizer*.bin", "scheduler*.bin", "random_states*")

MEMO_ENTRIES = 4000  # files
# A file changed this recently could change again within one tick of the clock, unseen.
SETTLED_S = 2.0


def text_hash(obj: Any) -> str:
    """Returns the sha256 (64 hex digits) of ``obj`` as canonical JSON: keys sorted, no spaces.

    Raises ValueError on NaN and TypeError on what JSON has not.
    """
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def weights_hash(folder: Path) -> str:
    """Returns the sha256 (64 hex digits) over names and contents of a model folder's files.

    An unchanged file (path, size, time and inode) is answered from a memo under
    ``$XDG_CACHE_HOME/srlm`` or ``~/.cache/srlm``, so that a folder of links to a model's files
    costs no second reading; without a usable memo it is computed again. Raises SrlmError when the
    folder is missing, unreadable or holds no weights.
    """
    started = time.time_ns()
    try:
        stats = _stats(folder)
        if not any(_matches(name, WEIGHTS) for name in stats):
            raise SrlmError(
                f"{folder}: found no {' or '.join(WEIGHTS)}, expected a model folder; "
                "check the path, or save the model there with save_pretrained"
            )
        memo = _memo_path()
        known = _entries(memo) if memo else {}
        hashed: dict[str, dict[str, Any]] = {}
        digest = hashlib.sha256()
        for name in stats:
            place = str((folder / name).resolve())
            content = _known(known.get(place), stats[name])
            if content is None:
                with (folder / name).open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                hashed[place] = {"file": stats[name], "hash": content}
            # One line each, names as JSON: no two folders can write the same lines.
            digest.update(f"{json.dumps(name)} {content}\n".encode())
        if _stats(folder) != stats:
            raise SrlmError(f"{folder}: changed while it was read; wait until it is complete")
    except OSError as error:
        raise SrlmError(
            f"{error.filename or folder}: cannot be read ({error.strerror or error}), "
            "expected a model folder; check the path"
        ) from None
    if hashed and max(mtime for _, mtime, _ in stats.values()) < started - SETTLED_S * 1e9:
        _remember(memo, hashed)
    return digest.hexdigest()


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _stats(folder: Path) -> dict[str, list[int]]:
    """Returns [size, mtime in ns, inode] of every file that counts, by name in sorted order."""
    stats = {}
    for path in sorted(folder.iterdir()):
        name = path.name
        if _matches(name, WEIGHTS + OTHERS) and not _matches(name, LEFT_OUT) and path.is_file():
            stat = path.stat()  # follows links: a hub snapshot links to its blobs
            stats[name] = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
    return stats


def _memo_path() -> Path | None:
    """Returns where the memo is, or None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "srlm" / "weights.json"
    except RuntimeError:
        return None


def _entries(memo: Path) -> dict[str, Any]:
    """Returns the memo's entries by path; a missing or damaged memo has none."""
    with suppress(SrlmError):
        data = read_json(memo)
        if isinstance(data, dict) and data.get("version") == 2:
            files = data.get("files")
            return files if isinstance(files, dict) else {}
    return {}


def _known(entry: Any, stat: list[int]) -> str | None:
    if isinstance(entry, dict) and entry.get("file") == stat:
        known = entry.get("hash")
        if isinstance(known, str) and len(known) == 64:
            return known
    return None


def _remember(memo: Path | None, hashed: dict[str, dict[str, Any]]) -> None:
    """Adds entries, the oldest making room. The memo only saves time: failing is no error."""
    if memo is None:
        return
    there = {place: entry for place, entry in _entries(memo).items() if place not in hashed}
    kept = dict([*there.items(), *hashed.items()][-MEMO_ENTRIES:])
    with suppress(SrlmError, OSError):
        write_json(memo, {"version": 2, "files": kept})
