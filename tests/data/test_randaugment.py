"""RandAugment, operation by operation, against timm's and torchvision's."""

import numpy as np
import pytest
import timm.data.auto_augment as timm
from PIL import Image
from scipy.special import ndtr
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from opsin.data.augment import RandAugment
from opsin.data.augment.randaugment import OPERATIONS
from opsin.errors import OpsinError

RNG = np.random.default_rng(1)
SMOOTH = np.add.outer(np.linspace(0, 150, 23), np.linspace(0, 90, 31))[:, :, None] + [0, 9, 15]
PHOTO = Image.fromarray((SMOOTH + RNG.integers(0, 30, (23, 31, 3))).clip(0, 255).astype(np.uint8))
NAMES = {
    "color": "ColorIncreasing", "contrast": "ContrastIncreasing", "brightness": "BrightnessIncreasing",
    "sharpness": "SharpnessIncreasing", "posterize": "PosterizeIncreasing", "solarize": "SolarizeIncreasing",
    "translate_x": "TranslateXRel", "translate_y": "TranslateYRel",
}  # fmt: skip


def timms(name):
    return NAMES.get(name, name.title().replace("_", ""))


def ours(name, magnitude, negative, image=PHOTO):
    """One operation, by the numbers that choose it: which, that it acts, the mean magnitude, its sign."""
    at = (list(OPERATIONS).index(name) + 0.5) / len(OPERATIONS)
    part = RandAugment(ops=1, magnitude=magnitude, deviation=0.0)
    return part.each(image, np.array([at, 0.0, 0.5, 0.25 if negative else 0.75]))


def test_the_table_is_the_increasing_one():
    assert [timms(name) for name in OPERATIONS] == timm._RAND_INCREASING_TRANSFORMS


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_timms(name, mode, monkeypatch):
    image, grey = PHOTO.convert(mode), 128 if mode == "L" else (128,) * 3
    for magnitude in (0, 3.3, 9, 9.9 if name == "posterize" else 10):  # at 10 timm asks Pillow for no bits, an error
        for negative in (False, True):
            monkeypatch.setattr(timm.random, "random", lambda n=negative: 0.75 if n else 0.25)
            hparams = {"img_mean": grey, "interpolation": Image.Resampling.BICUBIC}
            theirs = timm.AugmentOp(timms(name), prob=1.0, magnitude=magnitude, hparams=hparams)(image)
            assert np.array_equal(ours(name, magnitude, negative, image), theirs), (magnitude, negative)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("auto_contrast", tv.autocontrast),
        ("equalize", tv.equalize),
        ("invert", tv.invert),
        ("posterize", lambda image: tv.posterize(image, 1)),
        ("solarize", lambda image: tv.solarize(image, 26)),
        ("color", lambda image: tv.adjust_saturation(image, 1.81)),
        ("contrast", lambda image: tv.adjust_contrast(image, 1.81)),
        ("brightness", lambda image: tv.adjust_brightness(image, 1.81)),
        ("sharpness", lambda image: tv.adjust_sharpness(image, 1.81)),
        ("rotate", lambda image: tv.rotate(image, 27, InterpolationMode.BICUBIC, fill=[128] * 3)),
    ],
)
def test_magnitude_nine_is_what_the_table_says_by_torchvision(name, theirs):
    assert np.array_equal(ours(name, 9, False), theirs(PHOTO))


def test_operations_are_drawn_alike_and_half_of_them_act(monkeypatch):
    """Counts of 3,000 images: two places, 15 operations, each acts every second time, with magnitudes around nine."""
    seen = []

    def watched(name):
        from opsin.data.augment.randaugment import Operation

        def apply(image, x, fill):
            seen.append((name, x))
            return image

        return Operation(apply, OPERATIONS[name].is_signed)

    for name in list(OPERATIONS):
        monkeypatch.setitem(OPERATIONS, name, watched(name))
    part = RandAugment()
    for u in RNG.random((3000, part.draws)):
        part.each(PHOTO, u)
    counts = np.array([sum(name == each for each, _ in seen) for name in OPERATIONS])
    assert abs(counts.sum() - 3000) < 5 * np.sqrt(1500)
    assert (np.abs(counts - 200) < 5 * np.sqrt(200)).all()
    strengths = np.array([abs(x) for _, x in seen])
    assert strengths.max() <= 1
    assert np.mean(strengths < 0.9) == pytest.approx(0.5, abs=0.06)
    assert np.mean(strengths == 1.0) == pytest.approx(1 - ndtr(2), abs=0.02)
    signs = [x > 0 for name, x in seen if name == "rotate"]
    assert 0.3 < np.mean(signs) < 0.7


def test_a_new_image_each_time():
    part, before = RandAugment(ops=3, probability=1.0), np.asarray(PHOTO).copy()
    for u in RNG.random((40, part.draws)):
        found = part.each(PHOTO, u)
        assert (found.size, found.mode) == (PHOTO.size, PHOTO.mode)
        assert np.array_equal(np.asarray(found), np.asarray(part.each(PHOTO, u)))
    assert np.array_equal(np.asarray(PHOTO), before)
    assert len(np.unique(ours("posterize", 10, False))) == 2
    assert RandAugment(probability=0.0).each(PHOTO, np.zeros(8)) is PHOTO


def test_wrong_numbers_are_one_line():
    with pytest.raises(OpsinError, match="rand_augment: magnitude must be from 0 to 10"):
        RandAugment(magnitude=11)
