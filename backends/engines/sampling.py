"""Sampling in which each row of a batch has a random stream and an end of its own.

transformers draws a whole batch from one global generator, so that what a row gets depends on
its neighbours and on what ran before. Here a row's draw depends on its own seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria, StopStringCriteria


class SeededSampler(LogitsProcessor):  # type: ignore[misc]
    """Chooses one token a row by nucleus sampling and leaves only that one to greedy search.

    Args:
        seeds: one seed a row.
        prompt_columns: columns of the (left-padded) prompt; later columns are drawn tokens.
        steps: tokens drawn at most.
        temperature: > 0.
        top_p: smallest set of tokens whose mass reaches this is kept, in (0, 1].
    """

    def __init__(self, seeds: Sequence[int], prompt_columns: int, steps: int,
                 temperature: float, top_p: float) -> None:  # fmt: skip
        rows = [torch.rand(steps, generator=torch.Generator().manual_seed(s)) for s in seeds]
        self.uniform = torch.stack(rows)
        self.prompt_columns, self.temperature, self.top_p = prompt_columns, temperature, top_p

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``input_ids`` rows x columns so far, ``scores`` rows x vocabulary (logits)."""
        step = input_ids.shape[1] - self.prompt_columns
        ordered, order = torch.sort(scores.float() / self.temperature, dim=-1, descending=True)
        mass = torch.softmax(ordered, dim=-1)
        cumulative = mass.cumsum(dim=-1)
        cumulative = cumulative.masked_fill(cumulative - mass >= self.top_p, 0.0)
        total = cumulative.max(dim=-1, keepdim=True).values
        point = self.uniform[:, step, None].to(total) * total
        place = (cumulative > point).float().argmax(dim=-1, keepdim=True)
        chosen = order.gather(-1, place)
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen, 0.0)


class Likeliest(LogitsProcessor):  # type: ignore[misc]
    """Keeps the likeliest tokens of every step and changes nothing; stands before the sampler.

    Args:
        count: tokens a step, >= 1.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.steps: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``scores`` rows x vocabulary (logits), returned as they are."""
        top = torch.log_softmax(scores.float(), dim=-1).topk(min(self.count, scores.shape[-1]))
        self.steps.append((top.values.cpu(), top.indices.cpu()))
        return scores

    def at(self, row: int, step: int) -> list[tuple[int, float]]:
        """(token, natural logarithm of its probability) of one row at one step, likeliest first."""
        values, indices = self.steps[step]
        return list(zip(indices[row].tolist(), values[row].tolist(), strict=True))


class StopText(StoppingCriteria):  # type: ignore[misc]
    """Ends a row when its answer holds a stop text. transformers' own looks at prompt and answer
    together, so that a stop text begun by the prompt would end the answer.

    Args:
        tokenizer: of the model.
        stop: the texts.
        prompt_columns: columns of the (left-padded) prompt.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str], prompt_columns: int) -> None:
        self.found = StopStringCriteria(tokenizer, list(stop))
        self.prompt_columns = prompt_columns

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor,
                 **_: Any) -> torch.BoolTensor:  # fmt: skip
        """``input_ids`` rows x columns so far; returns which rows have ended."""
        ended: torch.BoolTensor = self.found(input_ids[:, self.prompt_columns :], scores)
        return ended
