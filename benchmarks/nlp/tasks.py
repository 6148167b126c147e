"""What is run of a suite: lm-eval's task files, adapted to local files, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.nlp import shipped
from benchmarks.nlp.local_files import DataFolder, LocalFiles
from benchmarks.nlp.suite import Entry, Suite
from results.errors import UsageError
from results.files import file_sha256
from results.weights import text_hash

HUB, BUILT_IN = "the hub", "the task file"
SHOWN = 5  # tasks without data that a message names


@dataclass(frozen=True)
class Leaf:
    """One task of lm-eval as it will be run.

    Args:
        name: lm-eval's.
        part: of a task of many parts, which one.
        config: the task file that is written for it: it includes lm-eval's own.
        version: of the task, as lm-eval has it.
        shots: examples before each question.
        split: that is asked; null = lm-eval chooses.
        shots_from: where the examples come from: a split, the task file, or the hub's own choice.
        facts: all that makes figures comparable, without paths.
        files: local files by split.
    """

    name: str
    part: str | None
    config: dict[str, Any]
    version: str
    shots: int
    split: str | None
    shots_from: str
    generates: bool
    facts: dict[str, Any]
    files: LocalFiles | None

    def text(self) -> str:
        """The task file."""
        return yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class Planned:
    """One metric of a suite with the tasks that it is measured on; ``limit`` bounds its samples."""

    metric: str
    entry: Entry
    leaves: list[Leaf]
    limit: int | None

    @property
    def samples(self) -> int | None:
        """How many are drawn, null for all."""
        bounds = [n for n in (self.entry.samples, self.limit) if n is not None]
        return min(bounds) if bounds else None

    def hash(self) -> str:
        """Of everything that makes two models' figures comparable."""
        return text_hash(
            [
                shipped.version(),
                self.entry.metric,
                self.entry.filter,
                None if self.samples is None else [self.samples, self.entry.seed],
                [leaf.facts for leaf in self.leaves],
            ]
        )

    def convention(self, n: int | None = None) -> str:
        """The same in words; ``n`` samples were asked."""
        first = self.leaves[0]
        shots = sorted({leaf.shots for leaf in self.leaves})
        versions = ", ".join(sorted({leaf.version for leaf in self.leaves}))
        asked = " + ".join(self.entry.asked)
        source = "local" if first.files is not None else "hub"
        kind = "" if self.entry.filter == "none" else f" after {self.entry.filter}"
        words = [
            f"{self.entry.metric}{kind}",
            f"{' or '.join(map(str, shots))} shots" + self._drawn(first),
            f"{asked} v{versions}" + (f" of {n_parts} parts" if (n_parts := self._parts()) else ""),
            f"lm-eval {shipped.version()}",
            f"{'' if n is None else f'{n} '}{source} samples"
            + (f" of {first.split}" if first.split else ""),
        ]
        if self.samples is not None:
            words.append(f"at most {self.samples}, drawn with seed {self.entry.seed}")
        return ", ".join(words)

    def _parts(self) -> int:
        return len(self.leaves) if len(self.leaves) > 1 else 0

    def _drawn(self, first: Leaf) -> str:
        if first.shots == 0 or first.shots_from == HUB:
            return ""
        own = first.shots_from == first.split
        return f" from {first.shots_from}" + (" itself, the asked one left out" if own else "")


def plan_suite(
    suite: Suite, folder: DataFolder | None, only: list[str] | None, limit: int | None
) -> list[Planned]:
    """What is run of ``suite``, in its order.

    Args:
        suite: the suite.
        folder: of local files, null where lm-eval asks the hub.
        only: these metrics alone, null for all.
        limit: of samples for each metric, null for none.

    Raises:
        UsageError: data are missing, with all tasks that lack them; or a task is unknown.
    """
    planned: list[Planned] = []
    missing: dict[str, list[str]] = {}
    for metric, entry in suite.metrics.items():
        if only is not None and metric not in only:
            continue
        leaves = []
        tasks = {name: (path, task) for task in entry.asked for name, path in shipped.leaves(task)}
        for name, (path, task) in tasks.items():
            names = list(dict.fromkeys([entry.folder or metric, metric, task, name]))
            try:
                leaves.append(_leaf(metric, entry, name, path, names, folder))
            except FileNotFoundError as error:
                missing.setdefault(metric, []).append(str(error))
        planned.append(Planned(metric, entry, leaves, limit))
    if missing and folder is not None:
        shown = [f"{metric} ({why[0]}{f' and {len(why) - 1} more' if why[1:] else ''})"
                 for metric, why in missing.items()]  # fmt: skip
        raise UsageError(
            f"nlp: {folder.root}: no data for {len(missing)} of {len(planned)} tasks: "
            f"{'; '.join(shown)}. Put them there (jsonl, json, parquet or arrow), name other "
            "files in files.yaml there, leave tasks out with options.tasks, or leave out "
            "options.data to have lm-eval fetch them from the hub"
        )
    return planned


