"""Augmentations of whole batches against torchvision's, scipy's and arithmetic by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats
from torchvision.transforms.v2 import functional as tv

from opsin.data.augment import Draws, Elastic, Erase, Flip, Jitter, Lighting
from opsin.data.augment.elastic import blurred

RNG = np.random.default_rng(8)
PARTS = (Flip(), Jitter(), Elastic(2.0, 5.0), Erase(1.0))


def photos(n, channels=3, side=16):
    values = RNG.integers(40, 200, (n, channels, 1, 1)) + RNG.integers(-30, 30, (n, channels, side, side))
    return torch.from_numpy(values.clip(0, 255).astype(np.uint8))


def draws(n, seed=0, place=0):
    return Draws(seed, 0, np.arange(n), place)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.kind)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_does_not_depend_on_its_batch(part, channels):
    batch, samples = photos(12, channels), np.arange(50, 62)
    batch = batch.float() if isinstance(part, Erase) else batch
    before, whole = batch.clone(), part(batch, Draws(1, 2, samples))
    assert torch.equal(batch, before) and whole.shape == batch.shape and whole.dtype == batch.dtype
    order = RNG.permutation(12)
    torch.testing.assert_close(part(batch[order], Draws(1, 2, samples[order])), whole[order])
    assert not torch.equal(part(batch, Draws(1, 3, samples)), whole)
    assert not torch.equal(part(batch, Draws(1, 2, samples, place=3)), whole)


def test_every_second_image_is_mirrored():
    batch = photos(2000, 1, 3)
    found = Flip()(batch, draws(2000))
    same, mirrored = (found == batch).all((1, 2, 3)), (found == batch.flip(-1)).all((1, 2, 3))
    assert (same | mirrored).all()
    assert mirrored.double().mean() == pytest.approx(0.5, abs=0.06)


def test_colours_move_as_torchvisions():
    """Brightness, contrast, saturation in turn; ours rounds once, at the end."""
    batch, compared = photos(60), 0
    found = Jitter(0.4, 0.3, 0.5)(batch, draws(60))
    factors = 1 + (2 * draws(60).uniforms(3) - 1) * [0.4, 0.3, 0.5]
    for image, ours, (brightness, contrast, saturation) in zip(batch, found, factors.tolist(), strict=True):
        bright = tv.adjust_brightness(image.float() / 255, brightness)
        contrasted = tv.adjust_contrast(bright, contrast)
        if contrasted.min() > 0 and max(bright.max(), contrasted.max()) < 1:  # theirs cuts off after each step
            theirs = tv.adjust_saturation(contrasted, saturation) * 255
            assert (ours.float() - theirs).abs().max() < 0.6
            compared += 1
    assert compared > 20
    assert torch.equal(Jitter(0, 0, 0)(batch, draws(60)), batch)


def test_grey_images_have_no_saturation():
    batch = photos(5, 1)
    torch.testing.assert_close(Jitter(0, 0, 1.0)(batch, draws(5)), batch)


def test_lighting_moves_colours_along_their_principal_components():
    """Shifts have the covariance sigma^2 times that of the images' colours (AlexNet, section 4.1)."""
    common = RNG.normal(128, 20, (200, 1, 8, 8))
    images = (common + RNG.normal(0, 5, (200, 3, 8, 8))).clip(0, 255).astype(np.uint8)
    fitted = Lighting(0.3).fit(images)
    covariance = np.cov(images.transpose(1, 0, 2, 3).reshape(3, -1).astype(float))
    np.testing.assert_allclose(fitted.directions @ fitted.directions.T, 0.09 * covariance, rtol=1e-9, atol=1e-9)
    flat = torch.full((20_000, 3, 1, 1), 128, dtype=torch.uint8)
    shifts = fitted(flat, draws(20_000))[:, :, 0, 0].double().numpy() - 128
    np.testing.assert_allclose(np.cov(shifts.T), 0.09 * covariance + np.eye(3) / 12, rtol=0.05, atol=0.1)
    whole = fitted(torch.full((4, 3, 5, 5), 100, dtype=torch.uint8), draws(4))
    assert (whole == whole[:, :, :1, :1]).all()


def test_the_field_is_blurred_as_scipy_does():
    field = torch.from_numpy(RNG.uniform(-1, 1, (2, 2, 29, 29)))
    theirs = ndimage.gaussian_filter(field.numpy(), (0, 0, 4.0, 4.0), mode="constant", truncate=3.0)
    np.testing.assert_allclose(blurred(field, 4.0).numpy(), theirs, atol=1e-12)


def test_elastic_turns_and_scales_as_pillow_does():
    """Without a field: Pillow's affine transform of a smooth image, away from the border."""
    side, part = 33, Elastic(sigma=1.0, alpha=0.0, rotation=20.0, scaling=0.2)
    smooth = ndimage.gaussian_filter(RNG.uniform(0, 255, (side, side)), 3.0)
    smooth = ((smooth - smooth.min()) * 255 / np.ptp(smooth)).astype(np.uint8)
    batch = torch.from_numpy(smooth)[None, None].expand(6, 1, side, side).contiguous()
    drawn = 2 * draws(6).uniforms(3 + 2 * side**2)[:, :3] - 1
    for ours, (turn, wide, high) in zip(part(batch, draws(6)), drawn.tolist(), strict=True):
        angle, x, y, c = np.radians(20 * turn), 1 / (1 + 0.2 * wide), 1 / (1 + 0.2 * high), side / 2
        a, b, d, e = np.cos(angle) * x, -np.sin(angle) * y, np.sin(angle) * x, np.cos(angle) * y
        matrix = (a, b, c - a * c - b * c, d, e, c - d * c - e * c)
        how = Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        theirs = Image.fromarray(smooth).transform((side, side), *how)
        middle = (slice(8, -8),) * 2
        assert np.abs(ours[0].numpy().astype(int) - np.asarray(theirs).astype(int))[middle].max() <= 2
    still = Elastic(1.0, 0.0, 0.0, 0.0)
    assert torch.equal(still(batch, draws(6)), batch)


def test_erased_rectangles():
    """Of 2 to 33 % of the area, in ratios of 0.3 to 1/0.3, everywhere; their noise has mean 0 and deviation 1."""
    n, side = 3000, 64
    batch = torch.full((n, 1, side, side), 100.0)
    found = Erase(0.4)(batch, draws(n))
    erased = (found != 100)[:, 0]
    hit = erased.any(1).any(1)
    assert hit.double().mean() == pytest.approx(0.4, abs=0.04)
    high, wide = erased.any(2).sum(1)[hit].numpy(), erased.any(1).sum(1)[hit].numpy()
    assert (erased.sum((1, 2))[hit].numpy() == high * wide).all()
    share = high * wide / side**2
    assert share.min() > 0.015 and share.max() < 0.36
    assert stats.kstest(share, "uniform", (0.02, 1 / 3 - 0.02)).statistic < 0.06
    assert stats.kstest(np.log(high / wide), "uniform", (np.log(0.3), -2 * np.log(0.3))).statistic < 0.06
    noise = found[:, 0][erased]
    assert noise.mean().item() == pytest.approx(0, abs=0.05) and noise.std().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(Erase(0.0)(batch[:5], draws(5)), batch[:5])
