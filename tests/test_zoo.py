"""The registry: names, patterns, and one clear line for what it cannot build. The battery is in tests/models."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from opsin import zoo
from opsin.errors import OpsinError

NAMES = zoo.list_models()


def on_meta(name, **arguments):
    with torch.device("meta"):
        return zoo.build_model(name, **arguments)


def one_line(error: pytest.ExceptionInfo[OpsinError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_names_are_unique_and_families_in_order_of_year():
    cards = [card for family in zoo.FAMILIES for card in family.CARDS]
    assert [card.name for card in cards] == NAMES
    assert len(set(NAMES)) == len(NAMES)
    years = [family.PAPER.year for family in zoo.FAMILIES]
    assert years == sorted(years)


def test_the_name_of_a_family_is_its_own():
    """A family is a file, and what people call it stands on its cards alone."""
    owner = {}
    for family in zoo.FAMILIES:
        for card in family.CARDS:
            assert owner.setdefault(card.family, family) is family, card.name


def test_every_family_says_what_its_paper_brought():
    said = [family.BROUGHT for family in zoo.FAMILIES]
    assert len(set(said)) == len(said)
    for text in said:
        assert 80 <= len(text) <= 260
        assert text[0].isupper()
        assert text.endswith(".")
        assert text.count(". ") <= 1
        assert "  " not in text


def test_patterns():
    assert zoo.list_models("vgg1[13]") == ["vgg11", "vgg13"]
    assert zoo.list_models("resnet50*") == ["resnet50", "resnet50_v1_5"]
    assert zoo.list_models("VGG*") == []
    assert zoo.list_models("*") == NAMES


@pytest.mark.parametrize(
    ("typo", "meant"), [("resnet5O", "resnet50"), ("vgg_16", "vgg16"), ("convnext-tiny", "convnext_tiny")]
)
def test_unknown_names_give_the_nearest(typo, meant):
    for look_up in (zoo.card, zoo.build_model):
        with pytest.raises(OpsinError, match="did you mean") as error:
            look_up(typo)
        assert meant in one_line(error)


def test_a_name_like_no_other_gives_some_that_are_known():
    with pytest.raises(OpsinError, match="known: ") as error:
        zoo.build_model("!")
    assert len(one_line(error)) < 400


@pytest.mark.parametrize("name", ["resnet18", "vit_32", "vgg11", "nin_cifar"])
def test_unknown_arguments_are_refused(name):
    with pytest.raises(OpsinError, match=f"unknown argument of {name} 'drop_out'") as error:
        on_meta(name, drop_out=0.1)
    one_line(error)


@pytest.mark.parametrize("argument", ["num_classes", "in_chans"])
def test_counts_below_one_are_refused(argument):
    with pytest.raises(OpsinError, match=f"{argument} of resnet18 must be at least 1, not 0") as error:
        on_meta("resnet18", **{argument: 0})
    one_line(error)


@pytest.mark.parametrize("argument", ["num_classes", "in_chans", "input_size"])
@pytest.mark.parametrize("value", ["5", 2.5, (64, 64)])
def test_what_is_no_whole_number_is_refused(argument, value):
    with pytest.raises(OpsinError, match=f"{argument} of resnet18 must be a whole number, not ") as error:
        on_meta("resnet18", **{argument: value})
    one_line(error)


@pytest.mark.parametrize(
    ("name", "argument", "choice", "meant"),
    [
        ("inception_v3", "stem", "smal", "small"),
        ("squeezenet1_0", "bypass", "complexe", "complex"),
        ("resnet18", "shortcut", "C", "A, B, none"),
        ("inception_resnet_v2", "stem", "v3", "v2, v1"),
    ],
)
def test_choices_are_checked_as_names_are(name, argument, choice, meant):
    with pytest.raises(OpsinError, match=f"unknown {argument} of {name} '{choice}'") as error:
        on_meta(name, **{argument: choice})
    assert meant in one_line(error)


@pytest.mark.parametrize("wrong", [None, 3.0, torch.zeros(3, 32, 32), torch.zeros(2, 32)])
def test_what_is_no_batch_of_images_is_refused(wrong):
    with pytest.raises(OpsinError, match="takes a batch of images") as error:
        zoo.build_model("resnet20_cifar")(wrong)
    one_line(error)


@given(size=st.integers(1, 400))
def test_a_card_admits_what_its_text_says(size):
    inputs = zoo.card("vit_base_patch16_224").inputs
    assert inputs.admits(size) == (size >= 32 and size % 16 == 0)
    assert inputs.admits(inputs.fit(size))
