"""DenseNet: densely connected convolutional networks (Huang, Liu, van der Maaten and Weinberger, 2016).

Inside a dense block each layer sees the feature maps of all layers before it, joined side by side, and adds a few of
its own to them: k, the growth rate. Features are used again instead of learned again, so the layers can be narrow, and
the loss reaches each of them over a short way.
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

# Columns: depth of the network, layers of its four dense blocks. All rows of the table, with sides at 224 px:
#   convolution 7x7, stride 2        112
#   max pooling 3x3, stride 2         56
#   dense block 1, transition 1       56, 28 (1x1 convolution, 2x2 mean)
#   dense block 2, transition 2       28, 14
#   dense block 3, transition 3       14, 7
#   dense block 4                      7
#   global mean, classifier            1
TABLE_1 = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    # 264: (6, 12, 64, 48) is not built
    161: (6, 12, 36, 24),  # of the paper's earlier versions; growth rate 48, the others 32
}


class DenseLayer(nn.Module):
    """H of equation 2: BN, ReLU, 3x3 convolution to k maps, joined to the input. N C H W -> N C+k H W.

    With `bottleneck` a BN, ReLU and 1x1 convolution to 4k maps come first (DenseNet-B, section 3).
    """

    def __init__(self, in_channels: int, growth_rate: int, bottleneck: bool, dropout: float):
        super().__init__()
        self.bottleneck = bottleneck
        self.bn1 = nn.BatchNorm2d(in_channels)
        if bottleneck:
            self.conv1 = nn.Conv2d(in_channels, 4 * growth_rate, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(4 * growth_rate)
            self.conv2 = nn.Conv2d(4 * growth_rate, growth_rate, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, growth_rate, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        new = self.dropout(self.conv1(F.relu(self.bn1(x))))
        if self.bottleneck:
            new = self.dropout(self.conv2(F.relu(self.bn2(new))))
        return torch.cat((x, new), dim=1)


class Transition(nn.Module):
    """Between two blocks, here at the head of the second: BN, ReLU, 1x1 convolution, 2x2 mean (section 3).

    N in_channels H W -> N out_channels H/2 W/2.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float):
        super().__init__()
        self.bn = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.pool = nn.AvgPool2d(2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.dropout(self.conv(F.relu(self.bn(x)))))


