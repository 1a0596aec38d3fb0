"""Files behind an address, brought into the cache that torch.hub keeps: resumed, hashed, whole or not there.

The hash of a file is known before its first byte comes. So no ETag is kept: a beginning that belongs to another file
shows in the hash of the whole, and then the file is brought once more from its first byte.
"""

import errno
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock

from opsin.errors import OpsinError

Progress = Callable[[int, int | None], None]
"""Is told the bytes so far and the bytes in total, None where the server does not say."""

TORCHVISION = "https://download.pytorch.org/models"
SILENCE_SECONDS = 20.0  # of a server, while connecting or between two packets
TRIES = 4  # in a row without a new byte
WAIT_SECONDS = 1.0  # before the second try, then doubled
BLOCK = 1 << 18
LATER = (408, 425, 429, 500, 502, 503, 504)  # statuses after which asking again may help


class _Cut(Exception):
    """No answer, or one that ended early or asks to come again; `heard` says whether the server spoke at all."""

    def __init__(self, reason: object, heard: bool = True):
        super().__init__(str(reason) or type(reason).__name__)
        self.heard = heard


def torchvision_url(file: str) -> str:
    """The address of a file of torchvision's weights; OPSIN_TORCHVISION_URL replaces its folder (mirrors).

    What is an address already stays as it is.
    """
    if "://" in file:
        return file
    return f"{(os.environ.get('OPSIN_TORCHVISION_URL') or TORCHVISION).rstrip('/')}/{file}"


def offline() -> bool:
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is true; then nothing here touches the network."""
    return offline_variable() is not None


def offline_variable() -> str | None:
    """The name of the environment variable that forbids the network, None where none does."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE"):
            return name
    return None


def fetch(url: str, sha256: str, *, progress: Progress | None = None) -> Path:
    """The file behind `url` in torch.hub's cache (TORCH_HOME, XDG_CACHE_HOME), downloaded where it is not there yet.

    torchvision finds what was downloaded here, and the other way round. The hash is taken at each call.

    Args:
        sha256: hex digest, or its first eight digits or more.

    Raises:
        OpsinError: no answer, no such file, another hash, no room, no permission; or it would have to be downloaded
            and `offline()` forbids it.
    """
    path = _place(url)
    if is_sound(path, sha256):
        return path
    if variable := offline_variable():
        state = "is damaged" if path.exists() else "is not there"
        raise OpsinError(f"{path} {state}, and {variable} forbids the network: unset it, or copy {url} to that place")
    return obtain(url, path, sha256, progress=progress)


def cached(url: str, sha256: str) -> Path | None:
    """The file of `fetch` where it is in the cache and its hash is right; no network."""
    path = _place(url)
    return path if is_sound(path, sha256) else None


def reachable(url: str, seconds: float = 3.0) -> bool:
    """Whether the server of `url` answers within `seconds`, if only that there is no such file. Never raises.

    False when offline. A proxy's "bad gateway" (any status from 500) is no answer.
    """
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urlopen(Request(url, method="HEAD", headers={"User-Agent": "opsin"}), timeout=seconds):
                answers.append(True)
        except HTTPError as error:
            answers.append(error.code < 500)
        except (OSError, HTTPException, ValueError):
            pass

    if offline():
        return False
    thread = threading.Thread(target=ask, daemon=True)  # looking up a name obeys no timeout
    thread.start()
    thread.join(seconds)
    return any(answers)


