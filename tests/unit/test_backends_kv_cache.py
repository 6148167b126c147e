"""The KV cache with room holds what transformers' own holds, whatever is done to it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from transformers.cache_utils import DynamicLayer  # noqa: E402

from backends.engines.kv_cache import RoomyLayer  # noqa: E402


def states(rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values, of different sizes a head."""
    return torch.randn(rows, 2, columns, 4), torch.randn(rows, 2, columns, 3)


@pytest.mark.parametrize("limit", [1, 6, 40], ids=["too-small", "just", "more"])
def test_it_holds_what_the_usual_layer_holds(limit: int) -> None:
    torch.manual_seed(0)
    ours, usual = RoomyLayer(limit), DynamicLayer()

    def both(rows: int, columns: int) -> None:
        new = states(rows, columns)
        for mine, theirs in zip(ours.update(*new), usual.update(*new), strict=True):
            assert torch.equal(mine, theirs)
        assert ours.get_seq_length() == usual.get_seq_length()

    both(2, 5)
    both(2, 1)
    for layer in (ours, usual):  # as the draws of two prompts
        layer.batch_select_indices(torch.tensor([1, 0, 1]))
    both(3, 1)
    both(3, 1)
    for layer in (ours, usual):
        layer.crop(-2)
    both(3, 2)
    for layer in (ours, usual):
        layer.reorder_cache(torch.tensor([2, 2, 0]))
    both(3, 1)
    for layer in (ours, usual):
        layer.reset()
    both(1, 3)


def test_within_its_room_nothing_is_copied() -> None:
    layer = RoomyLayer(8)
    layer.update(*states(2, 5))
    begin = layer.keys.data_ptr()
    for _ in range(3):
        layer.update(*states(2, 1))
    assert layer.keys.data_ptr() == begin
    layer.update(*states(2, 1))
    assert layer.keys.data_ptr() != begin


def test_it_never_holds_more_than_twice_what_is_filled() -> None:
    layer = RoomyLayer(100_000)
    for columns in (70, *[1] * 300):
        layer.update(*states(1, columns))
        held = layer.keys.untyped_storage().nbytes() / layer.keys.element_size() / (2 * 4)
        assert held <= 2 * layer.get_seq_length()
