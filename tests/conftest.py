import gc
import os
import sys

import pytest

from opsin.cli.main import main

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: `pytest -n 2` has a process for each core


def pytest_collection_finish():
    """What is imported by now stays: the collector of garbage, which measuring calls often, need not search it."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    gc.unfreeze()


@pytest.fixture
def opsin(monkeypatch, capsys):
    """Runs the command line in this process: opsin("list", "vgg*") -> (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["opsin", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="module")
def kept_workers():
    """Comparisons of this module train in processes that are kept from one to the next."""
    from kept_pool import KeptPool

    from opsin.compare import comparison

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(comparison, "Pool", KeptPool)
        yield
