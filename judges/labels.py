"""Pairwise human labels: of two responses to a prompt, which one people prefer (CONTRACT.md)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from results.records import Conversation

Choice = Literal["first", "second", "tie"]


class Label(BaseModel):
    """One annotator's choice. ``annotator`` is null where the data do not name them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    label: Choice
    annotator: str | None = None


class LabelledPair(BaseModel):
    """Two responses to one prompt and what people say of them, one label per annotator.

    ``category`` is a part of the data that figures are also given for, null where it has none;
    ``reference`` a correct or model answer that a judge may be shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    prompt: str | Conversation
    first: str
    second: str
    labels: tuple[Label, ...] = Field(min_length=1)
    category: str | None = None
    reference: str | None = None
