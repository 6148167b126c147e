"""Settings of the ``trl`` trainer: the names are those of TRL's own configuration."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from results.errors import UsageError, did_you_mean

DPO_ONLY = ("beta", "sft_weight")


class TrlSettings(BaseModel):
    """One SFT or DPO step. ``learning_rate`` has no default: it depends on the model.

    ``min_learning_rate`` is the floor of the cosine schedule; ``beta`` and ``sft_weight`` are
    for DPO alone: the latter adds that much of the SFT loss on the chosen answer (Pang et al. 2024,
    Iterative Reasoning Preference Optimization), 0 = plain DPO. ``dropout`` is that of all the
    model's layers that have one, while it is trained (in Llama: the attention's weights alone).
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    learning_rate: float = Field(gt=0)
    min_learning_rate: float = Field(default=0.0, ge=0)
    schedule: str = Field(default="cosine", pattern="^(cosine|linear|constant)$")
    epochs: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=16, ge=1)
    max_length: int = Field(default=2048, ge=8)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    beta: float = Field(default=0.1, gt=0)
    sft_weight: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _only_cosine_has_a_floor(self) -> TrlSettings:
        if self.min_learning_rate > 0 and self.schedule != "cosine":
            raise ValueError(f"schedule {self.schedule} has no floor; drop min_learning_rate")
        return self


def check_settings(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The complete settings of a ``kind`` (sft or dpo) step, defaults filled in.

    Raises:
        UsageError: names the key that is wrong.
    """
    foreign = DPO_ONLY if kind == "sft" else ()
    for key in foreign:
        if key in settings:
            raise UsageError(f"sft.settings.{key}: only dpo has it; set dpo.settings.{key}")
    try:
        return TrlSettings.model_validate(settings).model_dump(exclude=set(foreign))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "min_learning_rate"
        if first["type"] == "extra_forbidden":
            known = list(TrlSettings.model_fields)
            meant = did_you_mean(key, known)
            message = f"unknown key{meant} (there are: {', '.join(known)})"
        else:
            found = "" if not first["loc"] else f", found {first['input']!r}"
            message = f"{first['msg'].removeprefix('Value error, ')}{found}"
        raise UsageError(f"{kind}.settings.{key}: {message}") from error
