"""Line-ups: which networks meet where nobody names any."""

from collections.abc import Sequence

from opsin import zoo
from opsin.errors import OpsinError, unknown

LINEUPS: dict[str, tuple[str, ...]] = {
    "small": (
        "lenet1989",
        "lenet5",
        "ciresan_mlp1",
        "alexnet_32",
        "nin_32",
        "vgg_32",
        "resnet20_cifar",
        "mobilenet_v2_32",
        "vit_32",
        "convnext_32",
    ),
    "history": (
        "lenet1989",
        "lenet5",
        "ciresan_mlp1",
        "multiscale_32",
        "alexnet_32",
        "nin_32",
        "overfeat_32",
        "alexnet_owt_32",
        "vgg_32",
        "googlenet_32",
        "bn_inception_32",
        "inception_v3_32",
        "resnet20_cifar",
        "inception_v4_32",
        "inception_resnet_32",
        "squeezenet_32",
        "preact_resnet_32",
        "fractalnet_32",
        "enet_encoder_32",
        "densenet_32",
        "xception_32",
        "mobilenet_v1_32",
        "se_resnet_32",
        "mobilenet_v2_32",
        "vit_32",
        "swin_32",
        "convnext_32",
    ),
    "public": (
        "googlenet_bn",
        "resnet18",
        "resnet50_v1_5",
        "squeezenet1_1",
        "densenet121",
        "mobilenet_v2_100",
        "vit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224",
        "convnext_tiny",
    ),
    "large": (
        "alexnet_he",
        "vgg11_bn",
        "resnet18",
        "resnet50",
        "mobilenet_v2_100",
        "vit_tiny_patch16_224",
        "convnext_tiny",
    ),
}
"""small: ten networks for images of 16 to 64 px, 1989 to 2022. history: the small one of every family, oldest first.
large: the papers' own, for photos. public: those with public weights, 2014 to 2022, at their own sizes.

Where a paper's own network does not learn at the rates of today's recipe, its variant that does takes its place:
alexnet and nin_cifar need lower ones (docs/log.md)."""


def choose(models: Sequence[str] | None, lineup: str | None, input_size: int) -> tuple[str, ...]:
    """The networks to compare: those named, or a line-up's; by default the one that suits the images' size.

    Raises OpsinError for an unknown network or line-up, one that is named twice, or one that does not classify.
    """
    if models and lineup:
        raise OpsinError("--models and --lineup exclude each other: give one of them")
    if models is not None:
        if not models:
            raise OpsinError("--models names no network")
        for name in models:
            if zoo.card(name).task != "classify":
                raise OpsinError(
                    f"{name} does not classify images ({zoo.card(name).task}): compare takes those that do"
                )
        if twice := sorted({name for name in models if models.count(name) > 1}):
            raise OpsinError(f"--models names {', '.join(twice)} more than once")
        return tuple(models)
    lineup = lineup or ("small" if input_size <= 64 else "large")
    if lineup not in LINEUPS:
        raise unknown("line-up", lineup, LINEUPS)
    return LINEUPS[lineup]
