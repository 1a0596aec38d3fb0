"""The loss of classification, with and without auxiliary heads, against arithmetic."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import OpsinError
from opsin.recipes import MODERN
from opsin.tasks.classify import Classify

LABELS = torch.tensor([0, 2])
MAIN, FIRST, SECOND = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(0)).unbind()


def by_hand(logits, smoothing):
    """-sum of target * log softmax, mean over the images."""
    total = 0.0
    for row, label in zip(logits.tolist(), LABELS.tolist(), strict=True):
        log_sum = math.log(sum(map(math.exp, row)))
        for k, value in enumerate(row):
            target = smoothing / len(row) + (1 - smoothing) * (k == label)
            total -= target * (value - log_sum) / len(LABELS)
    return total


@given(st.floats(0, 0.9), st.floats(0, 2))
def test_heads_count_by_their_weight(smoothing, weight):
    task = Classify(smoothing, weight)
    assert task.loss(MAIN, LABELS).item() == pytest.approx(by_hand(MAIN, smoothing), rel=1e-5)
    heads = by_hand(FIRST, smoothing) + by_hand(SECOND, smoothing)
    expected = by_hand(MAIN, smoothing) + weight * heads
    assert task.loss((MAIN, FIRST, SECOND), LABELS).item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(1, 5), st.floats(0, 0.5))
def test_weighted_images_count_alike_however_they_are_batched(parts, smoothing):
    """The mean over parts of a batch is that of the batch, and an image alone counts its class's weight."""
    rng = torch.Generator().manual_seed(parts)
    logits, labels = torch.randn(30, 3, generator=rng), torch.randint(0, 3, (30,), generator=rng)
    task = Classify(smoothing, class_weights=(0.5, 1.0, 4.0))
    chunks = list(zip(logits.chunk(parts), labels.chunk(parts), strict=True))
    means = [task.loss(part, own).item() * len(own) / 30 for part, own in chunks]
    assert sum(means) == pytest.approx(task.loss(logits, labels).item(), rel=1e-5)
    plain = Classify(0.0).loss(logits[:1], torch.tensor([2])).item()
    alone = Classify(0.0, class_weights=(0.5, 1.0, 4.0)).loss(logits[:1], torch.tensor([2])).item()
    assert alone == pytest.approx(4 * plain, rel=1e-5)


def test_a_recipe_with_a_negative_weight_is_refused():
    with pytest.raises(OpsinError, match="aux_weight must not be negative"):
        type(MODERN).from_dict(MODERN.to_dict() | {"aux_weight": -0.3})
