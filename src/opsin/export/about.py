"""What an exported file says of itself, and the few lines of Python that run it without Opsin."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.engine.record import versions
from opsin.runtime.graphs import INPUT, OUTPUT

ABOUT = "opsin.json"


class FromPixels(nn.Module):
    """A network with its normalisation in front of it. Decoded pixels, uint8 [N, S, S, C] -> logits."""

    scale: Tensor
    offset: Tensor

    def __init__(self, net: nn.Module, preprocess: Preprocess):
        super().__init__()
        zero, full = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, preprocess.channels, 1, 1)
        self.net = net
        self.register_buffer("offset", preprocess.normalize(zero[None]))
        self.register_buffer("scale", (preprocess.normalize(full[None]) - self.offset) / 255)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.permute(0, 3, 1, 2).float() * self.scale + self.offset)


def inputs(preprocess: Preprocess, pixels: Tensor, uint8: bool) -> Tensor:
    """Images uint8 [N, C, S, S] as an exported network takes them: normalised, or as pixels [N, S, S, C]."""
    return pixels.permute(0, 2, 3, 1).contiguous() if uint8 else preprocess.normalize(pixels)


def about(bundle: Bundle, to: str, uint8: bool) -> dict[str, Any]:
    """What a user of the file must know, as JSON."""
    p = bundle.preprocess
    shape = ["n", p.size, p.size, p.channels] if uint8 else ["n", p.channels, p.size, p.size]
    meaning = "RGB pixels, cropped and resized" if uint8 else "RGB pixels / 255, cropped and resized, - mean, / std"
    return {
        "kind": "opsin export",
        "to": to,
        "model": bundle.model,
        "arguments": bundle.arguments,
        "input": {
            "name": INPUT,
            "type": "uint8" if uint8 else "float32",
            "shape": shape,
            "meaning": meaning.replace("RGB", "RGB" if p.channels == 3 else "grey"),
        },
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "shape": ["n", len(bundle.classes)],
            "meaning": "logits, before softmax",
        },
        "preprocess": p.to_dict(),
        "classes": list(bundle.classes),
        "figures": bundle.figures,
        "origin": bundle.origin.to_dict() if bundle.origin else None,
        "versions": versions(),
    }


def as_text(facts: dict[str, Any]) -> dict[str, str]:
    """Each fact as a line of JSON, for files that hold text by name."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}


def reading(preprocess: Preprocess, uint8: bool) -> list[str]:
    """Lines of Python from photo.jpg to `x`, a batch of one, with NumPy and Pillow alone."""
    p, size = preprocess, (preprocess.size, preprocess.size)
    method = f"Image.Resampling.{p.interpolation.upper()}"
    lines = [f'image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{"L" if p.channels == 1 else "RGB"}")']
    if p.resize:
        lines += [
            f"width, height = (int({p.resize} * side / min(image.size)) for side in image.size)",
            f"left, top = round((width - {p.size}) / 2), round((height - {p.size}) / 2)",
            f"image = image.resize((width, height), {method}).crop((left, top, left + {p.size}, top + {p.size}))",
        ]
    else:
        lines += [f"image = ImageOps.{'fit' if p.fit == 'crop' else 'pad'}(image, {size}, {method})"]
    pixels = f"np.asarray(image).reshape(1, {p.size}, {p.size}, {p.channels})"
    if uint8:
        return [*lines, f"x = {pixels}"]
    mean, std = ([float(f"{value:.7g}") for value in values] for values in (p.mean, p.std))
    return [*lines, f"x = (({pixels} / 255 - {mean}) / {std}).transpose(0, 3, 1, 2).astype(np.float32)"]


def path_in_python(path: Path) -> str:
    return repr(path.as_posix())
