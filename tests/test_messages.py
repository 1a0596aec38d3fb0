"""Counts and sizes as messages say them."""

import pytest

from opsin.words import compact, mebibytes, named, printable, three_digits


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 MiB"),
        (842_000, "0.803 MiB"),
        (97.7 * 2**20, "97.7 MiB"),
        (999.4 * 2**20, "999 MiB"),
        (999.6 * 2**20, "0.976 GiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (2654 * 2**30, "2,654 GiB"),
    ],
)
def test_sizes_have_no_powers_of_ten(size, told):
    assert mebibytes(size) == told


def test_counts_have_units():
    values = (0, 999, 1000, 25_557_032, 999_499, 999_500, 3_857_973_248, 2e15)
    assert [compact(value) for value in values] == ["0", "999", "1k", "25.6M", "999k", "1M", "3.86G", "2000T"]


def test_three_digits():
    values = (0.00001, 0.012, 1.234, 2, 9.996, 12.34, 99.94, 99.96, 1234.5)
    told = ["<.001", "0.0120", "1.23", "2.00", "10.0", "12.3", "99.9", "100", "1,234"]
    assert [three_digits(value) for value in values] == told


def test_names_do_not_steer_the_terminal():
    assert printable("a\x1b[2J\n.png") == r"a\x1b[2J\n.png"
    assert named(["a\nb", "c"], 1) == r"a\nb and 1 more"
    assert printable("straße 日本 [b].png") == "straße 日本 [b].png"
