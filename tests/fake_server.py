"""A server on loopback that stands for torchvision's address and for the Hugging Face hub, with the faults of both."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

COMMIT = "c0ffee" + "0" * 34
LARGE = (".safetensors", ".bin", ".pth")  # what the hub keeps as LFS: the ETag is the SHA-256


class Asked(NamedTuple):
    method: str
    path: str
    range: str | None
    token: str | None


@dataclass
class FakeServer:
    """`files` are served by path ("/models/a.pth"), `repos` as a hub does; the other fields are faults.

    A large file of a repository is answered with a redirect to another host name, as the hub's is.
    """

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)  # the next GETs send so many bytes of the body, and end
    delay: float = 0.0  # seconds before the body of a GET
    stall: int | None = None  # every GET sends so many bytes, and then nothing more
    hang: bool = False  # no answer at all
    statuses: list[int] = field(
        default_factory=list
    )  # answered to the next GETs, and to the next questions about a repository
    ranges: bool = True
    wrong: bytes | None = None  # the body of a GET, instead of the file's
    gated: bool = False
    portal: bool = False  # answers any question about a repository with a page that knows no hub
    asked: list[Asked] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def gets(self, path: str = "") -> list[Asked]:
        """The GETs so far whose path ends so; those of the hub's other services are left out."""
        return [
            one for one in self.asked if one.method == "GET" and one.path.endswith(path) and "/api/" not in one.path
        ]

    def environment(self, folder: Path) -> dict[str, str]:
        """Environment variables that send a process here, with its caches in `folder`."""
        return {
            "TORCH_HOME": str(folder / "torch"),
            "HF_HOME": str(folder / "hf"),
            "HF_ENDPOINT": self.url,
            "OPSIN_TORCHVISION_URL": f"{self.url}/models",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "*",
        }


@contextmanager
def serve(
    files: dict[str, bytes] | None = None, repos: dict[str, dict[str, bytes]] | None = None
) -> Iterator[FakeServer]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    http.fake = fake = FakeServer(http.server_port, dict(files or {}), dict(repos or {}))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.closed.set()
        http.shutdown()
        http.server_close()


def etag(name: str, content: bytes) -> str:
    """As the hub has it: SHA-256 of what it keeps as LFS, git's SHA-1 of the rest."""
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    @property
    def fake(self) -> FakeServer:
        return self.server.fake

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = unquote(self.path.partition("?")[0])
        self.fake.asked.append(Asked(self.command, path, self.headers["Range"], self.headers["Authorization"]))
        if self.fake.hang:
            self.fake.closed.wait(30)
        elif match := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path):
            self._resolve(*match.groups())
        elif path.startswith("/cdn/"):
            found = [content for repo in self.fake.repos.values() for name, content in repo.items()
                     if etag(name, content) == path.removeprefix("/cdn/")]  # fmt: skip
            self._send(found[0], {})
        elif path in self.fake.files:
            self._send(self.fake.files[path], {"ETag": f'"{etag("", self.fake.files[path])}"'})
        else:
            self._head(404, {"Content-Length": "0"})

    def _resolve(self, repo, revision, name):
        error = None
        if self.fake.portal:
            return self._send(b"<html>please log in</html>", {})
        if self.command == "HEAD" and self.fake.statuses:
            error = (self.fake.statuses.pop(0), "Fault")
        elif self.fake.gated:
            error = (403, "GatedRepo")
        elif repo not in self.fake.repos:
            error = (404, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            error = (404, "RevisionNotFound")
        elif name not in self.fake.repos[repo]:
            error = (404, "EntryNotFound")
        if error:
            return self._head(error[0], {"X-Error-Code": error[1], "X-Error-Message": "no", "Content-Length": "0"})
        content = self.fake.repos[repo][name]
        tag, headers = etag(name, content), {"X-Repo-Commit": COMMIT}
        if not name.endswith(LARGE):
            return self._send(content, {**headers, "ETag": f'"{tag}"'})
        return self._head(302, {
            **headers, "X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content)), "Content-Length": "0",
            "X-Xet-Hash": "0" * 64, "X-Xet-Refresh-Route": f"{self.fake.url}/api/xet",
            "Location": f"http://localhost:{self.fake.port}/cdn/{tag}",
        })  # fmt: skip

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content, headers):
        fake = self.fake
        body, start = content, 0
        if self.command == "GET":
            if fake.statuses:
                return self._head(fake.statuses.pop(0), {"Content-Length": "0"})
            body = content if fake.wrong is None else fake.wrong
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            start = int(asked[1]) if asked and fake.ranges else 0
        if start >= max(len(body), 1):
            return self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        self._head(206 if start else 200, {**headers, "Content-Length": str(len(body) - start)})
        if self.command == "HEAD":
            return None
        fake.closed.wait(fake.delay)
        if fake.stall is not None:
            self.wfile.write(body[start : start + fake.stall])
            fake.stalled.set()
            return fake.closed.wait(30)
        end = start + fake.cuts.pop(0) if fake.cuts else len(body)
        return self.wfile.write(body[start:end])
