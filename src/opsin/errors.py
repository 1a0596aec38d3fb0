"""What a user can cause is said in one line: the thing, where it is, and the mend."""

import difflib
import time
from collections.abc import Iterable
from typing import NoReturn

FIRST = 5.0
"""Seconds that the first of several processes has to say an error: torchrun ends all when one has ended."""


class OpsinError(Exception):
    """A mistake that the caller can mend. Its text is one line; the command line prints it and exits with `code`."""

    code = 1


def unknown(kind: str, name: str, known: Iterable[str]) -> OpsinError:
    """An error for a name that is not among `known`, with the nearest names that are."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known[:12])}"
    return OpsinError(f"unknown {kind} {name!r}; {hint}")


def leave_to_the_first(code: int) -> NoReturn:
    """Ends one of several processes without a word: the first one says the error that all have."""
    time.sleep(FIRST)
    raise SystemExit(code)
