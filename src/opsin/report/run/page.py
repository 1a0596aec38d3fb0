"""The page of one training, report.html in its folder: how it stands, learning curves, what was trained on what."""

from datetime import datetime
from pathlib import Path
from typing import Any

from opsin import __version__, zoo
from opsin.report import html, words
from opsin.report.run import curves, stories
from opsin.report.run.record import Trained, read_run
from opsin.training.run import State

HIGH, LOW = 190.0, 84.0
"""Of the charts that matter and of those beside them, px."""
RELOAD = 30
"""Seconds after which a browser reads the page of a training anew."""
COLUMNS = {
    "train_loss": "Training loss",
    "val_loss": "Validation loss",
    "val_top1": "Validation top-1",
    "learning_rate": "Learning rate",
    "seconds": "Time",
}
NOTES = {
    "training": "Training: the loss that the recipe minimises, on images as it changes them, while the weights move.",
    "validation": "Validation: plain cross-entropy after the epoch; it may lie lower.",
}


def write_run(folder: Path, state: State) -> Path:
    """Writes report.html beside the records of a run, whole or not at all, and returns its path."""
    return html.write(folder / "report.html", render(read_run(folder, state), datetime.now().astimezone()))


def render(run: Trained, now: datetime) -> str:
    """The page as text."""
    card = zoo.card(run.asked["model"])
    return html.render(
        "run.html",
        None,
        ("page.js",),
        ("style.css", "run.css"),
        version=__version__,
        title=stories.headline(run),
        run=run,
        name=stories.name_of(run),
        data=run.plan.get("data") or {},
        data_name=stories.data_of(run),
        images=stories.images(run),
        standfirst=stories.standfirst(run),
        state=stories.state(run),
        summary=stories.summary(run),
        charts=charts(run),
        paper=card.paper,
        link=card.paper.url if card.paper.url.startswith(("https://", "http://")) else None,
        changes=[*run.plan["notes"], *(f"set by hand: {setting}" for setting in run.asked["settings"])],
        commands=stories.commands(run),
        columns=[name for key, name in COLUMNS.items() if any(value is not None for value in run.of(key))],
        rows=rows(run),
        facts=facts(run),
        at=now.isoformat(timespec="seconds"),
        written=words.moment(now.isoformat(timespec="seconds")),
        **({"refresh": RELOAD} if run.state == "training" else {}),
    )


def charts(run: Trained) -> list[dict[str, Any]]:
    """The charts that the epochs so far allow, each with its title and notes, a note with the line that it is of."""
    found = []
    losses = {name: run.of(key) for name, key in (("training", "train_loss"), ("validation", "val_loss"))}
    if losses := {name: values for name, values in losses.items() if any_of(values)}:
        chart = curves.losses(losses, run.epochs, HIGH)
        notes = [(name, NOTES[name]) for name in losses] + [("", "The scale is logarithmic.")] * chart["log"]
        found.append(chart | {"title": stories.losses_title(run), "notes": notes})
    if any_of(top1 := run.of("val_top1")):
        chart = curves.shares({"validation": top1}, run.epochs, HIGH)
        notes = [("", "No epoch is picked by it: what stands at the end counts.")]
        found.append(chart | {"title": stories.accuracy_title(run), "notes": notes})
    for metric, name, title, show in (
        ("learning_rate", "rate", "The learning rate at the end of each epoch", curves.plain),
        ("seconds", "time", "What an epoch took", words.duration),
    ):
        if any_of(values := run.of(metric)):
            chart = curves.amounts({name: values}, run.epochs, LOW, show)
            found.append(chart | {"title": title, "notes": []})
    return found


def any_of(values: list[float | None]) -> bool:
    return any(value is not None for value in values)


def rows(run: Trained) -> list[list[str]]:
    """The epochs as a table has them: only columns that hold a number."""
    shown = {"val_top1": words.percent, "seconds": words.duration}
    values = [(shown.get(key, figure), run.of(key)) for key in COLUMNS if any_of(run.of(key))]
    return [
        [f"{k + 1:,}", *(words.NONE if own[k] is None else show(own[k]) for show, own in values)]
        for k in range(len(run.history))
    ]


def figure(value: float | None) -> str:
    return f"{value:.4g}"


def facts(run: Trained) -> dict[str, Any]:
    """What the table of the method has."""
    plan, end = run.plan, run.end
    told = {
        "network": run.asked["model"],
        "arguments": plan["arguments"],
        "seed": run.asked["seed"],
        "input": plan["preprocess"],
        "device": stories.device(run),
        "batch norm": end.get("batch_norm"),
        "peak memory": words.megabytes(end["peak_memory_mb"]) if "peak_memory_mb" in end else None,
        "checkpoints skipped": end.get("checkpoints_skipped"),
        "versions": end.get("versions"),
        "commit": end.get("commit"),
        "fingerprint of the data": plan["identity"]["data"],
    }
    return {key: value for key, value in told.items() if value is not None}
