"""The table of outside files: source, revision, hash, licence. Read from ``table.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from results.errors import UsageError, did_you_mean

HOSTS = {
    "hub": "https://huggingface.co/datasets/{repository}/resolve/{revision}/{path}",
    "github": "https://raw.githubusercontent.com/{repository}/{revision}/{path}",
}
COMMIT = re.compile("[0-9a-f]{7,40}")
# No part begins with a dot: neither "..", nor our own ".NAME.part", nor an absolute path.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
RelativeName = Annotated[str, Field(pattern=f"^{_PART}(/{_PART})*$", max_length=200)]
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\r\n]*$")]


class OutsideFile(BaseModel):
    """One file: its name here, its path in the source, and what it must be (null = not known)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: RelativeName
    path: RelativeName
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    size: Annotated[int, Field(ge=0)] | None  # bytes


class OutsideData(BaseModel):
    """Files of one source at one revision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    purpose: Line
    licence: Line
    host: Literal["hub", "github"]
    repository: Annotated[str, Field(pattern=f"^{_PART}/{_PART}$")]
    revision: Annotated[str, Field(pattern=f"^{_PART}$")]
    note: Line
    files: Annotated[list[OutsideFile], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> OutsideData:
        names = [file.file for file in self.files]
        for name in names:
            if names.count(name) > 1 or any(other.startswith(f"{name}/") for other in names):
                raise ValueError(f"{self.name}: {name} is there twice, or is also a folder")
        return self

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit; a branch may hold other bytes tomorrow."""
        return COMMIT.fullmatch(self.revision) is not None

    def url(self, file: OutsideFile, revision: str | None = None) -> str:
        """Where ``file`` is had, at another ``revision`` where one is given."""
        return HOSTS[self.host].format(
            repository=self.repository,
            revision=revision or self.revision,
            path=quote(file.path),
        )

    def find(self, file: str) -> OutsideFile:
        """The file called ``file``; UsageError names the nearest."""
        for found in self.files:
            if found.file == file:
                return found
        raise _unknown(f"file of {self.name}", file, [found.file for found in self.files])


@cache
def outside_data() -> dict[str, OutsideData]:
    """Every entry by its name, in the order of the table."""
    text = Path(__file__).with_name("table.yaml").read_text(encoding="utf-8")
    entries = TypeAdapter(list[OutsideData]).validate_python(yaml.safe_load(text))
    return {entry.name: entry for entry in entries}


def find_data(name: str) -> OutsideData:
    """The entry called ``name``; UsageError names the nearest."""
    table = outside_data()
    if name not in table:
        raise _unknown("outside data", name, table)
    return table[name]


def _unknown(kind: str, name: str, there: Iterable[str]) -> UsageError:
    there = list(there)
    meant = did_you_mean(name, there)
    return UsageError(f"unknown {kind} {name!r}{meant} (there are: {', '.join(there)})")
