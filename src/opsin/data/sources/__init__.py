"""Where labelled images come from: `load` reads each kind of data that people have.

| data | read by |
|---|---|
| a folder of class folders, or of parts that hold them | `folder` |
| a list of paths and labels: .csv, .tsv, .jsonl | `lists` |
| arrays: .npz; the built-in digits | `arrays` |
| a set known by its name: mnist, cifar10, flowers102 ... | `named` |
| a set of the Hugging Face library datasets: hf:owner/name, or a folder that it has saved | `hub` |
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from opsin.data.groups import by_pattern
from opsin.data.sources import arrays, hub, lists, named
from opsin.data.sources.folder import has_classes, image_files, read_folder, unlabelled
from opsin.data.sources.source import PARTS, Source, check_classes
from opsin.errors import OpsinError, unknown

__all__ = ["PARTS", "Source", "check_classes", "image_files", "load", "load_any", "regrouped"]


def load(data: str | Path, groups: str | None = None, root: str | Path | None = None, strict: bool = True) -> Source:
    """The source that `data` names. No image file is opened; what is there is meant before a set of that name is.

    Args:
        data: a folder; a .csv, .tsv or .jsonl file of paths and labels; a .npz file of arrays; "digits" or another name
            of `opsin.data.sources.named.SETS`; or "hf:owner/name", with ":config" where it has several.
        groups: says which images belong together (one patient, one video): the name of a column (of the list; of
            `metadata.csv` in a folder; of the Hugging Face set; an array of the .npz file); or else a regular
            expression that is searched in each id, and whose first group, or whole match, is the name.
        root: where a copy of a named set lies; by default the cache folder, into which it is downloaded.
        strict: whether every part must have images of every class, as training needs it.

    Raises:
        OpsinError: for data that is not as its reader wants it, and for an image that has no group.
    """
    text, path = str(data), Path(data)
    if by_its_name := _by_name(text, path):
        source = by_its_name(text, groups, None if root is None else Path(root))
    elif root is not None:
        here = f"{text!r}, which is a folder here" if named.known(text) else repr(text)
        raise OpsinError(f"--root is for sets that are known by a name, not for {here}: leave it out")
    else:
        source = _by_path(text, path)(path, groups)
    if strict:
        check_classes(source)
    return source


def load_any(data: str | Path, root: str | Path | None = None) -> Source:
    """As `load`, and also a folder of images without classes, or with one: `classes` is empty then and labels are -1.

    What is no image is left out there. Raises OpsinError as `load` does, and where a folder has no images.
    """
    folder = Path(data)
    if not folder.is_dir() or hub.is_saved(folder) or has_classes(folder):
        return load(data, root=root)
    return unlabelled(folder)


def regrouped(source: Source, groups: str) -> Source:
    """The source with groups that were not asked for when it was loaded. Raises OpsinError where it has none such."""
    if source.path is not None:
        whole = load(source.path, groups)
        of = dict(zip(whole.ids, whole.groups or (), strict=False))
        return replace(source, groups=tuple(of[name] for name in source.ids))
    return replace(source, groups=by_pattern(source.ids, groups))


def _by_name(text: str, path: Path) -> Callable[[str, str | None, Path | None], Source] | None:
    """What reads a set that is known by its name; None where a folder or a file is meant."""
    if text.startswith(hub.PREFIX):
        return hub.read_hub
    return named.read_named if named.known(text) and not path.is_dir() else None


def _by_path(text: str, path: Path) -> Callable[[Path, str | None], Source]:
    """What reads a folder, a file, or the digits. Raises OpsinError where there is nothing to be read."""
    if path.is_dir():
        return hub.read_saved if hub.is_saved(path) else read_folder
    readers = dict.fromkeys(lists.SUFFIXES, lists.read_list) | {".npz": arrays.read_npz}
    reader = readers.get(path.suffix.lower())
    kinds = "a folder of class folders, a list (.csv, .tsv, .jsonl), arrays (.npz)"
    if path.is_file():
        if reader is None:
            raise OpsinError(f"{path} is a file, not a folder, and none that is read: give {kinds}")
        return reader
    if reader is None and text == "digits":
        return arrays.read_digits
    thing = "folder" if reader is None else "file"
    hint = str(unknown("set", text, ("digits", *named.SETS))).partition("; ")[2]
    if reader is None and path.name == text and hint.startswith("did you mean"):
        raise OpsinError(f"no folder {text!r} here, and no set of that name: {hint}")
    raise OpsinError(f"no {thing} {text!r}: give {kinds}, or a set by its name, such as digits, mnist or cifar10")
