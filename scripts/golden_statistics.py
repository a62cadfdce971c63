"""Make crates/trainer/tests/golden/statistics.json: the statistics of a sweep.

Against SciPy: the mean, the sample standard deviation (n - 1) and the 95 %
Student-t interval of small samples of accuracies; the difference of means of
paired samples (a - b), the 95 % interval from the paired differences and the
two-sided p of the paired t-test. Against statsmodels: Holm's adjusted p values.

    pip install scipy==1.17.1 statsmodels==0.15.0 numpy==2.4.6
    python3 scripts/golden_statistics.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

OUT = Path(__file__).parents[1] / "crates/trainer/tests/golden/statistics.json"

SAMPLES = [
    [0.9905, 0.988, 0.9893],
    [0.9912, 0.9908, 0.9915, 0.9899],
    [0.9874, 0.9921, 0.9863, 0.9902, 0.9889],
    [0.5, 0.75, 1.0, 0.25, 0.125, 0.625, 0.875],
    [0.1135, 0.9806, 0.9811, 0.9798, 0.1028, 0.9802, 0.979, 0.9815],
    [0.9901, 0.9903, 0.9897, 0.99, 0.9906, 0.9899, 0.9902, 0.9898, 0.9904, 0.9901],
]

PAIRS = [
    ([0.9905, 0.988, 0.9893], [0.9871, 0.9868, 0.987]),
    ([0.9912, 0.9908, 0.9915, 0.9899], [0.9914, 0.9903, 0.9917, 0.9898]),
    ([0.9874, 0.9921, 0.9863, 0.9902, 0.9889], [0.9894, 0.9931, 0.9892, 0.9917, 0.9911]),
    ([0.98, 0.97, 0.96, 0.95, 0.94, 0.93], [0.93, 0.94, 0.95, 0.96, 0.97, 0.98]),
    (
        [0.9806, 0.9811, 0.9798, 0.9802, 0.979, 0.9815, 0.9809, 0.9794],
        [0.1135, 0.1028, 0.098, 0.1135, 0.1009, 0.1032, 0.0958, 0.0974],
    ),
    (
        [0.9901, 0.9903, 0.9897, 0.99, 0.9906, 0.9899, 0.9902, 0.9898, 0.9904, 0.9901],
        [0.9893, 0.9899, 0.9901, 0.9888, 0.9902, 0.9895, 0.9897, 0.9899, 0.989, 0.9896],
    ),
]

HOLM = [
    [0.03],
    [0.01, 0.04, 0.03],
    [0.04, 0.001, 0.6, 0.013, 0.04],
    [0.9, 0.2, 0.05, 1.0, 0.3, 0.00001, 0.05],
]


def interval(values):
    """The 95 % Student-t interval of the mean."""
    lo, hi = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    return [float(lo), float(hi)]


def sample(values):
    return {
        "values": values,
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)),
        "ci95": interval(values),
    }


def pair(a, b):
    result = stats.ttest_rel(a, b)
    ci95 = interval(np.subtract(a, b))
    assert np.allclose(ci95, result.confidence_interval(0.95), rtol=1e-9)
    return {
        "a": a,
        "b": b,
        "difference": float(np.mean(a) - np.mean(b)),
        "ci95": ci95,
        "p": float(result.pvalue),
    }


def holm(p):
    return {"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()}


def main():
    golden = {
        "versions": {name: version(name) for name in ("scipy", "statsmodels", "numpy")},
        "samples": [sample(values) for values in SAMPLES],
        "pairs": [pair(a, b) for a, b in PAIRS],
        "holm": [holm(p) for p in HOLM],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
