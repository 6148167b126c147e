"""A small Llama with random weights and a tokenizer trained on given texts.

For a loop where no pre-trained model is at hand: the micro world's M0 starts from it, and
``python -m backends.fresh_model --texts FILE --out DIR`` makes one from a user's own texts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "{{ ('<|assistant|>' if m['role'] == 'assistant' else '<|user|>') + m['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocab: int) -> Any:
    """A byte-level BPE tokenizer with the tokens pad, end, user and assistant and a chat template.

    ``add_prefix_space``: a word after a special token is the same token as within a sentence.
    Without it a model that learnt from running text cannot start an answer with what it knows.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"]
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=special[2:],
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def fresh_llama(tokenizer: Any, hidden: int, layers: int, heads: int, positions: int,
                seed: int, kv_heads: int | None = None) -> Any:  # fmt: skip
    """A Llama of ``layers`` x ``hidden`` with tied embeddings and weights drawn from ``seed``.

    ``kv_heads``: heads of keys and values (null: as many as ``heads``). What a long text keeps in
    memory, and a processor copies at every token, is proportional to it.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=hidden * 5 // 2,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads or heads,
            max_position_embeddings=positions,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def main() -> None:
    """Command line: a text file, one document a line, to a model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True, help="text file, one document a line")
    parser.add_argument("--out", type=Path, required=True, help="folder for model and tokenizer")
    parser.add_argument("--vocab", type=int, default=4000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--positions", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with args.texts.open(encoding="utf-8") as lines:
        tokenizer = train_tokenizer(lines, args.vocab)
    model = fresh_llama(tokenizer, args.hidden, args.layers, args.heads, args.positions, args.seed)
    tokenizer.save_pretrained(args.out)
    model.save_pretrained(args.out)
    print(f"{args.out}: {model.num_parameters():,} parameters, {len(tokenizer)} tokens")


if __name__ == "__main__":
    main()
