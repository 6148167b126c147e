"""Whatever the logits: the drawn token lies in the nucleus, and the extremes of the draw too."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.engines.sampling import SeededSampler

LOGIT = st.floats(-30, 30, width=32)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(LOGIT, min_size=1, max_size=12),
    st.floats(0.01, 1.0),
    st.floats(0.05, 5.0),
    st.one_of(st.floats(0, 1, exclude_max=True, width=32), st.sampled_from([0.0, 1 - 2**-24])),
)
def test_the_nucleus_is_never_left(
    logits: list[float], top_p: float, temperature: float, uniform: float
) -> None:
    sampler = SeededSampler([0], 1, 1, temperature, top_p)
    sampler.uniform = torch.tensor([[uniform]])
    scores = torch.tensor([logits])
    left = sampler(torch.zeros(1, 1, dtype=torch.long), scores)
    chosen = int(left.argmax())
    assert torch.isfinite(left).sum() == 1
    mass = torch.softmax(scores[0].double() / temperature, dim=-1)
    above = float(mass[mass > mass[chosen]].sum())
    assert above < top_p + 1e-5  # what is more likely than the token does not fill the nucleus
