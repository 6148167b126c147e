"""Human rankings: prompts with responses that people put in order (CONTRACT: human rankings)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from results.errors import SrlmError
from results.lines import numbered_records
from results.records import Conversation
from results.text import excerpt

RANKS = 2**53  # whole numbers up to here are exact as floats


class RankedResponse(BaseModel):
    """One response. ``rank``: 0 is best, equal ranks are ties, None is no human opinion; only the
    order counts, so gaps do no harm. ``score`` is a human's score, in the data's own unit.
    """

    # Files of others carry keys of their own.
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    text: str
    rank: Annotated[int, Field(ge=-RANKS, le=RANKS)] | None = None
    score: float | None = Field(default=None, allow_inf_nan=False)


class RankedPrompt(BaseModel):
    """A prompt with its ranked responses, in the order of the file.

    ``category`` is a part of the data that figures are also given for, null where it has none;
    ``reference`` a correct or model answer that a judge may be shown.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    prompt: str | Conversation
    responses: list[RankedResponse]
    category: str | None = None
    reference: str | None = None

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

    Raises SrlmError on a missing file, on the first line that is not a ranked prompt and on the
    first prompt id that an earlier line has.
    """
    found: list[RankedPrompt] = []
    seen: dict[str, int] = {}
    for number, prompt in numbered_records(path, RankedPrompt):
        if prompt.id in seen:  # scores are joined by id, so two prompts would share them
            raise SrlmError(
                f"{path}:{number}: prompt id {excerpt(prompt.id)!r} is there already at "
                f"{path}:{seen[prompt.id]}; give each prompt an id of its own"
            )
        seen[prompt.id] = number
        found.append(prompt)
    return found
