"""Embeddings of images: what a network's last layer sees of each, in one file."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.images import BadImage, quiet
from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.data.threads import Progress, in_threads
from opsin.device import place, place_images
from opsin.engine.record import versions
from opsin.errors import OpsinError
from opsin.files import check_writable, flush, whole
from opsin.models.network import Network
from opsin.predict import memory
from opsin.runtime.forward import Forward, check
from opsin.weights.create import create_model
from opsin.weights.public import IMAGENET_MEAN, IMAGENET_STD

TRIED = 16
"""How many images at once the backends are tried with."""
SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True)
class Embedder:
    """A network and the images that it takes.

    `facts` says as JSON where both come from, `notes` what to know, `bundle` the folder of a bundle.
    """

    net: Network
    preprocess: Preprocess
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    bundle: Path | None = None

    def __str__(self) -> str:
        licence = f" ({self.facts['licence']})" if self.facts["licence"] else ""
        return f"{self.facts['network']} with {self.facts['weights']}{licence}"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What `embed` gives.

    Attributes:
        values: float32 [n, D], a row an image.
        paths: of the images, inside the folder.
        labels: int64 [n], indices of `classes`; -1 where the images have no classes.
        classes: their names.
        facts: of the network, its weights and their licence, the preprocessing, the data and the versions.
        bad: what could not be read, in words.
    """

    values: np.ndarray
    paths: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    bad: tuple[str, ...] = ()

    def write(self, out: Path, force: bool = False) -> None:
        """A .npz file with arrays of these names (`embeddings` for the values), or a .parquet with a row an image.

        Raises OpsinError for another suffix, where pyarrow is missing, and for a file that is there, without `force`.
        """
        check_out(out, force)
        with whole(out) as part:
            (_write_npz if out.suffix == ".npz" else _write_parquet)(part, self)
            flush(part)


