"""Energy from a made-up tree of RAPL counters, by hand; the reason where there is none."""

import pytest
import torch

from opsin.costs.power import Draw, find_meter, rapl


def zone(root, name, what, energy, most=1000):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{what}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")


def test_packages_are_added_and_their_parts_are_not(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 500_000, 10**9)
    zone(tmp_path, "intel-rapl:1", "package-1", 0, 10**9)
    zone(tmp_path, "intel-rapl:0:0", "core", 0, 10**9)
    zone(tmp_path, "intel-rapl:2", "psys", 0, 10**9)
    meter = rapl(tmp_path)
    assert not isinstance(meter, str)
    assert meter() == 0
    for name, what, energy in (
        ("intel-rapl:0", "package-0", 2_500_000),
        ("intel-rapl:1", "package-1", 1_000_000),
        ("intel-rapl:0:0", "core", 9_000_000),
        ("intel-rapl:2", "psys", 9_000_000),
    ):
        zone(tmp_path, name, what, energy, 10**9)
    assert meter() == pytest.approx(3.0)


def test_a_counter_that_starts_again_goes_on(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 900, 1000)
    meter = rapl(tmp_path)
    assert not isinstance(meter, str)
    zone(tmp_path, "intel-rapl:0", "package-0", 200, 1000)
    assert meter() == pytest.approx(300e-6)
    zone(tmp_path, "intel-rapl:0", "package-0", 250, 1000)
    assert meter() == pytest.approx(350e-6)


def test_where_nothing_is_measured_the_reason_is_told(tmp_path):
    assert "no RAPL counters" in str(find_meter(torch.device("cpu"), tmp_path))
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert "want root" in str(rapl(tmp_path))
    assert "mps" in str(find_meter(torch.device("mps")))


def test_power_becomes_energy(monkeypatch):
    times, watts = iter([0.0, 2.0, 3.0]), iter([100.0, 200.0, 200.0])
    monkeypatch.setattr("opsin.costs.power.time.monotonic", lambda: next(times))
    draw = Draw(lambda: next(watts))
    assert draw() == 300.0
    assert draw() == 500.0
