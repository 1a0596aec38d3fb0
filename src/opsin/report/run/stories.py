"""What the page of a run says in sentences."""

import shlex

from opsin import zoo
from opsin.report import words
from opsin.report.run.record import Trained
from opsin.training.entry import STARTED
from opsin.training.run import in_parts


def name_of(run: Trained) -> str:
    """The network as people call it: "ResNet-20"."""
    model = run.asked["model"]
    return words.display_names([(model, zoo.card(model).family)])[model]


def data_of(run: Trained) -> str:
    return (run.plan.get("data") or {}).get("name") or run.asked["data"]


def headline(run: Trained) -> str:
    name, done = name_of(run), len(run.history)
    if run.failure:
        return f"The training of {name} failed"
    if run.state == "ended":
        figures = run.figures
        of = words.plural(figures["test_images"], "test image")
        return f"{name} recognises {words.percent(figures['test_top1'])} of {of}"
    if run.state == "stopped":
        return f"{name} stopped after {done:,} of {words.plural(run.epochs, 'epoch')}"
    return f"{name} is training: {done:,} of {words.plural(run.epochs, 'epoch')} done"


def standfirst(run: Trained) -> str:
    """ "from scratch, under the recipe modern: 8 epochs at 28 px"."""
    entry, recipe, size = run.plan["entry"], run.plan["recipe"]["name"], run.plan["preprocess"]["size"]
    weights = f" ({entry['origin']['name']})" if entry["origin"] else ""
    epochs = words.plural(run.epochs, "epoch")
    return f"{STARTED[entry['start']]}{weights}, under the recipe {recipe}: {epochs} at {size}{words.GAP}px"


def state(run: Trained) -> str:
    """What became of it, where that is not in the headline, and what to do."""
    if run.failure:
        return f"{run.failure}. A smaller learning rate may do: --set learning_rate=… and another --out"
    if run.state == "stopped":
        return "The same command, or the one below, goes on where it was stopped, to the same bits"
    if run.state == "training":
        return "This page is written anew as epochs end. If nothing trains any more, the command below goes on"
    return ""


def summary(run: Trained) -> list[tuple[str, str]]:
    """The head figures, each with its name."""
    rows, figures = [], run.figures
    if figures:
        spread = "" if run.interval is None else " (95 %)"
        rows.append((f"Test top-1{spread}", words.accuracy(figures["test_top1"], run.interval)))
    if accuracies := [value for value in run.of("val_top1") if value is not None]:
        rows.append(("Validation top-1", words.percent(accuracies[-1])))
    done = len(run.history)
    rows.append(("Epochs", f"{done:,}" if done == run.epochs else f"{done:,} of {run.epochs:,}"))
    if run.seconds is not None:
        rows.append(("An epoch takes", words.duration(run.seconds)))
        if run.state == "training":
            rows.append(("Left, about", words.duration(run.seconds * (run.epochs - done))))
        else:
            rows.append(("All epochs took", words.duration(sum(value or 0 for value in run.of("seconds")))))
    return [*rows, ("Device", device(run))]


def images(run: Trained) -> str:
    """ "1,078 to train, 360 to validate, 359 to test"."""
    counts = (run.plan.get("data") or {}).get("images") or {}
    return in_parts(counts) or words.NONE


def device(run: Trained) -> str:
    """ "cpu, 2 processes of 1 thread"; while it trains the device alone."""
    if not run.end:
        return run.plan["identity"]["device"]
    several = run.end.get("processes", 1)
    each = f"{words.plural(several, 'process', 'processes')} of " if several > 1 else ""
    return f"{run.end['device']}, {each}{words.plural(run.end['threads'], 'thread')}"


def losses_title(run: Trained) -> str:
    """Whether the validation loss still falls, or rises again."""
    seen = [(value, epoch) for epoch, value in enumerate(run.of("val_loss"), 1) if value is not None]
    if not seen:
        return "Training loss"
    (least, epoch), (now, last) = min(seen), seen[-1]
    if epoch == last:
        return f"The validation loss was lowest in the last epoch, {least:.3g}"
    return f"The validation loss was lowest in epoch {epoch:,}, {least:.3g}; it is {now:.3g} in epoch {last:,}"


def accuracy_title(run: Trained) -> str:
    """Since when accuracy stays within a point of where it is now."""
    seen = [(epoch, value) for epoch, value in enumerate(run.of("val_top1"), 1) if value is not None]
    last, now = seen[-1]
    away = [epoch for epoch, value in seen if abs(value - now) > 0.01]
    since = min(epoch for epoch, _ in seen if epoch > max(away, default=0))
    if since == last:
        return f"Validation accuracy is {words.percent(now)} in epoch {last:,}"
    return f"Validation accuracy is {words.percent(now)}, within a point of it since epoch {since:,}"


def commands(run: Trained) -> list[tuple[str, str, str]]:
    """Each with an id and what it does."""
    folder, asked = shlex.quote(str(run.folder)), run.asked
    data = shlex.quote(asked["data"]) + (f" --root {shlex.quote(asked['root'])}" if asked["root"] else "")
    data += " --skip-bad" if asked["skip_bad"] else ""
    found = []
    if run.state != "ended":
        found.append(("resume", "To go on", f"opsin train --resume {folder}"))
    elif not run.failure:
        found.append(("predict", "To predict with it", f"opsin predict {folder} IMAGE"))
        page = f"opsin evaluate {folder} {data} --page evaluation.html"
        found.append(("evaluate", "To look at its mistakes, class by class", page))
    return [*found, *([("again", "How it was trained", asked["command"])] if asked["command"] else [])]
