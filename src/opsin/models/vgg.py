"""VGG: very deep convolutional networks (Simonyan and Zisserman, 2014).

Nothing but 3x3 convolutions, two to four of them before each halving of the image: two in a row see what one 5x5
does, three what one 7x7 does, with fewer weights and more non-linearities. The question that the paper asks of this
plain design is what depth alone brings, from 11 to 19 layers.
"""

from functools import partial

from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network


class VGG(Network):
    """A column of table 1. N C input_size input_size -> N num_classes.

    `widths` gives the channels of each convolution, a tuple for each stage; a 2x2 max pooling follows every stage.
    `hidden` are the fully connected layers before the last, each with dropout behind it.
    """

    def __init__(
        self,
        widths: tuple[tuple[int, ...], ...],
        hidden: tuple[int, ...] = (4096, 4096),
        *,
        batch_norm: bool = False,
        dropout: float = 0.5,
        num_classes: int = 1000,
        in_chans: int = 3,
        input_size: int = 224,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_chans
        for stage in widths:
            for width in stage:
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                channels = width
            layers.append(nn.MaxPool2d(2, stride=2))
        self.features = nn.Sequential(*layers)

        side = input_size // 2 ** len(widths)
        layers, fan_in = [], channels * side * side
        for width in hidden:
            layers += [nn.Linear(fan_in, width), nn.ReLU(), nn.Dropout(dropout)]
            fan_in = width
        self.classifier = nn.Sequential(*layers, nn.Linear(fan_in, num_classes))
        self.last_layer = f"classifier.{len(layers)}"

        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, gain=2**0.5)  # section 3.1 names Glorot's; the gain is He's

    def forward_features(self, x: Tensor) -> Tensor:
        return self.features(x)  # N 512 H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).flatten(1)  # N 512*H/32*W/32
        return self.classifier(x)


PAPER = Paper(
    title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
    authors="Simonyan, Zisserman",
    year=2014,
    venue="ICLR 2015",
    url="https://arxiv.org/abs/1409.1556",
)
BROUGHT = (
    "Depth and nothing else: 11 to 19 layers of 3x3 convolutions alone. Two in a row see what one 5x5 sees, three "
    "what one 7x7 sees, with fewer weights and more non-linearities."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32, multiple=32, fixed=True)
SMALL = Inputs(channels=3, size=32, minimum=16, multiple=16, fixed=True)
CROPS = "ImageNet {}, 50 crops of 224 at each of 3 scales, {}"
CROPS_AND_DENSE = "ImageNet {}, 50 crops of 224 and the whole image at each of 3 scales, {}"
ONE, TWO = "single network", "columns D and E together"

A = ((64,), (128,), (256, 256), (512, 512), (512, 512))
B = ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512))
D = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
E = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512))


def _imagenet(name, widths, params, macs, published=(), batch_norm=False):
    build = partial(VGG, widths=widths, batch_norm=batch_norm)
    departures = (INITIALISATION, WITH_BATCH_NORM) if batch_norm else (INITIALISATION,)
    return Card(name, "VGG", PAPER, IMAGENET, build, params, macs, 1000, published, departures)


def _dense(place, trained, tested, top1_err, top5_err):
    """A row of tables 3 and 4: shorter sides of the images in training and in the test, in pixels."""
    protocol = f"ImageNet validation, whole image of {tested} px and its mirror image, trained at {trained} px, {ONE}"
    return Published(place, top1_err=top1_err, top5_err=top5_err, protocol=protocol, checked=True)


INITIALISATION = (
    "Initial weights are Glorot's, which the paper names as the way to train from scratch, times the square root of 2 "
    "for what a ReLU takes away (He and others, 2015): without that factor 16 and 19 layers do not begin to learn in a "
    "short training. The paper's own start is a trained network of 11 layers."
)
WITH_BATCH_NORM = (
    "Batch norm between each convolution and its ReLU, which the paper, older than batch norm, does not have."
)
FOR_SMALL_IMAGES = (
    "Four stages instead of five, since each halves the image: configuration A without its last.",
    "Narrower, for speed: 32, 64, 128 and 128 channels instead of 64, 128, 256 and 512.",
    "One hidden layer of 128 units instead of two of 4,096, which were made for 1,000 classes of large photos.",
    INITIALISATION,
    WITH_BATCH_NORM,
)
SMALL_BUILD = partial(VGG, widths=((32,), (64,), (128, 128), (128, 128)), hidden=(128,), batch_norm=True)

