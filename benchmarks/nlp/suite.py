"""Suites: which tasks, with how many shots, and which of lm-eval's figures counts. Each is YAML."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from results.errors import UsageError, did_you_mean

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Entry(BaseModel):
    """One metric of a suite.

    Args:
        task: lm-eval's task or group, or several whose samples are pooled.
        shots: examples before each question, >= 0; null = as lm-eval's task has it.
        metric: lm-eval's metric of a sample: acc, acc_norm, exact_match ...
        filter: lm-eval's filter that the answer goes through, ``none`` for what has none.
        samples: so many of the samples, drawn with ``seed``; null = all.
        seed: of the draw.
        folder: how the folder of local files is called; null = as the metric.
        text: fields of a sample that hold its question; they are kept out of training data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: str | list[str]
    shots: int | None = Field(default=None, ge=0)
    metric: str = "acc"
    filter: str = "none"
    samples: int | None = Field(default=None, ge=1)
    seed: int = 0
    folder: str | None = None
    text: list[str] = Field(default_factory=lambda: ["question"])

    @property
    def asked(self) -> list[str]:
        """The task or tasks, as a list."""
        return [self.task] if isinstance(self.task, str) else self.task


class Suite(BaseModel):
    """A suite; ``local`` says that its data must be files on this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    about: str = ""
    local: bool = False
    metrics: dict[Name, Entry] = Field(min_length=1)


def shipped_suites() -> list[str]:
    """Names of the suites that come with the package."""
    folder = files("benchmarks.nlp") / "suites"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if ".yaml" in f.name)


def load_suite(name: str) -> Suite:
    """A shipped suite by its name, or a file of the user's own.

    ``include: NAME`` in a file takes over the metrics of another suite; what stands beside it
    replaces or adds keys, metric by metric.

    Raises:
        UsageError: there is no such suite, or a key or value in it is wrong.
    """
    try:
        return Suite.model_validate(_read(name, ()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"suite {name}: {where}: {first['msg']}, found {first['input']!r}; docs/nlp.md has "
            "the keys"
        ) from error


def _read(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    if name in above:
        raise UsageError(f"suite {name}: includes itself ({' -> '.join((*above, name))})")
    known = shipped_suites()
    if name in known:
        text = (files("benchmarks.nlp") / "suites" / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        path = Path(name).expanduser()
        if path.suffix not in (".yaml", ".yml"):
            raise UsageError(
                f"suite {name!r}: no such suite{did_you_mean(name, known)} (there are: "
                f"{', '.join(known)}; or name a .yaml file)"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"suite {name}: cannot be read ({error}); check the path") from error
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise UsageError(f"suite {name}: not YAML ({why})") from error
    if not isinstance(found, dict) or not isinstance(found.get("metrics", {}), dict):
        raise UsageError(f"suite {name}: expected the keys about, include, local and metrics")
    other = found.pop("include", None)
    if other is None:
        return found
    base = _read(str(other), (*above, name))
    metrics = dict(base.get("metrics", {}))
    for metric, entry in found.get("metrics", {}).items():
        metrics[metric] = {**metrics.get(metric, {}), **entry} if isinstance(entry, dict) else entry
    return {**base, **found, "metrics": metrics}
