"""Human rankings: prompts with responses that people put in order (CONTRACT: human rankings)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from results.lines import read_jsonl
from results.records import Message


class RankedResponse(BaseModel):
    """One response. ``rank``: 0 is best, equal ranks are ties, None is no human opinion; only the
    order counts, so gaps do no harm. ``score`` is a human's score, in the data's own unit.
    """

    # Files of others carry keys of their own.
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    text: str
    rank: int | None = None
    score: float | None = Field(default=None, allow_inf_nan=False)


class RankedPrompt(BaseModel):
    """A prompt with its ranked responses, in the order of the file."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    prompt: str | list[Message]
    responses: list[RankedResponse]

    @model_validator(mode="after")
    def _response_ids_are_unique(self) -> RankedPrompt:
        seen: set[str] = set()
        for response in self.responses:
            if response.id in seen:  # scores are joined by id, so both would get the same one
                raise ValueError(f"response id {response.id!r} is there more than once")
            seen.add(response.id)
        return self


def read_rankings(path: Path) -> list[RankedPrompt]:
    """Returns the prompts of a JSON Lines file (``.gz`` accepted), in file order.

    Raises SrlmError on a missing file and on the first line that is not a ranked prompt.
    """
    return read_jsonl(path, RankedPrompt)
