"""A KV cache with room to grow into, filled by reading each different prompt once.

transformers' own cache copies all that it holds at every token: an eighth of the time of
judge-shaped work. This one keeps room for as much again and writes into it; the answers are the
same.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer, rows x heads x columns x size, in tensors that have room for
    twice as many columns, ``limit`` at most; what is filled of them is what others see.

    Not for all columns at once: few answers are as long as they may be, and the memory is real.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self._whole: tuple[torch.Tensor, torch.Tensor] | None = None
        self._seen: torch.Tensor | None = None  # the keys as the last update left them

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor,
               *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        """Adds columns and returns all that are filled."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        begin = self.get_seq_length()
        end = begin + key_states.shape[-2]
        if self.keys is not self._seen or self._whole is None or end > self._whole[0].shape[2]:
            # The first time, where the room ends, and after rows were chosen anew.
            shape = (*key_states.shape[:2], max(end, min(2 * end, self.limit)))
            kept = self.keys, self.values
            self._whole = (
                key_states.new_empty(*shape, key_states.shape[-1]),
                value_states.new_empty(*shape, value_states.shape[-1]),
            )
            if begin:
                for whole, old in zip(self._whole, kept, strict=True):
                    whole[:, :, :begin] = old
        for whole, new in zip(self._whole, (key_states, value_states), strict=True):
            whole[:, :, begin:end] = new
        self.keys, self.values = self._whole[0][:, :, :end], self._whole[1][:, :, :end]
        self._seen = self.keys
        return self.keys, self.values


def cache_for(model: Any, ids: list[list[int]], batch: Any, steps: int) -> DynamicCache | None:
    """The cache with which a batch is completed. Where prompts repeat it holds all columns but the
    last: each different prompt is read once and copied to its other draws.

    Null for models that keep more or something else than each layer's own keys and values
    (recurrent and hybrid ones, layers that share them): generate() makes what they need, and reads
    each row.

    Args:
        model: the model.
        ids: token ids a row, not padded.
        batch: the same, padded: ``input_ids`` and ``attention_mask``, rows x columns.
        steps: tokens that will follow at most.
    """
    takes = inspect.signature(type(model).forward).parameters
    if "past_key_values" not in takes or not model._supports_default_dynamic_cache():
        return None
    cache = DynamicCache(config=model.config)
    if not _attention_alone(model, cache):
        return None
    columns = batch["input_ids"].shape[1]
    cache.layers = [
        RoomyLayer(columns + steps) if type(layer) is DynamicLayer else layer  # not sliding windows
        for layer in cache.layers
    ]
    prompts = [tuple(row) for row in ids]
    first = {prompt: prompts.index(prompt) for prompt in dict.fromkeys(prompts)}
    if len(first) < len(prompts) and columns > 1:
        rows = list(first.values())
        model.generate(
            **{name: tensor[rows, :-1] for name, tensor in batch.items()},
            past_key_values=cache,
            generation_config=GenerationConfig(max_new_tokens=1, do_sample=False),
        )
        place = {prompt: i for i, prompt in enumerate(first)}
        cache.batch_select_indices(batch["input_ids"].new_tensor([place[p] for p in prompts]))
    return cache


def _attention_alone(model: Any, cache: DynamicCache) -> bool:
    """Whether all that the model keeps of a text is keys and values, which can be copied from row
    to row; the state of a recurrent or convolution layer cannot (LFM2 has those, yet does not call
    itself stateful).
    """
    return not model._is_stateful and all(
        isinstance(layer, DynamicLayer) and not isinstance(layer, LinearAttentionCacheLayerMixin)
        for layer in cache.layers
    )
