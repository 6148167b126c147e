"""Log-probabilities: the same through every engine, kept with the answer, never silently absent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import GenerateConfig, NoLogprobsError, Request, TokenLogprobs
from backends.engines.hf import HfEngine
from backends.engines.openai_chat import OpenAIEngine
from results.cache import CallCache, call_key
from results.errors import SrlmError
from results.records import Message
from tests.fake_server import FakeServer

ASKED = GenerateConfig(logprobs=2)
CHAT = Request((Message(role="user", content="Mark it."),))


def likeliest(word: str) -> dict[str, float]:
    return {word: math.log(0.75), " \ud800other".encode("utf-8", "replace").decode(): -3.0}


def answer(request: Request, server: FakeServer, config: GenerateConfig = ASKED) -> Any:
    return OpenAIEngine("m", server.url, max_retries=0).generate([request], [1], config)[0]


@pytest.mark.parametrize("request_", [CHAT, Request("Mark it:")], ids=["chat", "raw"])
def test_both_endpoints_give_them_likeliest_first(request_: Request) -> None:
    with FakeServer(reply=lambda body: "It is\nScore: 4", logprobs=likeliest) as server:
        found = answer(request_, server)
    assert [at.token for at in found.logprobs] == ["It", " is", "\nScore:", " 4"]
    assert found.logprobs[-1].top == ((" 4", math.log(0.75)), (" ?other", -3.0))
    body = server.bodies[0]
    asked = {k: body.get(k) for k in ("logprobs", "top_logprobs")}
    chat = isinstance(request_.prompt, tuple)
    assert asked == ({"logprobs": True, "top_logprobs": 2} if chat else
                     {"logprobs": 2, "top_logprobs": None})  # fmt: skip


def test_without_asking_there_are_none() -> None:
    with FakeServer(logprobs=likeliest) as server:
        assert answer(CHAT, server, GenerateConfig()).logprobs is None
    assert "logprobs" not in server.bodies[0]


@pytest.mark.parametrize("refuses", [(), ("logprobs",), ("top_logprobs",)])
def test_a_server_without_them_is_known_after_one_call(refuses: tuple[str, ...],
                                                       tmp_path: Path) -> None:  # fmt: skip
    asked = [Request((Message(role="user", content=str(i)),)) for i in range(50)]
    # Slow, so that calls begun beside the first would be seen.
    with FakeServer(refuses=refuses, seconds=0.3) as server, CallCache(tmp_path / "c") as cache:
        caller = Caller(OpenAIEngine("m", server.url), cache)
        with pytest.raises(SrlmError, match=r"log-probabilities.*aggregation: mean"):
            list(caller.run(asked, ASKED))
        assert len(server.bodies) == 1


def test_batches_know_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.engines.provider_batches.POLL_S", 0.0)
    for server_ in (FakeServer(), FakeServer(refuses=("logprobs",))):
        with server_ as server, pytest.raises(NoLogprobsError, match=r"logprob|log-prob"):
            OpenAIEngine("m", server.url, batch=True).generate([CHAT], [1], ASKED)


def test_they_come_back_from_the_cache(tmp_path: Path) -> None:
    with FakeServer(logprobs=likeliest) as server, CallCache(tmp_path / "c") as cache:
        caller = Caller(OpenAIEngine("m", server.url), cache)
        first, again = (next(a for b in caller.run([CHAT], ASKED) for a in b) for _ in range(2))
        assert again.cached
        assert again.completion.logprobs == first.completion.logprobs
        assert isinstance(again.completion.logprobs[0], TokenLogprobs)
        plain = next(a for b in caller.run([CHAT], GenerateConfig()) for a in b)
        assert not plain.cached  # an answer without them is another call
    assert len(server.bodies) == 2


def test_keys_without_them_stay_what_they_were() -> None:
    before = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 256, "stop": [], "seed": 0}

    class Named:
        identity = "m"

    caller = Caller(Named(), None)  # type: ignore[arg-type]
    assert caller.keys([CHAT], GenerateConfig()) == [call_key("m", before, CHAT.prompt, 0)]
    assert caller.keys([CHAT], ASKED) == [call_key("m", before | {"logprobs": 2}, CHAT.prompt, 0)]


def test_hf_gives_the_model_s_own(tiny_llama: Path) -> None:
    """Against a plain forward pass; before temperature and top-p."""
    import torch

    engine = HfEngine(str(tiny_llama))
    sampled = GenerateConfig(temperature=0.5, top_p=0.7, max_tokens=6, logprobs=4)
    others = [Request("a b c d", draw) for draw in range(3)]  # their rows share a prefill
    done = engine.generate([Request("one two three"), *others], [1, 2, 3, 4], sampled)
    plain = engine.generate([Request("one two three")], [1],
                            GenerateConfig(temperature=0.5, top_p=0.7, max_tokens=6))  # fmt: skip
    assert plain[0].text == done[0].text  # asking for them changes no answer
    assert plain[0].logprobs is None
    for prompt, completion in zip(["one two three", "a b c d"], done[:2], strict=True):
        ids = engine.tokenizer(prompt)["input_ids"]
        assert completion.logprobs is not None
        assert len(completion.logprobs) == completion.usage.completion_tokens
        for at in completion.logprobs:
            with torch.inference_mode():
                logits = engine._model(torch.tensor([ids])).logits[0, -1]
            expected = torch.log_softmax(logits, -1).topk(4)
            assert [p for _, p in at.top] == pytest.approx(expected.values.tolist(), abs=1e-4)
            words = [engine.tokenizer.decode([i]) for i in expected.indices.tolist()]
            assert [text for text, _ in at.top] == words
            chosen = [i for i in range(len(engine.tokenizer)) if
                      engine.tokenizer.decode([i]) == at.token]  # fmt: skip
            if len(chosen) != 1:
                break  # several tokens read the same: the next context is not known
            ids = [*ids, chosen[0]]


def test_an_empty_answer_does_not_mean_that_the_server_has_none(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> str:
        return "" if body["messages"][-1]["content"] in ("0", "7") else "Score: 4"

    asked = [Request((Message(role="user", content=str(i)),)) for i in range(12)]
    with FakeServer(reply=reply, logprobs=likeliest) as server, CallCache(tmp_path / "c") as cache:
        caller = Caller(OpenAIEngine("m", server.url), cache)
        found = {a.index: a.completion for b in caller.run(asked, ASKED) for a in b}
    assert {0, 7} == {i for i, c in found.items() if not c.text}
    assert all(c.logprobs for c in found.values() if c.text)


def test_a_probability_of_nothing_is_no_alternative() -> None:
    """JSON of some servers has -Infinity, which no record can hold."""
    with FakeServer(
        reply=lambda body: "4", logprobs=lambda word: {word: -0.1, "x": -math.inf}
    ) as s:
        found = answer(CHAT, s)
    assert found.logprobs[0].top == (("4", -0.1),)


def test_hf_spells_tokens_as_they_stand_in_the_text(tmp_path: Path, tiny_llama: Path) -> None:
    """A SentencePiece tokenizer leaves out a token's space when it is decoded alone."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from backends.engines.sampling import Likeliest

    words = ["<unk>", "<s>", "</s>", "\u2581Score", ":", "\u25814", "\u25815"]
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    engine = HfEngine(str(tiny_llama))
    engine._tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
    import torch

    seen = Likeliest(2)
    for first in (3, 4, 5):
        logits = torch.full((1, len(words)), -9.0)
        logits[0, first], logits[0, 6] = 5.0, 1.0
        seen(torch.zeros(1, 1), logits)
    found = engine._logprobs([3, 4, 5], seen, 0)
    assert "".join(at.token for at in found) == engine.tokenizer.decode([3, 4, 5]) == "Score: 4"
    assert [text for text, _ in found[2].top] == [" 4", " 5"]
