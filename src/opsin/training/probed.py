"""A frozen network with a logistic regression in the place of its last layer."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from opsin.device import place
from opsin.engine import probe
from opsin.engine.evaluate import embed, predict
from opsin.engine.record import Record
from opsin.engine.train import Data
from opsin.errors import OpsinError
from opsin.models.network import Network
from opsin.tasks.classify import Classify

if TYPE_CHECKING:
    from opsin.training.job import Job


def run_probe(
    job: "Job",
    record: Record,
    data: Data,
    test: np.ndarray,
    groups: np.ndarray | None,
    device: torch.device,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """One pass of the frozen network over all images, and a logistic regression in the place of its last layer."""
    began = time.monotonic()
    net = job.network()
    place(net, device)
    rows = np.concatenate([data.train, data.val, test])

    def tell(done: int) -> None:
        report({"epoch": done / len(rows) / 3})

    seen = embed(net, data.images, rows, data.preprocess, device, tell).numpy()
    if not np.isfinite(seen).all():
        raise OpsinError(f"{job.entry.model} sees numbers that are not finite: are its weights damaged?")
    train, val, tested = np.split(seen, np.cumsum([len(data.train), len(data.val)]))
    labels, on_val = data.labels[data.train], (val, data.labels[data.val])
    fitted = probe.fit(train, labels, len(job.classes), on_val, folds=job.folds, groups=groups, seed=job.seed)
    put_in_place(net, fitted)
    linear = fitted.logits(seen[:8])
    whole = predict(net, data.images, rows[:8], data.preprocess, device, exactness="auto").numpy()
    if np.abs(whole - linear).max() > 0.05 * np.abs(linear).max():
        raise OpsinError(f"{job.entry.model} cannot be probed: its logits are not linear in what its last layer sees")
    logits = {"val": fitted.logits(val).astype(np.float32), "test": fitted.logits(tested).astype(np.float32)}
    record.write_predictions(logits)
    measured = Classify().metrics(torch.from_numpy(logits["val"]), torch.from_numpy(on_val[1]))
    figures = {f"val_{name}": value for name, value in measured.items()}
    figures["test_top1"] = float((logits["test"].argmax(1) == data.labels[test]).mean())
    how = {"name": "probe", "strength": fitted.strength, "chosen_on": fitted.how}
    job.bundle(net, how, figures).write(record.bundle)
    record.write_metrics([])
    report({"epoch": 1 / 3, "val_top1": figures["val_top1"]})
    facts = job.facts() | {"device": str(device), "threads": torch.get_num_threads(), "status": "ok"}
    losses = [{"strength": strength, "loss": loss} for strength, loss in fitted.losses.items()]
    facts |= {"figures": figures, "probe": how | {"losses": losses}, "train_seconds": time.monotonic() - began}
    return record.end(facts)


@torch.no_grad()
def put_in_place(net: Network, fitted: probe.Probe) -> None:
    """The probe as the network's last layer, linear or a 1x1 convolution, so that the whole predicts what it does.

    Raises OpsinError for a last layer of another kind.
    """
    layer = net.get_classifier()
    if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) or layer.bias is None:
        raise OpsinError(
            f"a network that ends with {type(layer).__name__} cannot be probed: --start finetune trains it"
        )
    layer.weight.copy_(torch.from_numpy(fitted.weight).view_as(layer.weight))
    layer.bias.copy_(torch.from_numpy(fitted.bias))
