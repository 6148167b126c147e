"""Tiny models with random weights of five families, each with its usual kind of chat template.

The templates are in our own words; what they have in common with the families' is the form: control
tokens, who may speak, what they refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXTS = [
    "List two red fruits. Here are two red fruits: apple and cherry.",
    "Count from 3 to 5. Sure: 3, 4, 5.\nScore: 5\nScore: 0",
    "User: What does a cow eat?\nAssistant: A cow eats grass. It lives on the farm.",
    "Mark the answer to this question by the criteria and write the total from 0 to 5.",
]

CHATML = (
    "{%- for m in messages -%}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}"
    "{{ '<think>\n\n</think>\n\n' }}{%- endif -%}{%- endif -%}"
)
HEADERS = (
    "{{ bos_token }}{%- for m in messages -%}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim "
    "+ '<|eot_id|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{%- endif -%}"
)
INST = (
    "{{ bos_token }}{%- for m in messages -%}"
    "{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('roles must go user, assistant, user, assistant') }}{%- endif -%}"
    "{%- if m['role'] == 'user' -%}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{%- else -%}{{ ' ' + m['content'] + eos_token }}{%- endif -%}"
    "{%- endfor -%}"
)
TURNS = (
    "{{ bos_token }}{%- for m in messages -%}"
    "{%- if m['role'] == 'system' -%}{{ raise_exception('no system role here') }}{%- endif -%}"
    "{%- set who = 'model' if m['role'] == 'assistant' else m['role'] -%}"
    "{{ '<start_of_turn>' + who + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)


@dataclass(frozen=True)
class Kind:
    """One family: its settings' class, control tokens, template, and what ends a turn."""

    config: str
    control: tuple[str, ...]
    eos: str
    template: str | None
    bos: str | None = None
    pad: str | None = None
    plain: tuple[str, ...] = ()  # added tokens that are no control tokens


KINDS = {
    "llama": Kind(
        "LlamaConfig", ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                        "<|eot_id|>"), "<|eot_id|>", HEADERS, bos="<|begin_of_text|>",
    ),
    "qwen": Kind(
        "Qwen3Config", ("<|im_start|>", "<|im_end|>", "<|endoftext|>"), "<|im_end|>", CHATML,
        pad="<|endoftext|>", plain=("<think>", "</think>"),
    ),
    "mistral": Kind("MistralConfig", ("<s>", "</s>", "[INST]", "[/INST]"), "</s>", INST, bos="<s>"),
    "gemma": Kind(
        "GemmaConfig", ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<pad>"),
        "<end_of_turn>", TURNS, bos="<bos>", pad="<pad>",
    ),
    "neox": Kind("GPTNeoXConfig", ("<|endoftext|>",), "<|endoftext|>", None, bos="<|endoftext|>"),
}  # fmt: skip


def tiny_tokenizer(kind: Kind) -> Any:
    """A byte-level BPE tokenizer with the family's control tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        TEXTS * 3,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=list(kind.control),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made.add_tokens([AddedToken(token, normalized=False) for token in kind.plain])
    names = {"eos_token": kind.eos, "bos_token": kind.bos, "pad_token": kind.pad}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        **{name: token for name, token in names.items() if token is not None},
        additional_special_tokens=[t for t in kind.control if t not in names.values()],
        chat_template=kind.template,
        clean_up_tokenization_spaces=False,
    )


def tiny_model(name: str, folder: Path, positions: int = 2048) -> Path:
    """Writes the model of one of ``KINDS`` to ``folder``: one layer, 32 wide, random weights."""
    import torch
    import transformers

    kind = KINDS[name]
    tokenizer = tiny_tokenizer(kind)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": positions,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if name != "neox":
        settings |= {"num_key_value_heads": 1, "head_dim": 16}
    torch.manual_seed(0)
    config = getattr(transformers, kind.config)(**settings)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
