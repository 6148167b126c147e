"""Tokens a second of the hf engine on judge-shaped work, beside plain ``generate``.

A row of ``make bench``. Both draw three answers to each prompt with the micro world's model. Plain
generate repeats the prompt for each draw (``num_return_sequences``) and gets the number of rows
that suits it best.
"""

from __future__ import annotations

import time
from typing import Any

from backends.engines.engine import GenerateConfig, Request
from backends.engines.hf import HfEngine

PROMPTS, DRAWS, PROMPT_TOKENS, TOKENS = 96, 3, 70, 18
SIZES = (24, 48, 96, 192)  # rows; ours and plain generate's are tried at all of them
ROUNDS = 3


def prompts(tokenizer: Any) -> list[str]:
    """Different texts of about ``PROMPT_TOKENS`` tokens."""
    found = []
    for i in range(PROMPTS):
        words = f"Mark answer {i}: say whether it is right, clear and short. " * 9
        found.append(tokenizer.decode(tokenizer(words)["input_ids"][:PROMPT_TOKENS]))
    return found


def ours(engine: HfEngine, texts: list[str]) -> float:
    """Seconds for all draws of all prompts."""
    requests = [Request(text, draw) for text in texts for draw in range(DRAWS)]
    config = GenerateConfig(temperature=0.8, top_p=0.95, max_tokens=TOKENS)
    begun = time.monotonic()
    for batch in engine.plan(requests):
        engine.generate([requests[i] for i in batch], batch, config)
    return time.monotonic() - begun


def plain(engine: HfEngine, texts: list[str], rows: int) -> float:
    """The same work by ``generate`` with ``num_return_sequences``, ``rows`` rows at a time."""
    import torch

    model, tokenizer = engine._load(), engine.tokenizer
    size = max(1, rows // DRAWS)
    begun = time.monotonic()
    for at in range(0, len(texts), size):
        batch = tokenizer(texts[at : at + size], return_tensors="pt", padding=True)
        batch.pop("token_type_ids", None)
        with torch.inference_mode():
            out = model.generate(
                **batch, do_sample=True, temperature=0.8, top_p=0.95, top_k=0,
                num_return_sequences=DRAWS, max_new_tokens=TOKENS,
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
        tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return time.monotonic() - begun


def main() -> None:
    """Prints one row for ``make bench``."""
    work = PROMPTS * DRAWS * TOKENS
    engine = HfEngine("package:benchmarks.micro_world/m0")
    texts = prompts(engine.tokenizer)
    fastest: dict[str, tuple[float, int]] = {}
    for _ in range(ROUNDS):  # in turn, so that a slow moment of the machine is nobody's alone
        for rows in SIZES:
            engine.batch_size = max(1, rows // DRAWS) * DRAWS
            for name, took in (
                ("ours", ours(engine, texts)),
                ("plain", plain(engine, texts, rows)),
            ):
                fastest[name] = min(fastest.get(name, (9e9, 0)), (took, rows))
    rate = {name: work / took for name, (took, _) in fastest.items()}
    print(
        f"| hf engine on judge-shaped work ({PROMPT_TOKENS} tokens in, {TOKENS} out, {DRAWS} draws)"
        f" | {rate['ours']:,.0f} tokens/s at {fastest['ours'][1]} rows = "
        f"{rate['ours'] / rate['plain']:.2f} x plain generate at its best "
        f"({rate['plain']:,.0f} at {fastest['plain'][1]} rows) |"
    )


if __name__ == "__main__":
    main()
