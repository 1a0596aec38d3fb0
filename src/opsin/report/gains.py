"""What the architecture gained, what the training gained: the section of a comparison under several recipes."""

from collections import Counter
from functools import lru_cache
from typing import Any

import altair as alt

from opsin.report import words
from opsin.report.canvas import Canvas
from opsin.report.charts import PAPER, compiled, named_set, over, x_of
from opsin.report.labels import Anchor, Box, place
from opsin.report.records import Records, Row, interval_of
from opsin.report.scales import Layout, Scale, padded, share_scale, share_ticks
from opsin.report.scene import YEAR

TIPS = ("Network", "Recipe", "Test accuracy")
_APART = 5.0  # px between a network's year and each of its two marks
_ASIDE = 17.0  # px between networks of one year
_SETS = ("points", "lines", "leaders", "key", "texts")
Gain = dict[str, Any]


def context(records: Records) -> dict[str, Any]:
    """What the templates say of the recipes and of what was gained."""
    asked = records.results["plan"]["recipes"]
    return {
        "gains": [_told(records, gain, k) for k, gain in enumerate(records.gains)],
        "tuning": tuning(records),
        "fitted": fitted(records),
        "alone": asked[0] if len(asked) == 1 and asked[0] != "era" else None,
    }


def _told(records: Records, gain: Gain, k: int) -> dict[str, Any]:
    return {
        "id": f"gain-{k}",
        "old": gain["old"],
        "new": gain["new"],
        "title": title(gain),
        "story": story(records, gain),
        "alt": alt_text(records, gain),
        "rows": rows(records, gain),
        "mean": _points(gain["training_mean"]),
        "orders": orders(gain),
        "first": records.networks[gain["oldest"]],
        "best": records.networks[gain["best"]],
        "over": gain["whole"]["ci_over"],
        "left_out": [records.networks.get(model, model) for model in gain["left_out"]],
    }


def title(gain: Gain) -> str:
    """The mean gain of training over the networks, or that it is not decided."""
    mean, n = gain["training_mean"], words.plural(len(gain["networks"]), "network")
    change = f"under {gain['new']} instead of {called(gain['old'], 'their')}"
    if mean["ci"][0] <= 0 <= mean["ci"][1]:
        return f"Whether {n} {change} gain or lose on average is not decided here"
    more = "gain" if mean["top1"] > 0 else "lose"
    return f"{words.sentence(change)}, {n} {more} {words.points(abs(mean['top1']))} on average"


def called(recipe: str, whose: str) -> str:
    """A recipe in a sentence: "modern", "its era’s recipe"."""
    return f"{whose} era’s recipe" if recipe == "era" else recipe


def story(records: Records, gain: Gain) -> str:
    """The way from the oldest network under the old recipe to the best one under the new, in both orders."""
    first, best = (records.networks[gain[key]] for key in ("oldest", "best"))
    whole = f"{_points(gain['whole'])} points"
    if gain["oldest"] == gain["best"]:
        return f"{first}, the oldest network, is also the best under {gain['new']}: all of {whole} is the training’s."
    gained = sorted((each["training"]["top1"], records.networks[each["model"]]) for each in gain["networks"])
    (least, lowest), (most, highest) = gained[0], gained[-1]
    each = f"One by one they gain from {words.signed(least)} ({lowest}) to {words.signed(most)} ({highest}). "
    told = []
    for way, order in gain["orders"].items():
        steps = [f"{words.signed(order[part]['top1'])} for the {part}" for part in way_of(way)]
        told.append(f"{'' if told else 'changing '}the {way}, {' and then '.join(steps)}")
    return (
        f"{each}From {first} under {called(gain['old'], 'its')} to {best} under {gain['new']}, the best there on "
        f"validation, accuracy changes by {whole}: {'; '.join(told)}. The two orders differ where a recipe suits one "
        "network more than the other; their mean (Shapley’s value) treats both alike. None of this says more than "
        "these images, networks and epochs can."
    )


def way_of(order: str) -> tuple[str, str]:
    """ "training first" -> ("training", "architecture")."""
    return ("training", "architecture") if order.startswith("training") else ("architecture", "training")


def orders(gain: Gain) -> list[tuple[str, str, str]]:
    """(order, training's points, architecture's points), their mean last; none where one network is both ends."""
    if gain["oldest"] == gain["best"]:
        return []
    ways = [*gain["orders"].items(), ("mean of both orders", gain["mean"])]
    return [(way, _points(parts["training"]), _points(parts["architecture"])) for way, parts in ways]


def rows(records: Records, gain: Gain) -> list[dict[str, Any]]:
    """A line a network: its accuracies, what the training gained it, what it gains over the oldest one."""
    found = []
    for each in gain["networks"]:
        before, after = _pair(records, gain, each["model"])
        architecture = each["architecture"]
        found.append(
            {
                "name": records.networks[each["model"]],
                "year": each["year"],
                "step": records.steps.get(each["year"]),
                "accuracies": [words.accuracy(row["top1_mean"], row.get("top1_ci")) for row in (before, after)],
                "training": _points(each["training"]),
                "architecture": [
                    _points(architecture[way]) if architecture[way] else words.NONE for way in ("old", "new")
                ],
            }
        )
    return found


def _points(part: dict[str, Any]) -> str:
    """ "+9.7 (+6.9 to +12.7)"."""
    return f"{words.signed(part['top1'])} ({' to '.join(map(words.signed, part['ci']))})"


