"""Which public weights there are, by the name of our network."""

from math import log

from opsin import zoo
from opsin.errors import OpsinError, unknown
from opsin.weights.families import (
    alexnet_owt,
    convnext,
    densenet,
    googlenet,
    inception_resnet,
    inception_v3,
    inception_v4,
    mobilenet_v2,
    preact_resnet,
    resnet,
    senet,
    squeezenet,
    swin,
    vgg,
    vit,
    xception,
)
from opsin.weights.public import Keys, Weights

FAMILIES = (
    alexnet_owt,
    vgg,
    googlenet,
    inception_v3,
    resnet,
    inception_v4,
    inception_resnet,
    squeezenet,
    preact_resnet,
    densenet,
    xception,
    senet,
    mobilenet_v2,
    vit,
    swin,
    convnext,
)
"""The modules of families with public weights; each has PUBLIC, the weights, and EXPORTS, by library: its names for our
networks, and Keys for all of them or for each."""

INSTEAD = {
    "alexnet": "alexnet_owt",
    "alexnet_32": "alexnet_owt",
    "alexnet_he": "alexnet_owt",
    "bn_inception": "googlenet_bn",
    "bn_inception_32": "googlenet_bn",
    "inception_resnet_v1": "inception_resnet_v2_slim",
    "mobilenet_v1_025": "mobilenet_v2_050",
    "mobilenet_v1_050": "mobilenet_v2_050",
    "mobilenet_v1_075": "mobilenet_v2_100",
    "mobilenet_v1_100": "mobilenet_v2_100",
    "mobilenet_v1_32": "mobilenet_v2_050",
}
"""For networks without public weights, the variant that has them, where it is not the one of the family whose size is
nearest."""

_PUBLIC: dict[str, tuple[Weights, ...]] = {}
for _family in FAMILIES:
    for _row in _family.PUBLIC:
        _PUBLIC[_row.model] = (*_PUBLIC.get(_row.model, ()), _row)


def public(model: str) -> tuple[Weights, ...]:
    """The public weights of a network, the default first; none for most. Raises OpsinError for an unknown name."""
    zoo.card(model)
    return _PUBLIC.get(model, ())


def find(model: str, wanted: str | bool) -> Weights:
    """The weights that `pretrained` of `opsin.create_model` names: True, "torchvision", "timm" or "timm:TAG".

    A tag of timm that the catalogue does not list is taken as it is, for the network's first architecture there.

    Raises OpsinError where there are none; it names the variant of the network which has some.
    """
    rows = public(model)
    if not rows:
        raise OpsinError(f"{model} has no public weights{instead(model)}")
    if wanted is True:
        return rows[0]
    source, _, tag = str(wanted).partition(":")
    of_source = [row for row in rows if row.source == source]
    if not of_source:
        raise unknown(f"weights of {model}", str(wanted), [row.name for row in rows])
    if not tag:
        return of_source[0]
    for row in of_source:
        if tag in (row.tag, f"{row.architecture}.{row.tag}"):
            return row
    if source == "timm":
        architecture, _, last = tag.rpartition(".")
        return unlisted(of_source[0], architecture or of_source[0].architecture, last)
    raise unknown(f"weights of {model}", str(wanted), [row.name for row in of_source])


def unlisted(like: Weights, architecture: str, tag: str) -> Weights:
    """Weights of the hub that the catalogue does not know; what is to be known of them stands in their config.json."""
    from dataclasses import replace

    return replace(like, architecture=architecture, tag=tag, licence="", file=None)


def instead(model: str) -> str:
    """The end of a sentence: which variant of a network has public weights."""
    card = zoo.card(model)
    variants = [zoo.card(name) for name in _PUBLIC if zoo.card(name).family == card.family]
    size = log(card.params)
    nearest = min(variants, key=lambda variant: abs(log(variant.params) - size), default=None)
    near = INSTEAD.get(model) or (nearest and nearest.name)
    return f": {near} has ({', '.join(row.name for row in public(near)[:2])})" if near else ", nor has its family"


def keys_of(model: str) -> dict[str, Keys]:
    """How other libraries name the tensors of a network, by library; empty where none has it."""
    return {
        source: keys[model] if isinstance(keys, dict) else keys
        for family in FAMILIES
        for source, (architectures, keys) in family.EXPORTS.items()
        if model in architectures
    }


def architecture_of(model: str, source: str) -> tuple[str, Keys]:
    """Another library's name for our network, and for its tensors. Raises OpsinError where it does not have it."""
    known = keys_of(model)
    for family in FAMILIES:
        architectures, _ = family.EXPORTS.get(source, ({}, None))
        if model in architectures:
            return architectures[model], known[source]
    others = f"; {' and '.join(known)} has it" if known else ""
    raise OpsinError(f"{source} has no network like {model}{others}")
