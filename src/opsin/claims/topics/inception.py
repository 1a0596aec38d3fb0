"""Claims about the Inception networks, 2014 and 2015."""

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims.chart import Bars, Table
from opsin.claims.claim import Claim, Finding, Part, about, gap, weigh
from opsin.claims.experiments import kernels
from opsin.costs.sheet import cost
from opsin.models import googlenet, inception_v3
from opsin.models.googlenet import TABLE_1
from opsin.models.layers import ConvBNReLU


def weights_of_module(channels: int, row: googlenet.Row, *, reduced: bool, project: bool = True) -> int:
    """Weights of an Inception module with the 1x1 in front of 3x3 and 5x5, or without them."""
    w1x1, reduce3, w3x3, reduce5, w5x5, pool = row
    if reduced:
        large = channels * reduce3 + 9 * reduce3 * w3x3 + channels * reduce5 + 25 * reduce5 * w5x5
    else:
        large = 9 * channels * w3x3 + 25 * channels * w5x5
    return channels * w1x1 + large + (channels * pool if project else 0)


def what_reducers_save() -> Finding:
    """GoogLeNet's weights with and without its 1x1 reductions, and where it saves most against AlexNet."""
    first = TABLE_1[0][0]
    with_them = weights_of_module(192, first, reduced=True)
    without = weights_of_module(192, first, reduced=False, project=False)
    channels, total = 192, {True: 0, False: 0}
    for row in (row for stage in TABLE_1 for row in stage):
        for reduced in total:
            total[reduced] += weights_of_module(channels, row, reduced=reduced)
        channels = row[0] + row[2] + row[4] + row[5]
    net, alex = cost("googlenet"), cost("alexnet")
    heads = sum(layer.params for layer in alex.layers if layer.name.startswith("fc")), 1024 * 1000 + 1000
    kept = alex.params - heads[0], net.params - heads[1]
    return weigh(
        Part(
            "its 1x1 reductions save weights: 1.5 times more without them",
            f"module 3a: {without:,} weights without any 1x1 in front, {with_them:,} with them, "
            f"{without / with_them:.2f} times",
            without >= 1.5 * with_them,
        ),
        Part(
            "all nine modules, without the reductions but with the 1x1 behind each pooling",
            f"{total[False]:,} and {total[True]:,}, {total[False] / total[True]:.2f} times",
        ),
        Part("the paper: twelve times fewer parameters than AlexNet", f"{alex.params / net.params:.1f} times"),
        Part(
            "where the cut against AlexNet lies",
            f"in the last layers: one of {heads[1]:,} parameters for three of {heads[0]:,}; the convolutions have "
            f"{kept[1]:,}, AlexNet's {kept[0]:,}",
        ),
        charts=(
            Bars(
                "What GoogLeNet saves against AlexNet is the head",
                "parameters",
                (
                    ("AlexNet", "convolutions", float(kept[0])),
                    ("AlexNet", "last layers", float(heads[0])),
                    (
                        "GoogLeNet without reductions",
                        "convolutions",
                        float(kept[1] + total[False] - total[True]),
                    ),
                    ("GoogLeNet without reductions", "last layers", float(heads[1])),
                    ("GoogLeNet", "convolutions", float(kept[1])),
                    ("GoogLeNet", "last layers", float(heads[1])),
                ),
                stacked=True,
            ),
        ),
    )


def cheap_classifier() -> Finding:
    """Products of the last layers of GoogLeNet, AlexNet and VGG-16."""
    heads = {
        name: sum(layer.macs for layer in cost(name).layers if layer.name.startswith(prefix))
        for name, prefix in (("googlenet", "fc"), ("alexnet", "fc"), ("vgg16", "classifier"))
    }
    own = heads["googlenet"]
    ratios = {name: macs / own for name, macs in heads.items()}
    return weigh(
        Part(
            "its classifier takes far fewer operations than AlexNet's (ten times, at least)",
            f"{own:,} products for {heads['alexnet']:,}, {ratios['alexnet']:.0f} times",
            ratios["alexnet"] >= 10,
        ),
        Part("and than VGG's", f"{heads['vgg16']:,}, {ratios['vgg16']:.0f} times", ratios["vgg16"] >= 10),
        charts=(
            Bars("Products of the classifier", "MACs", tuple(("", n, float(m)) for n, m in heads.items()), log=True),
        ),
    )


def flattened() -> Finding:
    """Weights of a square kernel and of a row and a column in its place."""
    saved = {k: 1 - 2 * k / k**2 for k in (3, 5, 7)}
    return weigh(
        Part(
            "a 3x3 can be decomposed into 3x1 and 1x3, with 33 % fewer weights",
            f"{saved[3]:.0%}",
            about(1 / 3, saved[3], 0.01),
        ),
        Part("a 7x7 into 1x7 and 7x1, with 71 % fewer", f"{saved[7]:.0%}", about(0.71, saved[7], 0.01)),
        charts=(
            Bars(
                "Weights for a pair of maps",
                "weights",
                tuple(
                    (f"{k}x{k}", way, float(n))
                    for k in saved
                    for way, n in (("square", k * k), ("row and column", 2 * k))
                ),
            ),
        ),
    )


def applied(unit: nn.Module, x: Tensor) -> Tensor:
    """A convolution of Inception-v3 written out: its kernel with its stride, batch norm, ReLU."""
    assert isinstance(unit, ConvBNReLU)
    x = nn.functional.conv2d(x, unit.conv.weight, None, unit.conv.stride, unit.conv.padding)
    mean, variance = unit.bn.running_mean, unit.bn.running_var
    assert mean is not None and variance is not None
    return torch.relu(
        nn.functional.batch_norm(x, mean, variance, unit.bn.weight, unit.bn.bias, False, 0.0, unit.bn.eps)
    )


