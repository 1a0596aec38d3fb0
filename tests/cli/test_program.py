"""What a command is called in the lines that say how to go on."""

import sys

import pytest

from opsin.cli.program import program


@pytest.mark.parametrize(
    ("started", "called"),
    [("opsin", "opsin"), (".venv/bin/opsin", ".venv/bin/opsin"), ("/src/opsin/__main__.py", "opsin")],
)
def test_it_can_be_typed(monkeypatch, started, called):
    monkeypatch.setattr(sys, "argv", [started, "train"])
    assert program() == called