def tuning(records: Records) -> str:
    """Whose learning rates were tuned on validation, where not all were treated alike."""
    kinds = {how: {each["asked"] for each in records.fitted.values() if each["tuned"] is how} for how in (True, False)}
    if not all(kinds.values()):
        return ""
    tuned, kept = (words.listed(sorted(kinds[how])) for how in (True, False))
    return (
        f"Not all were treated alike: learning rates were tuned on validation under {tuned}, and stand as they are "
        f"written under {kept}. A part of the difference may be that; --no-tune tunes none."
    )


def fitted(records: Records) -> list[dict[str, Any]]:
    """What each recipe became here, a line an entry."""
    found = []
    for row in records.rows:
        if own := records.fitted.get(row["entry"]):
            recipe = own["recipe"]
            found.append(
                {
                    "name": records.name(row["entry"]),
                    "recipe": recipe["name"],
                    "epochs": recipe["epochs"],
                    "batch": recipe["batch_size"],
                    "optimizer": recipe["optimizer"]["kind"],
                    "rate": row.get("learning_rate") or recipe["learning_rate"],
                    "tuned": own["tuned"],
                    "changes": "; ".join(own["changes"]).replace("->", "→"),
                }
            )
    return found


def alt_text(records: Records, gain: Gain) -> str:
    told = []
    for each in gain["networks"]:
        before, after = (words.percent(row["top1_mean"]) for row in _pair(records, gain, each["model"]))
        told.append(f"{records.networks[each['model']]} ({each['year']}) {before} to {after}")
    return f"Test accuracy under {gain['old']} and under {gain['new']}, by year. {'; '.join(told)}."


def _pair(records: Records, gain: Gain, model: str) -> tuple[Row, Row]:
    """The network's entries under both recipes."""
    mine = {row["recipe"]: row for row in records.ok if row["model"] == model}
    return mine[gain["old"]], mine[gain["new"]]


def gain_chart(records: Records, gain: Gain, layout: Layout) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two marks a network, joined: a compiled Vega specification, and the data sets that it reads by name."""
    pairs = [(each, *_pair(records, gain, each["model"])) for each in gain["networks"]]
    ends = [interval_of(row) for _, *both in pairs for row in both]
    x = padded([each["year"] for each, *_ in pairs], layout.width, 0.08 * layout.width)
    y = share_scale([low for low, _ in ends], [high for _, high in ends], [], layout.height)
    canvas = Canvas(layout, x, y)
    alike, seen, anchors = Counter(each["year"] for each in gain["networks"]), Counter(), []
    for each, *both in pairs:
        year = each["year"]
        aside = (seen[year] - (alike[year] - 1) / 2) * _ASIDE
        seen[year] += 1
        at = [x.value(x.px(year) + aside + way * _APART) for way in (-1, 1)]
        canvas.points += [_point(records, row, x, new) for row, x, new in zip(both, at, (False, True), strict=True)]
        canvas.lines.append(
            {
                "x": at[0],
                "x2": at[1],
                "y": both[0]["top1_mean"],
                "y2": both[1]["top1_mean"],
                "colour": _colour(records, year),
            }
        )
        anchors.append(Anchor(x.px(at[1]), y.px(both[1]["top1_mean"]), 5.0, records.networks[each["model"]]))
    taken = [Box(x.px(p["x"]) - 3, y.px(p["high"]), x.px(p["x"]) + 3, y.px(p["low"])) for p in canvas.points]
    frame = Box(0, -4, layout.width + layout.right - 4, layout.height - 2)
    for anchor, label in zip(anchors, place(anchors, frame, layout.text, taken), strict=True):
        if label:
            canvas.name(anchor, label, "label")
    canvas.text("Test accuracy", -layout.left + 4.0, -20.0, "quiet")
    return _spec(layout, x, y), {name: getattr(canvas, name) for name in _SETS}


def _colour(records: Records, year: int) -> str:
    return f"var(--y{records.steps[year]})"


def _point(records: Records, row: Row, x: float, new: bool) -> dict[str, Any]:
    low, high = interval_of(row)
    told = (records.networks[row["model"]], row["recipe"], words.accuracy(row["top1_mean"], row.get("top1_ci")))
    place = {"x": x, "y": row["top1_mean"], "low": low, "high": high, "new": new, "touch": 26.0**2}
    return place | {"colour": _colour(records, row["year"])} | dict(zip(TIPS, told, strict=True))


@lru_cache(maxsize=8)
def _spec(layout: Layout, x_scale: Scale, y_scale: Scale) -> dict[str, Any]:
    """The chart without its data."""
    x = x_of(YEAR, layout, x_scale)
    y = alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=[y_scale.low, y_scale.high], nice=False, zero=False),
        axis=alt.Axis(values=share_ticks(y_scale), labelExpr="format(100 * datum.value, '.3~g') + ' %'"),
    )
    colour = alt.Color("colour:N", scale=None, legend=None)
    points = named_set("points")
    marks = [
        points.mark_rule(strokeWidth=1.25, opacity=0.45).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        named_set("lines").mark_rule(strokeWidth=1.75).encode(x=x, y=y, x2="x2:Q", y2="y2:Q", color=colour),
        points.transform_filter("!datum.new")
        .mark_point(shape="circle", filled=False, fill=PAPER, size=58, strokeWidth=2, opacity=1)
        .encode(x=x, y=y, color=colour),
        points.transform_filter("datum.new").mark_circle(size=64, opacity=1).encode(x=x, y=y, color=colour),
    ]
    return compiled(alt.layer(*marks, *over(x, y, layout, TIPS)), layout)
