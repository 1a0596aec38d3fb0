"""Figures and names as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.report import words


def shown(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0"),
        (9_760, "9,760"),
        (63_660, "63,660"),
        (99_949, "99,949"),
        (99_950, "0.10 M"),
        (269_722, "0.27 M"),
        (994_999, "0.99 M"),
        (995_000, "0.995 M"),
        (1_000_000, "1 M"),
        (10_137_760, "10.1 M"),
        (40_604_123, "40.6 M"),
        (138_357_544, "138 M"),
        (999_499_999, "999 M"),
        (999_600_000, "1 G"),
        (15_470_264_320, "15.5 G"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_counts(n, text):
    assert shown(words.count(n)) == text


@given(st.integers(0, 10**12))
def test_a_rounded_count_is_near_the_exact_one(n):
    figure, _, unit = shown(words.count(n)).partition(" ")
    value = float(figure.replace(",", "")) * {"": 1, "M": 1e6, "G": 1e9}[unit]
    assert abs(value - n) <= 0.05 * n


@pytest.mark.parametrize(
    ("share", "ci", "text"),
    [
        (0.992, [0.981, 0.997], "99.2 % (98.1–99.7)"),
        (0.992, None, "99.2 %"),
        (0.992, [None, 0.997], "99.2 %"),
        (None, [0.981, 0.997], "–"),
        (math.nan, None, "–"),
        (1.0, [1.0, 1.0], "100.0 % (100.0–100.0)"),
    ],
)
def test_accuracies(share, ci, text):
    assert shown(words.accuracy(share, ci)) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.012, "1.2 points"),
        (0.01, "1 point"),
        (0.0, "0 points"),
        (-0.004, "−0.4 points"),
        (0.0003, "0.03 points"),
        (None, "–"),
    ],
)
def test_points(share, text):
    assert shown(words.points(share)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.5, "0.5 s"),
        (41.0, "41 s"),
        (260.1, "4 min 20 s"),
        (119.9, "2 min"),
        (3599.9, "1 h"),
        (4000, "1 h 7 min"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert shown(words.duration(seconds)) == text


def test_milliseconds_keep_three_digits():
    assert [shown(words.milliseconds(ms)) for ms in (0.0342, 1.22, 14.56, 1234.5, None)] == [
        "0.0342 ms",
        "1.22 ms",
        "14.6 ms",
        "1,234 ms",
        "–",
    ]


def test_moments():
    assert words.moment("2026-11-21T10:00:00Z") == "21 November 2026, 10:00 UTC"
    assert words.moment("<b>") == "<b>"


def test_times():
    assert [words.times(ratio) for ratio in (1.44, 2.0, 8.46, 26.3, 152.3)] == ["1.4", "2", "8.5", "26", "150"]


@pytest.mark.parametrize(
    ("model", "family", "name"),
    [
        ("resnet20_cifar", "ResNet", "ResNet-20"),
        ("lenet1989", "LeNet-1989", "LeNet-1989"),
        ("lenet5", "LeNet-5", "LeNet-5"),
        ("ciresan_mlp2", "Ciresan MLP", "Ciresan MLP-2"),
        ("alexnet", "AlexNet-2012", "AlexNet-2012"),
        ("mobilenet_v2_100", "MobileNetV2", "MobileNetV2"),
        ("vit_tiny_patch16_224", "ViT", "ViT"),
        ("plain20_cifar", "ResNet", "plain20"),
        ("se_resnet50", "SENet", "SENet"),
        ("multiscale_32", "Multi-scale ConvNet", "Multi-scale ConvNet"),
        ("alexnet_owt_32", "AlexNet-2014", "AlexNet-2014"),
    ],
)
def test_a_network_alone_has_its_familys_name(model, family, name):
    assert words.display_names([(model, family)]) == {model: name}


def test_names_are_as_long_as_it_takes_to_tell_networks_apart():
    models = [
        ("vit_tiny_patch16_224", "ViT"),
        ("vit_small_patch16_224", "ViT"),
        ("vgg16", "VGG"),
        ("vgg16_bn", "VGG"),
        ("resnet20_cifar", "ResNet"),
    ]
    assert list(words.display_names(models).values()) == ["ViT tiny", "ViT small", "VGG-16", "VGG-16 bn", "ResNet-20"]


@given(
    st.lists(
        st.tuples(st.text("ab_1-", min_size=1), st.sampled_from(["A", "AB", "b1", "</b>"])), unique_by=lambda m: m[0]
    )
)
def test_names_are_never_shared(models):
    names = words.display_names(models)
    assert len(set(names.values())) == len(names) == len(models)


def test_lists():
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_an_interval_of_a_difference():
    assert words.span_of_points((-0.004, 0.12)) == "−0.4 to +12\u00a0points"
