"""What the page of an evaluation says in sentences."""

from opsin import zoo
from opsin.evaluation import Evaluation
from opsin.report import words


def name_of(found: Evaluation) -> str:
    """The network as people call it: "ResNet-20"."""
    model = found.facts["network"]
    return words.display_names([(model, zoo.card(model).family)])[model]


def part_of(found: Evaluation) -> str:
    part = {"all": "all images", "train": "training part", "val": "validation part", "test": "test part"}
    return part[found.facts["part"]]


def headline(found: Evaluation) -> str:
    n = words.plural(found.figures["n"], "image")
    return f"{name_of(found)} recognises {words.percent(found.figures['top1'])} of {n}"


def summary(found: Evaluation) -> list[tuple[str, str]]:
    """The head figures, each with its name."""
    figures = found.figures
    rows = [("Top-1 accuracy (95 %)", words.accuracy(figures["top1"], figures["top1_ci"]))]
    if figures["top5"] is not None:
        rows.append(("Top-5 accuracy (95 %)", words.accuracy(figures["top5"], figures["top5_ci"])))
    return [
        *rows,
        ("Balanced accuracy", words.percent(figures["balanced"])),
        ("Macro F1", words.percent(figures["macro_f1"])),
        ("Log loss", f"{figures['log_loss']:.4f}{words.GAP}nats"),
        ("Brier score", f"{figures['brier']:.4f}"),
        ("Calibration error", words.points(figures["ece"])),
    ]


def calibration_title(found: Evaluation) -> str:
    """Whether the network is as often right as it says, as far as the images can tell."""
    sure, span = float(found.confidence.mean()), found.figures["top1_ci"]
    told = f"{words.percent(sure)} sure, {words.percent(found.figures['top1'])} right"
    if span is None:
        return f"On the whole: {told}"
    low, high = span
    if low <= sure <= high:
        return f"On the whole it is as often right as it says: {told}"
    return f"It is {'surer' if sure > high else 'less sure'} than it is right: {told}"


def calibration_note(found: Evaluation) -> str:
    error, chance = found.figures["ece"], found.figures["ece_by_chance"]
    return (
        f"The expected calibration error, the mean distance of the dots from the line over images, is "
        f"{words.points(error)}. It is never 0: answers that are right just as often as they say would show about "
        f"{words.points(chance)} on so many images."
    )


def mistakes_title(found: Evaluation) -> str:
    pairs = found.confused()
    if not pairs:
        return f"{name_of(found)} makes no mistake here"
    truth, answer, n = pairs[0]
    mistakes = found.figures["n"] - int(found.confusion.trace())
    names = f"“{found.classes[truth]}” is taken for “{found.classes[answer]}”"
    if n == 1:
        return f"No confusion occurs twice: {words.plural(mistakes, 'mistake')} in all"
    return f"{names} most often: {n:,} of {words.plural(found.by_class[truth].support, 'image')}"


def class_rows(found: Evaluation) -> list[dict]:
    """A row for each class that has images, the worst first: its figures, and what it is most often taken for."""
    rows = []
    for k, (name, c) in enumerate(zip(found.classes, found.by_class, strict=True)):
        if not c.support:
            continue
        wrong = found.confusion[k].copy()
        wrong[k] = 0
        taken = int(wrong.argmax())
        rows.append(
            {
                "name": name,
                "c": c,
                "recall": words.accuracy(c.recall, found.interval(c.hits, c.support)),
                "taken": f"{found.classes[taken]} ({wrong[taken]:,})" if wrong[taken] else words.NONE,
            }
        )
    return sorted(rows, key=lambda row: (row["c"].f1, row["c"].recall))
