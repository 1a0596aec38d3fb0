"""Looks at images that were taken before, in the user's cache folder, so that a second start decodes nothing twice.

A look is kept with the size and times of its file, and holds while these are the same. A file of looks that is
damaged, or of another version, is as good as none. Bad images are not kept: they are looked at anew each time.
"""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import PIL

from opsin.data.sources import Source
from opsin.files import cache_folder, whole

SCHEMA = 1
SLOW = 1.0
"""Seconds that reading must have taken to be worth keeping."""
SETTLED = 2 * 10**9
"""Nanoseconds since a file's last change. What is younger may change again within one tick of its clock."""
MOST = 30
"""Files of looks that are kept, the newest."""

Answer = TypeVar("Answer")
Stamp = tuple[int, int, int]


class Remembered(Generic[Answer]):
    """What is known of the images of a source that lies in files: `kind` is a frozen dataclass of plain values."""

    def __init__(self, source: Source, kind: type[Answer], folder: Path | None = None):
        self.source, self.kind = source, kind
        self.path: Path | None = None
        self.known: dict[str, list[Any]] = {}
        self.fresh, self.began = 0, time.monotonic()
        if source.folder is not None:
            name = hashlib.sha256(self._data().encode("utf-8", "surrogateescape")).hexdigest()[:16]
            self.path = (folder or cache_folder()) / "looks" / f"{name}.json"
            self.known = self._read(self.path)

    def get(self, i: int, stamp: Stamp | None) -> Answer | None:
        """What is known of image i, if its file is as it was then."""
        row = self.known.get(self.source.ids[i])
        return self.kind(*row[3:]) if row is not None and stamp is not None and tuple(row[:3]) == stamp else None

    def put(self, i: int, stamp: Stamp | None, answer: Answer) -> None:
        """`stamp` is from before the file was read."""
        if stamp is not None and time.time_ns() - max(stamp[1:]) > SETTLED:
            self.known[self.source.ids[i]] = [*stamp, *asdict(answer).values()]  # pyright: ignore[reportArgumentType]
            self.fresh += 1

    def stamp(self, i: int) -> Stamp | None:
        """Size, time of change, and time of the last change to the file's record, which no program can set back."""
        file = self.source.file(i)
        try:
            found = file.stat() if file is not None else None
        except OSError:
            found = None
        if found is None:
            return None
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def write(self) -> None:
        """Keeps what is known of this source's images, where that took long and can be done."""
        if self.path is None or not self.fresh or time.monotonic() - self.began < SLOW:
            return
        rows = {name: self.known[name] for name in self.source.ids if name in self.known}
        body = json.dumps(rows).encode()
        head = self._head() | {"sha256": hashlib.sha256(body).hexdigest()}
        with suppress(OSError), whole(self.path) as part:
            part.write_bytes(json.dumps(head).encode() + b"\n" + body)
        with suppress(OSError):
            for old in sorted(self.path.parent.glob("*.json"), key=lambda path: -path.stat().st_mtime_ns)[MOST:]:
                old.unlink()

    def _read(self, path: Path) -> dict[str, list[Any]]:
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            if json.loads(head) == self._head() | {"sha256": hashlib.sha256(body).hexdigest()}:
                return json.loads(body)
        except (OSError, ValueError):
            pass
        return {}

    def _head(self) -> dict[str, Any]:
        names = [field.name for field in fields(self.kind)]  # pyright: ignore[reportArgumentType]
        return {"schema": SCHEMA, "data": self._data(), "fields": names, "pillow": PIL.__version__}

    def _data(self) -> str:
        """Where it lies: the folder or list that was named, and the folder of its files."""
        return " ".join(str(path.resolve()) for path in (self.source.path, self.source.folder) if path is not None)