class DenseNet(Network):
    """The networks of tables 1 (ImageNet) and 2 (CIFAR, SVHN). N C H W -> N num_classes.

    `depths` gives the layers of each dense block. A transition between blocks leaves `compression` of the maps (theta
    of section 3). The ImageNet stem, a 7x7 convolution and a max pooling, divides the image by four; the CIFAR stem is
    one 3x3 convolution. Either has 2k maps, but 16 in a CIFAR network without bottlenecks.
    """

    last_layer = "classifier"

    def __init__(
        self,
        depths: tuple[int, ...],
        growth_rate: int = 32,
        *,
        bottleneck: bool = True,
        compression: float = 0.5,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        dropout: float = 0.0,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        if stem == "imagenet":
            channels = 2 * growth_rate
            # in the authors' code a norm follows the first convolution; everywhere else it comes first (table 1's note)
            self.stem = nn.Sequential(
                nn.Conv2d(in_chans, channels, 7, stride=2, padding=3, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.MaxPool2d(3, stride=2, padding=1),
            )
        else:
            channels = 2 * growth_rate if bottleneck else 16
            self.stem = nn.Conv2d(in_chans, channels, 3, padding=1, bias=False)
        stages = []
        for block, depth in enumerate(depths):
            layers = []
            if block > 0:
                kept = int(compression * channels)
                layers.append(Transition(channels, kept, dropout))
                channels = kept
            for _ in range(depth):
                layers.append(DenseLayer(channels, growth_rate, bottleneck, dropout))
                channels += growth_rate
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.bn = nn.BatchNorm2d(channels)  # and a ReLU behind the last block: the authors' code
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # section 4.2, after He et al. 2015
        nn.init.zeros_(self.classifier.bias)  # the authors' code

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # N 2k H/4 W/4 (CIFAR: N 2k H W)
        return F.relu(self.bn(self.stages(x)))  # N C H/32 W/32 (CIFAR: H/4 W/4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N C
        return self.classifier(x)


PAPER = Paper(
    title="Densely Connected Convolutional Networks",
    authors="Huang, Liu, van der Maaten, Weinberger",
    year=2016,
    venue="CVPR 2017",
    url="https://arxiv.org/abs/1608.06993",
)
BROUGHT = (
    "Each layer of a block sees the maps of all layers before it, joined and not added, and contributes a few of its "
    "own. Features are used again instead of learned again, so fewer parameters do."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
CIFAR = Inputs(channels=3, size=32, minimum=8)
ONE_CROP = "ImageNet validation, 1 crop of 224, single network"
TEN_CROP = "ImageNet validation, 10 crops, single network"
DROPOUT = "no augmentation, dropout of 0.2, single network"
SHIFTS = "shifts and flips in training, single network"
PROTOCOLS = (
    f"CIFAR-10 test, {DROPOUT}",
    f"CIFAR-10 test, {SHIFTS}",
    f"CIFAR-100 test, {DROPOUT}",
    f"CIFAR-100 test, {SHIFTS}",
    f"SVHN test, {DROPOUT}",
)
REPOSITORY = "the authors' repository, table of pretrained models"
WIDE = "the authors' repository, table of Wide-DenseNet"
K_48 = "Its growth rate is 48. The last version of the paper (2018) has DenseNet-264 with k = 32 in its place."


def _imagenet(depth, params, macs, one_crop, ten_crop, released, *, k=32, place="table 3", note=""):
    """`one_crop` and `ten_crop`: top-1 and top-5 error of table 3; `released`: of the authors' trained network."""
    published = (
        Published(place, None, None, *one_crop, protocol=ONE_CROP, checked=place == "table 3"),
        Published(place, None, None, *ten_crop, protocol=TEN_CROP, checked=place == "table 3"),
        Published(REPOSITORY, top1_err=released, protocol=ONE_CROP, checked=True),
    )
    build = partial(DenseNet, depths=TABLE_1[depth], growth_rate=k)
    name = f"densenet{depth}"
    return Card(name, "DenseNet", PAPER, IMAGENET, build, params, macs, 1000, published, note=note)


def _cifar(depth, *, k, bc, params, macs, size=None, errors=(), published=(), note=""):
    """L = `depth`, three blocks (section 3). `errors`: C10, C10+, C100, C100+ and SVHN of table 2."""
    convolutions = (depth - 4) // 3  # of each block; the other 4 are the stem, two transitions and the classifier
    layers = convolutions // 2 if bc else convolutions
    build = partial(
        DenseNet, depths=(layers,) * 3, growth_rate=k, bottleneck=bc, compression=0.5 if bc else 1.0, stem="cifar"
    )
    rows = zip(errors, PROTOCOLS, strict=True) if errors else ()
    published += tuple(
        Published("table 2", params=size, top1_err=error, protocol=protocol, checked=True)
        for error, protocol in rows
        if error is not None
    )
    name = f"densenet{'_bc' if bc else ''}{depth}_k{k}_cifar"
    return Card(name, "DenseNet", PAPER, CIFAR, build, params, macs, 10, published, note=note)


NO_TABLE = "Not in the paper's table 2."

SMALL_BUILD = partial(DenseNet, depths=(2, 3, 3), growth_rate=8, stem="cifar")

# fmt: off
CARDS = (
    _imagenet(121, 7_978_856, 2_834_161_664, (25.02, 7.71), (23.61, 6.66), 25.0),
    _imagenet(161, 28_681_000, 7_727_907_072, (22.33, 6.15), (20.85, 5.30), 22.2,
              k=48, place="table 3 of the earlier versions", note=K_48),
    _imagenet(169, 14_149_480, 3_359_843_328, (23.80, 6.85), (22.08, 5.92), 23.6),
    _imagenet(201, 20_013_928, 4_291_365_888, (22.58, 6.34), (21.46, 5.54), 22.5),
    _cifar(40, k=12, bc=False, params=1_019_722, macs=264_812_928,
           size="1.0M", errors=(7.00, 5.24, 27.55, 24.42, 1.79)),
    _cifar(100, k=12, bc=False, params=6_979_642, macs=1_769_516_448,
           size="7.0M", errors=(5.77, 4.10, 23.79, 20.20, 1.67)),
    _cifar(100, k=24, bc=False, params=27_249_082, macs=6_889_347_744,
           size="27.2M", errors=(5.83, 3.74, 23.42, 19.25, 1.59)),
    _cifar(100, k=12, bc=True, params=769_162, macs=287_929_692,
           size="0.8M", errors=(5.92, 4.51, 24.15, 22.27, 1.76)),
    _cifar(250, k=24, bc=True, params=15_324_406, macs=5_418_785_724,
           size="15.3M", errors=(5.19, 3.62, 19.64, 17.60, 1.74)),
    _cifar(190, k=40, bc=True, params=25_624_430, macs=9_301_945_740,
           size="25.6M", errors=(None, 3.46, None, 17.18, None)),
    _cifar(40, k=12, bc=True, params=176_122, macs=72_365_352, note=NO_TABLE),
    _cifar(40, k=24, bc=True, params=690_346, macs=288_131_664, note=NO_TABLE),
    _cifar(40, k=36, bc=True, params=1_542_682, macs=647_298_936, published=(
        Published(WIDE, params="1.5M", top1_err=4.58, protocol=f"CIFAR-10 test, {SHIFTS}", checked=True),
        Published(WIDE, params="1.5M", top1_err=22.30, protocol=f"CIFAR-100 test, {SHIFTS}", checked=True),
    )),
    Card("densenet_32", "DenseNet", PAPER, CIFAR, SMALL_BUILD, 28_034, 10_174_904, 10, departures=(
        "For images of 16 to 64 px and little time: blocks of 2, 3 and 3 layers with bottlenecks (20 layers in all) "
        "and a growth rate of 8. The smallest DenseNet-BC of the paper has 16 layers in each block and a growth rate "
        "of 12.",
    )),
)
