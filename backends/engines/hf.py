"""The ``hf`` engine: a transformers model in this process, in batches formed from the plan."""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from backends.engines.engine import (
    Completion,
    GenerateConfig,
    LmEvalModel,
    Request,
    TokenLogprobs,
    Usage,
)
from backends.model_check import check_files, check_model
from backends.models import LOCAL_EXTRA, model_folder
from backends.reasoning import Reasoning
from backends.tokens import chat_ids, turn_end
from results.errors import SrlmError, UsageError
from results.plugins import require
from results.text import excerpt
from results.weights import weights_hash

if TYPE_CHECKING:
    from backends.engines.sampling import Likeliest

NEAR = 4  # tokens before one, beside which its text is read


class HfEngine:
    """Weights are loaded at the first call that is not in the cache, never before.

    Args:
        model: folder, ``package:`` path or hub id.
        batch_size: rows computed together.
        dtype: ``float32``, ``bfloat16``, ``float16`` or ``auto`` (as stored).
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(
        self,
        model: str,
        batch_size: Annotated[int, Field(ge=1)] = 64,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    ) -> None:
        require(("torch", "transformers"), "engine 'hf'", LOCAL_EXTRA)
        self.folder = model_folder(model)
        self.batch_size, self.dtype, self.device = batch_size, dtype, device
        self.identity = f"hf:{weights_hash(self.folder)}:{dtype}"
        self.startup_seconds = 0.0
        self._tokenizer: Any = None
        self._model: Any = None

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that lies beside the weights, padding on the left."""
        if self._tokenizer is None:
            start = time.monotonic()
            _before_torch()
            from transformers import AutoTokenizer

            check_files(self.folder)
            try:
                self._tokenizer = AutoTokenizer.from_pretrained(self.folder, padding_side="left")
            except Exception as error:  # a missing file, a broken one: each has its own kind
                why = " ".join(str(error).split())
                raise UsageError(
                    f"{self.folder}: the tokenizer cannot be loaded ({excerpt(why, 200)}); put the "
                    "model's own tokenizer files beside its weights"
                ) from error
            if self._tokenizer.pad_token is None:
                self._tokenizer.pad_token = self._tokenizer.eos_token
            self.startup_seconds += time.monotonic() - start
        return self._tokenizer

    def _load(self) -> Any:
        if self._model is None:
            start = time.monotonic()
            _before_torch()
            import torch
            from transformers import AutoModelForCausalLM, GenerationConfig
            from transformers.utils import logging

            logging.disable_progress_bar()  # the display has one of its own
            logging.set_verbosity_error()
            found = "cuda" if torch.cuda.is_available() else "cpu"
            device = found if self.device == "auto" else self.device
            try:
                loaded = AutoModelForCausalLM.from_pretrained(self.folder, dtype=self.dtype)
            except Exception as error:  # safetensors and transformers raise many kinds
                why = " ".join(str(error).split())
                raise SrlmError(
                    f"{self.folder}: the weights cannot be loaded ({why}); "
                    "restore them, or remove the folder of a run's checkpoint to train it again"
                ) from error
            # Of the settings that came with the weights only what ends a turn counts: generate()
            # would take all that ours leave open from there, a repetition penalty for one.
            ends = loaded.generation_config.eos_token_id
            loaded.generation_config = GenerationConfig(eos_token_id=ends)
            self._model = loaded.to(device).eval()
            self.startup_seconds += time.monotonic() - start
        return self._model

    @cached_property
    def _reasoning(self) -> Reasoning:
        return Reasoning(self.tokenizer)

    @cached_property
    def _turn_end(self) -> str | None:
        return turn_end(self.tokenizer) if self.tokenizer.chat_template else None

    def check_model(self) -> None:
        """Raises UsageError where settings or tokenizer say that the model cannot take part."""
        check_model(self.folder, self.tokenizer)

    def lm_eval_model(self) -> LmEvalModel:
        """The same weights, type, device and batch size."""
        arguments = {
            "pretrained": str(self.folder.resolve()),
            "dtype": self.dtype,
            "device": self.device,  # auto: lm-eval takes a GPU where there is one
            "batch_size": self.batch_size,
        }
        return LmEvalModel("hf", arguments)

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """Longest prompts first, so that a batch pads little and memory runs out early or never;
        the draws of one prompt side by side, because a batch reads each prompt once.
        """
        prompts = dict.fromkeys(r.prompt for r in requests)
        places = {
            prompt: (-len(chat_ids(self.tokenizer, prompt)), place)
            for place, prompt in enumerate(prompts)
        }
        order = sorted(range(len(requests)), key=lambda i: places[requests[i].prompt])
        return [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def generate(self, requests: Sequence[Request], seeds: Sequence[int],
                 config: GenerateConfig) -> list[Completion]:  # fmt: skip
        """Completes one batch. A prompt that leaves no room to answer is an error, not a cut.

        A row whose room ends before ``max_tokens`` runs alone: a batch runs as long as its longest
        row, and learned positions do not reach further than the room.
        """
        model = self._load()
        room = getattr(model.config, "max_position_embeddings", None) or 1 << 30
        read = {p: chat_ids(self.tokenizer, p) for p in dict.fromkeys(r.prompt for r in requests)}
        ids = [read[r.prompt] for r in requests]
        steps = [min(config.max_tokens, room - len(row)) for row in ids]
        batches = [[i for i, n in enumerate(steps) if n == config.max_tokens]]
        batches += [[i] for i, n in enumerate(steps) if 0 < n < config.max_tokens]
        answers: dict[int, Completion] = {}
        for batch in filter(None, batches):
            done = self._complete(
                [ids[i] for i in batch], [seeds[i] for i in batch], config, steps[batch[0]]
            )
            answers |= zip(batch, done, strict=True)
        return [
            answers.get(i)
            or Completion(
                f"prompt of {len(row)} tokens, the model takes {room}", "error", Usage(len(row), 0)
            )
            for i, row in enumerate(ids)
        ]

    def _complete(self, ids: list[list[int]], seeds: list[int], config: GenerateConfig,
                  steps: int) -> list[Completion]:  # fmt: skip
        """Completes rows of token ids together, each by ``steps`` tokens at most."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        from backends.engines.kv_cache import cache_for

        model = self._load()
        batch = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(model.device)
        columns = batch["input_ids"].shape[1]
        ends = _end_tokens(model, self.tokenizer, self._turn_end)
        processors = LogitsProcessorList()
        likeliest = None
        if config.logprobs:
            from backends.engines.sampling import Likeliest

            likeliest = Likeliest(config.logprobs)
            processors.append(likeliest)
        if config.temperature > 0:
            from backends.engines.sampling import SeededSampler

            processors.append(
                SeededSampler(seeds, columns, steps, config.temperature, config.top_p)
            )
        stops = StoppingCriteriaList()
        if config.stop:
            from backends.engines.sampling import StopText

            stops.append(StopText(self.tokenizer, config.stop, columns))
        with torch.inference_mode():
            out = model.generate(
                **batch,
                past_key_values=cache_for(model, ids, batch, steps),
                generation_config=GenerationConfig(
                    do_sample=False,
                    max_new_tokens=steps,
                    eos_token_id=ends,
                    pad_token_id=self.tokenizer.pad_token_id,
                ),
                logits_processor=processors,
                stopping_criteria=stops,
            )
        rows = out[:, columns:].tolist()
        found = [
            self._completion(row, ends, config.stop, prompt)
            for row, prompt in zip(rows, ids, strict=True)
        ]
        if likeliest is None:
            return found
        return [
            replace(c, logprobs=self._logprobs(rows[i][: c.usage.completion_tokens], likeliest, i))
            for i, c in enumerate(found)
        ]

    def _logprobs(self, tokens: list[int], likeliest: Likeliest, row: int
                  ) -> tuple[TokenLogprobs, ...]:  # fmt: skip
        """What stood beside each of the ``tokens`` that row ``row`` of a batch generated.

        Texts are what a token adds to those before it: alone, some tokenizers leave out its space.
        """
        found = []
        for step, token in enumerate(tokens):
            near = tokens[max(0, step - NEAR) : step]
            before = len(self.tokenizer.decode(near))

            def word(i: int, near: list[int] = near, before: int = before) -> str:
                return str(self.tokenizer.decode([*near, i])[before:])

            top = tuple((word(i), p) for i, p in likeliest.at(row, step) if math.isfinite(p))
            found.append(TokenLogprobs(word(token), top))
        return tuple(found)

    def _completion(self, row: list[int], ends: list[int], stop: tuple[str, ...],
                    prompt: list[int]) -> Completion:  # fmt: skip
        end = next((i for i, token in enumerate(row) if token in ends), None)
        kept = row if end is None else row[:end]
        answer = self._reasoning.answer(prompt, kept)
        if answer is None:
            return Completion("", "length", Usage(len(prompt), len(kept)))
        text = self.tokenizer.decode(answer, skip_special_tokens=True)
        cuts = [text.index(s) for s in stop if s in text]
        if cuts and end is None:  # what follows pads the row while its neighbours go on
            pad = self.tokenizer.pad_token_id
            kept = kept[: max(i for i, token in enumerate(kept, 1) if token != pad)]
        reason = "stop" if end is not None or cuts else "length"
        text = text[: min(cuts)] if cuts else text
        return Completion(text.strip(), reason, Usage(len(prompt), len(kept)))

    def close(self) -> None:
        """Frees the weights; on a GPU also what torch keeps for later, which a trainer in another
        process could not have.
        """
        if self._model is None:
            return
        self._model = None
        import torch

        gc.collect()  # a model that generated is in reference cycles
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _before_torch() -> None:
    """Threads that spin while they wait take the cores from each other on a busy machine; torch
    reads how they wait when it is imported, which importing a tokenizer does too.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _end_tokens(model: Any, tokenizer: Any, turn: str | None) -> list[int]:
    """Every token that ends a turn: the tokenizer's own, those of the generation settings, and the
    one with which the chat template ends an answer.
    """
    listed = model.generation_config.eos_token_id
    more = listed if isinstance(listed, list) else [listed]
    ours = None if turn is None else tokenizer.convert_tokens_to_ids(turn)
    return sorted({t for t in [tokenizer.eos_token_id, ours, *more] if t is not None})
