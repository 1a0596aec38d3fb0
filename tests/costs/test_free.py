"""Free memory, as the system tells it."""

import torch

from opsin.costs.free import available, free_memory, left_in_group


def test_what_linux_calls_available(tmp_path):
    table = tmp_path / "meminfo"
    table.write_text("MemTotal:       100 kB\nMemFree:        10 kB\nMemAvailable:   40 kB\n")
    assert available(table) == 40 * 1024
    table.write_text("MemTotal:       100 kB\n")
    assert available(table) is None
    assert available(tmp_path / "none") is None


def test_the_limit_of_a_container(tmp_path):
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert left_in_group(tmp_path) == 700
    (tmp_path / "memory.stat").write_text("anon 100\nactive_file 50\ninactive_file 150\n")
    assert left_in_group(tmp_path) == 900
    (tmp_path / "memory.max").write_text("20\n")
    assert left_in_group(tmp_path) == 0
    (tmp_path / "memory.max").write_text("max\n")
    assert left_in_group(tmp_path) is None


def test_this_machine():
    free = free_memory(torch.device("cpu"))
    assert free is None or free > 2**20
