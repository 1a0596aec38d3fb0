"""How people started Opsin, for the commands that they are told."""

import sys


def program() -> str:
    """The command line's own name: "opsin", "opsin" for `python -m opsin` too, or its path where that was given."""
    return "opsin" if sys.argv[0].endswith("__main__.py") else sys.argv[0]
