"""One battery over all cards: what the zoo promises of every network, whatever its family."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from opsin import zoo
from opsin.errors import OpsinError

NAMES = zoo.list_models()
SMALL = ["lenet1989", "lenet5", "ciresan_mlp1", "alexnet_32", "nin_32", "vgg_32", "resnet20_cifar", "plain20_cifar"]
SMALL += ["mobilenet_v2_32", "vit_32", "convnext_32"]
FIXED = [name for name in NAMES if zoo.card(name).inputs.fixed]


def on_meta(name, **arguments):
    with torch.device("meta"):
        return zoo.create_model(name, **arguments)


def images(channels, size, device="meta", batch=2):
    return torch.zeros(batch, channels, size, size, device=device)


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
    assert len(zoo.FAMILIES) >= 10


def test_every_family_has_a_network_for_small_images():
    for family in zoo.FAMILIES:
        assert any(card.inputs.minimum <= 32 and card.inputs.size <= 64 for card in family.CARDS), family.__name__


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_32")])
def test_adaptations_are_declared(name):
    card = zoo.card(name)
    assert card.departures
    assert not card.published
    assert (card.inputs.size, card.num_classes) == (32, 10)
    assert card.inputs.minimum <= 16


def test_patterns():
    assert zoo.list_models("vgg1[13]") == ["vgg11", "vgg13"]
    assert zoo.list_models("resnet50*") == ["resnet50", "resnet50_v1_5"]
    assert zoo.list_models("VGG*") == []
    assert zoo.list_models("*") == NAMES


@pytest.mark.parametrize(
    ("typo", "meant"), [("resnet5O", "resnet50"), ("vgg_16", "vgg16"), ("convnext-tiny", "convnext_tiny")]
)
def test_unknown_names_give_the_nearest(typo, meant):
    for look_up in (zoo.card, zoo.create_model):
        with pytest.raises(OpsinError, match="did you mean") as error:
            look_up(typo)
        assert meant in one_line(error)


def test_a_name_like_no_other_gives_some_that_are_known():
    with pytest.raises(OpsinError, match="known: ") as error:
        zoo.create_model("!")
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


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_classes_and_channels(name):
    size = zoo.card(name).inputs.size
    net = on_meta(name, num_classes=7, in_chans=2)
    assert net.training
    with torch.no_grad():
        assert net.eval()(images(2, size)).shape == (2, 7)
        assert net.forward_features(images(2, size)).shape[0] == 2


@pytest.mark.parametrize("name", NAMES)
def test_wrong_channels_are_said_in_one_line(name):
    inputs = zoo.card(name).inputs
    wrong = inputs.channels + 1
    with pytest.raises(OpsinError, match=f"{name} .* got {wrong}: create it with in_chans={wrong}") as error:
        on_meta(name)(images(wrong, inputs.size))
    one_line(error)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_below_the_minimum_are_said_in_one_line(name):
    inputs = zoo.card(name).inputs
    below = inputs.minimum - inputs.multiple
    with pytest.raises(OpsinError, match=f"{name} cannot take {below}") as error:
        on_meta(name, input_size=below)(images(inputs.channels, below))
    one_line(error)


@pytest.mark.parametrize("name", NAMES)
def test_the_minimum_and_odd_sizes_above_it_are_taken(name):
    inputs = zoo.card(name).inputs
    net = on_meta(name, input_size=inputs.minimum).eval()
    for size in (inputs.minimum, inputs.fit(inputs.minimum + 1), inputs.fit(3 * inputs.minimum - 1)):
        if inputs.fixed:
            net = on_meta(name, input_size=size).eval()
        with torch.no_grad():
            assert net(images(inputs.channels, size)).shape == (2, zoo.card(name).num_classes)


@pytest.mark.parametrize("name", FIXED)
def test_a_network_built_for_one_size_refuses_others(name):
    inputs = zoo.card(name).inputs
    net = on_meta(name, input_size=inputs.fit(inputs.minimum))
    other = inputs.fit(2 * inputs.minimum)
    if other != inputs.minimum:
        with pytest.raises(OpsinError, match=f"{name} was built for {inputs.minimum} x {inputs.minimum} px") as error:
            net(images(inputs.channels, other))
        one_line(error)


@pytest.mark.parametrize("wrong", [None, 3.0, torch.zeros(3, 32, 32), torch.zeros(2, 32)])
def test_what_is_no_batch_of_images_is_refused(wrong):
    with pytest.raises(OpsinError, match="takes a batch of images") as error:
        zoo.create_model("resnet20_cifar")(wrong)
    one_line(error)


@given(size=st.integers(1, 400))
def test_a_card_admits_what_its_text_says(size):
    inputs = zoo.card("vit_base_patch16_224").inputs
    assert inputs.admits(size) == (size >= 32 and size % 16 == 0)
    assert inputs.admits(inputs.fit(size))


@pytest.mark.parametrize("name", SMALL)
def test_gradients_at_the_smallest_grey_images_and_at_colour_ones(name):
    inputs = zoo.card(name).inputs
    for channels, size in ((1, inputs.minimum), (3, inputs.fit(32))):
        torch.manual_seed(0)
        net = zoo.create_model(name, in_chans=channels, input_size=size)
        logits = net(torch.randn(8, channels, size, size))
        torch.nn.functional.cross_entropy(logits, torch.arange(8) % logits.shape[1]).backward()
        for parameter_name, parameter in net.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", SMALL)
def test_weights_travel_in_a_state_dict(name):
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    x = torch.randn(2, inputs.channels, inputs.size, inputs.size)
    first, second = zoo.create_model(name), zoo.create_model(name)
    with torch.no_grad():
        first(torch.randn_like(x).repeat(2, 1, 1, 1))  # moves the batch statistics
        for parameter in first.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        assert not torch.equal(first.eval()(x), second.eval()(x))
        second.load_state_dict(first.state_dict())
        assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_decides_the_initial_weights(name):
    def draw(seed):
        torch.manual_seed(seed)
        return torch.cat([p.detach().flatten() for p in zoo.create_model(name).parameters()])

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("name", SMALL)
def test_evaluation_of_an_image_does_not_depend_on_its_batch(name):
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    net = zoo.create_model(name).eval()
    x = torch.randn(3, inputs.channels, inputs.size, inputs.size)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:2], net(x[1:2]), atol=1e-4, rtol=1e-4)
