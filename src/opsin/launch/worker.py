"""A worker of the pool: `python -m opsin.launch.worker THREADS`, tasks on its standard input, news on its output.

It runs one task after another, each a function of the package called with a payload and a `report` callback. Its
input stays open for as long as its parent lives: when that ends, however it ends, the worker ends at once.
"""

import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

from opsin import heap


def receive(tasks: "queue.Queue[Any]", source: BinaryIO) -> None:
    try:
        while True:
            tasks.put(pickle.load(source))
    except Exception:  # its parent is gone, or sent what cannot be read here
        os._exit(1)


def run(key: str, function: str, payload: Any, threads: int, send) -> None:
    try:
        import torch

        torch.set_num_threads(threads)
        module, _, name = function.partition(":")
        call = getattr(importlib.import_module(module), name)
        send(key, "done", call(payload, lambda news: send(key, "news", news)))
    except BrokenPipeError:
        raise
    except Exception as error:
        facts = {
            "type": type(error).__name__,
            "message": " ".join(str(error).split()),
            "errno": getattr(error, "errno", None),
            "traceback": traceback.format_exc(),
        }
        send(key, "failed", facts)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not be read as news

    def send(*message: Any) -> None:
        out.write(pickle.dumps(message))
        out.flush()

    heap.keep()
    tasks: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=receive, args=(tasks, sys.stdin.buffer), daemon=True).start()
    try:
        while True:
            run(*tasks.get(), threads=int(sys.argv[1]), send=send)
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
