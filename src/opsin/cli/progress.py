"""The terminal's view of a comparison: a bar for the whole, and a line for each run that is at work."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from opsin.watch import Watch
from opsin.words import printable

OTHERS = 54
"""Columns that bar, times and news take beside what a line is called."""


class Terminal(Watch):
    """Draws on `console` (stderr); where that is no terminal, it prints a plain line for each run that ended."""

    def __init__(self, console: Console):
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=False),
            TextColumn("{task.fields[news]}"),
            console=console,
            transient=True,
        )
        self.whole: TaskID | None = None
        self.runs: dict[str, TaskID] = {}
        self.last: dict[str, str] = {}

    def __enter__(self) -> "Terminal":
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.progress.stop()

    def say(self, line: str) -> None:
        self.console.print(Text(printable(line)), soft_wrap=True)

    def stage(self, title: str, total: float | None = None) -> None:
        if self.whole is not None:
            self.progress.remove_task(self.whole)
        self.whole = self.progress.add_task(self.fitting(title), total=total, left="left", news="")

    def fitting(self, text: str) -> str:
        """The text, cut in its middle where the bar beside it would not fit into the line."""
        over = len(text) - max(self.console.width - OTHERS, 20)
        if over <= 0:
            return text
        middle = (len(text) - over) // 2
        return f"{text[:middle]}…{text[middle + over + 1 :]}"

    def advance(self, done: float) -> None:
        if self.whole is not None:
            self.progress.advance(self.whole, done)

    def started(self, run: str, epochs: float) -> None:
        self.runs[run] = self.progress.add_task(self.fitting(f"  {run}"), total=epochs, left="left", news="")

    def epoch(self, run: str, metrics: dict[str, Any]) -> None:
        if "val_top1" in metrics:
            self.last[run] = f"{metrics['val_top1']:.1%} on validation"
        if run in self.runs:
            news = f"epoch {metrics['epoch']}" if "train_loss" in metrics else ""
            news += f"  {metrics['val_top1']:.1%}" if news and "val_top1" in metrics else ""
            self.progress.update(self.runs[run], completed=metrics["epoch"], news=news)

    def ended(self, run: str, status: str) -> None:
        if run in self.runs:
            self.progress.remove_task(self.runs.pop(run))
        if status != "ok":
            self.say(f"{run}: {status}")
        elif not self.console.is_terminal and run in self.last:
            self.say(f"{run}: {self.last[run]}")
