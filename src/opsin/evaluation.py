"""How good a network is on labelled images: `opsin evaluate`. It only reports: nothing is chosen by these figures."""

import csv
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.matched import match, take_part
from opsin.data.sources import Source, load
from opsin.data.threads import Progress
from opsin.data.views import Views, views
from opsin.embed import check_options
from opsin.engine.record import versions
from opsin.engine.world import World
from opsin.errors import OpsinError, unknown
from opsin.files import flush, whole, write_json
from opsin.predict import memory
from opsin.runtime.answers import Answers, answers, together
from opsin.tasks import calibration, metrics
from opsin.weights import imagenet
from opsin.weights.create import create_model
from opsin.words import named

TOP = 5
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's answers to labelled images, and its figures.

    Attributes:
        source: the images, in order; its classes are those of the data.
        classes: those of the network, K.
        truth: int64 [n], indices of `classes`.
        logits: float32 [n, K]; of several views the logarithms of their mean probabilities.
        facts: of the network, its weights, the data, the part, the views and the versions.
        notes: what a reader of the figures should know, a sentence each.
    """

    source: Source
    classes: tuple[str, ...]
    truth: np.ndarray
    logits: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def likeliest(self) -> tuple[np.ndarray, np.ndarray]:
        """The five likeliest classes (or all, of fewer), the first the answer, and their probabilities."""
        return calibration.likeliest(self.logits, min(TOP, len(self.classes)))

    @property
    def predicted(self) -> np.ndarray:
        """The answer to each image, int64 [n]."""
        return self.likeliest[0][:, 0]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of each answer, float64 [n]."""
        return self.likeliest[1][:, 0]

    @cached_property
    def confusion(self) -> np.ndarray:
        """int64 [K, K], truth by answer."""
        return metrics.confusion(self.truth, self.predicted, len(self.classes))

    @cached_property
    def by_class(self) -> tuple[metrics.ByClass, ...]:
        return metrics.by_class(self.confusion)

    @cached_property
    def reliability(self) -> tuple[calibration.Bin, ...]:
        return calibration.reliability(self.confidence, self.predicted == self.truth)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Shares in 0..1, log loss in nats, the Brier score in 0..2; intervals as [low, high].

        Balanced accuracy and macro F1 run over the classes that have images. Top-5 is None where the network has no
        more than five classes. Intervals (95 %, Wilson's) resample images, not trainings.
        """
        n, hits = len(self.truth), int((self.predicted == self.truth).sum())
        among = int((self.likeliest[0] == self.truth[:, None]).any(1).sum()) if len(self.classes) > TOP else None
        return {
            "n": n,
            "top1": hits / n,
            "top1_ci": self.interval(hits, n),
            "top5": None if among is None else among / n,
            "top5_ci": None if among is None else self.interval(among, n),
            "balanced": float(metrics.of_confusion("balanced", self.confusion)),
            "macro_f1": float(metrics.of_confusion("macro_f1", self.confusion)),
            "log_loss": float(calibration.log_losses(self.logits, self.truth).mean()),
            "brier": float(calibration.brier_scores(self.logits, self.truth).mean()),
            "ece": calibration.calibration_error(self.reliability),
            "ece_by_chance": calibration.error_by_chance(self.confidence),
        }

    def interval(self, hits: int, n: int) -> list[float] | None:
        """Wilson's 95 % interval of a share of the images; None where they come in groups, and are not independent."""
        return None if self.source.groups is not None else list(metrics.wilson(hits, n))

    def confused(self) -> list[tuple[int, int, int]]:
        """(truth, answer, how often) of all mistakes, the most frequent first."""
        rows, columns = np.nonzero(self.confusion)
        pairs = [(int(i), int(j), int(self.confusion[i, j])) for i, j in zip(rows, columns, strict=True) if i != j]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values for JSON; what is not defined is None. Confusion lists the cells above 0."""
        cells = np.argwhere(self.confusion)
        return {
            **self.facts,
            "notes": list(self.notes),
            "figures": self.figures,
            "by_class": [
                {"class": name, **asdict(c), "precision": c.precision, "recall": c.recall, "f1": c.f1}
                for name, c in zip(self.classes, self.by_class, strict=True)
            ],
            "confusion": [
                {"truth": self.classes[i], "predicted": self.classes[j], "count": int(self.confusion[i, j])}
                for i, j in cells
            ],
            "reliability": [asdict(each) for each in self.reliability],
        }

    def write(self, out: Path) -> None:
        """`to_dict` as a JSON file, whole or not there."""
        write_json(out, self.to_dict())

    def write_predictions(self, out: Path) -> None:
        """A CSV file, whole or not there: a row an image with its id, truth, answer and the likeliest classes."""
        classes, chances = self.likeliest
        head = [f"{what}{k + 1}" for k in range(classes.shape[1]) for what in ("class", "probability")]
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["id", "truth", "predicted", "probability", *head])
        for i, name in enumerate(self.source.ids):
            best = [x for c, p in zip(classes[i], chances[i], strict=True) for x in (self.classes[c], f"{p:.6g}")]
            rows.writerow([name, self.classes[self.truth[i]], *best[:2], *best])
        with whole(out) as part:
            part.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")
            flush(part)


def evaluate(
    network: Bundle | str | Path,
    data: Source | str | Path,
    *,
    part: str | None = None,
    weights: str | bool | None = None,
    crops: str = "single",
    scales: tuple[int, ...] = (),
    ignore_unknown: bool = False,
    skip_bad: bool = False,
    device: torch.device | None = None,
    world: World | None = None,
    batch_size: int | None = None,
    backend: str = "auto",
    threads: int | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
    say: Say = lambda line: None,
) -> Evaluation:
    """Asks a network about labelled images. Few are in memory at a time.

    Classes are matched by name. Softmax probabilities are averaged over the views of an image.

    Args:
        network: a bundle or its folder; or a name of the zoo, with `weights` as of `opsin.embed.embedder`.
        data: as `opsin.data.load` takes it.
        part: "train", "val", "test" or "all". By default "test" where the data is divided or was, in training the
            bundle, else "all".
        crops, scales: as of `opsin.data.views.views`.
        ignore_unknown: leaves out images of classes that the network does not know.
        root: as of `opsin.data.load`.
        device: by default that of `world`, or the CPU.
        world: the processes that share the images (see `opsin.engine.world`). Each returns the whole, and a process
            alone the same, with as many threads.
        batch_size: inputs at once; by default 16 on a CPU, elsewhere as many as their size lets be.
        backend, threads: as of `opsin.predict.predict`; on a CPU, and where all inputs have one size. Where several
            processes are at work "auto" is PyTorch: they cannot try what is quicker beside each other.
        say: is told in a line what is found out.

    Raises:
        OpsinError: what cannot be read, or does not fit together.
    """
    here = world or World(device=device or torch.device("cpu"))

    @cache
    def read(classes: tuple[str, ...]) -> tuple[Bundle, Views]:
        bundle = network if isinstance(network, Bundle) else read_network(network, weights, classes)
        card = zoo.card(bundle.model)
        if card.task != "classify":
            raise OpsinError(f"{bundle.model} does not classify images (its task: {card.task}): take another network")
        return bundle, views(bundle.preprocess, card.inputs, bundle.model, crops, scales)

    def look() -> tuple[Source, np.ndarray, str, list[str], tuple[str, ...]]:
        """The images, their truth, the part, what to know, and what cannot be read."""
        check_options(1 if batch_size is None else batch_size, here.device, backend, threads)
        if here.size > 1 and backend == "best":
            raise OpsinError("--backend best tries them one by one: name one for several processes, or start only one")
        source = data if isinstance(data, Source) else load(data, root=root)
        bundle, _ = read(source.classes)
        source, which, notes, bad = take_part(source, part, bundle.data, bundle.split, skip_bad, progress)
        source, truth, about = match(source, bundle.classes, bundle.model, ignore_unknown)
        loss = bundle.recipe.get("loss", "cross_entropy")
        if loss != "cross_entropy":
            about.append(
                f"trained with the loss {loss}: the softmax of its outputs was not trained to be a probability"
            )
        return source, truth, which, [*notes, *about], bad

    def ask() -> Answers:
        bundle, shown = read(source.classes)
        return answers(
            bundle.net,
            bundle.preprocess,
            source,
            shown,
            here=here,
            batch_size=batch_size,
            backend="eager" if here.size > 1 and backend == "auto" else backend,
            threads=threads,
            keep=memory(bundle.folder),
            skip_bad=skip_bad,
            progress=progress,
            say=say,
        )

    source, truth, part, notes, bad = here.first(look)
    found = together(here.each(ask), source, skip_bad)
    bundle, shown = read(source.classes)
    source, truth = source.take(found.rows), truth[found.rows]
    finite = np.isfinite(found.logits).all(1)
    if not finite.all():
        worst = named([source.ids[i] for i in np.flatnonzero(~finite)])
        raise OpsinError(f"{bundle.model} puts out numbers that are not finite for {worst}: it has no figures")
    facts = {
        "network": bundle.model,
        "weights": str(bundle.folder) if bundle.folder else bundle.origin.name if bundle.origin else None,
        "data": source.name,
        "part": part,
        "images": shown.words,
        "views": shown.count,
        "preprocess": bundle.preprocess.to_dict(),
        "left_out": [*bad, *found.bad],
        "backends": list(found.backends),
        "device": str(here.device),
        "versions": versions(),
    }
    if here.size > 1:
        facts["processes"] = here.size
    return Evaluation(source, bundle.classes, truth, found.logits, facts, tuple(notes))


def read_network(network: str | Path, weights: str | bool | None, classes: tuple[str, ...]) -> Bundle:
    """A bundle's folder, or a network of the zoo with public weights: its classes are ImageNet's, named as `classes`.

    Raises OpsinError where there is none, and for weights that do not say what they tell apart.
    """
    name = str(network)
    if name not in zoo.list_models():
        if not Path(network).exists() and Path(name).name == name:
            raise unknown("bundle or network", name, zoo.list_models())
        if weights is not None:
            raise OpsinError(f"--weights is for networks by their name; the bundle {network} has its own")
        return Bundle.read(Path(network))
    net = create_model(name, weights or True)
    origin = net.origin
    outputs = net.get_parameter(f"{net.last_layer}.weight").shape[0]
    if not origin.name.startswith(("torchvision:", "timm:")) or outputs != len(imagenet.synsets()):
        raise OpsinError(f"{origin.name} does not say which {outputs:,} classes it tells apart: evaluate a bundle")
    return Bundle(net.eval(), name, {}, imagenet.names_like(classes), origin.preprocess, {}, {}, origin)
