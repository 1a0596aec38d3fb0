"""Weights as files: what they hold, read without running any code that a file may bring."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError

WRAPPERS = ("state_dict", "model_state_dict", "state_dict_ema", "model")
"""Under these keys training programs keep a network's tensors, beside the optimizer's and others."""


def at(path: Path) -> Path:
    """The file of weights at `path`, or in it where it is a folder as timm writes it. Raises OpsinError for none."""
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise OpsinError(
            f"no weights at {path}: give a .safetensors or .pth file, a folder that timm has written, or a library's "
            "(torchvision, timm, timm:TAG)"
        )
    return path


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of one that torch.save wrote (.pth, .pt, .bin), on the CPU.

    Raises OpsinError for a file that is cut short or damaged, or holds anything but tensors.
    """
    try:
        held: dict[Any, Any] = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except OSError as error:
        raise OpsinError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, RuntimeError, ValueError, EOFError, LookupError) as error:
        line = " ".join(str(error).split()).partition(". ")[0]
        why = f" ({line[:150]})" if " " in line else ""
        raise OpsinError(f"{path} is cut short, damaged or no file of weights{why}") from None
    held = next((held[name] for name in WRAPPERS if isinstance(held.get(name), dict)), held)
    tensors = {key: value for key, value in held.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if not tensors:
        raise OpsinError(f"{path} holds no tensors: give a state_dict")
    for prefix in ("_orig_mod.", "module."):  # written through torch.compile, DataParallel
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _unpickle(path: Path) -> dict[Any, Any]:
    from pickle import UnpicklingError

    try:
        with warnings.catch_warnings(action="ignore"):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        other = re.search(r"GLOBAL (\S+)", str(error))
        if other is None:
            raise ValueError("its pickle cannot be read") from None
        mend = "save the state_dict alone, best as .safetensors"
        raise OpsinError(f"{path} is not opened, since it holds more than tensors ({other[1]}): {mend}") from None
    if not isinstance(held, dict):
        raise OpsinError(f"{path} holds a {type(held).__name__}: save the state_dict")
    return held


def read_config(path: Path) -> dict[str, Any]:
    """config.json as timm writes it beside its weights. Raises OpsinError where it cannot be read."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not a table")
        return config
    except (OSError, ValueError) as error:
        raise OpsinError(f"cannot read {path}: {error}") from None


def preprocess_of(config: dict[str, Any], where: str) -> Preprocess:
    """The images that timm's weights expect, from their config.json. Raises OpsinError where it does not say."""
    try:
        facts = config.get("pretrained_cfg", config)
        channels, size, _ = facts["input_size"]
        interpolation = facts.get("interpolation", "bicubic")
        share = facts.get("crop_pct") or 1.0
        return Preprocess(
            size=int(size),
            channels=int(channels),
            interpolation=interpolation if interpolation in ("bicubic", "bilinear", "nearest") else "bicubic",
            mean=tuple(map(float, facts["mean"])),
            std=tuple(map(float, facts["std"])),
            resize=int(size / share) if share < 1 else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OpsinError(f"{where} does not say what images its weights expect: {error!r}") from None
