"""Other work on the machine: from a made-up /proc/stat, by hand, and beside a process that computes."""

import subprocess
import sys
import time

import pytest

from opsin.costs.others import STAT, Others, busy_seconds, cores_here

LINE = "{name} {user} 5 10 {idle} 7 1 2 {steal} 0 0\n"


def stat(path, user, steal=0):
    every = [LINE.format(name=f"cpu{core}", user=user, idle=1000, steal=steal) for core in sorted(cores_here())]
    text = LINE.format(name="cpu", user=99999, idle=1, steal=0) + "".join(every)
    foreign = LINE.format(name="cpu999", user=88888, idle=0, steal=0)  # a core that is not ours
    path.write_text(text + foreign + "intr 1 2 3\n")
    return path


@pytest.mark.skipif(not hasattr(__import__("os"), "sysconf"), reason="ticks are told by sysconf")
def test_busy_is_all_but_idle_and_waiting(tmp_path):
    n = len(cores_here())
    assert busy_seconds(stat(tmp_path / "stat", user=100, steal=20)) == pytest.approx(
        n * (100 + 5 + 10 + 1 + 2 + 20) / 100
    )
    assert busy_seconds(tmp_path / "none") is None
    (tmp_path / "odd").write_text("cpu0 a b\n")
    assert busy_seconds(tmp_path / "odd") is None


def test_others_are_what_is_not_our_own(tmp_path):
    path = stat(tmp_path / "stat", user=100)
    others = Others(stat=path)
    time.sleep(0.2)
    assert (others.cores() or 0) < 0.1
    assert not others.disturb(others.cores())
    stat(path, user=100 + 50)
    taken = others.cores()
    assert taken == pytest.approx(0.5 * len(cores_here()) / 0.2, rel=0.25)
    assert others.disturb(taken)


def test_where_nobody_tells_a_thread_that_waits_has_been_disturbed(tmp_path):
    assert Others(stat=tmp_path / "none").cores() is None
    alone = Others(1, tmp_path / "none")
    time.sleep(0.2)
    assert alone.disturb(alone.cores())


@pytest.mark.skipif(not STAT.exists(), reason="Linux alone tells of other processes")
def test_a_hog_is_seen():
    hog = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert hog.stdout is not None
        hog.stdout.readline()
        others = Others()
        time.sleep(0.4)
        taken = others.cores()
        assert others.disturb(taken)
        assert (taken or 0) > 0.25  # less than a core where the machine is full
    finally:
        hog.kill()
        hog.wait()
