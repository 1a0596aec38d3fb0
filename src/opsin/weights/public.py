"""What is known of public weights before they are fetched: `Weights`, and the names of their tensors, `Keys`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from opsin.data.preprocess import Preprocess

Source = Literal["torchvision", "timm"]


def same(key: str) -> str:
    return key


def rename(key: str, rules: Mapping[str, str | Callable[[re.Match[str]], str]]) -> str:
    """A key after all rules, a pattern and what stands for it, in their order."""
    for pattern, replacement in rules.items():
        key = re.sub(pattern, replacement, key)
    return key


def unchanged(key: str, tensor: Tensor) -> Tensor:
    return tensor


def nothing(key: str, tensor: Tensor) -> dict[str, Tensor]:
    return {}


def fixed(key: str, tensor: Tensor, shape: torch.Size) -> None:
    return None


@dataclass(frozen=True)
class Keys:
    """How another library names and lays out the tensors of a family's networks.

    A tensor that differs by axes of length 1 alone (a 1x1 convolution and a linear layer) needs no word here.

    Attributes:
        theirs: our key -> theirs.
        today: an older spelling of one of their keys -> today's; any other key comes back as it is.
        tables: a regular expression for whole keys of theirs that hold nothing learned; what they say we compute.
        to_ours: (our key, their tensor) -> ours, where the order of the numbers differs.
        to_theirs: the way back.
        beside: (our key, our tensor) -> tables that their file must hold beside it, by their keys.
        resize: (our key, our tensor, wanted shape) -> the tensor for another image size; None for keys that have no
            such way.
        older: how files of theirs were once laid out, where a key alone does not tell whether it is an older one.
    """

    theirs: Callable[[str], str] = same
    today: Callable[[str], str] = same
    tables: str = r"(?!)"
    to_ours: Callable[[str, Tensor], Tensor] = unchanged
    to_theirs: Callable[[str, Tensor], Tensor] = unchanged
    beside: Callable[[str, Tensor], dict[str, Tensor]] = nothing
    resize: Callable[[str, Tensor, torch.Size], Tensor | None] = fixed
    older: "Keys | None" = None


@dataclass(frozen=True)
class Weights:
    """Public weights for one of our networks.

    Attributes:
        model: our network.
        source: the library that publishes them.
        architecture: its name for the network.
        tag: its name for these weights, "IMAGENET1K_V1" or "a1_in1k".
        keys: its names for the tensors.
        preprocess: the images that they were trained for, as the library evaluates them.
        licence: of the weights, as the library states it.
        file: torchvision's file, whose name ends with 8 digits of its SHA-256; the whole address of one that timm keeps
            outside the hub; None on the hub.
        num_classes: what the file's last layer tells apart; 0 where it has none.
    """

    model: str
    source: Source
    architecture: str
    tag: str
    keys: Keys
    preprocess: Preprocess
    licence: str
    file: str | None = None
    num_classes: int = 1000

    @property
    def name(self) -> str:
        """As `pretrained` of `opsin.create_model` takes it."""
        return f"{self.source}:{self.tag}"

    @property
    def digits(self) -> str:
        """The beginning of the SHA-256 of `file`."""
        return (self.file or "").removesuffix(".pth").rpartition("-")[2]

    @property
    def repository(self) -> str:
        """Of timm's weights on the Hugging Face hub."""
        return f"timm/{self.architecture}.{self.tag}"


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
TORCHVISION_LICENCE = "BSD-3-Clause (the library's; torchvision states none for its weights)"


def images(
    size: int = 224,
    resize: int | None = 256,
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bilinear",
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
) -> Preprocess:
    """The central `size` px of an image whose short side was made `resize` px."""
    return Preprocess(size, 3, "crop", interpolation, mean, std, None if resize == size else resize)


def torchvision_weights(
    architectures: dict[str, str], keys: Keys, model: str, tag: str, file: str, preprocess: Preprocess | None = None
) -> Weights:
    """A row of a family's table; `architectures` has torchvision's names for our networks."""
    licence = TORCHVISION_LICENCE
    return Weights(model, "torchvision", architectures[model], tag, keys, preprocess or images(), licence, file)


def timm_weights(
    architectures: dict[str, str],
    keys: Keys,
    model: str,
    tag: str,
    preprocess: Preprocess,
    licence: str = "apache-2.0",
    num_classes: int = 1000,
    file: str | None = None,
) -> Weights:
    """A row of a family's table; `architectures` has timm's names for our networks."""
    return Weights(model, "timm", architectures[model], tag, keys, preprocess, licence, file, num_classes)
