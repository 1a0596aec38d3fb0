"""MobileNets: efficient convolutional networks for mobile vision (Howard and others, 2017).

A convolution both filters and combines; here the two are apart. A depthwise 3x3 filters each channel by itself, a
pointwise 1x1 combines the channels, and eight to nine times fewer operations are left. Two numbers shrink the network
to a budget: a width multiplier for the channels of every layer, and the size of its images.
"""

from functools import partial

from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

Settings = tuple[tuple[int, int], ...]

# Columns: channels of a depthwise separable convolution (two rows of the table), stride of its depthwise part. Beside
# each row: the side of its maps, at 224 px.
TABLE_1: Settings = (
    # Conv/s2 3x3, 32 channels -> 112: the stem
    (64, 1),  # 112
    (128, 2),  # 56
    (128, 1),  # 56
    (256, 2),  # 28
    (256, 1),  # 28
    (512, 2),  # 14
    *((512, 1),) * 5,  # 14
    (1024, 2),  # 7
    (1024, 1),  # 7; printed as s2, though 7x7 maps come in and go out
    # Avg Pool 7x7 -> 1; FC 1024 -> 1000: `forward`
)


class DepthwiseSeparable(nn.Module):
    """Depthwise 3x3, then pointwise 1x1, each with batch norm and ReLU (section 3.1; figure 3, right).

    N in_channels H W -> N out_channels H/stride W/stride.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
        )
        self.pointwise = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class MobileNetV1(Network):
    """The network of table 1. N C H W -> N num_classes.

    `width` multiplies the channels of every layer (section 3.3); the resolution multiplier of section 3.4 is the size
    of the images. `settings` are the depthwise separable convolutions.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        settings: Settings = TABLE_1,
        stem_stride: int = 2,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()

        def scale(channels: int) -> int:
            return max(8, int(channels * width))  # the authors' code has at least 8

        channels = scale(32)
        self.stem = nn.Sequential(
            nn.Conv2d(in_chans, channels, 3, stem_stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        blocks = []
        for out_channels, stride in settings:
            blocks.append(DepthwiseSeparable(channels, scale(out_channels), stride))
            channels = scale(out_channels)
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, num_classes)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=0.09, a=-0.18, b=0.18)  # the authors' code; the paper names none
        nn.init.zeros_(self.fc.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x))  # N 1024 H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 1024
        return self.fc(x)


PAPER = Paper(
    title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    authors="Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    year=2017,
    venue="arXiv 2017",
    url="https://arxiv.org/abs/1704.04861",
)
BROUGHT = (
    "A whole network of depthwise separable convolutions, small enough for phones, and two numbers that fit it to a "
    "budget: a multiplier of its width and the size of its images."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=8)
PROTOCOL = "ImageNet, single network, printed as accuracy; the paper does not say how images are cropped"
ONE_CROP = "ImageNet validation, 1 crop of 224, single network, printed as accuracy"
REPOSITORY = "the authors' repository, table of checkpoints"
AUTHORS_CODE = (
    "ReLU as in the paper; the authors' code has ReLU6. Convolutions of stride 2 are padded on all sides; TensorFlow, "
    "with which the authors trained, pads images of even sides on the right and below alone."
)


def _imagenet(name, width, params, macs, paper, repository, resolutions=(), note=AUTHORS_CODE):
    """`paper` and `repository`: parameters, MACs and errors as printed there; `resolutions`: rows of table 7."""
    published = (
        Published("table 6", *paper, protocol=PROTOCOL, checked=True),
        *(Published(f"table 7, {size} px", *row, protocol=PROTOCOL, checked=True) for size, row in resolutions),
        Published(REPOSITORY, *repository, protocol=ONE_CROP, checked=True),
    )
    build = partial(MobileNetV1, width=width)
    return Card(name, "MobileNetV1", PAPER, IMAGENET, build, params, macs, 1000, published, note=note)


TABLE_1_SMALL: Settings = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
FOR_SMALL_IMAGES = (
    "The stem keeps the resolution: the image is divided by 4 in all, not by 32.",
    "The first five of the thirteen depthwise separable convolutions of table 1, at a width of 0.75; 10 classes.",
)
OTHER_SIZES = f"Table 7 has other image sizes; 192, 160 and 128 px take 418.1, 290.7 and 186.4 M MACs. {AUTHORS_CODE}"
REPOSITORY_MACS = (
    "The paper's 325M are the operations of these layers; the authors' repository prints 317M for the same network, "
    f"2.6 % less. {AUTHORS_CODE}"
)

# fmt: off
CARDS = (
    _imagenet("mobilenet_v1_100", 1.0, 4_231_976, 568_740_352,
              ("4.2M", "569M", 29.4), ("4.24M", "569M", 29.1, 10.1), note=OTHER_SIZES, resolutions=(
                  (192, ("4.2M", "418M", 30.9)),
                  (160, ("4.2M", "290M", 32.8)),
                  (128, ("4.2M", "186M", 35.6)),
              )),
    _imagenet("mobilenet_v1_075", 0.75, 2_585_560, 325_400_448,
              ("2.6M", "325M", 31.6), ("2.59M", "317M", 31.6, 11.8), note=REPOSITORY_MACS),
    _imagenet("mobilenet_v1_050", 0.5, 1_331_592, 149_497_088,
              ("1.3M", "149M", 36.3), ("1.34M", "150M", 36.7, 15.1)),
    _imagenet("mobilenet_v1_025", 0.25, 470_072, 41_030_272,
              ("0.5M", "41M", 49.4), ("0.47M", "41M", 50.2, 25.8)),
    Card("mobilenet_v1_32", "MobileNetV1", PAPER, SMALL,
         partial(MobileNetV1, width=0.75, settings=TABLE_1_SMALL, stem_stride=1), 79_162, 9_641_856, 10,
         departures=FOR_SMALL_IMAGES),
)
