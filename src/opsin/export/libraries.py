"""The other way: our trained weights as files of another library, with its names."""

import io
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from opsin import zoo
from opsin.bundle import Bundle
from opsin.errors import OpsinError, unknown
from opsin.files import check_writable, flush, whole, write_json
from opsin.models.network import Network
from opsin.weights import catalogue, files
from opsin.weights.load import first_convolution
from opsin.weights.public import Keys

SIZED = {"timm": "img_size", "torchvision": "image_size"}
"""What a library calls the argument by which it builds a ViT for one size of images.

The other networks of one size agree with theirs at that size alone: Swin's maps that are no multiple of its windows are
filled up in another order, and VGG and AlexNet are pooled there to the maps of 224 px.
"""


def export_tensors(net: Network, keys: Keys) -> dict[str, Tensor]:
    """The network's tensors by another library's names and in its layouts."""
    theirs = {}
    for ours, tensor in net.state_dict().items():
        theirs |= {keys.theirs(ours): keys.to_theirs(ours, tensor)} | keys.beside(ours, tensor)
    return theirs


def export(bundle: Bundle, to: str, out: Path | None = None) -> Path:
    """Writes a trained network as another library reads it; the file is read again before it gets its name.

    Args:
        to: "timm": a folder with model.safetensors and config.json, for timm.create_model("local-dir:FOLDER",
            pretrained=True); "torchvision": a .pth file with the state_dict, and beside it a .json which says by what
            call the network is built, its classes and its preprocessing.
        out: the folder or .pth file; by default MODEL-timm or MODEL-torchvision.pth in the current folder.

    Raises:
        OpsinError: the library has no such network, not for these images or arguments; or `out` is there already.
    """
    if to not in ("timm", "torchvision"):
        raise unknown("library to export to", to, ("timm", "torchvision"))
    architecture, keys = catalogue.architecture_of(bundle.model, to)
    arguments = their_arguments(bundle, to, architecture)
    left = {keys.theirs(key) for key in bundle.net.state_dict() if key.startswith("aux")} if to == "timm" else set()
    tensors = {
        key: tensor.detach().cpu().clone().contiguous()
        for key, tensor in export_tensors(bundle.net, keys).items()
        if key not in left  # timm builds networks without auxiliary heads
    }
    if to == "timm":
        out = out or Path(f"{bundle.model}-timm")
        if out.suffix in (".safetensors", ".pth", ".pt", ".bin"):
            raise OpsinError(f"--out {out}: weights for timm are a folder, with its config.json beside them")
        check_free(out)
        with whole(out) as folder:
            folder.mkdir()
            save_file(tensors, folder / "model.safetensors")
            verify(folder / "model.safetensors", tensors)
            write_json(folder / "config.json", timm_config(bundle, architecture, keys, arguments))
            shutil.copymode(folder / "config.json", folder / "model.safetensors")
        return out
    out = out or Path(f"{bundle.model}-torchvision.pth")
    if out.suffix not in (".pth", ".pt"):
        raise OpsinError(f"--out {out}: weights for torchvision are a .pth file")
    check_free(out)
    check_free(out.with_suffix(".json"))
    with whole(out) as file, whole(out.with_suffix(".json")) as facts:
        buffer = io.BytesIO()  # on a full disk PyTorch's own writer ends the process
        torch.save(tensors, buffer)
        file.write_bytes(buffer.getbuffer())
        verify(file, tensors)
        write_json(facts, {"architecture": architecture, "arguments": arguments} | of_bundle(bundle))
    return out


def how_to_load(bundle: Bundle, to: str, path: Path) -> str:
    """The line of Python that reads what `export` wrote."""
    if to == "timm":
        return f'net = timm.create_model("local-dir:{path.as_posix()}", pretrained=True)'
    architecture, _ = catalogue.architecture_of(bundle.model, to)
    arguments = "".join(f", {name}={value}" for name, value in their_arguments(bundle, to, architecture).items())
    build = f'torchvision.models.get_model("{architecture}"{arguments})'
    return f'net = {build}; net.load_state_dict(torch.load("{path.as_posix()}"))'


