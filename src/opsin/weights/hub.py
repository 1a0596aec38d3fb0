"""Files of Hugging Face repositories, in the cache that huggingface_hub keeps and other libraries share.

huggingface_hub says which commit and which hash a file has, and lays out the cache; it reads HF_HOME, HF_HUB_CACHE,
HF_ENDPOINT and HF_TOKEN. It does not hash what comes over HTTP, and since its version 2 a process that ends before a
file is whole leaves nothing to go on from. So large files (LFS and Xet, whose ETag is their SHA-256) are brought by
`opsin.weights.download` to the place where it looks for them; small ones it brings itself. Xet's chunks are not used:
the hub serves the same files over HTTP.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from opsin.errors import OpsinError
from opsin.weights import download
from opsin.weights.download import Progress


def fetch(repo: str, file: str, *, revision: str | None = None, progress: Progress | None = None) -> Path:
    """A file of a repository at `revision` (branch, tag or commit; default "main"), downloaded where need be.

    The hub is asked whether the branch has moved, at each call. Where it does not answer, the cached file is taken, and
    offline it is not asked. A file is hashed before it is returned, but for those of a cache without links (Windows)
    while the hub is silent: there the name does not hold the hash.

    Raises:
        OpsinError: no huggingface_hub, no such repository, revision or file, no access, no answer, another hash, no
            room, no permission; or it would have to be downloaded and `download.offline()` forbids it.
    """
    _require()
    from huggingface_hub import constants, errors

    held = _held(repo, file, revision)
    if variable := download.offline_variable():
        if held and _is_sound(held):
            return held
        state = f"{held} is damaged" if held else f"{repo}/{file} is not in {constants.HF_HUB_CACHE}"
        raise OpsinError(f"{state}, and {variable} forbids the network: unset it")
    try:
        with _quiet():
            return _newest(repo, file, revision, progress)
    except OpsinError:
        raise
    except Exception as error:
        known = isinstance(error, (errors.RemoteEntryNotFoundError, errors.RevisionNotFoundError))
        if held and not known and _is_sound(held):
            return held
        raise _trouble(error, repo, file, revision) from error


def cached(repo: str, file: str, revision: str | None = None) -> Path | None:
    """The file of `fetch` where it is in the cache and sound; no network. None without huggingface_hub."""
    try:
        _require()
    except OpsinError:
        return None
    held = _held(repo, file, revision)
    return held if held and _is_sound(held) else None


def address(repo: str) -> str:
    """Where the hub says what a repository has; "" without huggingface_hub."""
    try:
        _require()
    except OpsinError:
        return ""
    import huggingface_hub as hf

    return hf.hf_hub_url(repo, "config.json")


def _newest(repo: str, file: str, revision: str | None, progress: Progress | None) -> Path:
    import huggingface_hub as hf
    from huggingface_hub import constants, utils

    url = hf.hf_hub_url(repo, file, revision=revision)
    stated = hf.get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    etag, commit = stated.etag or "", stated.commit_hash
    if not commit or not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", etag):
        raise ConnectionError("what answers is not a Hugging Face hub")
    folder = f"models--{repo.replace('/', '--')}"
    blob = Path(constants.HF_HUB_CACHE) / folder / "blobs" / etag
    held = _held(repo, file, commit)
    if held and _digest(held, etag) != etag:
        held.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        held = None
    if not held and len(etag) == 64:
        download.obtain(
            hf.hf_hub_url(repo, file, revision=commit),
            blob,
            etag,
            lock=Path(constants.HF_HUB_CACHE) / ".locks" / folder / f"{etag}.lock",
            headers=utils.build_hf_headers(),
            progress=progress,
        )
    path = Path(hf.hf_hub_download(repo, file, revision=revision))
    if not held and not path.is_symlink():
        blob.unlink(missing_ok=True)  # a cache without links has a copy
    if not held and (found := _digest(path, etag)) != etag:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise OpsinError(f"{url} is not what it should be: hash {etag} expected, {found} found; not kept")
    return path


def _held(repo: str, file: str, revision: str | None) -> Path | None:
    """The cached file, sound or not."""
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(repo, file, revision=revision)
    except ValueError as error:
        raise OpsinError(f"not a file of a repository: {repo!r}, {file!r} ({_line(error)})") from error
    return Path(path) if isinstance(path, str) else None


def _is_sound(path: Path) -> bool:
    """Whether the content of a cached file is what the name of its blob says."""
    etag = path.readlink().name if path.is_symlink() else ""
    try:
        return _digest(path, etag) == etag
    except OSError:
        return False


def _digest(path: Path, etag: str) -> str:
    """The hash of a file, of the kind that `etag` is: SHA-256, or git's SHA-1; "" where there is none."""
    if len(etag) == 64:
        return download.digest(path)
    if len(etag) == 40:
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return ""


def _trouble(error: Exception, repo: str, file: str, revision: str | None) -> OpsinError:
    """What huggingface_hub raised, in one line."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{repo}"
    if isinstance(error, errors.GatedRepoError):
        return OpsinError(f"{page} is gated: accept its terms on that page, and set HF_TOKEN to a token of yours")
    if isinstance(error, errors.RepositoryNotFoundError):
        return OpsinError(f"no repository at {page}: check its name, or set HF_TOKEN where it is private")
    if isinstance(error, errors.RevisionNotFoundError):
        return OpsinError(f"{page} has no revision {revision or 'main'!r}: name a branch, a tag or a commit of it")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return OpsinError(f"{page} has no file {file!r}: check its name on that page")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return OpsinError(
            f"{repo}/{file} is not cached, and huggingface_hub is offline: unset HF_HUB_OFFLINE and start anew"
        )
    if isinstance(error, errors.HfHubHTTPError):
        return OpsinError(f"{page} answers {error.response.status_code} for {file!r}: try later, or check HF_TOKEN")
    if isinstance(error, OSError) and error.errno:
        return download.unwritable(Path(constants.HF_HUB_CACHE), error)
    return OpsinError(f"no answer from {page} ({_line(error)}): check the connection, and HF_ENDPOINT where it is set")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _require() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise OpsinError("weights of the Hugging Face hub need huggingface_hub: pip install 'opsin[hub]'") from error
    return huggingface_hub


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and remarks of huggingface_hub; what is wrong is raised all the same."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    level, bars = logging.get_verbosity(), not are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.set_verbosity_error()
        disable_progress_bars()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                enable_progress_bars()
