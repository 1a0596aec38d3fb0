"""The claims about time: what times say, how far it repeats, and the verdicts that times like these would have."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from opsin.claims import clock
from opsin.claims.catalogue import CLAIMS
from opsin.claims.claim import Part, Verdict, every, weigh
from opsin.claims.clock import Figure, Times, law, through
from opsin.claims.topics import analysis, latency, lenet
from opsin.costs.count import count_model
from opsin.costs.measure import TimedBlock

HOLDS, PARTLY, NOT_HERE, UNDECIDED = Verdict.HOLDS, Verdict.PARTLY, Verdict.NOT_HERE, Verdict.UNDECIDED


@pytest.fixture
def taking(monkeypatch):
    """Puts what a run takes, by its name, for the clock: the same in every round."""

    def put(ms):
        monkeypatch.setattr(
            clock, "times", lambda builds, **_: Times({name: (float(ms(name)),) * 5 for name in builds})
        )
        monkeypatch.setattr(analysis, "TIMED", {})

    return put


@pytest.fixture
def briefly(monkeypatch):
    """Rounds are as few as can be."""
    times = clock.times
    monkeypatch.setattr(clock, "times", lambda builds, **asked: times(builds, **asked | {"minutes": 0}))


def test_a_law_is_the_line_through_logarithms():
    rng = np.random.default_rng(0)
    sizes = np.array([49, 196, 441, 784, 1764])
    times = 3e-4 * sizes**1.7 * np.exp(0.1 * rng.standard_normal(5))
    found, line = law(sizes.tolist(), times.tolist()), stats.linregress(np.log(sizes), np.log(times))
    assert found.exponent == pytest.approx(line.slope)
    assert found.r2 == pytest.approx(line.rvalue**2)
    assert found(100) == pytest.approx(np.exp(line.intercept) * 100**line.slope)


def test_a_law_of_arrays_is_one_of_each():
    cases = np.array([[1.0, 2.0, 5.0], [2.0, 9.0, 11.0], [4.0, 12.0, 39.0]])
    found, each = law([1, 3, 8], list(cases.T)), [law([1, 3, 8], own.tolist()) for own in cases]
    for what in ("factor", "exponent", "r2"):
        assert getattr(found, what) == pytest.approx([getattr(own, what) for own in each])


def test_times_are_of_each_run_built_anew():
    built = []

    def square(side):
        def build():
            built.append(side)
            x = torch.randn(side, side)
            return lambda: x @ x

        return build

    times = clock.times({"small": square(8), "large": square(512)}, rounds=3, minutes=0, seconds=0.01)
    assert built == [8, 512] * 3
    assert [len(own) for own in times.rounds.values()] == [3, 3]
    assert 0 < times.ms["small"] < times.ms["large"]


def blocks(monkeypatch, ms):
    """Puts what runs take, round by round, in place of measuring them; a build is then the run's name."""
    left = {name: iter(own) for name, own in ms.items()}
    monkeypatch.setattr(clock, "warm_up", lambda *_: None)
    monkeypatch.setattr(clock, "block", lambda name, *_, **__: TimedBlock((next(left[name]),)))
    return {name: lambda name=name: name for name in ms}


def test_rounds_go_on_for_what_does_not_agree_yet(monkeypatch):
    """Behind a first and a third round that were disturbed, "b" agrees in its sixth, where "a" does at once."""
    rounds = {"a": (5.0, 5.1, 5.05, 9.0, 1.0), "b": (9.0, 2.0, 3.0, 2.03, 4.0, 2.05, 1.0)}
    found = clock.times(blocks(monkeypatch, rounds), rounds=4)
    assert found.rounds == {"a": [5.0, 5.1, 5.05, 9.0], "b": [9.0, 2.0, 3.0, 2.03, 4.0, 2.05]}
    assert found.ms == {"a": 5.05, "b": 2.03}


def test_what_never_agrees_is_left_so_when_time_is_up(monkeypatch):
    now = iter(range(10**6))
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(now))
    found = clock.times(blocks(monkeypatch, {"a": itertools.count(1.0), "b": itertools.count(1.0)}), minutes=0.2)
    assert clock.ROUNDS < len(found.rounds["a"]) < 12
    assert found.figure(lambda ms: ms["a"]).low < 1 and found.figure(lambda ms: ms["a"]).high > 10


