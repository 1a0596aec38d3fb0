"""One chart in the making: its two scales, the records of each layer, and what every chart writes the same way."""

from dataclasses import dataclass, field
from typing import Any

from opsin.report import words
from opsin.report.labels import Anchor, Label, text_width
from opsin.report.scales import Layout, Scale, key_sizes


@dataclass
class Canvas:
    """What is drawn, in the units of its data; places in px are turned into them here."""

    layout: Layout
    x: Scale
    y: Scale
    points: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    leaders: list[dict[str, Any]] = field(default_factory=list)
    key: list[dict[str, Any]] = field(default_factory=list)

    def text(self, text: str, left: float, middle: float, kind: str) -> None:
        """Writes at px: `left` is where it begins, `middle` the middle of its height."""
        self.texts.append({"x": self.x.value(left), "y": self.y.value(middle), "text": text, "kind": kind})

    def name(self, anchor: Anchor, label: Label, kind: str) -> None:
        """Writes the name of what stands at `anchor`, and where it stands far off, a line between them."""
        self.text(label.text, label.box.left, label.y, kind)
        if not label.far:
            return
        x = min(max(anchor.x, label.box.left), label.box.right)
        y = min(max(anchor.y, label.box.top), label.box.bottom)
        start = {"x": self.x.value(anchor.x), "y": self.y.value(anchor.y)}
        self.leaders.append(start | {"x2": self.x.value(x), "y2": self.y.value(y)})

    def add_key(self, largest: float) -> None:
        """Circles for round numbers of parameters, above the right end; `largest` has the radius of the layout."""
        layout, right, base = self.layout, float(self.layout.width), -14.0
        for params in key_sizes(largest):
            radius = layout.bubble * (params / largest) ** 0.5
            text = words.count(params)
            right -= text_width(text, layout.small)
            self.text(text, right, base - 6, "quiet")
            right -= radius + 5
            self.key.append({"x": self.x.value(right), "y": self.y.value(base - radius), "size": (2 * radius) ** 2})
            right -= radius + 10
        title = "Parameters" if layout.width < 500 else "Bubble area: parameters"
        self.text(title, right - text_width(title, layout.small), base - 6, "quiet")
