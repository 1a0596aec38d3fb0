"""What a user can cause is said in one line: the thing, where it is, and the mend."""

import difflib
from collections.abc import Iterable


class OpsinError(Exception):
    """A mistake that the caller can mend. Its text is one line; the command line prints it and exits with `code`."""

    code = 1


def unknown(kind: str, name: str, known: Iterable[str]) -> OpsinError:
    """An error for a name that is not among `known`, with the nearest names that are."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known[:12])}"
    return OpsinError(f"unknown {kind} {name!r}; {hint}")
