"""Counts and lists of names, as messages say them."""

from collections.abc import Sequence


def many(count: int, thing: str) -> str:
    """ "1 image", "1,797 images"."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def named(names: Sequence[str], most: int = 10) -> str:
    """At most ten names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def listed(names: Sequence[str]) -> str:
    """ "train, val and test"."""
    return ", ".join(names[:-1]) + " and " + names[-1]