def embedder(
    network: str,
    weights: str | bool | None = None,
    input_size: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Embedder:
    """The network of a bundle's folder, or one of the zoo by its name.

    Args:
        weights: as of `opsin.create_model`, for a name: its first public ones by default; "none" for a random start.
        input_size: the images' side, where it is not to be that of the bundle or the weights.

    Raises:
        OpsinError: no such bundle, name, weights or size.
    """
    if network not in zoo.list_models() and (Path(network).exists() or os.sep in network):
        if weights is not None:
            raise OpsinError(f"--weights is for networks by their name; the bundle {network} has its own")
        return _from_bundle(Path(network), input_size)
    card = zoo.card(network)
    arguments: dict[str, Any] = {} if input_size is None else {"input_size": input_size}
    if input_size is not None:
        card.inputs.check(network, input_size)
    net = create_model(network, False if weights == "none" else weights or True, progress=progress, **arguments)
    origin, notes = net.origin, []
    preprocess = origin.preprocess if origin else None
    if preprocess is None:
        colours = card.inputs.channels == 3
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if colours else ((), ())
        preprocess = Preprocess(card.inputs.size, card.inputs.channels, mean=mean, std=std)
        notes.append(
            f"{origin.name} does not say what images it expects: taken as {preprocess}"
            if origin
            else f"{network} has the random weights that its paper starts from: these embeddings know nothing of images"
        )
    facts = {
        "network": network,
        "weights": origin.name if origin else "random weights",
        "licence": origin.licence if origin else "",
    }
    facts |= {"origin": origin.to_dict() if origin else None}
    return Embedder(net, preprocess.at(input_size or preprocess.size), facts, tuple(notes))


def _from_bundle(folder: Path, input_size: int | None) -> Embedder:
    bundle = Bundle.read(folder)
    inputs, size = zoo.card(bundle.model).inputs, bundle.preprocess.size
    if input_size is not None and input_size != size:
        inputs.check(bundle.model, input_size)
        if inputs.fixed:
            raise OpsinError(
                f"{bundle.model} in {folder} was trained for {size} px and takes no other: leave out the size"
            )
    origin = bundle.origin
    facts = {"network": bundle.model, "weights": str(folder), "licence": origin.licence if origin else ""}
    facts |= {"origin": origin.to_dict() if origin else None}
    return Embedder(bundle.net, bundle.preprocess.at(input_size or size), facts, bundle=bundle.folder)


class Embedding(nn.Module):
    """A network's embedding as a network of its own: images [N, C, H, W] -> [N, D]."""

    def __init__(self, net: Network):
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net.embed(images)


def embed(
    source: Source,
    embedder: Embedder,
    *,
    batch_size: int = 64,
    device: torch.device | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    backend: str = "auto",
    threads: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Embeddings:
    """Runs all images of a source through a network, batch by batch: few are in memory at a time.

    On a CPU by `backend`, with `threads` threads, as in `opsin.predict.predict`; elsewhere by PyTorch.

    Raises OpsinError for the first image that cannot be read, unless `skip_bad`; or where none can be.
    """
    device = device or torch.device("cpu")
    check_options(batch_size, device, backend, threads)
    net, preprocess, was_training = embedder.net, embedder.preprocess, embedder.net.training
    place(net, device)
    values: list[np.ndarray] = []
    rows: list[int] = []
    bad: list[str] = []
    try:
        net.eval()
        forward = _on_cpu(embedder, len(source), batch_size, backend, threads, say) if device.type == "cpu" else None
        run = forward or (lambda images: net.embed(place_images(images)))
        with quiet(), torch.inference_mode():
            for batch in _decoded(source, preprocess, batch_size, bad if skip_bad else None, progress):
                rows += [i for i, _ in batch]
                images = preprocess.normalize(torch.from_numpy(np.stack([pixels for _, pixels in batch])).to(device))
                values.append(run(images).float().cpu().numpy())
    finally:
        net.train(was_training)
    if not rows:
        raise OpsinError(f"none of the images in {source.path or source.name} can be read: {bad[0]}")
    facts = embedder.facts | {
        "preprocess": preprocess.to_dict(),
        "data": source.name,
        "left_out": bad,
        "backends": forward.used if forward else [],
        "versions": versions(),
    }
    taken = source.take(rows)
    return Embeddings(np.concatenate(values), taken.ids, taken.labels, source.classes, facts, tuple(bad))


def _on_cpu(
    embedder: Embedder,
    images: int,
    batch_size: int,
    backend: str,
    threads: int | None,
    say: Callable[[str], None] | None,
) -> Forward:
    return Forward(
        Embedding(embedder.net),
        embedder.preprocess.channels,
        embedder.preprocess.size,
        images=images,
        batch=min(batch_size, TRIED),
        backend=backend,
        threads=threads,
        keep=memory(embedder.bundle),
        first="channels_last",
        say=say,
    )


def _decoded(
    source: Source, preprocess: Preprocess, size: int, bad: list[str] | None, progress: Progress | None
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Images with their rows, `size` at a time. What cannot be read goes to `bad`; without it, it is raised."""

    def pixels(i: int) -> np.ndarray | BadImage:
        try:
            return preprocess.pixels(source.image(i))
        except BadImage as error:
            return error

    waiting: list[tuple[int, np.ndarray]] = []
    for i, image in enumerate(in_threads(pixels, len(source), progress)):
        if not isinstance(image, BadImage):
            waiting.append((i, image))
        elif bad is None:
            raise OpsinError(f"{image}; mend it, take it away, or give --skip-bad")
        else:
            bad.append(str(image))
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def check_options(batch_size: int, device: torch.device, backend: str, threads: int | None) -> None:
    """Raises OpsinError for a batch, backend or number of threads that cannot be."""
    if batch_size < 1:
        raise OpsinError(f"--batch-size must be at least 1, not {batch_size}")
    check(backend, threads)
    if device.type == "cpu":
        return
    if backend not in ("auto", "eager"):
        raise OpsinError(f"--backend {backend} is for the CPU: add --device cpu, or leave it out")
    if threads is not None:
        raise OpsinError("--threads are those of a CPU: add --device cpu, or leave it out")


def check_out(out: Path, force: bool) -> None:
    """Raises OpsinError where embeddings cannot be written to `out`; before the work, not after it."""
    if out.suffix not in SUFFIXES:
        raise OpsinError(f"--out {out}: name a file that ends with {' or '.join(SUFFIXES)}")
    if out.suffix == ".parquet":
        _pyarrow()
    if out.is_dir() or (out.exists() and not force):
        raise OpsinError(f"{out} is there already: name another file with --out, or give --force to replace it")
    check_writable(out)


def _write_npz(path: Path, found: Embeddings) -> None:
    np.savez(
        path,
        embeddings=found.values,
        paths=np.array(found.paths, dtype=str),
        labels=found.labels,
        classes=np.array(found.classes, dtype=str),
        facts=np.array(json.dumps(found.facts, ensure_ascii=False)),
    )


def _write_parquet(path: Path, found: Embeddings) -> None:
    pa, write_table = _pyarrow()
    width = found.values.shape[1]
    columns = {
        "path": pa.array([path.encode("utf-8", "backslashreplace").decode() for path in found.paths], pa.string()),
        "label": pa.array([int(c) if c >= 0 else None for c in found.labels], pa.int64()),
        "class": pa.array([found.classes[c] if c >= 0 else None for c in found.labels], pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(found.values.reshape(-1), pa.float32()), width),
    }
    facts = json.dumps(found.facts | {"classes": list(found.classes)}, ensure_ascii=False)
    write_table(pa.table(columns).replace_schema_metadata({"opsin": facts}), path)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # pyright: ignore[reportMissingImports]
        from pyarrow.parquet import write_table  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise OpsinError("a .parquet file needs pyarrow: pip install 'opsin[parquet]', or write a .npz file") from None
    return pa, write_table
