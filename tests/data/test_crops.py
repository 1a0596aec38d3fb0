"""Crops against arithmetic by hand and torchvision's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from opsin.data.augment import CROPS, AreaCrop, RandomCrop
from opsin.errors import OpsinError

RNG = np.random.default_rng(3)
SIDES = st.one_of(st.integers(1, 40), st.integers(1, 6000))


def many(crop, width, height, n=4000):
    return np.array([crop.box(width, height, u) for u in RNG.random((n, crop.draws))])


@given(
    st.one_of(
        st.builds(lambda a, b, c: RandomCrop(min(a, b), max(a, b), c), *[st.floats(1, 3)] * 2, st.booleans()),
        st.builds(lambda a, b, c: AreaCrop(min(a, b), max(a, b), c), *[st.floats(0.001, 1)] * 2, st.floats(1, 4)),
    ),
    SIDES,
    SIDES,
    st.integers(0, 2**32),
)
def test_a_box_lies_in_the_image_and_pillow_takes_it(crop, width, height, seed):
    u = np.random.default_rng(seed).choice([0.0, 1 - 2**-53, 0.5, 0.3], crop.draws)
    left, top, right, bottom = box = crop.box(width, height, u)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    if width * height < 2000:
        assert Image.new("L", (width, height)).resize((8, 8), Image.Resampling.BICUBIC, box=box).size == (8, 8)
    if isinstance(crop, RandomCrop):
        assert right - left == pytest.approx(bottom - top)
        assert min(width, height) / crop.high <= (right - left) * (1 + 1e-9) <= min(width, height) / crop.low * 1.001


def test_alexnet_takes_224_of_the_central_256():
    """Of an image of 512 x 256 px the central square begins at 128."""
    boxes = many(RandomCrop(central=True), 512, 256)
    assert boxes[:, 2] - boxes[:, 0] == pytest.approx(224)
    assert 128 <= boxes[:, 0].min() < 128.1
    assert 159.9 < boxes[:, 0].max() <= 160
    assert 0 <= many(RandomCrop(), 512, 256)[:, 0].min() < 1  # VGG's go over the whole


def test_resnet_scales_the_short_side_to_256_up_to_480():
    """224 px out of so many are this share of the short side: 0.875 down to 0.467; the scale is uniform."""
    boxes = many(RandomCrop(256 / 224, 480 / 224), 600, 300)
    scales = 224 * 300 / (boxes[:, 2] - boxes[:, 0])
    assert stats.kstest(scales, "uniform", (256, 480 - 256)).pvalue > 1e-4
    assert stats.kstest(boxes[:, 0] / (600 - (boxes[:, 2] - boxes[:, 0])), "uniform").pvalue > 1e-4


@pytest.mark.parametrize(("width", "height", "least"), [(500, 375, 0.08), (300, 500, 0.25)])
def test_areas_and_ratios_are_distributed_as_torchvisions(width, height, least):
    from torchvision.transforms.v2 import RandomResizedCrop

    torch.manual_seed(0)
    image, theirs = torch.empty(3, height, width), RandomResizedCrop(8, (least, 1.0))
    drawn = [theirs.make_params([image]) for _ in range(2000)]
    boxes = many(AreaCrop(least), width, height, 2000)
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    for ours, other in (
        (across * down, [p["width"] * p["height"] for p in drawn]),
        (across / down, [p["width"] / p["height"] for p in drawn]),
        (boxes[:, 0], [p["left"] for p in drawn]),
        (boxes[:, 1], [p["top"] for p in drawn]),
    ):
        assert stats.ks_2samp(ours, np.array(other, float)).statistic < 0.06


def test_where_nothing_fits_the_middle_is_taken():
    """No rectangle of half of the area with sides up to 4:3 fits into a strip: the largest central one that does."""
    assert many(AreaCrop(0.5), 1000, 100, 20) == pytest.approx(np.array([[500 - 200 / 3, 0, 500 + 200 / 3, 100]] * 20))
    assert many(AreaCrop(0.5), 100, 1000, 5)[:, 1] == pytest.approx(500 - 200 / 3)
    assert AreaCrop(1.0, 1.0, 1.0).box(7, 7, np.full(22, 0.3)) == (0, 0, 7, 7)


def test_wrong_crops_are_one_line():
    for kind in CROPS:
        assert kind().kind in ("random_crop", "area_crop")
    with pytest.raises(OpsinError, match="low must be at least 1"):
        RandomCrop(0.9)
    with pytest.raises(OpsinError, match="shares above 0, rising"):
        AreaCrop(0.5, 0.2)