def their_arguments(bundle: Bundle, to: str, architecture: str) -> dict[str, Any]:
    """Beside its name, what another library must be told to build the bundle's network."""
    card = zoo.card(bundle.model)
    size = bundle.arguments.get("input_size", card.inputs.size)
    channels = bundle.arguments.get("in_chans", card.inputs.channels)
    own = [
        f"{name}={value!r}"
        for name, value in bundle.arguments.items()
        if name not in ("num_classes", "in_chans", "input_size", "aux_heads") and not name.startswith(("drop", "init"))
    ]
    if own:
        raise OpsinError(f"{to}'s {architecture} is not {bundle.model} with {', '.join(own)}")
    arguments: dict[str, Any] = {"num_classes": len(bundle.classes)} if to == "torchvision" else {}
    if channels != 3:
        if to == "torchvision":
            raise OpsinError(
                f"torchvision's {architecture} takes 3 channels, and this network {channels}: use --to timm"
            )
        arguments["in_chans"] = channels
    if card.family == "ViT" and (size != card.inputs.size or to == "torchvision"):
        arguments[SIZED[to]] = size
    elif card.inputs.fixed and size != card.inputs.size:
        raise OpsinError(f"{to}'s {architecture} is this network at {card.inputs.size} px alone, not at {size}")
    if to == "torchvision" and "aux_heads" in bundle.arguments:
        arguments["aux_logits"] = bundle.arguments["aux_heads"]
    return arguments


def timm_config(bundle: Bundle, architecture: str, keys: Keys, arguments: dict[str, Any]) -> dict[str, Any]:
    """config.json as timm writes it, and under "opsin" what it has no place for."""
    net, preprocess, origin = bundle.net, bundle.preprocess, bundle.origin

    def layer(name: str) -> str:
        return keys.theirs(f"{name}.weight").removesuffix(".weight")

    return {
        "architecture": architecture,
        "num_classes": len(bundle.classes),
        "num_features": net.get_parameter(f"{net.last_layer}.weight").shape[1],
        "label_names": list(bundle.classes),
        **({"model_args": arguments} if arguments else {}),
        "pretrained_cfg": {
            "tag": "opsin",
            "custom_load": False,
            "input_size": [preprocess.channels, preprocess.size, preprocess.size],
            "fixed_input_size": zoo.card(bundle.model).inputs.fixed,
            "interpolation": preprocess.interpolation,
            "crop_pct": crop_pct(preprocess.size, preprocess.resize or preprocess.size),
            "crop_mode": "center" if preprocess.fit == "crop" else "border",
            "mean": list(preprocess.mean),
            "std": list(preprocess.std),
            "num_classes": len(bundle.classes),
            "pool_size": None,
            "first_conv": layer(first_convolution(net)),
            "classifier": layer(net.last_layer),
            **({"license": origin.licence, "origin_url": origin.file} if origin else {}),
        },
        "opsin": of_bundle(bundle),
    }


def of_bundle(bundle: Bundle) -> dict[str, Any]:
    """What a bundle says of its network, as JSON."""
    return {
        "model": bundle.model,
        "classes": list(bundle.classes),
        "preprocess": bundle.preprocess.to_dict(),
        "origin": bundle.origin.to_dict() if bundle.origin else None,
    }


def crop_pct(size: int, resize: int) -> float:
    """timm's word for a crop of `size` px from `resize`: the shortest of those from which it finds both again."""
    shares = [round(size / resize, digits) for digits in range(2, 9)]
    return next((share for share in shares if int(size / share) == resize), size / (resize + 0.5))


def verify(path: Path, tensors: dict[str, Tensor]) -> None:
    """Raises OpsinError where a file does not hold these very tensors."""
    flush(path)
    back = files.read(path)
    if back.keys() != tensors.keys() or not all(torch.equal(back[key], tensor) for key, tensor in tensors.items()):
        raise OpsinError(f"{path} does not read back as it was written: try another disk")


def check_free(path: Path) -> None:
    """Raises OpsinError where something stands already, or nothing can be written."""
    if path.exists():
        raise OpsinError(f"{path} is there already: remove it, or name another with --out")
    check_writable(path)
