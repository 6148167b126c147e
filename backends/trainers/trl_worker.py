"""The process that trains: ``python -m backends.trainers.trl_worker JOB.json``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backends.memory import peak_memory
from backends.process import become_worker
from backends.tokens import turn_end

Emit = Callable[[dict[str, Any]], None]


def _reporter(base: type, emit: Emit) -> Any:
    """A trainer callback that sends every logged step to the parent."""

    class Reporter(base):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            figures = {k: v for k, v in (logs or {}).items() if isinstance(v, int | float)}
            emit({"event": "step", "step": state.global_step, "of": state.max_steps,
                  "figures": figures})  # fmt: skip

    return Reporter()


def _common(job: dict[str, Any], gpu: bool) -> dict[str, Any]:
    """TRL arguments that SFT and DPO share."""
    s = job["settings"]
    scheduler: dict[str, Any] = {"lr_scheduler_type": s["schedule"]}
    if s["schedule"] == "cosine" and s["min_learning_rate"] > 0:
        scheduler = {
            "lr_scheduler_type": "cosine_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr": s["min_learning_rate"]},
        }
    return {
        "output_dir": job["out"],
        "learning_rate": s["learning_rate"],
        "num_train_epochs": s["epochs"],
        "per_device_train_batch_size": s["batch_size"],
        "weight_decay": s["weight_decay"],
        "max_grad_norm": s["max_grad_norm"],
        "max_length": s["max_length"],
        "seed": job["seed"],
        "use_cpu": not gpu,
        "bf16": gpu,
        "gradient_checkpointing": gpu,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 5,
        **scheduler,
    }


# How models call their dropout rates (transformers).
DROPOUT = ("attention_dropout", "hidden_dropout", "resid_pdrop", "attn_pdrop", "embd_pdrop",
           "dropout")  # fmt: skip


def _load(path: str, dropout: float) -> tuple[Any, dict[str, float]]:
    """The model with ``dropout`` in all its layers that have one, and the rates it came with: they
    go back into what is saved.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(path)
    own = {name: getattr(config, name) for name in DROPOUT if hasattr(config, name)}
    if dropout > 0 and not own:
        raise SystemExit(f"settings.dropout: {config.model_type} has no dropout; set it to 0")
    for name in own:
        setattr(config, name, dropout)
    return AutoModelForCausalLM.from_pretrained(path, config=config), own


def _train(job: dict[str, Any], emit: Emit) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    from backends.trainers.trl_data import load_dataset

    torch.manual_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    dropout = job["settings"]["dropout"]
    model, own_dropout = _load(job["model"], dropout)
    pads = tokenizer.pad_token, _pad(model.config), _pad(model.generation_config)
    if pads[0] is None:  # it fills batches, masked by its place: an answer's end stays in the loss
        tokenizer.pad_token = tokenizer.eos_token
    reference = None
    if job["kind"] == "dpo":  # an explicit one: TRL would load it from the path in the settings
        reference = AutoModelForCausalLM.from_pretrained(job["reference"])
    loaded = time.monotonic()
    data, left_out = load_dataset(
        job["kind"], job["data"], tokenizer, job["settings"]["max_length"]
    )
    if len(data) == 0:
        raise SystemExit(
            f"{job['data']}: no example fits max_length {job['settings']['max_length']}"
        )
    arguments = {
        "model": model,
        "processing_class": tokenizer,
        "callbacks": [_reporter(TrainerCallback, emit)],
    }
    common = _common(job, torch.cuda.is_available())
    if job["kind"] == "sft":
        trainer: Any = SFTTrainer(args=SFTConfig(**common), train_dataset=data, **arguments)
    else:
        losses = {"sigmoid": 1.0, "sft": job["settings"]["sft_weight"]}
        used = [name for name, weight in losses.items() if weight > 0]
        settings = DPOConfig(
            beta=job["settings"]["beta"],
            loss_type=used,
            loss_weights=[losses[name] for name in used],
            disable_dropout=dropout == 0,
            **common,
        )
        # It makes ids of texts when it is built, and has no way to take them: they come after.
        shape = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
        trainer = DPOTrainer(args=settings, ref_model=reference, train_dataset=shape, **arguments)
        trainer.train_dataset = data
    prepared = time.monotonic()
    result = trainer.train()
    trained = time.monotonic()
    if not all(torch.isfinite(p).all() for p in model.parameters()):
        raise SystemExit("training diverged: weights are not finite; lower the learning rate")
    # The trainer leaves use_cache off in the saved settings: generation would be 8 times slower.
    model.config.use_cache = True
    for name, rate in own_dropout.items():
        setattr(model.config, name, rate)
    model.generation_config.use_cache = True
    _end_turns(model, tokenizer)
    if pads[0] is None:
        # Kept as the padding token, eos would get no gradient in the embedding of the next step.
        tokenizer.pad_token = None
        model.config.pad_token_id, model.generation_config.pad_token_id = pads[1:]
    model.save_pretrained(job["out"])
    tokenizer.save_pretrained(job["out"])
    figures = {k: float(v) for k, v in result.metrics.items() if k == "train_loss"}
    last = [entry for entry in trainer.state.log_history if "rewards/accuracies" in entry]
    if last:
        figures["reward_accuracy"] = float(last[-1]["rewards/accuracies"])
    peak = peak_memory()
    report = {
        "examples": len(data),
        "left_out": left_out,
        "steps": trainer.state.global_step,
        "seconds": trained - prepared,
        "prepare_seconds": prepared - loaded + time.monotonic() - trained,
        "figures": figures,
        "peak_bytes": peak.host,
        "peak_device_bytes": peak.device,
    }
    emit({"event": "report", "report": report})


def _pad(settings: Any) -> int | None:
    found: int | None = getattr(settings, "pad_token_id", None)
    return found


def _end_turns(model: Any, tokenizer: Any) -> None:
    """Writes the token that now ends a turn into the settings that every server reads."""
    token = turn_end(tokenizer)
    end = None if token is None else tokenizer.convert_tokens_to_ids(token)
    listed = model.generation_config.eos_token_id
    ends = listed if isinstance(listed, list) else [] if listed is None else [listed]
    if end not in (None, tokenizer.eos_token_id, *ends):
        model.generation_config.eos_token_id = [*ends, end]


def main() -> None:
    """Reads the job file named on the command line and trains."""
    emit = become_worker()
    _train(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), emit)


if __name__ == "__main__":
    main()
