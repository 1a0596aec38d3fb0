"""Every protocol on the cards, sorted by hand: one network on one central crop of ImageNet, or not."""

from dataclasses import replace

import pytest

from opsin import zoo
from opsin.cards import Published
from opsin.protocols import imagenet_error, on_imagenet, one_crop

ONE_CROP = {
    "ImageNet validation (the images that are not blacklisted), 1 crop, single network, printed as accuracy",
    "ImageNet validation without its blacklisted images, 1 crop, single network",
    "ImageNet validation, 1 crop (of 227 px in the authors' files), single network; printed as accuracy",
    "ImageNet validation, 1 crop of 224 at 256, single network",
    "ImageNet validation, 1 crop of 224 at a scale that is not named, single network",
    "ImageNet validation, 1 crop of 224, single network",
    "ImageNet validation, 1 crop of 224, single network, printed as accuracy",
    "ImageNet validation, 1 crop of 224, single network, trained until it gains no more, with label smoothing, "
    "SE blocks without biases",
    "ImageNet validation, 1 crop of 224, trained on ImageNet alone, without distillation",
    "ImageNet validation, 1 crop of 224, trained on ImageNet alone, without distillation, "
    "with the recipe of MAE (2021)",
    "ImageNet validation, 1 crop of 224, trained on ImageNet-1K alone",
    "ImageNet validation, 1 view of 384 px after fine-tuning at that size, DeiT on ImageNet alone",
    "ImageNet validation, 1 view of 384 px after fine-tuning at that size; pre-trained on ImageNet alone",
    "the 48,238 images of ImageNet validation that are not blacklisted, 1 crop, single network",
}
ROWS = [
    (zoo.card(name), row)
    for name in zoo.list_models()
    for row in zoo.card(name).published
    if row.top1_err is not None and row.protocol
]


def test_every_protocol_of_the_cards_is_sorted_as_by_hand():
    found = {row.protocol for card, row in ROWS if one_crop(row.protocol, card.inputs.size)}
    assert found == ONE_CROP
    told = {row.protocol for _, row in ROWS if on_imagenet(row.protocol)}
    assert {p for p in told if p.startswith(("CIFAR", "MNIST", "SVHN", "GTSRB", "zip"))} == set()
    assert {row.protocol for _, row in ROWS} - told == {
        row.protocol for _, row in ROWS if row.protocol.startswith(("CIFAR", "MNIST", "SVHN", "GTSRB", "zip"))
    } | {row.protocol for _, row in ROWS if row.protocol.startswith("ImageNet 2010")}


@pytest.mark.parametrize(
    "protocol",
    [
        "ImageNet validation, 10 crops, single network",
        "ImageNet validation, 1 crop of 224 at a scale that is not named, 7 networks",
        "ImageNet validation, 1 crop of 224, pre-trained on ImageNet-22K",
        "ImageNet validation, 1 view of 384 px after fine-tuning at that size; pre-trained on JFT-300M",
        "ImageNet validation, 1 crop of 320, single network",
        "ImageNet 2010 test, 1 crop, single network",
        "ImageNet validation, 1 graphics card, batches of 128; the paper does not name the crops",
        "CIFAR-10 test, 1 crop, single network",
    ],
)
def test_what_is_no_single_crop(protocol):
    assert not one_crop(protocol, 224)


def test_the_size_of_the_crop_is_the_networks():
    assert one_crop("ImageNet validation, 1 crop of 320, single network", 320)
    assert one_crop("ImageNet validation, 1 crop of 227 px, single network", 224)
    assert not one_crop("ImageNet validation, 1 crop of 256 px, single network", 224)


def test_one_crop_comes_first_then_one_network_then_the_own_paper():
    card = zoo.card("resnet50")
    rows = {
        "several": Published("table 1", top1_err=10.0, protocol="ImageNet validation, 10 crops, 5 networks"),
        "else": Published("table 1", top1_err=11.0, protocol="ImageNet validation, 10 crops, single network"),
        "other": Published("Swin, table 1", top1_err=12.0, protocol="ImageNet validation, 1 crop of 224"),
        "own": Published("table 4", top1_err=13.0, protocol="ImageNet validation, 1 crop of 224"),
        "later": Published("table 5", top1_err=14.0, protocol="ImageNet validation, 1 crop of 224"),
        "cifar": Published("table 6", top1_err=5.0, protocol="CIFAR-10 test"),
    }

    def chosen(*names):
        return imagenet_error(replace(card, published=tuple(rows[name] for name in names)))

    assert chosen(*rows) == (rows["own"], True)
    assert chosen("several", "else", "other", "cifar") == (rows["other"], True)
    assert chosen("several", "else", "cifar") == (rows["else"], False)
    assert chosen("cifar") is None
    assert imagenet_error(zoo.card("enet")) is None
