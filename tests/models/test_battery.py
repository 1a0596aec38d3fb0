"""One battery over all cards: what the zoo promises of every network, whatever its family.

Every card is built on the `meta` device, where shapes cost nothing; the networks for small images, one of each family
and some more, do the rest for real. test_real_size.py has what takes minutes.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from opsin import zoo
from opsin.errors import OpsinError
from opsin.lineups import LINEUPS
from opsin.shapes import Shapes

NAMES = zoo.list_models()
FIXED = [name for name in NAMES if zoo.card(name).inputs.fixed]
DEEP = [name for name in NAMES if "1001" in name or "1202" in name]  # shapes of a thousand layers take seconds
ALL = [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in NAMES]
ROUGH = {"inception_v3_32": 0.15, "inception_v4_32": 0.15}  # deep, with few pixels for the statistics of batch norm
SMALL = [*LINEUPS["history"], "plain20_cifar"]
MANY_LAYERS = [
    *("bn_inception_32", "densenet_32", "enet_encoder_32", "inception_resnet_32"),
    *("inception_v3_32", "inception_v4_32", "mobilenet_v2_32", "xception_32"),
]  # the compiler reads each layer anew


def on_meta(name, **arguments):
    with torch.device("meta"):
        return zoo.build_model(name, **arguments)


def images(channels, size, device="meta", batch=2):
    return torch.zeros(batch, channels, size, size, device=device)


def output_shape(name, batch, classes, height, width):
    shapes = {"classify": (), "segment": (height, width), "localize": (4,)}
    return (batch, classes, *shapes[zoo.card(name).task])


def one_line(error: pytest.ExceptionInfo[OpsinError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_every_family_has_a_network_for_small_images_in_the_line_up_history():
    families = [zoo.card(name).family for name in LINEUPS["history"]]
    assert families == [family.CARDS[-1].family for family in zoo.FAMILIES]
    for name in LINEUPS["history"]:
        inputs = zoo.card(name).inputs
        assert inputs.minimum <= 32
        assert inputs.size <= 64


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_32")])
def test_adaptations_are_declared(name):
    card = zoo.card(name)
    assert card.departures
    assert not card.published
    assert (card.inputs.size, card.num_classes) == (32, 10)
    assert card.inputs.minimum <= 16


@pytest.mark.parametrize("name", ALL)
def test_any_number_of_classes_and_channels_at_the_minimum(name):
    inputs = zoo.card(name).inputs
    net = on_meta(name, num_classes=7, in_chans=2, input_size=inputs.minimum)
    assert net.training
    x = images(2, inputs.minimum)
    with torch.no_grad(), Shapes():
        outputs = net(x)
        for logits in outputs if isinstance(outputs, tuple) else [outputs]:
            assert logits.shape == output_shape(name, 2, 7, inputs.minimum, inputs.minimum)
        features, seen = net.eval().forward_features, []
        net.forward_features = lambda x: seen.append(features(x)) or seen[-1]
        assert net(x).shape == output_shape(name, 2, 7, inputs.minimum, inputs.minimum)
        assert (seen or [features(x)])[0].shape[0] == 2


@pytest.mark.parametrize("name", ALL)
def test_inputs(name):
    """The card's own size and odd ones, other in height than in width, are taken; auxiliary heads speak in training.

    Other channels and what is too small are refused in one line.
    """
    card, inputs = zoo.card(name), zoo.card(name).inputs
    net, channels = on_meta(name), inputs.channels
    below = inputs.minimum - inputs.multiple
    between = inputs.minimum + inputs.multiple // 2
    with pytest.raises(
        OpsinError, match=f"{name} .* got {channels + 1}: create it with in_chans={channels + 1}"
    ) as error:
        net(images(channels + 1, inputs.size))
    one_line(error)
    with pytest.raises(OpsinError, match=f"{name} cannot take {below}") as error:
        on_meta(name, input_size=below) if inputs.fixed else net(images(channels, below))
    one_line(error)
    if inputs.multiple > 1:
        with pytest.raises(OpsinError, match=f"{name} cannot take {between} .*: it takes multiples of") as error:
            on_meta(name, input_size=between) if inputs.fixed else net(images(channels, between))
        one_line(error)
    with torch.no_grad(), Shapes():
        outputs = net(images(channels, inputs.size))
        assert isinstance(outputs, tuple) == bool(card.aux_params)
        for logits in outputs if card.aux_params else [outputs]:
            assert logits.shape == output_shape(name, 2, card.num_classes, inputs.size, inputs.size)
        sizes = inputs.fit(inputs.minimum + 1), inputs.fit(3 * inputs.minimum - 1)
        if inputs.fixed:
            for size in set(sizes):
                net = on_meta(name, input_size=size).eval()
                assert net(images(channels, size)).shape == output_shape(name, 2, card.num_classes, size, size)
        else:
            logits = net.eval()(torch.zeros(1, channels, *sizes, device="meta"))
            assert logits.shape == output_shape(name, 1, card.num_classes, *sizes)


@pytest.mark.parametrize("name", FIXED)
def test_a_network_built_for_one_size_refuses_others(name):
    inputs = zoo.card(name).inputs
    net = on_meta(name, input_size=inputs.fit(inputs.minimum))
    other = inputs.fit(2 * inputs.minimum)
    if other != inputs.minimum:
        with pytest.raises(OpsinError, match=f"{name} was built for {inputs.minimum} x {inputs.minimum} px") as error:
            net(images(inputs.channels, other))
        one_line(error)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_at_the_smallest_grey_images_and_at_colour_ones(name):
    inputs = zoo.card(name).inputs
    for channels, size in ((1, inputs.minimum), (3, inputs.fit(32))):
        torch.manual_seed(0)
        net = zoo.build_model(name, in_chans=channels, input_size=size)
        outputs = net(torch.randn(8, channels, size, size))
        for logits in outputs if isinstance(outputs, tuple) else [outputs]:
            F.cross_entropy(logits, torch.arange(8) % logits.shape[1]).backward(retain_graph=True)
        for parameter_name, parameter in net.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", SMALL)
def test_weights_travel_in_a_state_dict(name):
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    x = torch.randn(2, inputs.channels, inputs.size, inputs.size)
    first, second = zoo.build_model(name), zoo.build_model(name)
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
        return torch.cat([p.detach().flatten() for p in zoo.build_model(name).parameters()])

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("name", SMALL)
def test_evaluation_of_an_image_does_not_depend_on_its_batch(name):
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    net = zoo.build_model(name).eval()
    x = torch.randn(3, inputs.channels, inputs.size, inputs.size)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:2], net(x[1:2]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_learns_one_batch_by_heart(name, assert_learns):
    inputs = zoo.card(name).inputs
    size = inputs.fit(16)
    torch.manual_seed(0)
    assert_learns(zoo.build_model(name, num_classes=4, in_chans=3, input_size=size), 3, size)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in MANY_LAYERS else n for n in SMALL])
def test_travels(name, assert_travels):
    size = zoo.card(name).inputs.fit(16)
    torch.manual_seed(0)
    net = zoo.build_model(name, in_chans=3, input_size=size)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)  # a head of zeros would say nothing
    assert_travels(net, torch.randn(16, 3, size, size), bf16=ROUGH.get(name, 0.1))


@pytest.mark.parametrize("channels", [1, 5, 40])
@pytest.mark.parametrize("name", SMALL)
def test_many_channels(name, channels):
    """Where a table or a shortcut goes by the image's channels, as in multiscale_32 and enet_encoder_32."""
    size = zoo.card(name).inputs.fit(16)
    with torch.no_grad(), Shapes():
        logits = on_meta(name, in_chans=channels, input_size=size).eval()(images(channels, size))
    assert logits.shape == output_shape(name, 2, zoo.card(name).num_classes, size, size)