def _leaf(
    metric: str, entry: Entry, name: str, path: Path, names: list[str], folder: DataFolder | None
) -> Leaf:
    own = shipped.settings(path)
    shots = entry.shots if entry.shots is not None else int(own.get("num_fewshot") or 0)
    metadata = own.get("metadata") or {}
    config: dict[str, Any] = {"include": str(path), "task": name, "num_fewshot": shots}
    whole = {key: value for key, value in own.items() if key != "num_fewshot"}
    known = _metrics(own)
    if known and entry.metric not in known:
        raise UsageError(
            f"suite: {metric}: found metric {entry.metric!r}, expected one that lm-eval's "
            f"{name} has: {', '.join(known)}"
        )
    filters = [f["name"] for f in own.get("filter_list") or []] or ["none"]
    if entry.filter not in filters:
        raise UsageError(
            f"suite: {metric}: found filter {entry.filter!r}, expected one that lm-eval's "
            f"{name} has: {', '.join(filters)}"
        )
    facts: dict[str, Any] = {"task": whole, "shots": shots}
    split, source, files = None, HUB, None
    part = _part(own, entry, name)
    if folder is not None:
        files, split, source = _local(names, part, own, folder)
        config |= {
            "dataset_path": files.builder,
            "dataset_name": None,
            "dataset_kwargs": {
                "data_files": {s: list(map(str, p)) for s, p in files.splits.items()}
            },
            "training_split": "train" if "train" in files.splits else None,
            "validation_split": "validation" if "validation" in files.splits else None,
            # The asked split by this name: only from it does lm-eval leave the question itself out
            # when it draws examples.
            "test_split": split,
        }
        if source != BUILT_IN:
            config["fewshot_split"] = source
        read = {split, source} if shots and source != BUILT_IN else {split}
        facts["files"] = {s: [file_sha256(p) for p in files.splits[s]] for s in sorted(read)}
        facts["shots_from"] = source if shots else None
    return Leaf(
        name=name,
        part=part,
        config=config,
        version=str(metadata.get("version", "?")),
        shots=shots,
        split=split,
        shots_from=source,
        generates=own.get("output_type", "generate_until") == "generate_until",
        facts=facts,
        files=files,
    )


def _local(
    names: list[str], part: str | None, own: Mapping[str, Any], folder: DataFolder
) -> tuple[LocalFiles, str, str]:
    """Files, the split that is asked, and the one that examples come from."""
    asked = [s for key in ("test_split", "validation_split") if (s := own.get(key))]
    examples = [
        s
        for key in ("fewshot_split", "training_split", "validation_split", "test_split")
        if (s := own.get(key))
    ]
    files = folder.find(names, part, list(dict.fromkeys([*asked, *examples])))
    split = next((s for s in asked if files is not None and s in files.splits), None)
    if files is None or split is None:
        place = f"{names[0]}/{f'{part}/' if part else ''}"
        raise FileNotFoundError(" or ".join(f"{place}{s}.jsonl" for s in asked))
    if "samples" in (own.get("fewshot_config") or {}) and not own.get("fewshot_split"):
        return files, split, BUILT_IN
    # Examples of the asked split last: another one tells nothing of the answers.
    others = [s for s in examples if s in files.splits and s != split]
    return files, split, (others or [split])[0]


def _part(own: Mapping[str, Any], entry: Entry, name: str) -> str | None:
    """What tells the parts of a pooled metric apart; null where there is one."""
    if entry.asked == [name]:
        return None
    found = own.get("dataset_name")
    return str(found) if found else name


def _metrics(own: Mapping[str, Any]) -> list[str]:
    """The metrics that a task names itself; a function of its own may give others."""
    if own.get("process_results") is not None:
        return []
    return [str(m["metric"]) for m in own.get("metric_list") or [] if isinstance(m, dict)]