@torch.no_grad()
def grid_reduction() -> Finding:
    """Inception-v3's first reduction, beside convolutions of stride 2 and a pooling with its weights."""
    net = zoo.build_model("inception_v3").eval()
    module = net.get_submodule("reduction17")
    x = torch.relu(torch.randn(1, 288, 35, 35))
    branches = module.get_submodule("branches").children()
    units = [[unit for unit in branch.children() if isinstance(unit, ConvBNReLU)] for branch in branches]
    outputs = []
    for branch in units:
        y = x
        for unit in branch:
            y = applied(unit, y)
        outputs.append(y)
    outputs.append(nn.functional.max_pool2d(x, 3, 2))
    off = (module(x) - torch.cat(outputs, dim=1)).abs().max().item()
    strides = [[unit.conv.stride[0] for unit in branch] for branch in units]
    return weigh(
        Part(
            "a reduction is convolutions with strides beside a pooling, joined",
            f"differs from them {gap(off)}",
            off < 1e-6 and all(branch[-1] == 2 for branch in strides),
        ),
        Part("its branches", f"convolutions of stride {' and '.join('-'.join(map(str, own)) for own in strides)}"),
        charts=(
            Table(
                "The reduction from 35 x 35 to 17 x 17",
                ("branch", "convolutions"),
                (
                    *(
                        (
                            str(i + 1),
                            ", ".join(f"{u.conv.kernel_size[0]}x{u.conv.kernel_size[1]}/{u.conv.stride[0]}" for u in b),
                        )
                        for i, b in enumerate(units)
                    ),
                    (str(len(units) + 1), "max pooling 3x3/2"),
                ),
            ),
        ),
    )


def norms_of_googlenet() -> Finding:
    """The layers of GoogLeNet with weights on its longest path, and its normalisation."""
    net = zoo.meta_model("googlenet")
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    relus = [m for m in net.modules() if isinstance(m, nn.ReLU)]
    aux = [m for m in net.modules() if isinstance(m, googlenet.AuxiliaryClassifier)]
    stem = sum(isinstance(m, nn.Conv2d) for m in net.get_submodule("stem").modules())
    depth = stem + 2 * sum(map(len, TABLE_1)) + 1
    years = zoo.card("googlenet").year, zoo.card("bn_inception").year
    return weigh(
        Part("it has 22 layers", f"{depth} with weights on the longest path", depth == 22),
        Part("with ReLU", f"{len(relus)} layers", bool(relus)),
        Part(
            "and with batch norm",
            f"{len(norms)} layers; batch norm is of {years[1]}, this network of {years[0]}",
            bool(norms),
        ),
        Part("what helped the depth instead", f"{len(aux)} auxiliary classifiers on middle layers"),
        charts=(
            Table(
                "GoogLeNet",
                ("layers", "how many"),
                (("with weights, one after another", str(depth)), ("batch norm", str(len(norms)))),
            ),
        ),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X12", "1x1 reductions save weights",
        "The 1x1 convolutions in front of larger ones cut GoogLeNet's weights down, compared with AlexNet.",
        "This helps them to cut down on the number of trainable weights compared to AlexNet", "E", googlenet.PAPER,
        "12 times fewer parameters than AlexNet; a budget of 1.5 billion multiply-adds (section 1)", "memory",
        "exact", "without them module 3a has at least 1.5 times the weights",
        what_reducers_save,
        errs="Against AlexNet the whole cut is the head: a mean in place of fully connected layers.",
    ),
    Claim(
        "X13", "A classifier of few operations",
        "GoogLeNet's classifier takes extremely few operations beside AlexNet's and VGG's.",
        "extremely low number of operations, compared to the ones of AlexNet and VGG", "ABCD", googlenet.PAPER,
        "1.024 M, 58.6 M and 123.6 M products", "arithmetic",
        "exact", "ten times fewer than either",
        cheap_classifier,
    ),
    Claim(
        "X34", "Batch norm let 22 layers train",
        "With ReLU and batch norm a network of 22 layers, GoogLeNet, could be trained.",
        "With Relu and batch norm, we were able to train 22-layer deep CNNs", "E", googlenet.PAPER,
        "22 layers with parameters, two auxiliary classifiers, no batch norm (section 5)", "arithmetic",
        "exact", "layers and kinds of layers in our network, which is built by the paper",
        norms_of_googlenet,
        errs="Batch norm is of 2015: GoogLeNet has none.",
        waits="Its depth with and without auxiliary classifiers is not trained yet.",
    ),
    Claim(
        "X15", "Filters decomposed into rows and columns",
        "Square filters can be decomposed into flat ones, a row and a column.",
        "filters can also be decomposed by flattened convolutions", "D", inception_v3.PAPER,
        "3x1 and 1x3: 33 % fewer weights (section 3.2); 1x7 and 7x1 for 7x7", "arithmetic",
        "exact", "the shares of weights",
        flattened,
        experiment=kernels.FLAT,
        trains=0.9,
    ),
    Claim(
        "X16", "A reduction is a stride beside a pooling",
        "Inception's way to halve a grid is the same as convolutions with strides beside a pooling.",
        "basically identical to performing a convolution with strides in parallel with a simple pooling layer", "ACD",
        inception_v3.PAPER,
        "figure 10: branches of stride 2 and a pooling, joined", "arithmetic",
        "exact", "the module's output and theirs, with the same weights, differ by less than 1e-6",
        grid_reduction,
        errs="There are two branches of convolutions, of which one is three in a row.",
    ),
)
