"""The parts of a judge spec: how it is read, how it samples, and its worked example."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judges.parsers.parsed import Shown
from judges.parsers.table import parser_options
from results.errors import SrlmError


class Part(BaseModel):
    """A piece of a spec: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Parser(Part):
    """How a completion is read: a parser's ``name`` (or ``module:attr``) and its own options."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    name: str = "final_score_line"

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Fills in the options' defaults, so that equal parsers are equal."""
        if not isinstance(data, dict):
            return data
        options = dict(data)
        name = options.pop("name", "final_score_line")
        if not isinstance(name, str):
            return data
        try:
            options = parser_options(name, options)
        except SrlmError as error:
            raise ValueError(str(error)) from None
        label = options.get("label")
        # Other characters would be taken for decoration, and the label would never match.
        if isinstance(label, str) and label and not label.replace(" ", "").isalnum():
            raise ValueError(f"label: found {label!r}, expected letters, digits and spaces only")
        return {"name": name, **options}

    @property
    def options(self) -> dict[str, Any]:
        """The parser's own options, complete."""
        return dict(self.model_extra or {})


class Decoding(Part):
    """How the judge samples. ``temperature`` >= 0 (0: greedy), 0 < ``top_p`` <= 1, tokens >= 1."""

    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int = Field(ge=1)


class Example(Part):
    """A completion of the judge, and the ``score`` or ``verdict`` that its parser must read in it.

    ``verdict``: A for the response that is shown first, B for the other, or tie.
    """

    text: str
    score: float | None = None
    verdict: Shown | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Example:
        if (self.score is None) == (self.verdict is None):
            raise ValueError("expected a score or a verdict, one of the two")
        return self


Kind = Literal["pointwise", "pairwise"]
Orders = Literal["both", "AB", "random"]
