"""The claims about time: the laws through times, and the verdicts that times like these would have."""

import numpy as np
import pytest
import torch
from scipy import stats

from opsin.claims.catalogue import CLAIMS
from opsin.claims.claim import Verdict
from opsin.claims.clock import law, milliseconds
from opsin.claims.topics import analysis, latency

HOLDS, PARTLY, NOT_HERE = Verdict.HOLDS, Verdict.PARTLY, Verdict.NOT_HERE


def test_a_law_is_the_line_through_logarithms():
    rng = np.random.default_rng(0)
    sizes = np.array([49, 196, 441, 784, 1764])
    times = 3e-4 * sizes**1.7 * np.exp(0.1 * rng.standard_normal(5))
    found, line = law(sizes.tolist(), times.tolist()), stats.linregress(np.log(sizes), np.log(times))
    assert found.exponent == pytest.approx(line.slope)
    assert found.r2 == pytest.approx(line.rvalue**2)
    assert found(100) == pytest.approx(np.exp(line.intercept) * 100**line.slope)
    assert found.reach == pytest.approx(stats.t.ppf(0.975, 3) * line.stderr)
    assert str(law([1, 2, 4], [1, 4, 16])) == "2.00 (2.00 to 2.00)"


def test_times_are_of_each_run():
    small, large = torch.randn(8, 8), torch.randn(512, 512)
    ms = milliseconds({"small": lambda: small @ small, "large": lambda: large @ large}, rounds=2, seconds=0.01)
    assert 0 < ms["small"] < ms["large"]


@pytest.mark.parametrize(("times", "verdict"), [(4.3, HOLDS), (4.2, PARTLY), (1.1, PARTLY), (1.0, NOT_HERE)])
def test_a_bottleneck(monkeypatch, times, verdict):
    monkeypatch.setattr(latency, "milliseconds", lambda runs, **_: {"full": times, "narrow": 1.0})
    found = latency.bottleneck_in_time(sides=(7, 14), batches=(1, 2, 4))
    assert found.verdict == verdict
    assert len(found.charts[0].cells) == 3 * len({1, torch.get_num_threads()})
    assert {value for row in found.charts[0].cells for value in row} == {times}


@pytest.mark.parametrize(("quick", "verdict"), [(3, HOLDS), (2, PARTLY)])
def test_three_of_four_cells_decide(monkeypatch, quick, verdict):
    ran = iter(range(1000))

    def fake(runs, **_):
        cell = next(ran) // 3  # three rounds a cell
        return {"full": 8.0 if cell % 4 < quick else 1.5, "narrow": 1.0}

    monkeypatch.setattr(latency, "milliseconds", fake)
    assert latency.bottleneck_in_time(sides=(7, 8, 9, 10), batches=(1,)).verdict == verdict


@pytest.mark.parametrize(
    ("attention", "convolution", "marks"),
    [(2.0, 1.0, [True, True, False]), (2.0, 1.3, [True, False, False]), (1.2, 1.3, [False, False, False])],
)
def test_growth_with_tokens(monkeypatch, attention, convolution, marks):
    def fake(runs, **_):
        tokens = runs["3x3"].args[0].shape[2] ** 2
        return {name: tokens ** (attention if name.startswith("attention") else convolution) for name in runs}

    monkeypatch.setattr(latency, "milliseconds", fake)
    found = latency.quadratic_attention(sides=(7, 14, 21, 28, 35, 42), most=35**2)
    assert [part.holds for part in found.parts[:3]] == marks
    assert found.verdict == (PARTLY if any(marks) else NOT_HERE)
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


@pytest.mark.parametrize(("patches", "saved", "verdict"), [(0.3, 8.0, HOLDS), (0.4, 8.0, PARTLY), (0.4, 1.0, NOT_HERE)])
def test_patches_and_depthwise(monkeypatch, patches, saved, verdict):
    def fake(runs, **_):
        return {"stem": 1.0, "patches": patches} if "stem" in runs else {"full": saved, "apart": 1.0}

    monkeypatch.setattr(latency, "milliseconds", fake)
    assert latency.patches_and_depthwise().verdict == verdict


@pytest.fixture
def few(monkeypatch):
    """Six networks in place of all for photos."""
    names = ["vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "alexnet"]
    monkeypatch.setattr(analysis, "of_photos", lambda year: names)
    return names


def test_what_is_costly(monkeypatch, few):
    monkeypatch.setattr(analysis, "timed", lambda name, sheet, *_: float(sheet.macs))
    assert analysis.costly_vgg().verdict == HOLDS
    monkeypatch.setattr(analysis, "timed", lambda name, sheet, *_: 1 / sheet.macs)
    assert analysis.costly_vgg().verdict == PARTLY


def test_operations_and_time(monkeypatch, few):
    monkeypatch.setattr(analysis, "timed", lambda name, sheet, *_: sheet.macs**0.9)
    found = analysis.operations_and_time()
    assert found.verdict == HOLDS and "1.000, over 6 networks" in found.parts[0].found
    monkeypatch.setattr(analysis, "timed", lambda name, sheet, *_: 1.0 + few.index(name) % 2)
    assert analysis.operations_and_time().verdict == NOT_HERE


def test_the_networks_for_photos():
    names = analysis.of_photos(2016)
    assert {"alexnet", "vgg16", "googlenet", "resnet50"} <= set(names)
    assert not {"lenet5", "resnet20_cifar", "enet", "mobilenet_v2_100", "convnext_tiny"} & set(names)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_not_run():
    assert CLAIMS["X30"].test().verdict == Verdict.NOT_RUN


@pytest.mark.slow
def test_it_measures():
    """Attention to 784 tokens, patches and depthwise: the others take minutes, and their rules are held above."""
    for found in (latency.quadratic_attention(sides=(7, 14, 21, 28)), latency.patches_and_depthwise()):
        assert found.verdict in Verdict and found.parts
