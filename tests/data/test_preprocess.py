import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError

RNG = np.random.default_rng(11)


def smooth(height, width, channels=3):
    """A picture without noise: waves of a few periods."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(6 * x + 4 * y * c + c) * 100 + 128 for c in range(1, channels + 1)]
    pixels = np.stack(waves, axis=2).round().astype(np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA", "I;16"])
@pytest.mark.parametrize("size", [(20, 20), (31, 17), (9, 50), (400, 1)])
def test_any_image_becomes_an_input(size, mode, channels, fit):
    image = Image.new("L", size, 77).convert(mode) if mode != "I;16" else Image.new("I;16", size, 257 * 77)
    pixels = Preprocess(24, channels, fit=fit).pixels(image)
    assert (pixels.shape, pixels.dtype) == ((channels, 24, 24), np.uint8)
    assert pixels.flags.c_contiguous


def test_an_image_of_the_right_size_is_untouched():
    values = RNG.integers(0, 256, (3, 8, 8)).astype(np.uint8)
    image = Image.fromarray(values.transpose(1, 2, 0))
    for fit in ("crop", "pad"):
        assert (Preprocess(8, 3, fit=fit).pixels(image) == values).all()
    assert (Preprocess(8, 1).pixels(Image.fromarray(values[0])) == values[:1]).all()
    assert (Preprocess(8, 3).pixels(Image.fromarray(values[0])) == values[:1]).all()


def test_colour_to_grey_is_luma():
    red = Image.new("RGB", (8, 8), (200, 0, 0))
    assert (Preprocess(8, 1).pixels(red) == round(0.299 * 200)).all()


@pytest.mark.parametrize(("height", "width", "size"), [(96, 64, 32), (50, 80, 40), (30, 47, 60), (100, 100, 24)])
def test_crop_is_the_short_side_resized_and_the_centre_taken(height, width, size):
    """Against torch's anti-aliased bicubic resampling, which shares no code with PIL's."""
    image = smooth(height, width)
    scale = size / min(height, width)
    batch = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    long = (round(height * scale), round(width * scale))
    resized = F.interpolate(batch, size=long, mode="bicubic", antialias=True, align_corners=False)[0].round()
    top, left = (long[0] - size) // 2, (long[1] - size) // 2
    want = resized[:, top : top + size, left : left + size].clamp(0, 255).numpy()
    assert np.abs(Preprocess(size, 3).pixels(image) - want).max() <= 1


def test_shrinking_is_anti_aliased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    for interpolation in ("bicubic", "bilinear"):
        pixels = Preprocess(16, 1, interpolation=interpolation).pixels(Image.fromarray(stripes)).astype(int)
        assert np.abs(pixels - 127).max() < 15
    assert set(np.unique(Preprocess(16, 1, interpolation="nearest").pixels(Image.fromarray(stripes)))) <= {0, 255}


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(41, 30), (30, 41), (12, 13)])
def test_mirrored_in_mirrored_out(size, fit):
    image = smooth(*size)
    preprocess = Preprocess(16, 3, fit=fit)
    mirrored = preprocess.pixels(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))[:, :, ::-1].astype(int)
    found = preprocess.pixels(image).astype(int)
    if fit == "pad" and size == (41, 30):
        found, mirrored = found[:, :, 3:-3], mirrored[:, :, 3:-3]  # an odd margin is one wider on the right
    assert np.abs(found - mirrored).max() <= 4


def test_pad_keeps_the_whole_image():
    wide = Preprocess(20, 1, fit="pad").pixels(Image.new("L", (40, 10), 255))[0]
    assert (wide[7:12] == 255).all() and (wide[:7] == 0).all() and (wide[12:] == 0).all()


def test_exif_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    image = smooth(16, 16)
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        assert (Preprocess(16, 3).pixels(stored) == np.asarray(image).transpose(2, 0, 1)[:, ::-1, ::-1]).all()


def test_normalize():
    images = RNG.integers(0, 256, (40, 3, 6, 6)).astype(np.uint8)
    preprocess = Preprocess(6, 3).with_statistics(images)
    floats = torch.from_numpy(images).double() / 255
    mean, std = floats.mean((0, 2, 3)), floats.std((0, 2, 3), correction=0)
    assert np.allclose(preprocess.mean, mean, rtol=1e-12) and np.allclose(preprocess.std, std, rtol=1e-12)
    batch = torch.from_numpy(images[:5])
    found = preprocess.normalize(batch)
    assert found.dtype == torch.float32 and batch.dtype == torch.uint8
    torch.testing.assert_close(found.double(), (floats[:5] - mean.view(3, 1, 1)) / std.view(3, 1, 1), rtol=0, atol=2e-6)


def test_without_statistics_values_are_from_0_to_1():
    batch = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    assert Preprocess(1, 1).normalize(batch).view(-1).tolist() == pytest.approx([0, 0.2, 1])


@given(st.integers(1, 600), st.sampled_from([1, 3]), st.integers(0, 2**32))
def test_statistics_do_not_depend_on_order_or_on_other_rows(n, channels, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n + 5, channels, 2, 2)).astype(np.uint8)
    rows = rng.permutation(n + 5)[:n]
    plain = Preprocess(2, channels)
    assert plain.with_statistics(images, rows) == plain.with_statistics(images[np.sort(rows)])


def test_an_image_without_contrast_can_be_normalised():
    flat = np.full((4, 1, 3, 3), 200, np.uint8)
    preprocess = Preprocess(3, 1).with_statistics(flat)
    assert preprocess.normalize(torch.from_numpy(flat)).abs().max() < 1e-4


@given(
    st.builds(
        Preprocess,
        size=st.integers(1, 1000),
        channels=st.just(3),
        fit=st.sampled_from(["crop", "pad"]),
        interpolation=st.sampled_from(["bicubic", "bilinear", "nearest"]),
        mean=st.tuples(*[st.floats(-10, 10)] * 3),
        std=st.tuples(*[st.floats(1e-6, 10)] * 3),
    )
)
def test_round_trip(preprocess):
    assert Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict()))) == preprocess


def test_from_dict_knows_its_keys():
    values = Preprocess(8, 1).to_dict()
    with pytest.raises(OpsinError, match=r"'interpolatoin'; did you mean interpolation\?"):
        Preprocess.from_dict({**values, "interpolatoin": "bicubic"})
    del values["std"]
    with pytest.raises(OpsinError, match="lacks std"):
        Preprocess.from_dict(values)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"size": 0}, "size"),
        ({"channels": 2}, "channels"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"std": (0.0,)}, "std of 0"),
        ({"fit": "crops"}, "did you mean crop"),
        ({"interpolation": "cubic"}, "did you mean bicubic"),
    ],
)
def test_values_that_make_no_sense(change, word):
    with pytest.raises(OpsinError, match=word):
        Preprocess(**{"size": 8, "channels": 1, **change})


@pytest.mark.parametrize(
    ("sizes", "fit", "words"),
    [
        ([(8, 8, 1797)], "crop", "images are 8 px and were enlarged to 16 px"),
        ([(16, 16, 5), (300, 200, 5)], "crop", None),
        ([(300, 9, 3), (12, 12, 2), (40, 40, 1)], "crop", "5 of 6 images are 9 to 12 px and were enlarged to 16 px"),
        ([(300, 9, 3), (12, 12, 2)], "pad", "2 of 5 images are 12 px and were enlarged to 16 px"),
    ],
)
def test_enlargement_in_words(sizes, fit, words):
    assert Preprocess(16, 1, fit=fit).enlargement(sizes) == words


@pytest.mark.parametrize("size", [(500, 375), (375, 501), (256, 256), (224, 224), (97, 333)])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (235, 224), (342, 299)])
def test_crop_of_a_resized_image_is_torchvisions(size, resize, crop):
    from torchvision.transforms import v2

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    ours = Preprocess(size=crop, channels=3, resize=resize, interpolation="bilinear").pixels(image)
    theirs = v2.Compose([v2.Resize(resize), v2.CenterCrop(crop)])(image)
    apart = np.abs(ours.astype(int) - np.asarray(theirs).transpose(2, 0, 1))
    assert apart.max() <= 2  # grey levels: Pillow rounds between its two passes


def test_a_crop_can_be_for_another_size():
    assert Preprocess(size=224, channels=3, resize=256).at(112).resize == 128
    with pytest.raises(OpsinError, match="cannot crop 224 px from 200"):
        Preprocess(size=224, channels=3, resize=200)
