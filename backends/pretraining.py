"""Pre-trains a small model on texts, packed one after the other. For a model made from nothing:
the micro world's M0, or one for trying the loop on data of one's own where no hub is at hand.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

WARMUP = 200  # steps; then a cosine down to a tenth of the peak
AT_ONCE = 64  # texts tokenized together


def packed(tokenizer: Any, texts: Callable[[], str], rows: int, length: int) -> Iterator[Any]:
    """Batches of ``rows`` x ``length`` token ids, without end.

    Args:
        tokenizer: its end token closes every text.
        texts: gives the next text at every call.
        rows: sequences in a batch.
        length: tokens in a sequence.
    """
    import torch

    ids: list[int] = []
    while True:
        while len(ids) < rows * length:
            for encoded in tokenizer([texts() for _ in range(AT_ONCE)])["input_ids"]:
                ids += [*encoded, tokenizer.eos_token_id]
        yield torch.tensor(ids[: rows * length]).view(rows, length)
        ids = ids[rows * length :]


def pretrain(model: Any, batches: Iterator[Any], steps: int, peak: float,
             on_step: Callable[[int], None] = lambda step: None) -> None:  # fmt: skip
    """AdamW over ``steps`` batches, with a warm-up and a cosine; prints loss and rate.

    Args:
        model: changed in place.
        batches: token ids, rows x length.
        steps: how many of them.
        peak: the highest learning rate.
        on_step: told the number of every finished step.
    """
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    start, mean, tokens = time.monotonic(), 0.0, 0
    for step in range(steps):
        scale = min(1.0, (step + 1) / WARMUP) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = peak * scale
        batch = next(batches)
        tokens += batch.numel()
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            seconds = time.monotonic() - start
            print(
                f"step {step}/{steps} loss {mean:.3f} {tokens / seconds:.0f} tokens/s "
                f"{seconds:.0f} s",
                flush=True,
            )
        on_step(step + 1)


def texts_of(documents: Sequence[str]) -> Callable[[], str]:
    """The documents one by one, from the first again after the last."""
    place = -1

    def following() -> str:
        nonlocal place
        place = (place + 1) % len(documents)
        return documents[place]

    return following
