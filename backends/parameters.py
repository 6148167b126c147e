"""How many parameters a model folder holds and in how many bytes, read from its files' headers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.errors import SrlmError
from results.files import read_json

# Bytes of a number, by the names that config.json uses (with or without "torch.").
BYTES = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "float64": 8}
HEADER_AT_MOST = 100 << 20  # bytes: the format's own limit


@dataclass(frozen=True)
class Weights:
    """What the weight files of a model hold: ``parameters`` numbers in ``bytes`` bytes."""

    parameters: int
    bytes: int


def weights_of(folder: Path) -> Weights | None:
    """The weights in ``folder``, null where it has none or their number cannot be told.

    Reads the headers of safetensors (shapes of all tensors), never the tensors. Of ``*.bin`` the
    size alone is known: it is divided by the bytes of the dtype in config.json.
    """
    try:
        shards = _shards(folder, "model.safetensors")
        if shards:
            return Weights(sum(map(_in_header, shards)), _size(shards))
        shards = _shards(folder, "pytorch_model.bin")
        each = BYTES.get(_dtype(folder))
        if not shards or each is None:
            return None
        return Weights(_size(shards) // each, _size(shards))
    except (OSError, ValueError, SrlmError):  # a shard missing, torn or not of the format
        return None


def _shards(folder: Path, name: str) -> list[Path]:
    """The files that transformers reads: ``name``, else those that its index lists, whether they
    are there or not; empty without either. Adapters and copies in another layout
    (``consolidated.safetensors``) lie beside them.
    """
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    return sorted({folder / shard for shard in _weight_map(index)}) if index.is_file() else []


def _weight_map(index: Path) -> list[str]:
    found = read_json(index).get("weight_map")
    if not isinstance(found, dict):
        raise ValueError(f"{index}: no weight_map")
    return list(map(str, found.values()))


def _in_header(path: Path) -> int:
    """Numbers in one safetensors file: its header's length (8 bytes, little-endian), then the
    header as JSON, one entry a tensor.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > HEADER_AT_MOST:
            raise ValueError(f"{path}: a header of {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name[:2] != "__")


def _size(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _dtype(folder: Path) -> str:
    config = read_json(folder / "config.json")
    found = config.get("dtype") or config.get("torch_dtype") or "float32"
    return str(found).removeprefix("torch.")
