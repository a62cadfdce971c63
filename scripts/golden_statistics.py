"""Make crates/comparison/tests/golden/statistics.json: the statistics of a comparison.

SciPy computes:

- for samples of accuracies: mean, sample standard deviation (n - 1) and 95 %
  Student-t interval
- for paired samples a and b: the difference of the means (a - b), its 95 %
  interval from the paired differences, and the two-sided p of the paired t-test
- the true difference that the paired t-test detects with a probability of 80 %,
  from the noncentral t-distribution
- McNemar's exact test, which is a binomial test

statsmodels computes Holm's adjusted p-values, and McNemar's test again.

A simulation counts how often Holm's procedure finds a difference between any two
of three arms that do not differ. There is no formula for this, because the pairs
share arms.

    pip install scipy==1.17.1 statsmodels==0.15.0 numpy==2.4.6
    python3 scripts/golden_statistics.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import integrate, optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

OUT = Path(__file__).parents[1] / "crates/comparison/tests/golden/statistics.json"

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

# Numbers of seeds, numbers of tests that share the 5 %, and standard deviations of the differences.
SEEDS = [2, 3, 4, 5, 7, 10, 15, 20, 30]
TESTS = [1, 3, 10, 45]
STDS = [0.0003, 0.004, 1.0]

# Images that only the first model classifies correctly, and that only the second does.
DISCORDANT = [
    (0, 0), (1, 0), (0, 5), (6, 0), (3, 3), (3, 4), (10, 2), (25, 41),
    (62, 97), (97, 62), (150, 90), (500, 512), (4000, 3700),
]

SIMULATED_SEEDS = [2, 3, 5, 10]
SIMULATIONS = 1_000_000


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


def power(noncentrality, df, level):
    """Power of the two-sided t-test, by integrating over the chi distribution of the estimated std.

    SciPy's nct must agree where it returns a number. At high noncentralities it
    returns none.
    """
    critical = stats.t.isf(level / 2, df)

    def rejected(s):
        upper = stats.norm.sf(critical * s - noncentrality)
        lower = stats.norm.cdf(-critical * s - noncentrality)
        return (upper + lower) * stats.chi.pdf(s, df, scale=df**-0.5)

    edge = noncentrality / critical
    kinks = [max(edge + shift / critical, 0) for shift in (-8, -4, -1, 0, 1, 4, 8)]
    result, _ = integrate.quad(
        rejected, 0, edge + 40, points=kinks, epsabs=1e-13, epsrel=1e-12, limit=500
    )
    by_nct = stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(
        -critical, df, noncentrality
    )
    assert not np.isfinite(by_nct) or abs(by_nct - result) < 1e-8, (df, level, by_nct, result)
    return result


def detectable(seeds, tests, std):
    level = 0.05 / tests
    high = 1.0
    while power(high, seeds - 1, level) < 0.8:
        high *= 2
    noncentrality = optimize.brentq(
        lambda x: power(x, seeds - 1, level) - 0.8, 0, high, xtol=1e-12
    )
    return {
        "seeds": seeds,
        "tests": tests,
        "std": std,
        "difference": noncentrality * std / seeds**0.5,
    }


def mcnemar(only_a, only_b):
    """McNemar's exact test, two-sided."""
    if only_a + only_b == 0:
        p = 1.0
    else:
        p = float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)
        again = statsmodels_mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
        assert np.isclose(p, again, rtol=1e-9)
    return {"only_a": only_a, "only_b": only_b, "p": p}


def all_pairs_of_three(seeds):
    """How often the smallest of three p-values is below 5 % / 3 although nothing differs."""
    arms = np.random.default_rng(seeds).normal(size=(3, SIMULATIONS, seeds))
    smallest = np.min(
        [stats.ttest_rel(arms[a], arms[b], axis=1).pvalue for a, b in [(0, 1), (0, 2), (1, 2)]],
        axis=0,
    )
    return {"seeds": seeds, "found": float(np.mean(3 * smallest < 0.05))}


def main():
    golden = {
        "versions": {name: version(name) for name in ("scipy", "statsmodels", "numpy")},
        "samples": [sample(values) for values in SAMPLES],
        "pairs": [pair(a, b) for a, b in PAIRS],
        "holm": [holm(p) for p in HOLM],
        "detectable": [
            detectable(seeds, tests, STDS[(seeds + tests) % len(STDS)])
            for seeds in SEEDS
            for tests in TESTS
        ],
        "mcnemar": [mcnemar(only_a, only_b) for only_a, only_b in DISCORDANT],
        "all_pairs_of_three": [all_pairs_of_three(seeds) for seeds in SIMULATED_SEEDS],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
