"""Mixed images and labels by hand, and their shares as the papers draw them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from timm.data.mixup import rand_bbox

from opsin.data.augment import Draws
from opsin.engine.mix import Mix

N, SIDE = 600, 32


def mixed(mix, n=N, classes=None):
    """Images that are full of their own number, each of a class of its own, so that what they were mixed from shows."""
    images = torch.arange(n).float().view(-1, 1, 1, 1).expand(n, 1, SIDE, SIDE).contiguous()
    found, targets = mix(images, torch.arange(n), classes or n, Draws(0, 0, np.arange(n)))
    return images, found, targets


def test_mixup_is_a_weighted_mean_with_the_share_of_the_label():
    images, found, targets = mixed(Mix(mixup=0.8, cutmix=0.0))
    share = targets[torch.arange(N), torch.arange(N)]
    partner = images.view(N // 2, 2, 1, SIDE, SIDE).flip(1).reshape(images.shape)
    torch.testing.assert_close(found, images * share.view(-1, 1, 1, 1) + partner * (1 - share).view(-1, 1, 1, 1))
    torch.testing.assert_close(targets.sum(1), torch.ones(N))
    assert stats.kstest(share.numpy(), "beta", (0.8, 0.8)).pvalue > 1e-3


def test_cutmix_puts_a_rectangle_in_with_its_area_as_share():
    images, found, targets = mixed(Mix(mixup=0.0, cutmix=1.0))
    own = found == images
    torch.testing.assert_close(own.float().mean((1, 2, 3)), targets[torch.arange(N), torch.arange(N)])
    other = ~own[:, 0]
    assert (other.sum((1, 2)) == other.any(1).sum(1) * other.any(2).sum(1)).all()  # a rectangle
    assert (found[~own] == torch.from_numpy(np.arange(N) ^ 1).view(-1, 1, 1, 1).expand_as(found)[~own]).all()
    np.random.seed(0)
    boxes = [rand_bbox((1, 1, SIDE, SIDE), lam) for lam in np.random.beta(1, 1, 3000)]
    theirs = np.array([(b - a) * (d - c) for a, b, c, d in boxes]) / SIDE**2
    assert stats.ks_2samp(other.float().mean((1, 2)).numpy(), theirs).statistic < 0.08


def test_each_every_second_time():
    images, found, _ = mixed(Mix())
    cut = ((found == images) | (found == (images.long() ^ 1).float())).all(3).all(2)[:, 0]
    assert cut.double().mean() == pytest.approx(0.5, abs=0.08)
    images, found, _ = mixed(Mix(probability=0.3))
    assert (found == images).all(3).all(2).double().mean() == pytest.approx(0.7, abs=0.08)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 4), st.floats(0, 4), st.floats(0, 1), st.integers(1, 9))
def test_targets_add_up_and_the_odd_one_stays(mixup, cutmix, probability, n):
    if not mixup and not cutmix:
        mixup = 1.0
    images, found, targets = mixed(Mix(mixup, cutmix, probability), n)
    torch.testing.assert_close(targets.sum(1), torch.ones(n))
    assert (targets >= 0).all() and found.isfinite().all()
    if n % 2:
        torch.testing.assert_close(found[-1], images[-1])
        assert targets[-1, -1] == pytest.approx(1)


def test_whole_batches_are_left_as_they_are():
    images = torch.rand(4, 3, 8, 8)
    kept = images.clone()
    Mix()(images, torch.arange(4), 4, Draws(0, 0, np.arange(4)))
    assert torch.equal(images, kept)
