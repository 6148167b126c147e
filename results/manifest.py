"""The header of a run: what was run, with which versions, on which machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "datasets",
    "numpy",
    "scipy",
    "pandas",
    "pydantic",
    "rich",
    "vllm",
    "openai",
    "lm_eval",
    "alpaca_eval",
    "fschat",
)
TIMEOUT_S = 5.0  # for git and nvidia-smi: a hung driver must not hang the run
ABSENT = "(absent)"


def build_manifest(
    config: dict[str, Any], seeds: dict[str, int], hashes: dict[str, Any]
) -> dict[str, Any]:
    """Returns the manifest as JSON data.

    Args:
        config: the resolved configuration.
        seeds: by name, the run's seed and any derived from it.
        hashes: by name, of weights, data and judge prompt.
    """
    return {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "srlm": {"version": _version("srlm"), "git": git_state(Path(__file__).parents[1])},
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "hardware": hardware(),
        "seeds": seeds,
        "hashes": hashes,
        "config": config,
    }


def diff_config(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns one line ``key.sub: old -> new`` for every setting that differs, keys sorted.

    Lists compare as a whole; 1 and 1.0 are equal, 1 and true are not, nor are null and absent.
    """
    before, after = _flat(old), _flat(new)
    lines = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, ABSENT), after.get(key, ABSENT)
        if was != now:
            lines.append(f"{key}: {was} -> {now}")
    return lines


def git_state(checkout: Path) -> dict[str, Any] | None:
    """Returns ``{"commit", "dirty"}`` of ``checkout``, or None when it is no git checkout.

    Only a folder that is itself a checkout counts: an srlm installed in the environment of some
    other project must not report that project's commit.
    """
    if not (checkout / ".git").exists():
        return None
    commit = _output("git", "-C", str(checkout), "rev-parse", "HEAD")
    status = _output("git", "-C", str(checkout), "status", "--porcelain")
    if not commit or status is None:
        return None
    return {"commit": commit, "dirty": bool(status)}


def hardware() -> dict[str, Any]:
    """Returns platform, CPU, usable and present cores, RAM in bytes and GPUs (empty: none)."""
    return {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "ram_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "gpus": _gpus(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _gpus() -> list[str]:
    """Returns ``name, memory, driver`` of each GPU."""
    query = "--query-gpu=name,memory.total,driver_version"
    listing = _output("nvidia-smi", query, "--format=csv,noheader") or ""
    return [line.strip() for line in listing.splitlines() if line.strip()]


def _output(command: str, *arguments: str) -> str | None:
    """Returns what a command printed, or None when it is missing, fails or hangs."""
    program = shutil.which(command)
    if program is None:
        return None
    # git status would otherwise write to the checkout's index.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=True,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns the settings by dotted key, each as JSON text; an empty section is a value."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = json.dumps(_same_numbers(value), ensure_ascii=False, default=str)
    return flat


def _same_numbers(value: Any) -> Any:
    """Returns ``value`` with whole floats as integers: YAML's 1 and a field's 1.0 are one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_same_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _same_numbers(item) for key, item in value.items()}
    return value
