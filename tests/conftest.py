import os
import sys

import pytest

from opsin.cli.main import main

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: `pytest -n 2` has a process for each core


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
