"""The name of a model: what changes it, what does not, and when the memo may answer."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from results.errors import SrlmError
from results.weights import text_hash, weights_hash


@pytest.fixture(autouse=True)
def memo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "srlm" / "weights.json"


def model(folder: Path) -> Path:
    """Writes a small model folder that was last changed an hour ago."""
    folder.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "training_args.bin"):
        (folder / name).write_text(name)
    settle(folder)
    return folder


def settle(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json",
     "tokenizer_config.json", "chat_template.jinja", "pytorch_model.bin", "vocab.txt"],
)  # fmt: skip
def test_contents_change_the_hash(tmp_path: Path, name: str) -> None:
    folder = model(tmp_path / "m")
    before = weights_hash(folder)
    (folder / name).write_text("changed")
    assert weights_hash(folder) != before


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.bin", "README.md", "log.jsonl"])
def test_what_a_trainer_leaves_does_not(tmp_path: Path, name: str) -> None:
    folder = model(tmp_path / "m")
    before = weights_hash(folder)
    (folder / name).write_text("changed")
    assert weights_hash(folder) == before


def test_names_count_and_places_do_not(tmp_path: Path) -> None:
    first, second = model(tmp_path / "a"), model(tmp_path / "b")
    assert weights_hash(first) == weights_hash(second)
    (second / "model.safetensors").rename(second / "model-1.safetensors")
    assert weights_hash(first) != weights_hash(second)


def test_memo_answers_only_for_the_unchanged(
    tmp_path: Path, memo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model(tmp_path / "m")
    before = weights_hash(folder)
    assert memo.exists()
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)  # reading would fail
        assert weights_hash(folder) == before
    # Same size and even the same time: a file moved into place has another inode.
    stat = (folder / "model.safetensors").stat()
    (folder / "new").write_text("MODEL.safetensors")
    (folder / "new").rename(folder / "model.safetensors")
    os.utime(folder / "model.safetensors", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights_hash(folder) != before


def test_fresh_files_are_not_remembered(tmp_path: Path, memo: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "model.safetensors").write_text("just now")
    weights_hash(folder)
    assert not memo.exists()


def test_links_to_known_files_are_not_read_again(
    tmp_path: Path, memo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model(tmp_path / "m")
    before = weights_hash(folder)
    links = tmp_path / "links"
    links.mkdir()
    for path in folder.iterdir():
        (links / path.name).symlink_to(path)
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)  # reading would fail
        assert weights_hash(links) == before
    (links / "chat_template.jinja").write_text("another")
    assert weights_hash(links) != before


@pytest.mark.parametrize(
    "data", ["", "[1]", '{"version": 2}', '{"version": 2, "files": 3}', '{"version": 1}']
)
def test_bad_memo_is_ignored(tmp_path: Path, memo: Path, data: str) -> None:
    folder = model(tmp_path / "m")
    before = weights_hash(folder)
    memo.write_text(data)
    assert weights_hash(folder) == before


def test_unwritable_memo_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert len(weights_hash(model(tmp_path / "m"))) == 64


def test_no_weights_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SrlmError, match="No such file"):
        weights_hash(tmp_path / "missing")
    folder = model(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    with pytest.raises(SrlmError, match=r"found no \*\.safetensors"):
        weights_hash(folder)


def test_text_hash_is_canonical() -> None:
    assert text_hash({"b": 1, "a": [1, "\ud800"]}) == text_hash({"a": [1, "\ud800"], "b": 1})
    assert text_hash([1, 2]) != text_hash([2, 1])
    assert text_hash({"b": "é", "a": None}) == sha256(rb'{"a":null,"b":"\u00e9"}').hexdigest()
    with pytest.raises(ValueError, match="JSON compliant"):
        text_hash(float("nan"))
