"""Tasks for the pool's tests; workers import them by name."""

import errno
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path


def double(payload, report):
    report(f"doubling {payload}")
    print("this must not reach the pool's channel")
    return payload * 2


def fail(payload, report):
    raise ValueError(f"cannot\nwork with {payload}")


def die(payload, report):
    os._exit(7)


def sleep(payload, report):
    report(os.getpid())
    time.sleep(payload)


@dataclass(frozen=True)
class Copy:
    """Copies a file, as a run's folder or as a file, from one place to another (see opsin.launch.node.Travels)."""

    source: Path
    target: Path
    once: bool = False

    def reads(self):
        return (self.source,)

    @property
    def writes(self):
        return self.target

    def elsewhere(self, reads, writes):
        return replace(self, source=reads[self.source], target=writes)

    def ended(self):
        return "ended before" if self.once and self.target.exists() else None


def copy(payload, report):
    report(str(payload.target))
    if payload.target.suffix:
        payload.target.write_bytes(payload.source.read_bytes())
    else:
        (payload.target / "inner").mkdir(parents=True)
        (payload.target / "inner" / "file").write_bytes(payload.source.read_bytes())
        (payload.target / "empty").write_bytes(b"")
    return str(payload.source)


def fill_the_disk(payload, report):
    raise OSError(errno.ENOSPC, "No space left on device")
