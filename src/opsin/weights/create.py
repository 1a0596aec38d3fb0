"""`opsin.create_model`: a network by its name, with the initial weights of its paper or those that others trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from torch import Tensor

from opsin import zoo
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError
from opsin.models.network import Network
from opsin.weights import catalogue, download, files, hub
from opsin.weights.load import channels_in, classes_in, fits, load, without_heads
from opsin.weights.public import Keys, Weights


@dataclass(frozen=True)
class Origin:
    """Where a network's weights come from, and what belongs to them.

    Attributes:
        name: "torchvision:IMAGENET1K_V1", "timm:a1_in1k", or a file's path.
        file: its address, or path.
        sha256: of the file.
        licence: as its library states it; "" where nothing is known.
        preprocess: the images that they were trained for; None where the file does not say.
        fresh: what of the network did not come from the file ("fc").
    """

    name: str
    file: str
    sha256: str
    licence: str
    preprocess: Preprocess | None
    fresh: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives an equal object back."""
        preprocess = self.preprocess.to_dict() if self.preprocess else None
        return vars(self) | {"preprocess": preprocess, "fresh": list(self.fresh)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Origin":
        preprocess = Preprocess.from_dict(values["preprocess"]) if values["preprocess"] else None
        return cls(**values | {"preprocess": preprocess, "fresh": tuple(values["fresh"])})

    def __str__(self) -> str:
        return f"{self.name} ({self.licence or 'licence not stated'})"


@dataclass(frozen=True)
class Found:
    """Weights on this disk: where they lie, their tensors, whose names `keys` knows, and what is known of them."""

    path: Path
    tensors: dict[str, Tensor]
    keys: Keys
    origin: Origin
    num_classes: int | None = None
    input_size: int | None = None


def create_model(
    name: str,
    pretrained: bool | str | Path = False,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    drop_head: bool = False,
    progress: download.Progress | None = None,
    **arguments: Any,
) -> Network:
    """Builds a network of the zoo, in training mode.

    Args:
        name: one of `opsin.list_models()`.
        pretrained: False for the initial weights of the paper; True for the network's first public weights;
            "torchvision", "torchvision:IMAGENET1K_V1", "timm" or "timm:TAG" for others (`opsin list --weights`); or a
            .safetensors or .pth file, or a folder as timm writes it. Files are downloaded once, into the caches of
            torch.hub and the Hugging Face hub.
        num_classes: outputs; the weights', or the paper's, by default. Where the weights tell apart another number of
            classes, the last layer is drawn anew.
        in_chans: channels of the images; those that the weights state, or the paper's, by default. The first
            convolution of the weights is adapted to them.
        drop_head: draws the last layer anew whatever the weights have, also where they tell as many classes apart (the
            paper's number by default): theirs need not be the same ones.
        progress: called with the bytes that have come, and the total; a bar on a terminal by default.
        arguments: as of `opsin.zoo.build_model`.

    Returns:
        As `opsin.zoo.build_model`; with weights it has `origin`, an `Origin`: where they come from, their licence and
        the preprocessing of images that belongs to them.

    Raises:
        OpsinError: a name, argument or size that cannot be; no such weights, or not to be had; or weights that are
            not this network's.
    """
    if pretrained is False:
        return zoo.build_model(name, num_classes=num_classes, in_chans=in_chans, **arguments)
    with download_bar(name) as bar:
        found = find(name, pretrained, progress or bar)
    plain = zoo.meta_model(name)
    classes = classes_in(found.tensors, plain, found.keys) or found.num_classes or None
    card = zoo.card(name)
    if in_chans is None and found.origin.preprocess:
        in_chans = found.origin.preprocess.channels
    if num_classes is None:
        num_classes = card.num_classes if drop_head else found.num_classes or card.num_classes
        if classes and classes != num_classes and not drop_head:
            raise OpsinError(
                f"{found.origin.name} tells {classes} classes apart, and {name} has {num_classes}: give "
                f"num_classes={classes} to keep its last layer, or drop_head=True for a new one"
            )
    if card.inputs.fixed:
        arguments.setdefault("input_size", found.input_size or card.inputs.size)
    net = zoo.build_model(name, num_classes=num_classes, in_chans=in_chans, **arguments)
    channels = channels_in(found.tensors, plain, found.keys)
    template = template_of(found, name, num_classes=classes, in_chans=channels, **arguments)
    tensors = without_heads(found.tensors, plain, found.keys) if drop_head else found.tensors
    fresh = load(net, template, tensors, found.keys, found.origin.name)
    net.origin = replace(found.origin, fresh=tuple(fresh))
    return net


@contextmanager
def download_bar(name: str) -> Iterator[download.Progress]:
    """A bar on stderr while a network's weights come; nothing where stderr is no terminal, or nothing comes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def tell(done: int, total: int | None) -> None:
        if not bar.task_ids:
            bar.start()
            bar.add_task(f"weights of {name}", total=None)
        bar.update(bar.task_ids[0], completed=done, total=total)

    try:
        yield tell
    finally:
        bar.stop()


def template_of(found: Found, name: str, **arguments: Any) -> Network:
    """The network as a file has it, on `meta`: at the size that the file states, or else at the one that fits it."""
    inputs = zoo.card(name).inputs

    def sized(size: int | None) -> Network:
        return zoo.meta_model(name, **arguments | ({"input_size": size} if inputs.fixed else {}))

    template = sized(found.input_size or arguments.get("input_size"))
    return template if fits(template, found.tensors, found.keys) else sized(inputs.size)


def find(name: str, pretrained: bool | str | Path, progress: download.Progress | None = None) -> Found:
    """The weights that `pretrained` of `create_model` asks for, fetched and read."""
    if isinstance(pretrained, Path) or is_path(pretrained):
        return from_disk(name, Path(pretrained))
    wanted = catalogue.find(name, pretrained)
    return from_address(wanted, progress) if wanted.file else from_hub(wanted, progress)


def available(name: str, answers: dict[str, bool] | None = None) -> Weights | None:
    """A library's default weights for a network: those that lie on this disk; else those whose server answers; or None.

    `answers` keeps, by server, whether it did: with one of them for many networks each server is asked once.
    """
    public = catalogue.public(name)
    rows = [row for i, row in enumerate(public) if row.source not in [before.source for before in public[:i]]]
    answers = {} if answers is None else answers
    for row in rows:
        if is_cached(row):
            return row
    for row in rows:
        address = download.torchvision_url(row.file) if row.file else hub.address(row.repository)
        server = urlsplit(address).netloc
        if server not in answers:
            answers[server] = download.reachable(address)
        if answers[server]:
            return row
    return None


def is_cached(row: Weights) -> bool:
    """Whether public weights lie on this disk, sound."""
    if row.file:
        return download.cached(download.torchvision_url(row.file), row.digits) is not None
    return all(hub.cached(row.repository, file) for file in ("config.json", "model.safetensors"))


def is_path(pretrained: bool | str) -> TypeGuard[str]:
    """Whether a string names a file or folder rather than a library's weights."""
    return isinstance(pretrained, str) and pretrained.partition(":")[0] not in ("torchvision", "timm")


def fingerprint(pretrained: str) -> str:
    """What stands for weights: of a file on this disk the SHA-256, so that another content is another; else the name.

    Raises OpsinError where there is no such file.
    """
    return download.digest(files.at(Path(pretrained))) if is_path(pretrained) else pretrained


def from_address(wanted: Weights, progress: download.Progress | None) -> Found:
    assert wanted.file is not None
    url = download.torchvision_url(wanted.file)
    path = download.fetch(url, wanted.digits, progress=progress)
    origin = Origin(wanted.name, url, download.digest(path), wanted.licence, wanted.preprocess)
    return Found(path, files.read(path), wanted.keys, origin, wanted.num_classes, wanted.preprocess.size)


def from_hub(wanted: Weights, progress: download.Progress | None) -> Found:
    config = files.read_config(hub.fetch(wanted.repository, "config.json"))
    path = hub.fetch(wanted.repository, "model.safetensors", progress=progress)
    facts = config.get("pretrained_cfg", {})
    preprocess = files.preprocess_of(config, f"config.json of {wanted.repository}")
    licence = wanted.licence or facts.get("license") or ""
    origin = Origin(wanted.name, f"hf-hub:{wanted.repository}", download.digest(path), licence, preprocess)
    return Found(path.parent, files.read(path), wanted.keys, origin, config.get("num_classes"), preprocess.size)


def from_disk(name: str, path: Path) -> Found:
    """A file, or a folder with model.safetensors and timm's config.json; whose keys they are is seen from the keys."""
    file, beside = files.at(path), path / "config.json"
    tensors = files.read(file)
    config = files.read_config(beside) if beside.exists() else {}
    preprocess = files.preprocess_of(config, str(beside)) if config else None
    licence = config.get("pretrained_cfg", {}).get("license") or ""
    origin = Origin(str(path), str(file.resolve()), download.digest(file), licence, preprocess)
    size = preprocess.size if preprocess else None
    return Found(path, tensors, keys_like(name, tensors), origin, config.get("num_classes"), size)


def keys_like(name: str, tensors: dict[str, Tensor]) -> Keys:
    """Whose keys a file has: ours, or those of the library that most of them fit."""
    ours = zoo.meta_model(name).state_dict()

    def fitting(keys: Keys) -> int:
        theirs = {keys.theirs(key) for key in ours}
        return sum(keys.today(key) in theirs for key in tensors)

    known = catalogue.keys_of(name).values()
    return max([Keys(), *known, *(keys.older for keys in known if keys.older)], key=fitting)
