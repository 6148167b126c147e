"""A model behind an endpoint: its prompts' log-probabilities, and a server that gives none."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from backends.engines.caller import Caller
from backends.engines.engine import Engine
from backends.engines.openai_chat import OpenAIEngine
from benchmarks.nlp.benchmark import Nlp
from benchmarks.nlp.records import Sample, samples_file
from benchmarks.nlp.worker import _refused
from results.cache import CallCache
from results.errors import UsageError
from results.lines import read_jsonl
from tests.fake_server import FakeServer
from tests.nlp_files import siqa_rows, write_folder
from tests.serving import Serving


class Scoring(Serving):
    """Serves the log-probabilities of prompts, as vLLM does, from a real small model."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def __enter__(self) -> Scoring:
        self.start()
        return self

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/completions", self._complete)
        return app

    async def _complete(self, request: web.Request) -> web.Response:
        import torch

        body = await request.json()
        assert body["echo"] and body["logprobs"] == body["max_tokens"] == 1
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        choices = []
        for index, prompt in enumerate(prompts):
            ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                scores = self.model(torch.tensor([ids])).logits[0].log_softmax(-1)
            told = [None] + [float(scores[i, t]) for i, t in enumerate(ids[1:])]
            best = [{}] + [{"x": float(scores[i].max())} for i in range(len(ids) - 1)]
            # One token is generated too: what is not of the prompt stands last.
            logprobs = {"token_logprobs": [*told, -1.0], "top_logprobs": [*best, {"x": -1.0}]}
            choices.append({"index": index, "text": prompt, "logprobs": logprobs})
        return web.json_response({"choices": choices})


def run(engine: Engine, data: Path, out: Path) -> list[Sample]:
    benchmark = Nlp(data=str(data), tasks=["siqa"], limit=6)
    with CallCache(out.parent / f"{out.name}.sqlite") as cache:
        found = benchmark.evaluate(Caller(engine, cache), None, None, out, 0)
    assert found.metrics["siqa"].n == 6
    return read_jsonl(samples_file(out, "siqa"), Sample)


def test_likelihoods_through_an_endpoint_are_the_models_own(
    tiny_llama: Path, tmp_path: Path
) -> None:
    import torch

    data = write_folder(tmp_path / "data")
    with Scoring(tiny_llama) as server:
        engine = OpenAIEngine(str(tiny_llama), base_url=server.url, max_concurrency=2)
        found = run(engine, data, tmp_path / "there")
        rows = siqa_rows(20)
        for sample in found:
            row = rows[sample.doc_id]
            prompt = f"Q: {row['context']} {row['question']}\nA:"
            expected = []
            for choice in (row["answerA"], row["answerB"], row["answerC"]):
                ids = server.tokenizer(f"{prompt} {choice}")["input_ids"]
                begin = len(server.tokenizer(prompt)["input_ids"])
                with torch.inference_mode():
                    logits = server.model(torch.tensor([ids])).logits[0].log_softmax(-1)
                expected.append(sum(float(logits[i - 1, ids[i]]) for i in range(begin, len(ids))))
            assert [a[0] for a in sample.answers] == pytest.approx(expected, abs=1e-3)
            best = max(range(3), key=expected.__getitem__)
            assert sample.value == float(best == int(row["label"]) - 1)


def test_a_server_without_the_prompts_log_probabilities(tmp_path: Path) -> None:
    with FakeServer() as server:
        engine = OpenAIEngine("m", base_url=server.url, timeout_s=5)
        opened = engine.lm_eval_model()
        model = {"kind": opened.kind, "arguments": opened.arguments}
        why = _refused(model, likelihoods=True)
        assert why is not None and why.startswith(f"{server.url}/completions: gives no log-prob")
        assert _refused(model, likelihoods=False) is None
    assert "no answer (ConnectionError)" in (_refused(model, likelihoods=True) or "")


def test_a_tokenizer_must_be_named(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data")
    engine = OpenAIEngine("far", base_url="http://127.0.0.1:9/v1")
    assert "secret" not in repr(engine.lm_eval_model())
    with pytest.raises(UsageError, match=r"far is behind an endpoint: name its tokenizer"):
        run(engine, data, tmp_path / "out")
