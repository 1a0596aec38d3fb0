"""Which classes are taken for which: a table of a few of them, and a picture of all."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from opsin.evaluation import Evaluation
from opsin.report.tables import MATRIX_CLASSES, matrix_rows

PX = 900
"""About how wide the picture of all classes is."""
RIGHT, MISTAKE = (104, 122, 158), (205, 70, 45)


def matrix(found: Evaluation) -> dict[str, Any]:
    """The table of the page: all classes that occur, or those confused most, and then a picture of all beside it."""
    counts = found.confusion
    few = occur = np.flatnonzero(counts.sum(0) + counts.sum(1))
    if len(occur) > MATRIX_CLASSES:
        few = most_confused(found, occur)
        few = few[neighbours(mistakes(counts[np.ix_(few, few)]))]
    labels = [found.classes[k] for k in few]
    rows = matrix_rows(labels, counts[np.ix_(few, few)].tolist())
    for row, c in zip(rows, (found.by_class[k] for k in few), strict=True):
        for cell in row["cells"]:
            cell["share"] = cell["count"] / c.support if c.support else 0.0
        row["recall"], row["total"] = c.recall, c.support
    return {
        "classes": labels,
        "rows": [row for row in rows if row["total"]],
        "occur": len(occur),
        "all": len(few) == len(occur),
        "dense": len(labels) > 14,
        "slanted": max(map(len, labels)) > 3,
        "picture": None if len(few) == len(occur) else picture(counts[np.ix_(occur, occur)]),
    }


def most_confused(found: Evaluation, occur: np.ndarray) -> np.ndarray:
    """The classes of the most frequent confusions, as many as the table holds; filled up with others that occur."""
    of_pairs = [k for i, j, _ in found.confused() for k in (i, j)]
    return np.sort(list(dict.fromkeys([*of_pairs, *occur.tolist()]))[:MATRIX_CLASSES])


def mistakes(counts: np.ndarray) -> np.ndarray:
    """Confusion counts without their diagonal."""
    return counts - np.diag(np.diagonal(counts))


def neighbours(off: np.ndarray) -> np.ndarray:
    """An order of classes in which those that are confused stand together: mistakes [K, K] -> [K]."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    both = (off + off.T).astype(float)
    total = np.maximum(both.sum(1), 1)
    apart = 1 - both / np.sqrt(np.outer(total, total))
    np.fill_diagonal(apart, 0)
    return leaves_list(linkage(squareform(np.clip(apart, 0, None), checks=False), "average"))


def picture(counts: np.ndarray) -> str:
    """Confusion counts [K, K] as the data URI of a PNG: the diagonal grey, mistakes red, the deeper the more of a row.

    Neighbours are confused; a mistake is at least three px wide.
    """
    order = neighbours(mistakes(counts))
    counts = counts[np.ix_(order, order)]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    depth = np.where(counts > 0, 0.35 + 0.65 * np.minimum(1, 2 * share), 0)
    right = np.eye(len(counts), dtype=bool)
    times = max(1, PX // len(counts))
    layers = []
    for which, colour in ((right, RIGHT), (~right, MISTAKE)):
        mask = Image.fromarray((255 * np.where(which, depth, 0)).astype(np.uint8))
        mask = mask.resize((len(counts) * times, len(counts) * times), Image.Resampling.NEAREST)
        if times < 3:
            mask = mask.filter(ImageFilter.MaxFilter(3))
        layer = Image.new("RGBA", mask.size, colour)
        layer.putalpha(mask)
        layers.append(layer)
    stream = io.BytesIO()
    Image.alpha_composite(*layers).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
