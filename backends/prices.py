"""What a model call costs: a dated table of prices, which the user can replace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backends.engines.engine import GenerateConfig, Request, Usage
from results.errors import UsageError

SHIPPED = Path(__file__).with_name("prices.yaml")
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}|-\d{4}")  # gpt-4o-2024-08-06, gpt-4-0613
TURN_TOKENS = 16  # more than any chat template puts around one message
UNTOLD = Usage(0, 0)  # before the call is made
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens; ``source`` says whose price it is."""

    prompt: float
    completion: float
    source: str

    def of(self, usage: Usage) -> float:
        """What a finished call cost, in US dollars."""
        spent = self.prompt * usage.prompt_tokens + self.completion * usage.completion_tokens
        return spent / 1e6

    def at_most(self, request: Request, config: GenerateConfig, usage: Usage = UNTOLD) -> float:
        """What a call can cost at most: a token is a byte at least, an answer has its limit.
        ``usage`` takes their place as far as the server has counted it.
        """
        turns = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        texts = [turn if isinstance(turn, str) else turn.content for turn in turns]
        prompt = sum(len(text.encode()) + TURN_TOKENS for text in texts)
        read = usage.prompt_tokens or (0 if usage.read_told else prompt)
        written = usage.completion_tokens or (0 if usage.written_told else config.max_tokens)
        return self.of(Usage(read, written))


class PriceFile(BaseModel):
    """A file of prices: ``[prompt, answer]`` by server and model, and when they were looked up.
    ``batch``: the share of them that calls through the batch endpoint cost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    checked: str
    batch: Annotated[float, Field(ge=0, le=1)] = 0.5
    servers: dict[str, dict[str, tuple[Dollars, Dollars]]]

    @classmethod
    def read(cls, path: Path | None) -> PriceFile:
        """The user's file, or the shipped one; UsageError names the key that is wrong."""
        path = path or SHIPPED
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls.model_validate(data | {"checked": str(data.get("checked"))})
        except OSError as error:
            raise UsageError(f"budget.prices: {path}: {error.strerror}; check the path") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"{path}: {where}: {first['msg']}; {EXPECTED}") from None
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, AttributeError):
            raise UsageError(f"{path}: not YAML with prices; {EXPECTED}") from None

    def price(self, engine: str, model: str, options: Mapping[str, Any]) -> Price | None:
        """The price of a model, null where it is not known.

        Args:
            engine: the engine's name; models on this machine (``hf``) cost nothing a call.
            model: its name at the server, a date at the end or not. A dated one that is not
                listed has the undated one's price, unless listed dates show that they differ.
            options: the engine's, complete; ``base_url`` tells the server. Of several servers
                the dearest counts.
        """
        if engine == "hf":
            return Price(0.0, 0.0, "this machine")
        urls = [url.strip().rstrip("/") for url in str(options.get("base_url", "")).split(",")]
        found = [self._at(url, model) for url in urls]
        known = [pair for pair in found if pair is not None]
        if not known or len(known) < len(found):
            return None
        share = self.batch if options.get("batch") else 1.0
        prompt, completion = (share * max(each) for each in zip(*known, strict=True))
        return Price(prompt, completion, f"prices of {self.checked}")

    def _at(self, url: str, model: str) -> tuple[float, float] | None:
        models = self.servers.get(url, {})
        if model in models:
            return models[model]
        plain = next((m for m in models if DATED.fullmatch(model.removeprefix(m))), "")
        dates = {models[m] for m in models if plain and DATED.fullmatch(m.removeprefix(plain))}
        return models.get(plain) if dates <= {models.get(plain)} else None


EXPECTED = "expected checked: DATE and servers: {URL: {MODEL: [prompt, answer]}}, USD per million"
