"""How OpenMP's threads wait: what the commands add to the environment."""

import pytest

from opsin import waiting


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in waiting.SETTINGS:
        monkeypatch.delenv(name, raising=False)


def test_both_are_set_where_the_user_set_neither():
    assert waiting.settings() == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}


@pytest.mark.parametrize("name", waiting.SETTINGS)
def test_what_the_user_set_stands_alone(monkeypatch, name):
    monkeypatch.setenv(name, "ACTIVE")
    assert waiting.settings() == {}