# fmt: off
CARDS = (
    _imagenet("vgg11", A, 132_863_336, 7_609_090_048, published=(
        Published("table 2, column A", params="133M", checked=True),
        _dense("table 3, column A", "256", "256", 29.6, 10.4),
    )),
    _imagenet("vgg13", B, 133_047_848, 11_308_466_176, published=(
        Published("table 2, column B", params="133M", checked=True),
        _dense("table 3, column B", "256", "256", 28.7, 9.9),
        _dense("table 4, column B", "256", "224, 256, 288", 28.2, 9.6),
    )),
    _imagenet("vgg16", D, 138_357_544, 15_470_264_320, published=(
        Published("table 2, column D", params="138M", checked=True),
        _dense("table 3, column D", "256", "256", 27.0, 8.8),
        _dense("table 3, column D", "384", "384", 26.8, 8.7),
        _dense("table 3, column D", "256 to 512", "384", 25.6, 8.1),
        _dense("table 4, column D", "256", "224, 256, 288", 26.6, 8.6),
        _dense("table 4, column D", "384", "352, 384, 416", 26.5, 8.6),
        _dense("table 4, column D", "256 to 512", "256, 384, 512", 24.8, 7.5),
        Published("table 5, column D", top1_err=24.6, top5_err=7.5, checked=True,
                  protocol=CROPS.format("validation", ONE)),
        Published("table 5, column D", top1_err=24.4, top5_err=7.2, checked=True,
                  protocol=CROPS_AND_DENSE.format("validation", ONE)),
    )),
    _imagenet("vgg19", E, 143_667_240, 19_632_062_464, published=(
        Published("table 2, column E", params="144M", checked=True),
        _dense("table 3, column E", "256", "256", 27.3, 9.0),
        _dense("table 3, column E", "384", "384", 26.9, 8.7),
        _dense("table 3, column E", "256 to 512", "384", 25.5, 8.0),
        _dense("table 4, column E", "256", "224, 256, 288", 26.9, 8.7),
        _dense("table 4, column E", "384", "352, 384, 416", 26.7, 8.6),
        _dense("table 4, column E", "256 to 512", "256, 384, 512", 24.8, 7.5),
        Published("table 5, column E", top1_err=24.6, top5_err=7.4, checked=True,
                  protocol=CROPS.format("validation", ONE)),
        Published("table 5, column E", top1_err=24.4, top5_err=7.1, checked=True,
                  protocol=CROPS_AND_DENSE.format("validation", ONE)),
        Published("section 4.2", top5_err=7.3, protocol=f"ImageNet test, whole image at 3 scales, {ONE}", checked=True),
        Published("table 7", top5_err=7.0, protocol=CROPS_AND_DENSE.format("test", ONE), checked=True),
        Published("table 6", top1_err=24.0, top5_err=7.1, checked=True,
                  protocol=f"ImageNet validation, whole image at 3 scales, {TWO}"),
        Published("table 6", top1_err=23.7, top5_err=6.8, checked=True,
                  protocol=CROPS_AND_DENSE.format("validation", TWO)),
        Published("table 6", top5_err=6.8, protocol=CROPS_AND_DENSE.format("test", TWO), checked=True),
    )),
    _imagenet("vgg11_bn", A, 132_868_840, 7_609_090_048, batch_norm=True),
    _imagenet("vgg13_bn", B, 133_053_736, 11_308_466_176, batch_norm=True),
    _imagenet("vgg16_bn", D, 138_365_992, 15_470_264_320, batch_norm=True),
    _imagenet("vgg19_bn", E, 143_678_248, 19_632_062_464, batch_norm=True),
    Card("vgg_32", "VGG", PAPER, SMALL, SMALL_BUILD, 604_170, 24_544_512, 10, departures=FOR_SMALL_IMAGES),
)
