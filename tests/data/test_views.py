"""What of an image a network is asked about, beside torchvision's transforms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from opsin.cards import Inputs
from opsin.data.preprocess import Preprocess
from opsin.data.views import views
from opsin.errors import OpsinError

ANY, FIXED = Inputs(3, 32, 8), Inputs(3, 32, 8, multiple=4, fixed=True)


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def planes(image):
    return np.asarray(image).transpose(2, 0, 1)


@pytest.mark.parametrize(("size", "most"), [((50, 40), 0), ((40, 52), 0), ((256, 256), 2), ((97, 33), 2)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_ten_crops_are_torchvisions(size, most, interpolation):
    """To within grey levels where the image is resized: ours resizes each crop by itself, from the whole image."""
    image = noise(*size)
    preprocess = Preprocess(32, 3, resize=40, interpolation=interpolation)
    shown = views(preprocess, ANY, "net", "ten")
    assert (shown.inputs, shown.count, shown.mirrored) == (5, 10, True)
    resized = v2.Resize(40, InterpolationMode(interpolation))(image)
    theirs = np.stack([planes(crop) for crop in v2.TenCrop(32)(resized)]).astype(int)
    theirs[5:] = theirs[[6, 5, 8, 7, 9]]  # its mirrored corners are those of the mirrored image
    ours = np.stack(shown.of(image)).astype(int)
    assert np.abs(ours - theirs[:5]).max() <= most
    even = (resized.width - 32) % 2 == 0
    assert np.abs(ours[..., ::-1] - theirs[5:])[: 5 if even else 4].max() <= most
    assert (ours[4] == preprocess.pixels(image)).all()


def test_without_a_margin_crops_are_taken_from_eight_sevenths():
    preprocess, image = Preprocess(28, 3, fit="pad"), noise(32, 40)
    corners = [planes(image)[:, y : y + 28, x : x + 28] for x, y in ((0, 0), (4, 0), (0, 12), (4, 12), (2, 6))]
    assert (np.stack(views(preprocess, ANY, "net", "ten").of(image)) == np.stack(corners)).all()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(8, 40), st.integers(0, 9), st.sampled_from([1, 2, 4]))
def test_any_image_has_all_views(width, height, size, more, multiple):
    image = noise(width, height)
    preprocess = Preprocess(size, 3, resize=size + more or None)
    assert preprocess.crops(image).shape == (5, 3, size, size)
    whole = preprocess.whole(image, size, multiple)
    low, high = sorted(whole.shape[1:])
    assert size - multiple < low <= size
    assert low % multiple == high % multiple == 0
    assert high > size * max(width, height) / min(width, height) - multiple - 1


def test_scales_of_a_network_that_takes_any_size():
    image = noise(60, 40)
    shown = views(Preprocess(32, 3, interpolation="bilinear"), ANY, "net", scales=(20, 40))
    assert (shown.inputs, shown.mirrored, shown.one_size) == (2, True, False)
    small, own = shown.of(image)
    assert (own == planes(image)).all()
    assert (small == planes(v2.Resize(20)(image))).all()


def test_scales_of_a_network_of_one_size():
    image = noise(60, 40)
    shown = views(Preprocess(32, 3, fit="pad"), FIXED, "net", scales=(32, 40))
    assert (shown.inputs, shown.mirrored, shown.one_size) == (2, True, True)
    assert (shown.of(image)[1] == planes(image)[:, 4:36, 14:46]).all()


@pytest.mark.parametrize(
    ("crops", "scales", "says"),
    [
        ("tne", (), "did you mean ten?"),
        ("ten", (40,), "--crops ten and --scales exclude each other"),
        ("single", (40, 40), "names a scale twice"),
        ("single", (40, 28), "net takes no images below 32 px"),
    ],
)
def test_what_cannot_be(crops, scales, says):
    with pytest.raises(OpsinError, match=says.replace("?", r"\?")):
        views(Preprocess(32, 3), FIXED, "net", crops, scales)
