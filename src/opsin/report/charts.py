"""The charts of accuracy: against operations, against latency, by year. Altair writes them, vl-convert compiles.

Every name that a person gave stands in a chart's data only, never in an expression.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import vl_convert

from opsin.report.records import Records
from opsin.report.scales import Layout, Scale, log_ticks, share_ticks, year_ticks
from opsin.report.scene import TIPS, Axis, scene_of

INK, SOFT, RULE, PAPER = "var(--ink)", "var(--soft)", "var(--rule)", "var(--paper)"
_CENTRES = {
    "scratch": {"shape": "circle", "filled": True, "size": 34, "strokeWidth": 0},
    "probe": {"shape": "diamond", "filled": False, "fill": PAPER, "size": 90, "strokeWidth": 2},
    "finetune": {"shape": "square", "filled": True, "size": 64, "strokeWidth": 0},
}  # the mark of each start
_SETS = ("points", "front", "lines", "leaders", "key", "texts")


def accuracy_chart(records: Records, axis: Axis, layout: Layout) -> tuple[dict[str, Any], dict[str, Any]]:
    """Test accuracy against `axis`, where at least one row is drawable.

    Returns a compiled Vega specification, and the data sets that it reads by name.
    """
    scene = scene_of(records, axis, layout)
    scene.text("Test accuracy", -layout.left + 4.0, -20.0, "quiet")
    return _spec(axis, layout, scene.x, scene.y), {name: getattr(scene, name) for name in _SETS}


@lru_cache(maxsize=32)
def _spec(axis: Axis, layout: Layout, x_scale: Scale, y_scale: Scale) -> dict[str, Any]:
    """The chart without its data: the same axes give the same one."""
    x = x_of(axis, layout, x_scale)
    y = alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=[y_scale.low, y_scale.high], nice=False, zero=False),
        axis=alt.Axis(values=share_ticks(y_scale), labelExpr="format(100 * datum.value, '.3~g') + ' %'"),
    )
    return compiled(alt.layer(*_under(x, y), *_bubbles(x, y), *over(x, y, layout)), layout)


def named_set(name: str) -> alt.Chart:
    """A chart of the records that stand in the page under this name."""
    return alt.Chart(alt.NamedData(name))


def _under(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The front's steps and the rules of the baselines."""
    return [
        named_set("front").mark_line(interpolate="step-after", stroke=SOFT, strokeWidth=1.5).encode(x=x, y=y),
        named_set("lines").mark_rule(stroke=SOFT, strokeDash=[2, 3]).encode(y=y),
    ]


def _bubbles(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Discs, error bars, centres marked by start; a triangle for what lies below the chart; a ring about the pick."""
    colour = alt.Color("colour:N", scale=None, legend=None)
    size = alt.Size("size:Q", scale=None, legend=None)
    points = named_set("points")
    ends = {"x": x, "y": alt.Y("low:Q"), "y2": "high:Q"}
    inside, below = points.transform_filter("!datum.under"), points.transform_filter("datum.under")
    return [
        points.mark_circle(opacity=0.28).encode(x=x, y=y, color=colour, size=size),
        points.mark_point(filled=False, strokeWidth=1, opacity=0.9).encode(x=x, y=y, color=colour, size=size),
        points.mark_rule(strokeWidth=1.25, opacity=0.8).encode(**ends, color=colour),
        *(
            inside.transform_filter(f"datum.mark == '{start}'")
            .mark_point(opacity=1, **style)
            .encode(x=x, y=y, color=colour)
            for start, style in _CENTRES.items()
        ),
        below.mark_point(shape="triangle-down", filled=True, size=70, opacity=1).encode(x=x, y=y, color=colour),
        points.transform_filter("datum.pick")
        .mark_point(filled=False, stroke=INK, strokeWidth=1.75, size=110, opacity=1)
        .encode(x=x, y=y),
    ]


def over(x: alt.X, y: alt.Y, layout: Layout, tips: Sequence[str] = TIPS) -> list[alt.Chart]:
    """Names with their leaders, the key, and on top what answers to the pointer."""
    size = alt.Size("size:Q", scale=None, legend=None)
    styles = {
        "datum.kind == 'label'": {"fill": INK, "fontSize": layout.text},
        "datum.kind == 'pick'": {"fill": INK, "fontSize": layout.text, "fontWeight": "bold"},
        "datum.kind == 'quiet'": {"fill": SOFT, "fontSize": layout.small},
    }
    names = [
        named_set("texts")
        .transform_filter(which)
        .mark_text(align="left", baseline="middle", stroke=PAPER, strokeWidth=3, **style)
        .encode(x=x, y=y, text="text:N")
        for which, style in styles.items()
    ]
    return [
        named_set("leaders").mark_rule(stroke=SOFT, strokeWidth=0.75).encode(x=x, y=y, x2="x2:Q", y2="y2:Q"),
        named_set("key").mark_point(filled=False, stroke=SOFT, strokeWidth=1).encode(x=x, y=y, size=size),
        *names,
        named_set("points")
        .mark_circle(opacity=0)
        .encode(x=x, y=y, size=alt.Size("touch:Q", scale=None), tooltip=[alt.Tooltip(f"{name}:N") for name in tips]),
    ]


def x_of(axis: Axis, layout: Layout, scale: Scale) -> alt.X:
    narrow = layout.width < 500
    domain = [scale.low, scale.high]
    if axis.log:
        kind, ticks = alt.Scale(type="log", domain=domain, nice=False), log_ticks(scale, 5 if narrow else 8)
    else:
        kind, ticks = alt.Scale(domain=domain, nice=False, zero=False), year_ticks(scale, 5 if narrow else 9)
    title = axis.short if narrow else axis.title
    return alt.X("x:Q", scale=kind, axis=alt.Axis(values=ticks, labelExpr=axis.labels, grid=False, title=title))


def compiled(chart: alt.LayerChart | alt.FacetChart, layout: Layout) -> dict[str, Any]:
    """The chart in the house's style, compiled to Vega: `layout.width` px wide, and what lies around."""
    sans = "'Helvetica Neue', 'Segoe UI', Roboto, Arial, 'Liberation Sans', system-ui, sans-serif"
    styled = chart.properties(
        width=layout.width,
        height=layout.height,
        autosize=alt.AutoSizeParams(type="none"),
        padding={"left": layout.left, "right": layout.right, "top": layout.top, "bottom": layout.bottom},
    ).configure(
        background="transparent",
        font=sans,
        aria=False,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            domain=False,
            ticks=False,
            gridColor=RULE,
            labelColor=SOFT,
            labelFontSize=layout.text - 1,
            labelPadding=6,
            titleColor=SOFT,
            titleFontSize=layout.text - 1,
            titleFontWeight="normal",
            titlePadding=10,
        ),
    )
    spec = styled.to_dict()
    known = vl_convert.get_vegalite_versions()
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return vl_convert.vegalite_to_vega(spec, vl_version=version if version in known else None)