def test_threads_are_as_asked_and_then_as_before(monkeypatch):
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(clock, "block", lambda *_, **__: (seen.append(torch.get_num_threads()), TimedBlock((1.0,)))[1])
    for asked in ({}, {"threads": 2}):
        clock.times({"": lambda: lambda: None}, rounds=1, seconds=0, **asked)
        seen.append(torch.get_num_threads())
    monkeypatch.setattr(clock, "block", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clock.times({"": lambda: lambda: None}, rounds=1, seconds=0, threads=1 + before)
    assert [*seen, torch.get_num_threads()] == [1, before, 2, before, before]


def test_few_rounds_are_enough_to_say_how_far_they_lie_apart():
    assert clock.apart([3.0]) == 0
    assert clock.apart([3.0, 6.0]) == clock.apart([50.0, 3.0, 4.0, 6.0]) == pytest.approx(np.log(2))


def test_gradients_are_there_for_training_alone():
    seen = []
    build = through(lambda: Seen(seen), 2, 3)
    clock.times({"": build}, rounds=1, seconds=0.0)
    clock.times({"": build}, rounds=1, seconds=0.0, training=True)
    assert set(seen[: len(seen) // 2]) == {False} and set(seen[-2:]) == {True}


class Seen(torch.nn.Module):
    """Notes whether a pass is one of a training."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, x):
        self.seen.append(torch.is_grad_enabled())
        return x


def test_a_time_is_the_median_of_its_three_fastest_rounds():
    assert Times({"a": (9.0, 3.0, 1.0, 2.0, 50.0), "b": (4.0, 6.0, 5.0)}).ms == {"a": 2.0, "b": 5.0}


def test_rounds_that_agree_repeat_as_runs_do():
    """One time's interval is then 1.96 times what runs differ by, and a ratio's the square root of two times that."""
    times = Times({"a": (10.0,) * 5, "b": (20.0,) * 5})
    one, ratio = times.figure(lambda ms: ms["a"]), times.figure(lambda ms: ms["b"] / ms["a"])
    assert (one.value, ratio.value) == (10, 2)
    for found, share in ((one, 1.96 * clock.REPEATS), (ratio, 1.96 * 2**0.5 * clock.REPEATS)):
        for end, sign in ((found.low, -1), (found.high, 1)):
            assert np.log(end / found.value) == pytest.approx(sign * share, rel=0.1)


def test_rounds_that_do_not_agree_widen_the_interval():
    """By as much as the three fastest lie apart, as a standard deviation beside that of runs."""
    times = Times({"a": (10.0, 9.0, 40.0, 11.0)})
    found, share = times.figure(lambda ms: ms["a"]), 1.96 * np.hypot(clock.REPEATS, np.log(11 / 9))
    assert found.value == 10
    assert np.log([found.low / 10, found.high / 10]) == pytest.approx([-share, share], rel=0.1)


def test_a_figure_decides_where_its_interval_lies_on_one_side():
    found = Figure(0.93, 0.88, 0.96)
    assert f"{found:.2f}" == "0.93 (0.88 to 0.96)" and f"{found:.0%}" == "93% (88% to 96%)"
    assert [found.at_least(limit) for limit in (0.88, 0.9, 0.96, 0.97)] == [True, "open", "open", False]
    assert [found.at_most(limit) for limit in (0.87, 0.88, 0.9, 0.96)] == [False, "open", "open", True]
    assert [found.within(*ends) for ends in ((0.8, 1), (0.9, 1), (0.8, 0.95), (0.97, 1))] == [
        True, "open", "open", False,
    ]  # fmt: skip


def test_the_figure_that_decides_is_the_one_that_is_told():
    near, wrong, sure = Figure(0.91, 0.7, 0.98), Figure(0.85, 0.82, 0.88), Figure(0.95, 0.93, 0.97)
    assert clock.decisive({"sure": sure, "near": near}, 0.9) == "near"
    assert clock.decisive({"near": near, "sure": sure, "wrong": wrong}, 0.9) == "wrong"


@given(st.lists(st.sampled_from([True, False, "open", None]), min_size=1))
def test_open_parts_are_undecided_where_it_depends_on_them(marks):
    """The verdict is that of all ways in which open parts could fall, where these agree."""

    def plain(marks):
        return HOLDS if all(marks) else PARTLY if any(marks) else NOT_HERE

    decided = [mark for mark in marks if mark is not None]
    parts = [Part("", "", mark) for mark in marks]
    if not decided:
        with pytest.raises(ValueError, match="no part decides"):
            weigh(*parts)
        return
    ways = [[]]
    for mark in sorted(set(decided), key=str) + [mark for mark in ("open",) if decided.count("open") > 1]:
        ways = [[*way, fell] for way in ways for fell in ((True, False) if mark == "open" else (mark,))]
    verdicts = {plain(way) for way in ways}
    assert weigh(*parts).verdict == (verdicts.pop() if len(verdicts) == 1 else UNDECIDED)
    fell = {all(way) for way in ways}
    assert every(decided) == (fell.pop() if len(fell) == 1 else "open")


@pytest.mark.parametrize(
    ("times", "verdict"), [(4.9, HOLDS), (4.2, UNDECIDED), (3.5, PARTLY), (1.0, UNDECIDED), (0.8, NOT_HERE)]
)
def test_a_bottleneck(taking, times, verdict):
    taking(lambda name: times if name[-1] is latency.full else 1.0)
    found = latency.bottleneck_in_time(sides=(7, 14), batches=(1, 2, 4))
    assert found.verdict == verdict
    assert len(found.charts[0].cells) == 3 * len({1, torch.get_num_threads()})
    assert {value for row in found.charts[0].cells for value in row} == {times}


def test_the_least_of_many_cells_is_not_wrong_by_its_noise(monkeypatch):
    """Where the bottleneck is a little quicker everywhere, the least of what is measured is often less than 1."""
    rng = np.random.default_rng(0)

    def noisy(builds, **_):
        ms = {
            name: (1.1 if name[-1] is latency.full else 1.0) * np.exp(0.04 * rng.standard_normal()) for name in builds
        }
        return Times({name: (float(own),) * 5 for name, own in ms.items()})

    monkeypatch.setattr(clock, "times", noisy)
    marks = [latency.bottleneck_in_time().parts[1].holds for _ in range(20)]
    assert marks.count(False) <= 1


@pytest.mark.parametrize(("quick", "verdict"), [(3, HOLDS), (2, PARTLY)])
def test_three_of_four_cells_decide(taking, quick, verdict):
    sides = (7, 8, 9, 10)
    taking(lambda name: (8.0 if sides.index(name[2]) < quick else 1.5) if name[-1] is latency.full else 1.0)
    assert latency.bottleneck_in_time(sides=sides, batches=(1,)).verdict == verdict


@pytest.mark.parametrize(
    ("attention", "convolution", "marks"),
    [
        (2.0, 1.0, [True, True, False]),
        (2.0, 1.3, [True, False, False]),
        (1.2, 1.3, [False, False, False]),
        (1.8, 0.9, ["open", "open", False]),
    ],
)
def test_growth_with_tokens(taking, attention, convolution, marks):
    taking(lambda name: name[1] ** (attention if name[0].startswith("attention") else convolution))
    found = latency.quadratic_attention(sides=(7, 14, 21, 28, 56, 70), most=56**2)
    assert [part.holds for part in found.parts[:3]] == marks
    assert found.verdict == (PARTLY if True in marks else UNDECIDED if "open" in marks else NOT_HERE)
    assert found.parts[0].found.startswith(f"as written {attention:.2f} (")
    assert "8 times at 196 tokens, 32 times at 784 tokens, 128 times at 3,136 tokens" in found.parts[4].found
    times, memory = (chart.lines for chart in found.charts)
    assert [len(times[name]) for name in (latency.WRITTEN, latency.FUSED)] == [5, 6]
    n, mib = memory[latency.WRITTEN][-1]
    assert mib * 2**20 == pytest.approx(4 * (3 * 384 * n + 2 * 6 * n * n), rel=0.02)  # q, k, v and two tables
    assert memory[latency.FUSED][-1][1] < mib / 5


def test_attention_by_hand():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 98, 4)
    whole = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert (latency.naive(q, k, v) - whole).abs().max() < 1e-5
    windows = latency.in_windows(q, k, v).flatten(2, 3)
    first = torch.nn.functional.scaled_dot_product_attention(*(x[:, :, :49] for x in (q, k, v)))
    assert (windows[:, :, :49] - first).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("patches", "saved", "verdict"),
    [(0.2, 9.8, HOLDS), (0.4, 9.8, PARTLY), (0.4, 1.0, NOT_HERE), (0.33, 9.8, UNDECIDED), (0.2, 4.5, UNDECIDED)],
)
def test_patches_and_depthwise(taking, patches, saved, verdict):
    """Products are 8.2 to 8.9 times fewer."""
    ms = {latency.stem: 1.0, latency.patches: patches, latency.dense: saved, latency.separable: 1.0}
    taking(lambda name: ms[name if name in ms else name[0]])
    assert latency.patches_and_depthwise().verdict == verdict


@pytest.mark.parametrize(("gathered", "mark"), [(0.8, True), (1.02, "open"), (1.2, False)])
def test_the_quicker_form_of_a_table_decides(taking, gathered, mark):
    taking(lambda name: {"table, dense kernel with zeros": 1.3, "table, maps gathered": gathered}.get(name[0], 1.0))
    found = lenet.sparse_c3()
    assert [part.holds for part in found.parts[:3]] == [True, True, mark]
    assert found.verdict == {True: HOLDS, "open": UNDECIDED, False: PARTLY}[mark]
    assert found.parts[2].found.startswith(f"at batch 1 its quicker form takes {gathered:.2f} (")


@pytest.fixture
def few(monkeypatch):
    """Six networks in place of all for photos."""
    names = ["vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "alexnet"]
    monkeypatch.setattr(analysis, "of_photos", lambda year: names)
    return names


def test_networks_are_timed_once_in_a_process(monkeypatch):
    asked = []
    monkeypatch.setattr(analysis, "TIMED", {})
    monkeypatch.setattr(
        clock, "times", lambda builds, **_: (asked.append(sorted(builds)), Times(dict.fromkeys(builds, (1.0,))))[1]
    )
    assert list(analysis.times_of(["vgg11", "alexnet"]).rounds) == ["vgg11", "alexnet"]
    assert list(analysis.times_of(["alexnet", "resnet18"]).rounds) == ["alexnet", "resnet18"]
    assert asked == [["alexnet", "vgg11"], ["resnet18"]]


def macs(name):
    return count_model(name).macs


def test_what_is_costly(taking, few):
    taking(macs)
    assert analysis.costly_vgg().verdict == HOLDS
    taking(lambda name: 1 / macs(name))
    assert analysis.costly_vgg().verdict == PARTLY
    taking(lambda name: 1.0)
    assert analysis.costly_vgg().verdict == UNDECIDED
    taking(lambda name: {"vgg16": 2.0, "vgg19": 4.0, "alexnet": 3.0}.get(name, 1.0))
    assert "vgg16 takes 0.67 (0.6" in (found := analysis.costly_vgg().parts[2].found) and found.endswith("of alexnet's")


def test_operations_and_time(taking, few):
    taking(lambda name: macs(name) ** 0.9)
    found = analysis.operations_and_time()
    assert found.verdict == HOLDS and found.parts[0].found.startswith("1.000 (0.99")
    assert found.parts[0].found.endswith("over 6 networks")
    taking(lambda name: 1.0 + few.index(name) % 2)
    assert analysis.operations_and_time().verdict == NOT_HERE


def test_a_family_near_the_limit_leaves_it_undecided(taking, few):
    """One of four networks of VGG takes more than its products tell, so that these explain 0.9 of the four's times."""
    taking(lambda name: macs(name) * (1.28 if name == "vgg13" else 1.0))
    found = analysis.operations_and_time()
    assert [part.holds for part in found.parts[:2]] == [True, "open"] and found.verdict == UNDECIDED
    (family, _, low, high), *others = found.charts[2].rows
    assert family == "VGG" and low < 0.9 < high and not others


def test_the_networks_for_photos():
    names = analysis.of_photos(2016)
    assert {"alexnet", "vgg16", "googlenet", "resnet50"} <= set(names)
    assert not {"lenet5", "resnet20_cifar", "enet", "mobilenet_v2_100", "convnext_tiny"} & set(names)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_not_run():
    assert CLAIMS["X30"].test().verdict == Verdict.NOT_RUN


def test_steps_on_two_devices(monkeypatch, briefly):
    """Where both are this CPU, in small batches, none is ten times faster."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    small = {"lenet5": (2, 64)}
    found = analysis.ten_times_by_gpu(small, torch.device("cpu"))
    assert found.verdict == NOT_HERE and len(found.parts) == 1
    assert "(a GPU against" in found.parts[0].found
    assert [batch for batch, _ in found.charts[0].lines["lenet5"]] == [2, 64]


@pytest.mark.slow
def test_it_measures(briefly):
    """Attention to 784 tokens, patches and depthwise: the others take minutes, and their rules are held above."""
    attention, patches = latency.quadratic_attention(sides=(7, 14, 21, 28)), latency.patches_and_depthwise()
    assert attention.parts[2].holds is False and attention.parts[2].found.endswith("fused 1.00")
    assert patches.parts[0].holds is True, "0.04 of the time for a third"
