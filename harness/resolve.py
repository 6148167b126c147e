"""A configuration with every part's own settings checked and filled in, so that it says it all."""

from __future__ import annotations

from typing import Any

from backends.registry import ENGINES, TRAINERS, open_trainer
from benchmarks.registry import BENCHMARKS, SOURCES
from harness.config import RunConfig
from harness.outside import outside_models
from results.plugins import complete_options


def resolve(config: RunConfig) -> RunConfig:
    """``config`` with the defaults of engine, trainer, source and benchmark written out.

    A later version with other defaults then cannot change a run that is resumed.

    Raises:
        UsageError: an unknown part, an option that it does not have, or a wrong value.
    """
    trainer = open_trainer(config.trainer.name, config.trainer.options)
    tree: dict[str, Any] = config.model_dump()
    engine, data, evaluation = config.engine, config.data, config.evaluation
    tree["engine"] |= complete_options(
        "engine", engine.name, ENGINES.load(engine.name), engine.options, given=("model",)
    )
    for part in outside_models(config):
        # A model on the run's own engine has its options too, unless it says otherwise.
        own = (engine.options if part.engine == engine.name else {}) | part.options
        tree[part.section]["options"] = complete_options(
            "engine", part.engine, ENGINES.load(part.engine), own, given=("model",)
        )
    tree["trainer"] |= complete_options(
        "trainer", config.trainer.name, TRAINERS.load(config.trainer.name), config.trainer.options
    )
    tree["data"]["options"] = complete_options(
        "data source", data.source, SOURCES.load(data.source), data.options, given=("seed",)
    )
    tree["evaluation"]["options"] = complete_options(
        "benchmark", evaluation.benchmark, BENCHMARKS.load(evaluation.benchmark), evaluation.options
    )
    for name, beside in evaluation.beside.items():
        of = beside.benchmark or name
        options = complete_options("benchmark", of, BENCHMARKS.load(of), beside.options)
        tree["evaluation"]["beside"][name] = {"benchmark": of, "options": options}
    tree["sft"]["settings"] = trainer.check("sft", config.sft.settings)
    tree["dpo"]["settings"] = trainer.check("dpo", config.dpo.settings)
    return RunConfig.model_validate(tree)
