"""Downloads against a real server on loopback: what is cut goes on, what is wrong is not kept, two make one."""

import errno
import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch.hub
from fake_server import COMMIT, serve

from opsin.errors import OpsinError
from opsin.weights import download, hub

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{SHA256[:8]}.pth"
REPO = "timm/net.tag_in1k"
CONFIG = b'{"architecture": "net"}'


@pytest.fixture
def server(monkeypatch, tmp_path):
    with serve({f"/models/{NAME}": CONTENT}, {REPO: {"model.safetensors": CONTENT, "config.json": CONFIG}}) as server:
        for name, value in server.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(download, "WAIT_SECONDS", 0.001)
        yield server


@pytest.fixture
def hf(server, monkeypatch, tmp_path):
    """huggingface_hub reads its environment when it is imported: here its constants are set."""
    constants = pytest.importorskip("huggingface_hub.constants")
    for name, value in {
        "ENDPOINT": server.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
        "HF_TOKEN_PATH": str(tmp_path / "hf" / "token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_ETAG_TIMEOUT": 0.5,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path / "hf" / "hub" / f"models--{REPO.replace('/', '--')}"


def fetch(**kwargs):
    return download.fetch(download.torchvision_url(NAME), SHA256[:8], **kwargs)


def refused(call, *says):
    """Runs `call`, which fails in one line that says all of `says`."""
    with pytest.raises(OpsinError) as error:
        call()
    text = str(error.value)
    assert "\n" not in text
    for part in says:
        assert str(part) in text, text


def in_process(code, **kwargs):
    return subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, **kwargs)


FETCH = f"from opsin.weights import download as d; print(d.fetch(d.torchvision_url({NAME!r}), {SHA256[:8]!r}))"


def test_it_lies_where_torchvision_looks(server, tmp_path):
    told = []
    path = fetch(progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / "torch" / "hub" / "checkpoints" / NAME
    assert str(path.parent.parent) == torch.hub.get_dir()
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert fetch() == path == download.cached(download.torchvision_url(NAME), SHA256)
    assert len(server.asked) == 1
    assert not path.with_name(NAME + ".part").exists()


def test_without_torch_home(server, monkeypatch, tmp_path):
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert str(fetch().parent.parent) == torch.hub.get_dir()
    monkeypatch.delenv("OPSIN_TORCHVISION_URL")
    assert download.torchvision_url("a.pth") == "https://download.pytorch.org/models/a.pth"


def test_what_is_cut_goes_on_within_a_call(server):
    server.cuts, server.statuses = [100_000, 0, 50_000], [503]
    assert fetch().read_bytes() == CONTENT
    ranges = [one.range for one in server.gets()]
    assert ranges == [None, None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_and_in_the_next_call(server):
    server.cuts = [100_000] + [0] * 20
    refused(fetch, NAME, "100,000 bytes are kept")
    assert len(server.gets()) == download.TRIES
    server.cuts, server.asked = [], []
    assert fetch().read_bytes() == CONTENT
    assert [one.range for one in server.gets()] == ["bytes=100000-"]


def test_a_server_that_knows_no_ranges(server):
    server.ranges, server.cuts = False, [100_000]
    assert fetch().read_bytes() == CONTENT


@pytest.mark.parametrize("length", [0, 1, 299_999, 300_000, 300_001, 400_000])
def test_the_length_of_a_part(server, length):
    path = fetch()
    path.unlink()
    path.with_name(NAME + ".part").write_bytes((CONTENT + CONTENT)[:length])
    assert fetch().read_bytes() == CONTENT
    whole = [one for one in server.gets()[1:] if one.range is None]
    assert len(whole) == (length in (0, 300_001, 400_000))


def test_a_part_of_another_file(server):
    path = fetch()
    path.unlink()
    path.with_name(NAME + ".part").write_bytes(b"the beginning of another file")
    assert fetch().read_bytes() == CONTENT
    assert [one.range for one in server.gets()[1:]] == ["bytes=29-", None]


def test_a_wrong_file_is_not_kept(server, tmp_path):
    server.wrong = b"<html>please log in</html>"
    found = hashlib.sha256(server.wrong).hexdigest()[:8]
    refused(fetch, download.torchvision_url(NAME), SHA256[:8], found)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    server.wrong = None
    assert fetch().read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "says"), [(404, "no such file"), (403, "403"), (500, "500")])
def test_statuses(server, status, says, tmp_path):
    server.statuses = [status] * 20
    refused(fetch, NAME, says)
    assert len(server.gets()) == (download.TRIES if status == 500 else 1)
    assert not list(tmp_path.rglob("*.pth*")) or [path.suffix for path in tmp_path.rglob("*.pth*")] == [".lock"]


def test_no_server_and_one_that_hangs(server, monkeypatch):
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    server.hang = True
    refused(fetch, NAME, "no answer", "timed out")
    server.hang, server.stall = False, 0
    refused(fetch, NAME, "timed out", "try later")
    assert len(server.gets()) == 1 + download.TRIES
    monkeypatch.setenv("OPSIN_TORCHVISION_URL", "http://127.0.0.1:1/models")
    refused(fetch, "127.0.0.1:1", "no answer", "refused", f"checkpoints/{NAME}")
    monkeypatch.setenv("OPSIN_TORCHVISION_URL", "file:///models")
    refused(fetch, "file:///models", "https://")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(server, monkeypatch, variable):
    url = download.torchvision_url(NAME)
    assert not download.offline()
    monkeypatch.setenv(variable, "1")
    assert download.offline()
    refused(fetch, variable, NAME, "is not there")
    assert not download.reachable(server.url)
    assert download.cached(url, SHA256) is None
    assert server.asked == []
    monkeypatch.setenv(variable, "0")
    path = fetch()
    monkeypatch.setenv(variable, "yes")
    assert fetch() == path
    path.write_bytes(CONTENT[:-1] + b"?")
    refused(fetch, variable, path, "is damaged")
    assert download.cached(url, SHA256) is None


def test_a_damaged_file_is_fetched_again(server):
    path = fetch()
    path.write_bytes(CONTENT[:-1] + b"?")
    assert fetch() == path
    assert path.read_bytes() == CONTENT


def test_two_processes_make_one_download(server):
    server.delay = 0.5
    both = [in_process(FETCH) for _ in range(2)]
    out = [process.communicate(timeout=60) for process in both]
    assert all(process.returncode == 0 for process in both), out
    assert out[0][0] == out[1][0]
    assert len(server.gets(NAME)) == 1


def test_the_part_of_a_killed_process_is_used(server):
    server.stall = 200_000
    process = in_process(FETCH)
    assert server.stalled.wait(60)
    part = download._place(download.torchvision_url(NAME)).with_name(NAME + ".part")
    end = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    length, server.stall, server.asked = part.stat().st_size, None, []
    assert length > 100_000
    assert fetch().read_bytes() == CONTENT
    assert [one.range for one in server.gets()] == [f"bytes={length}-"]


def test_no_room(server):
    """A limit on the size of files stands for a full disk: the bytes up to it are written, then an error comes."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
    process = in_process(limit + FETCH)
    _, err = process.communicate(timeout=60)
    assert process.returncode
    assert err.splitlines()[-1].startswith("opsin.errors.OpsinError: cannot write"), err
    assert fetch().read_bytes() == CONTENT
    assert server.gets()[-1].range == "bytes=100000-"


def test_a_full_disk_says_so(tmp_path):
    text = str(download.unwritable(tmp_path / "a", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert "No space left" in text
    assert "make room" in text


def test_no_permission(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    refused(fetch, tmp_path / "file", "TORCH_HOME")


def test_reachable(server):
    assert download.reachable(f"{server.url}/models/none.pth")
    server.hang = True
    start = time.monotonic()
    assert not download.reachable(server.url, 0.2)
    assert not download.reachable("http://127.0.0.1:1")
    assert not download.reachable("http://name.invalid", 0.2)
    assert not download.reachable("nonsense")
    assert time.monotonic() - start < 2


def test_the_hub(server, hf, capfd):
    told = []
    assert hub.cached(REPO, "model.safetensors") is None
    path = hub.fetch(REPO, "model.safetensors", progress=lambda done, total: told.append((done, total)))
    assert path == hf / "snapshots" / COMMIT / "model.safetensors" == hub.cached(REPO, "model.safetensors")
    assert path.read_bytes() == CONTENT
    assert path.resolve() == hf / "blobs" / SHA256
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert hub.fetch(REPO, "config.json", revision="main").read_bytes() == CONFIG
    server.asked.clear()
    assert hub.fetch(REPO, "model.safetensors") == path
    assert hub.fetch(REPO, "model.safetensors", revision=COMMIT) == path
    assert server.gets() == []
    assert capfd.readouterr() == ("", "")


def test_the_hub_after_a_cut(server, hf):
    server.cuts = [100_000] + [0] * 20
    refused(lambda: hub.fetch(REPO, "model.safetensors"), REPO, "100,000 bytes are kept")
    assert hub.cached(REPO, "model.safetensors") is None
    server.cuts, server.asked = [], []
    assert hub.fetch(REPO, "model.safetensors").read_bytes() == CONTENT
    assert [one.range for one in server.gets(SHA256)] == ["bytes=100000-"]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_wrong_bytes_from_the_hub(server, hf, file):
    right = {"model.safetensors": CONTENT, "config.json": CONFIG}[file]
    server.wrong = b"?" * len(right)
    refused(lambda: hub.fetch(REPO, file), file, "expected", "not kept")
    assert hub.cached(REPO, file) is None
    assert not [path for path in hf.rglob("*") if path.parent.name in ("blobs", COMMIT)]
    server.wrong = None
    assert hub.fetch(REPO, file).read_bytes() == right


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_damaged_file_of_the_hub(server, hf, file, monkeypatch):
    path = hub.fetch(REPO, file)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert hub.cached(REPO, file) is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(lambda: hub.fetch(REPO, file), path, "is damaged", "HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert hub.fetch(REPO, file).read_bytes() == content


def test_the_hub_offline_and_silent(server, hf, monkeypatch):
    def get():
        return hub.fetch(REPO, "model.safetensors")

    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    refused(get, REPO, "TRANSFORMERS_OFFLINE")
    assert server.asked == []
    monkeypatch.delenv("TRANSFORMERS_OFFLINE")
    server.hang = True
    refused(get, REPO, "no answer", "HF_ENDPOINT")
    server.hang = False
    server.statuses = [503]
    refused(get, REPO, "answers 503")
    path = get()
    server.hang = True
    assert get() == path
    server.hang, server.statuses = False, [503]
    assert get() == path
    server.portal = True
    assert get() == path
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    server.asked.clear()
    assert get() == path
    assert server.asked == []


def test_the_hub_offline_since_its_import(server, hf, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(lambda: hub.fetch(REPO, "config.json"), "unset HF_HUB_OFFLINE")
    assert server.asked == []


def test_what_the_hub_has_not(server, hf):
    file = "model.safetensors"
    refused(lambda: hub.fetch("timm/none", file), "no repository", "timm/none")
    refused(lambda: hub.fetch(REPO, "none.bin"), REPO, "no file 'none.bin'")
    refused(lambda: hub.fetch(REPO, file, revision="v9"), REPO, "no revision 'v9'")
    refused(lambda: hub.fetch("not a name", file), "not a name")
    refused(lambda: hub.fetch(REPO, "../../escape"), "escape")
    server.gated = True
    refused(lambda: hub.fetch(REPO, file), "gated", "HF_TOKEN")
    server.portal = True
    refused(lambda: hub.fetch(REPO, file), "not a Hugging Face hub", "HF_ENDPOINT")


def test_a_token_stays_with_the_hub(server, hf, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.fetch(REPO, "model.safetensors")
    tokens = {one.path.startswith("/cdn/"): one.token for one in server.gets()}
    assert tokens == {False: "Bearer hf_secret", True: None}


def test_a_cache_without_links(server, hf, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.are_symlinks_supported", lambda *_: False)
    for _ in range(2):
        path = hub.fetch(REPO, "model.safetensors")
    assert not path.is_symlink()
    assert path.read_bytes() == CONTENT
    assert not (hf / "blobs" / SHA256).exists()
    assert len(server.gets(SHA256)) == 1
    path.write_bytes(b"damaged")
    assert hub.fetch(REPO, "model.safetensors").read_bytes() == CONTENT


def test_the_environment_and_two_processes(server, tmp_path):
    pytest.importorskip("huggingface_hub")
    server.delay = 0.5
    code = f"from opsin.weights import hub; print(hub.fetch({REPO!r}, 'model.safetensors'))"
    both = [in_process(code) for _ in range(2)]
    out = [process.communicate(timeout=60) for process in both]
    assert all(process.returncode == 0 for process in both), out
    assert out[0] == out[1]
    assert out[0][1] == ""
    assert out[0][0].startswith(str(tmp_path / "hf" / "hub"))
    assert len(server.gets(SHA256)) == 1


def test_without_huggingface_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused(lambda: hub.fetch(REPO, "config.json"), "pip install 'opsin[hub]'")
    assert hub.cached(REPO, "config.json") is None
