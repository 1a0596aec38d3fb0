import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.data.augment import Draws, Shift, suited_to
from opsin.data.counted import uniforms

RNG = np.random.default_rng(5)


def images(n, channels=3, side=8):
    return torch.from_numpy(RNG.integers(1, 256, (n, channels, side, side)).astype(np.uint8))


def by_hand(augment, batch, seed, epoch, samples):
    """The same, an image at a time: pad, cut out, mirror."""
    p, side, out = augment.shift, batch.shape[-1], []
    for image, (u, v, w) in zip(batch.numpy(), uniforms(seed, epoch, samples, 3), strict=True):
        padded = np.pad(image, [(0, 0), (p, p), (p, p)], mode="edge" if augment.pad == "edge" else "constant")
        top, left = int(u * (2 * p + 1)), int(v * (2 * p + 1))
        cut = padded[:, top : top + side, left : left + side]
        out.append(cut[:, :, ::-1] if augment.flip and w < 0.5 else cut)
    return torch.from_numpy(np.stack(out).copy())


@settings(deadline=None)
@given(
    st.builds(Shift, shift=st.integers(0, 11), flip=st.booleans(), pad=st.sampled_from(["edge", "zero"])),
    st.integers(0, 40),
    st.sampled_from([1, 3]),
    st.integers(0, 2**40),
    st.integers(0, 100),
)
def test_is_what_one_would_do_by_hand(augment, n, channels, seed, epoch):
    batch, samples = images(n, channels), RNG.permutation(1000)[:n]
    before = batch.clone()
    found = augment(batch, Draws(seed, epoch, samples))
    assert found.dtype == torch.uint8 and torch.equal(batch, before)
    if n:
        assert torch.equal(found, by_hand(augment, batch, seed, epoch, samples))


def test_does_not_depend_on_the_batch():
    batch, samples, augment = images(32), np.arange(100, 132), Shift(2, True, "edge")
    whole = augment(batch, Draws(1, 2, samples))
    order = RNG.permutation(32)
    assert torch.equal(augment(batch[order], Draws(1, 2, samples[order])), whole[order])
    assert torch.equal(augment(batch[7:8], Draws(1, 2, samples[7:8]))[0], whole[7])
    assert not torch.equal(augment(batch, Draws(1, 3, samples)), whole)
    assert not torch.equal(augment(batch, Draws(2, 2, samples)), whole)


def test_every_move_is_as_likely():
    point = torch.zeros(20_000, 1, 5, 5, dtype=torch.uint8)
    point[:, :, 2, 1] = 1
    found = Shift(1, True, "zero")(point, Draws(0, 0, np.arange(20_000))).sum(0)[0].numpy()
    want = np.zeros((5, 5))
    want[1:4, 0:3] += 1 / 18  # as it is
    want[1:4, 2:5] += 1 / 18  # mirrored
    assert np.abs(found / 20_000 - want).max() < 4.5 * np.sqrt(1 / 9 / 20_000)


def test_nothing_to_do():
    batch = images(4)
    assert torch.equal(Shift(0, False)(batch, Draws(0, 0, np.arange(4))), batch)


def test_types_other_than_bytes():
    batch = images(6).float()
    found = Shift(2, True, "edge")(batch, Draws(0, 0, np.arange(6)))
    assert torch.equal(found, Shift(2, True, "edge")(batch.byte(), Draws(0, 0, np.arange(6))).float())


def test_memory_layout_does_not_matter():
    batch = images(6)
    strided = batch.to(memory_format=torch.channels_last)
    assert torch.equal(
        Shift(2, True, "edge")(strided, Draws(0, 0, np.arange(6))),
        Shift(2, True, "edge")(batch, Draws(0, 0, np.arange(6))),
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu():
    batch, augment = images(50), Shift(3, True, "zero")
    assert torch.equal(
        augment(batch.cuda(), Draws(3, 1, np.arange(50))).cpu(), augment(batch, Draws(3, 1, np.arange(50)))
    )


def test_suited_to():
    assert suited_to(1, 8) == suited_to(1, 16) == (Shift(1, False, "edge"),)
    assert suited_to(1, 224) == (Shift(14, False, "edge"),)
    assert suited_to(3, 32) == (Shift(4, True, "edge"),)
