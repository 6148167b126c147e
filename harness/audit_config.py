"""Settings of the pair audit: who labels a sample of the pairs before they are trained on."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from harness.section import Section


class Audit(Section):
    """Training starts only if the chosen answers of the pairs are surely better often enough.

    ``by``: who labels: ``people`` (a file that they fill in), ``verifier`` (the benchmark's own) or
    ``engine:model``, a judge with a pairwise ``spec`` and ``options`` of its own engine. ``size``
    pairs are drawn at random. The one-sided lower bound of the share of right pairs, at the
    confidence ``level``, must be above ``floor``; a tie counts against. At most ``max_unscored`` of
    the drawn pairs may be without a label. ``noise``: share of the verifier's labels that are made
    wrong, so that it stands for people. ``waived_by``: who takes it on themselves to train all the
    same, by name; null = nobody.
    """

    by: str
    size: int = Field(default=80, ge=1)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    floor: float = Field(default=0.5, ge=0, lt=1)
    max_unscored: float = Field(default=0.2, ge=0, lt=1)
    spec: str = "pairwise"
    options: dict[str, Any] = Field(default_factory=dict)
    noise: float = Field(default=0.0, ge=0, lt=0.5)
    waived_by: str | None = Field(default=None, min_length=1)

    @field_validator("by")
    @classmethod
    def _known_form(cls, value: str) -> str:
        if value not in ("people", "verifier") and ":" not in value:
            raise ValueError(
                f"{value!r} is none of 'people', 'verifier', 'engine:model' (hf:PATH_OR_ID)"
            )
        return value

    @model_validator(mode="after")
    def _settings_are_of_the_labeller(self) -> Audit:
        if self.options and ":" not in self.by:
            raise ValueError(f"options are of a judge's own engine; by: {self.by} has none")
        if self.spec != "pairwise" and ":" not in self.by:
            raise ValueError(f"spec is of a judge, engine:model; by: {self.by} has none")
        if self.noise and self.by != "verifier":
            raise ValueError(f"noise stands for people's mistakes; by: {self.by} makes its own")
        return self