def obtain(
    url: str,
    path: Path,
    sha256: str,
    *,
    lock: Path | None = None,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Brings the file behind `url` to `path`; `headers` go to the host of `url` alone, not where it redirects to.

    What came of it lies in `<name>.part` until its hash is right; the next call goes on from there. Of several
    processes one downloads and the others wait for it, at `lock` (default: `<name>.lock`).
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise OpsinError(f"not an address of the web: {url!r}; it starts with https://")
    part = path.with_name(path.name + ".part")
    try:
        for folder in {path.parent, (lock or path).parent}:
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(lock or path.with_name(path.name + ".lock")):
            if is_sound(path, sha256):
                return path
            resumed = part.exists()
            _complete(url, part, headers or {}, progress)
            if resumed and not is_sound(part, sha256):
                part.unlink()
                _complete(url, part, headers or {}, progress)
            if not is_sound(part, sha256):
                found = digest(part)[: len(sha256)]
                part.unlink()
                raise OpsinError(f"{url} is not what it should be: SHA-256 {sha256} expected, {found} found; not kept")
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
            return path
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> OpsinError:
    """What a full disk or a missing permission is told as."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mend = "make room" if full else "give write permission there"
    return OpsinError(
        f"cannot write {path} ({error.strerror or error}): {mend}, or set TORCH_HOME or HF_HOME to another folder"
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_sound(path: Path, sha256: str) -> bool:
    """Whether the file can be read and its digest begins with `sha256`, eight digits or more."""
    if not re.fullmatch("[0-9a-f]{8,64}", sha256):
        raise ValueError(f"not a SHA-256 or its beginning: {sha256!r}")
    try:
        return digest(path).startswith(sha256)
    except OSError:
        return False


def _place(url: str) -> Path:
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    return Path(home).expanduser() / "hub" / "checkpoints" / urlsplit(url).path.rpartition("/")[2]


def _complete(url: str, part: Path, headers: Mapping[str, str], progress: Progress | None) -> None:
    """Asks for the rest of `part` until all of it is there. A server that says nothing at all is asked once."""
    tries, longest, heard = 0, 0, False
    while True:
        try:
            return _receive(url, part, headers, progress)
        except _Cut as cut:
            length = part.stat().st_size if part.exists() else 0
            tries = tries + 1 if length <= longest else 1
            longest, heard = max(length, longest), heard or cut.heard
            if not heard:
                place = part.with_suffix("")
                raise OpsinError(f"no answer from {url} ({cut}): check the connection, or copy it to {place}") from cut
            if tries >= TRIES:
                kept = f"{length:,} bytes are kept, and the next call goes on from there" if length else "try later"
                raise OpsinError(f"{url} did not come whole ({cut}): {kept}") from cut
            time.sleep(WAIT_SECONDS * 2 ** (tries - 1))


def _receive(url: str, part: Path, headers: Mapping[str, str], progress: Progress | None) -> None:
    """One request: the bytes after those that `part` holds, or all where the server knows no ranges."""
    held = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"User-Agent": "opsin"} | ({"Range": f"bytes={held}-"} if held else {}))
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    response = _open(request)
    if response is None:
        return
    with response, part.open("ab") as out:
        done, total = _extent(response)
        out.truncate(done)
        for block in _blocks(response):
            out.write(block)
            done += len(block)
            if progress:
                progress(done, total)
    if total is not None and done < total:
        raise _Cut(f"{done:,} of {total:,} bytes")


def _open(request: Request) -> HTTPResponse | None:
    """The answer; None where a rest was asked for and there is none: the part is as long as the file, or longer."""
    try:
        return urlopen(request, timeout=SILENCE_SECONDS)
    except HTTPError as error:
        if error.code == 416:
            return None
        if error.code in LATER:
            raise _Cut(f"status {error.code}") from error
        mend = {404: "there is no such file; check its name", 410: "the file is gone"}.get(error.code, "access refused")
        mirror = os.environ.get("OPSIN_TORCHVISION_URL")
        if mirror and request.full_url.startswith(mirror):
            mend += ", and OPSIN_TORCHVISION_URL"
        raise OpsinError(f"{request.full_url} answers {error.code}: {mend}") from error
    except (OSError, HTTPException) as error:
        raise _Cut(getattr(error, "reason", error), heard=False) from error


def _extent(response: HTTPResponse) -> tuple[int, int | None]:
    """The place of the first byte that comes, and the length of the whole file, None where it is not stated."""
    if response.status == 206 and (
        match := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers["Content-Range"] or "")
    ):
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers["Content-Length"]
    return 0, int(length) if length and length.isdecimal() else None


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """Bytes as they come, so that a part holds all that came before a cut."""
    try:
        while block := response.read1(BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _Cut(error) from error
