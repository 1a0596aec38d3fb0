"""A pool without processes: tasks run when their events are asked for; speeds are those of a machine on paper."""

from importlib import import_module

from opsin.errors import OpsinError
from opsin.forecast.speed import MEASURE, Speed
from opsin.launch.local import Event

ANSWERS = {}
"""What has been counted for other tests."""


def answer(task):
    asked = repr((task.function, task.payload))
    if asked not in ANSWERS:
        module, _, name = task.function.partition(":")
        ANSWERS[asked] = getattr(import_module(module), name)(task.payload, print)
    return ANSWERS[asked]


class PaperPool:
    """Runs tasks here. A network trains in `second(name)` seconds an image; the names measured are in `measured`."""

    def __init__(self, size=2, second=lambda name: 0.001, busy=False, broken=()):
        self.size, self.second, self.busy, self.broken = size, second, busy, broken
        self.threads, self.pending, self.measured = 1, [], []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, task):
        self.pending.append(task)

    def events(self):
        while self.pending:
            task = self.pending.pop(0)
            yield Event(task.key, "started")
            if task.key in self.broken:
                yield Event(task.key, "failed", {"type": "Died", "message": "out of memory?"})
            elif task.function == MEASURE:
                self.measured.append(task.payload.model)
                second = self.second(task.payload.model)
                yield Event(task.key, "done", Speed(second, second / 4, took=1.0, busy=self.busy))
            else:
                try:
                    yield Event(task.key, "done", answer(task))
                except OpsinError as error:
                    yield Event(task.key, "failed", {"type": "OpsinError", "message": str(error)})
