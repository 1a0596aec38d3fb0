"""Tensors of another library into a network of ours: every key is accounted for, or nothing is loaded."""

import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError
from opsin.models.network import Network
from opsin.weights.public import Keys

LISTED = 10
"""How many keys an error names, at most."""


def classes_in(tensors: dict[str, Tensor], net: Network, keys: Keys) -> int | None:
    """How many classes the last layer of a file tells apart; None where it has none."""
    key = keys.theirs(f"{net.last_layer}.weight")
    found = [tensor for name, tensor in tensors.items() if keys.today(name) == key]
    return found[0].shape[0] if found else None


def heads_of(net: Network) -> tuple[str, ...]:
    """With what the names of all that tells classes apart begin: the last layer and the auxiliary heads."""
    auxiliary = (name for name, _ in net.named_children() if name.startswith("aux"))
    return tuple(f"{name}." for name in (net.last_layer, *auxiliary))


def without_heads(tensors: dict[str, Tensor], net: Network, keys: Keys) -> dict[str, Tensor]:
    """The tensors of a file but for those of its heads."""
    heads = {keys.theirs(ours) for ours in net.state_dict() if ours.startswith(heads_of(net))}
    return {key: tensor for key, tensor in tensors.items() if keys.today(key) not in heads}


def first_convolution(net: Network) -> str:
    """The name of the layer that sees the images; "" for a network without convolutions."""
    return next((name for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)), "")


def channels_in(tensors: dict[str, Tensor], net: Network, keys: Keys) -> int | None:
    """How many channels the images of a file's first convolution have; None where that cannot be seen."""
    first = first_convolution(net)
    found = [tensor for name, tensor in tensors.items() if keys.today(name) == keys.theirs(f"{first}.weight")]
    return found[0].shape[1] if found and found[0].ndim == 4 else None


def fits(template: Network, tensors: dict[str, Tensor], keys: Keys) -> bool:
    """Whether the tensors have the shapes of `template`, whatever is missing or too many."""
    expected = template.state_dict()
    theirs = {keys.theirs(ours): ours for ours in expected}
    found = [(theirs[key], tensor) for name, tensor in tensors.items() if (key := keys.today(name)) in theirs]
    return all(as_ours(keys, ours, tensor, expected[ours].shape) is not None for ours, tensor in found)


def load(net: Network, template: Network, tensors: dict[str, Tensor], keys: Keys, where: str) -> list[str]:
    """Fills `net` with another library's tensors.

    Args:
        net: on any device; what it does not take from the file stays as it is.
        template: the same network as the file has it (its channels, classes and size), on `meta`. Where `net` differs
            from it, the first convolution is adapted, and heads of other classes are left as they are.
        tensors: by the other library's keys.
        where: names the file in errors.

    Returns:
        What of the network does not come from the file, in words; empty where all does.

    Raises:
        OpsinError: keys that are missing, or too many, or of another shape; at most ten are named. The network is as
            it was then.
    """
    found = {keys.today(key): tensor for key, tensor in tensors.items() if not re.fullmatch(keys.tables, key)}
    expected = template.state_dict()
    theirs = {keys.theirs(ours): ours for ours in expected}
    heads = heads_of(template)
    there = [ours for key, ours in theirs.items() if key in found]
    absent = tuple(head for head in heads if not any(ours.startswith(head) for ours in there))
    if found and not found.keys() & theirs.keys():
        raise OpsinError(
            f"{where} is of another network: it has {next(iter(found))} where this has {next(iter(theirs))}"
        )
    missing = [
        key
        for key, ours in theirs.items()
        if key not in found and not ours.endswith("num_batches_tracked") and not ours.startswith(absent)
    ]
    complain(where, "lacks", missing)
    complain(where, "has what the network does not:", [key for key in found if key not in theirs])
    misshapen, unfit, loaded, told = [], [], {}, []
    target = net.state_dict()
    for key, ours in theirs.items():
        if key not in found or ours not in target:
            continue
        tensor, wanted = as_ours(keys, ours, found[key], expected[ours].shape), target[ours].shape
        if tensor is None:
            misshapen.append(f"{key} {list(found[key].shape)} for {list(expected[ours].shape)}")
            continue
        if tensor.shape == wanted:
            loaded[ours] = tensor
        elif ours.startswith(heads):
            told.append(ours.rpartition(".")[0])
        elif tensor.ndim == 4 and tensor.shape[0] == wanted[0] and tensor.shape[2:] == wanted[2:]:
            loaded[ours] = adapt_channels(tensor, wanted[1])
        elif (resized := keys.resize(ours, tensor, wanted)) is not None:
            loaded[ours] = resized
        else:
            unfit.append(key)
    complain(where, "has other shapes:", misshapen)
    if unfit:
        size, other = (getattr(one.constructor, "keywords", {}).get("input_size") for one in (template, net))
        raise OpsinError(
            f"{where} is for images of {size} px, and {unfit[0]} cannot take {other}: leave out input_size"
        )
    with torch.no_grad():
        for ours, tensor in loaded.items():
            target[ours].copy_(tensor)
    told += [name.removesuffix(".") for name in absent if any(ours.startswith(name) for ours in target)]
    return list(dict.fromkeys(told))


def as_ours(keys: Keys, ours: str, tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """Another library's tensor in our layout and `shape`; None where it is of another shape."""
    if tensor.numel() != shape.numel():
        return None
    tensor = keys.to_ours(ours, tensor)
    return tensor.reshape(shape) if flat(tensor.shape) == flat(shape) else None


def flat(shape: Iterable[int]) -> list[int]:
    """A shape without its axes of length 1."""
    return [side for side in shape if side != 1]


def adapt_channels(weight: Tensor, in_chans: int) -> Tensor:
    """The first convolution for other channels: K C h w -> K in_chans h w.

    For one channel the kernels are added up, so that a grey image gives what it would give as a coloured one; for more
    they are repeated in order and scaled, so that the sum over all channels stays.
    """
    channels = weight.shape[1]
    if in_chans == 1:
        return weight.sum(dim=1, keepdim=True)
    repeated = weight.repeat(1, -(-in_chans // channels), 1, 1)[:, :in_chans]
    return repeated * (channels / in_chans)


def complain(where: str, what: str, keys: list[str]) -> None:
    """Raises OpsinError naming the first ten of `keys`, if there are any."""
    if keys:
        more = f" and {len(keys) - LISTED:,} more" if len(keys) > LISTED else ""
        raise OpsinError(f"{where} {what} {', '.join(keys[:LISTED])}{more}: is it of another network?")
