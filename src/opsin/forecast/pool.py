"""Questions to a pool of workers, and their answers as they come."""

from collections.abc import Iterator, Mapping
from typing import Any

from opsin.launch.local import Pool, Task
from opsin.watch import Watch


def gather(pool: Pool, function: str, payloads: Mapping[str, Any], watch: Watch) -> Iterator[tuple[str, Any, str]]:
    """(key, value, "") of each task as it ends, or (key, None, why) of one that failed."""
    for key, payload in payloads.items():
        pool.submit(Task(key, function, payload))
    for event in pool.events():
        if event.kind in ("done", "failed"):
            watch.advance(1)
        if event.kind == "done":
            yield event.key, event.value, ""
        if event.kind == "failed":
            yield event.key, None, event.value["message"][:200] or event.value["type"]
