"""The page of an evaluation, one self-contained file: calibration, confusion, the surest mistakes, every class."""

from pathlib import Path
from typing import Any

import numpy as np

from opsin import __version__
from opsin.data.cache import thumbnail
from opsin.evaluation import Evaluation
from opsin.report import html, words
from opsin.report.evaluation import stories
from opsin.report.evaluation.confusion import matrix

MISTAKES, SIDE = 24, 96
FOLDED = 40
"""Classes beyond which their table is folded in."""


def write_evaluation(out: Path, found: Evaluation) -> Path:
    """Writes the page, whole or not at all, and returns its path."""
    return html.write(out, render(found))


def render(found: Evaluation) -> str:
    """The page as text."""
    rows, mistakes = stories.class_rows(found), surest_mistakes(found)
    return html.render(
        "evaluation.html",
        None,
        ("page.js",),
        ("style.css", "evaluation.css"),
        version=__version__,
        title=stories.headline(found),
        facts=found.facts,
        part=stories.part_of(found),
        notes=found.notes,
        figures=found.figures,
        summary=stories.summary(found),
        calibration_title=stories.calibration_title(found),
        calibration_note=stories.calibration_note(found),
        diagram=diagram(found),
        mistakes_title=stories.mistakes_title(found),
        confusion=matrix(found),
        pairs=[
            {"truth": found.classes[i], "predicted": found.classes[j], "count": n, "of": found.by_class[i].support}
            for i, j, n in found.confused()[:12]
        ],
        mistakes=mistakes,
        small=bool(mistakes) and max(found.source.image(mistakes[0]["row"]).size) <= 64,
        rows=rows,
        folded=len(rows) > FOLDED,
        name=stories.name_of(found),
    )


def surest_mistakes(found: Evaluation) -> list[dict[str, Any]]:
    wrong = np.flatnonzero(found.predicted != found.truth)
    rows = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:MISTAKES]
    return [
        {
            "row": int(i),
            "id": found.source.ids[i],
            "truth": found.classes[found.truth[i]],
            "predicted": found.classes[found.predicted[i]],
            "confidence": float(found.confidence[i]),
            "image": thumbnail(found.source, int(i), SIDE),
        }
        for i in rows
    ]


def diagram(found: Evaluation) -> dict[str, Any]:
    """The reliability diagram in percent of its sides: dots with their 95 % intervals, and the images of each bin."""
    most = max(each.n for each in found.reliability)
    dots, bars = [], []
    for each in found.reliability:
        left, width = 100 * each.low, 100 * (each.high - each.low)
        bars.append({"x": left + 0.4, "width": width - 0.8, "height": 100 * each.n / most})
        if each.accuracy is None or each.confidence is None:
            continue
        low, high = found.interval(round(each.accuracy * each.n), each.n) or (each.accuracy, each.accuracy)
        told = f"{words.percent(each.confidence)} sure, {words.percent(each.accuracy)} right"
        dots.append(
            {
                "x": 100 * each.confidence,
                "y": 100 - 100 * each.accuracy,
                "top": 100 - 100 * high,
                "bottom": 100 - 100 * low,
                "r": 0.9 + 1.5 * (each.n / most) ** 0.5,
                "tip": f"{told}, {words.plural(each.n, 'image')}",
            }
        )
    return {"dots": dots, "bars": bars, "most": most, "alt": "; ".join(dot["tip"] for dot in dots)}
