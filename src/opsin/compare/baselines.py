"""What people used before 2012, and what knows nothing: baselines on the pixels themselves, from scikit-learn.

The majority class, logistic regression, and a support vector machine with a Gaussian kernel. The two learners are
fitted on the training part; their settings are chosen from a small grid on the validation part, by the comparison's
metric, as a network's learning rate is. Pixels are brought to mean 0 and variance 1 over the whole training part.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.compare.statistics import resample
from opsin.tasks import metrics

MAX_IMAGES = 5000
MAX_SIDE = 32
MAJORITY = "majority class"
LOGISTIC = "logistic regression on pixels"
SVM = "RBF-SVM on pixels"

_LOGISTIC_C = (0.001, 0.01, 0.1, 1.0)
_LOGISTIC_STEPS = 100
_SVM_C = (1.0, 10.0)
_SVM_GAMMA = (0.5, 1.0, 2.0)  # times 1 / (number of pixels)


@dataclass(frozen=True)
class Part:
    """Images uint8 [n, C, S, S] and their classes, whole numbers [n]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]


@dataclass(frozen=True)
class Baseline:
    """One baseline on the test part; figures in 0..1, None where `status` is not "ok". `predictions` is [n]."""

    name: str
    status: str = "ok"
    top1: float | None = None
    top1_ci: tuple[float, float] | None = None
    balanced: float | None = None
    macro_f1: float | None = None
    seconds: float | None = None
    chosen: dict[str, float] | None = None
    predictions: NDArray[np.int64] | None = None

    def record(self) -> dict[str, Any]:
        """The row as results.json holds it."""
        return {
            "name": self.name,
            "top1": self.top1,
            "top1_ci": None if self.top1_ci is None else list(self.top1_ci),
            "balanced": self.balanced,
            "macro_f1": self.macro_f1,
            "seconds": self.seconds,
            "status": self.status,
        }


def run_baselines(
    train: Part,
    val: Part,
    test: Part,
    n_classes: int,
    metric: str = "top1",
    groups: Sequence | NDArray | None = None,
) -> list[Baseline]:
    """The three baselines, fitted on `train`, chosen on `val`, scored on `test`, whose images `groups` [n] may group.

    Images are expected small, at most 32 px a side; the learners are skipped, and say so, with more than 5,000
    training images. All runs on one thread: so the results do not depend on the cores, and a busy machine does not
    slow it a hundredfold. Raises ValueError for larger images or arrays that do not fit together.
    """
    import sklearn.linear_model
    import sklearn.svm  # noqa: F401  before the limit, which binds only the libraries that are loaded
    from threadpoolctl import threadpool_limits

    for part in (train, val, test):
        _check(part, n_classes)
    metrics.find(metric)
    with threadpool_limits(1):
        return _run(train, val, test, n_classes, metric, groups)


def _run(
    train: Part, val: Part, test: Part, n_classes: int, metric: str, groups: Sequence | NDArray | None
) -> list[Baseline]:
    began = time.perf_counter()
    majority = np.full(len(test.labels), np.bincount(train.labels).argmax())
    rows = [_scored(MAJORITY, majority, test, n_classes, groups, time.perf_counter() - began, {})]
    for name, fits in ((LOGISTIC, _logistic), (SVM, _svm)):
        if len(train.labels) > MAX_IMAGES:
            rows.append(Baseline(name, status=f"skipped: more than {MAX_IMAGES:,} training images"))
            continue
        began = time.perf_counter()
        predicted, chosen = _best(fits(train, val, test), val, n_classes, metric)
        rows.append(_scored(name, predicted, test, n_classes, groups, time.perf_counter() - began, chosen))
    return rows


def _check(part: Part, n_classes: int) -> None:
    shape = part.images.shape
    if part.images.dtype != np.uint8 or len(shape) != 4 or max(shape[2:]) > MAX_SIDE:
        raise ValueError(
            f"baselines take uint8 images [n, C, S, S] of at most {MAX_SIDE} px, not {part.images.dtype} {list(shape)}"
        )
    metrics.check(part.labels, n_classes)
    if len(part.labels) != len(part.images):
        raise ValueError(f"{len(part.images)} images but {len(part.labels)} labels")


# The settings of a fit, its predictions on validation [n], and how to get those on test.
Fit = tuple[dict[str, float], NDArray, Callable[[], NDArray]]


def _best(fits: Iterator[Fit], val: Part, n_classes: int, metric: str) -> tuple[NDArray, dict[str, float]]:
    """The test predictions and settings of the fit that does best on validation; of equals, the first of the grid."""
    best, predict, chosen = -1.0, None, {}
    for settings, on_val, on_test in fits:
        score = metrics.scores(val.labels, on_val, n_classes)[metric]
        if score > best:
            best, predict, chosen = score, on_test, settings
    assert predict is not None
    return predict(), chosen


def _logistic(train: Part, val: Part, test: Part) -> Iterator[Fit]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x, on_val, on_test = _pixels(train, val, test)
    for c in _LOGISTIC_C:
        model = LogisticRegression(C=c, max_iter=_LOGISTIC_STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, train.labels)
        yield {"C": c}, _answers(model, on_val), partial(_answers, model, on_test)


def _svm(train: Part, val: Part, test: Part) -> Iterator[Fit]:
    """Kernels from one matrix of distances: seconds where libsvm's own kernel takes minutes."""
    from sklearn.svm import SVC

    x, on_val, on_test = _pixels(train, val, test)
    far, far_val = _distances(x, x), _distances(on_val, x)
    for factor in _SVM_GAMMA:
        gamma = factor / x.shape[1]
        kernel, kernel_val = np.exp(-gamma * far), np.exp(-gamma * far_val)
        for c in _SVM_C:
            model = SVC(C=c, kernel="precomputed").fit(kernel, train.labels)
            settings = {"C": c, "gamma": gamma}
            yield settings, _answers(model, kernel_val), partial(_svm_answers, model, gamma, on_test, x)


def _answers(model: Any, rows: NDArray) -> NDArray:
    return model.predict(rows)


def _svm_answers(model: Any, gamma: float, rows: NDArray, train: NDArray) -> NDArray:
    return _answers(model, np.exp(-gamma * _distances(rows, train)))


def _pixels(train: Part, *others: Part) -> list[NDArray[np.float32]]:
    """Images as rows [n, C*S*S], standardised by one mean and one deviation over the training part."""
    mean, deviation = train.images.mean(), train.images.std() or 1.0
    return [((p.images.reshape(len(p.images), -1) - mean) / deviation).astype(np.float32) for p in (train, *others)]


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances of rows: [n, D] and [m, D] -> [n, m]."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * (a @ b.T), 0)


def _scored(
    name: str,
    predicted: NDArray,
    test: Part,
    n_classes: int,
    groups: Sequence | NDArray | None,
    seconds: float,
    chosen: dict[str, float],
) -> Baseline:
    interval = resample({name: {0: predicted}}, test.labels, n_classes, "top1", groups).interval(name)
    figures = metrics.scores(test.labels, predicted, n_classes)
    return Baseline(
        name,
        top1_ci=(interval.low, interval.high),
        seconds=seconds,
        chosen=chosen,
        predictions=np.asarray(predicted, np.int64),
        top1=figures["top1"],
        balanced=figures["balanced"],
        macro_f1=figures["macro_f1"],
    )
