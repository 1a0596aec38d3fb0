"""benchmarks/svm_baselines.py: its kernels, images and machines against arithmetic by hand, and a run on digits."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC

from opsin.errors import OpsinError

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "svm_baselines.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("svm_baselines", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["svm_baselines"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["svm_baselines"]


@pytest.fixture(scope="module")
def digits(script):
    return script.read("digits", share=0.3)


def kernels(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The kernels as the table says them, on pixels in -1..1 (USPS) or 0..1 (MNIST): [n, D] and [m, D] -> [n, m]."""
    far = ((x[:, None] - y[None]) ** 2).sum(2)
    cosine = (x @ y.T) / np.sqrt(np.outer((x**2).sum(1), (y**2).sum(1)))
    return {
        "(x·y / 256)^3": (x @ y.T / 256) ** 3,
        "(x·y / 256 + 1)^4": (x @ y.T / 256 + 1) ** 4,
        "exp(-|x-y|² / 204.8)": np.exp(-far / 204.8),
        "exp(-0.03 |x-y|²)": np.exp(-0.03 * far),
        "(x·y)^4, deslanted": cosine**4,
        "(x·y)^9": cosine**9,
    }[name]


def test_each_machine_has_the_kernel_that_its_line_says(script, monkeypatch):
    monkeypatch.setattr(script, "SMOOTHING", 1e-9)
    monkeypatch.setattr(script, "deslant", lambda images: images)
    rng = np.random.default_rng(0)
    images, labels = rng.random((60, 16, 16), dtype=np.float32), np.arange(60) % 2
    for machine in script.MACHINES:
        pixels = images.reshape(60, -1).astype(np.float64) * (2 if machine.data == "usps" else 1)
        pixels -= machine.data == "usps"
        rows = machine.prepare(images)
        ours = SVC(C=script.C, **machine.kernel).fit(rows[:40], labels[:40])
        theirs = SVC(C=script.C, kernel="precomputed")
        theirs.fit(kernels(machine.about, pixels[:40], pixels[:40]), labels[:40])
        expected = theirs.decision_function(kernels(machine.about, pixels[40:], pixels[:40]))
        np.testing.assert_allclose(ours.decision_function(rows[40:]), expected, atol=5e-3)


def test_a_slanted_digit_is_set_upright(script):
    y = np.arange(28, dtype=np.float32)[:, None]
    upright = (np.exp(-((np.arange(28) - 13.5) ** 2) / 4) * (np.abs(y - 13.5) < 9)).astype(np.float32)
    shear = [
        np.interp(np.arange(28) - slope, np.arange(28), line)
        for line, slope in zip(upright, 0.4 * (y[:, 0] - 13.5), strict=True)
    ]
    images = np.stack([upright, np.array(shear, np.float32), np.zeros_like(upright)])
    out = script.deslant(images)
    np.testing.assert_allclose(out[0], upright, atol=1e-5)
    assert np.abs(images[1] - upright).max() > 0.5
    np.testing.assert_allclose(out[1], upright, atol=0.1)
    assert not out[2].any()


def test_images_move_by_one_pixel_to_four_sides(script):
    image = np.zeros((1, 4, 5), np.float32)
    image[0, 0, 2] = 1
    places = [tuple(map(int, np.argwhere(each)[0])) if each.any() else None for each in script.moved(image)]
    assert places == [(0, 2), None, (1, 2), (0, 1), (0, 3)]


def test_machines_on_digits(script, digits):
    """Against the plain way of scikit-learn for one class and the rest; moved support vectors train, too."""
    from sklearn.multiclass import OneVsRestClassifier

    of = {machine.name: machine for machine in script.MACHINES if machine.data == "usps"}
    row = script.measure(of["poly4"], digits, "rest", lambda stage: None)
    rows = script.smoothed(digits.train)
    settings: dict[str, Any] = {"C": 10, "kernel": "poly", "degree": 4, "gamma": 1, "coef0": 1}
    plain: Any = OneVsRestClassifier(SVC(**settings)).fit(rows, digits.labels)
    wrong = (plain.predict(script.smoothed(digits.test)) != digits.answers).sum()
    assert row["wrong"] == wrong and 0 < wrong < 0.1 * len(digits.test)
    assert row["error"] == pytest.approx(100 * wrong / 359) and row["error_ci"][0] < row["error"] < row["error_ci"][1]
    kept = [set(each.support_) for each in plain.estimators_]
    assert row["support_vectors"] == len(set.union(*kept)) < len(digits.train)
    assert row["support_vectors_per_class"] == pytest.approx(np.mean([len(each) for each in kept]))
    assert row["printed"] is None and row["train_images"] == round(0.3 * 1438)

    sizes = []
    twice = script.measure(of["poly3-virtual"], digits, "each", sizes.append)
    assert twice["error"] < 10 and twice["support_vectors_per_class"] is None
    first, second, last = (int(text.split(",", 1)[1].split()[0].replace(",", "")) for text in (*sizes[:2], "x, 0 x"))
    assert first == len(digits.train) and second % 5 == 0 and last < second <= 5 * first


def test_command(script, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    images = (rng.random((30, 6, 6)) * 80 + 80 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "usps.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    monkeypatch.setattr(sys, "argv", ["svm", str(tmp_path / "usps.npz"), "--json"])
    script.main()
    rows = json.loads(capsys.readouterr().out)
    assert [row["printed"] for row in rows] == [4.0, 4.3, 4.3, 3.2] and {row["against"] for row in rows} == {"rest"}
    monkeypatch.setattr(sys, "argv", ["svm", str(tmp_path / "usps.npz"), "--machines", "rbf"])
    script.main()
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())
    with pytest.raises(SystemExit, match=r"--share is a part .* not 2"):
        monkeypatch.setattr(sys, "argv", ["svm", "digits", "--share", "2"])
        script.main()
    assert [machine.name for machine in script.chosen("mnist")] == ["rbf", "poly4"]
    with pytest.raises(OpsinError, match=r"'poly33'.*did you mean poly3"):
        script.chosen("usps", ["poly33"])
