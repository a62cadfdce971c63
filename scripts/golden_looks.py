"""Make crates/comparison/tests/golden/looks.json: repeated tests, equivalence, new images.

- levels: the level of each look, its critical |t| and the p-value for all looks (SciPy)
- crossing: the probability of any rejection under the null hypothesis. This script
  asserts that it is at most alpha for any number of seeds: by the recursion up to
  1,000, and by the sum of the levels after that
- t_mixture: critical |t| of the anytime-valid t-test. savvi and SciPy's noncentral t
  must agree
- equivalence: p-values of two one-sided t-tests (statsmodels)
- new_images: two-way analysis of variance without replication (statsmodels)

The recursion behind "crossing" is in sequential_t_test.py. This script checks it against
single t-tests of SciPy, a simulation, gsdesign (the recursion for normal values of the R
package gsDesign) and the published constants of Pocock and of O'Brien and Fleming.

    pip install scipy==1.17.1 statsmodels==0.15.0 numpy==2.4.6 pandas==3.1.1 gsdesign==0.1.5 savvi==0.3.1
    python3 scripts/golden_looks.py

It takes about three minutes.
"""

import json
from importlib.metadata import version
from pathlib import Path

import gsdesign
import numpy as np
import pandas as pd
from savvi.linear_regression import log_bf
from scipy import integrate, optimize, stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

import sequential_t_test as design

OUT = Path(__file__).parents[1] / "crates/comparison/tests/golden/looks.json"

# 5 %, divided by the pairs of 2, 3, 8, 20 and 100 arms.
ALPHAS = [0.05, 0.05 / 3, 0.05 / 28, 0.05 / 190, 0.05 / 4950]
VALUES = [3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100]
P_VALUES = [1e-12, 1e-6, 0.0001, 0.001, 0.004, 0.02, 0.3]
CROSSING_AT = [3, 10, 20, 50, 100, 200, 1000]
PRECISIONS = [0.3, 1.0, 3.0]

# Margin, and the paired values of two arms, in images.
EQUIVALENCE = [
    (20, [9905, 9880, 9893], [9901, 9885, 9890]),
    (20, [9912, 9908, 9915, 9899], [9914, 9903, 9917, 9898]),
    (20, [9874, 9921, 9863, 9902, 9889], [9894, 9931, 9892, 9917, 9911]),
    (5, [9901, 9903, 9897, 9900, 9906, 9899], [9893, 9899, 9901, 9888, 9902, 9895]),
    (
        30,
        [9901, 9874, 9897, 9931, 9906, 9899, 9902, 9898, 9854, 9901],
        [9893, 9899, 9901, 9888, 9902, 9895, 9897, 9899, 9890, 9896],
    ),
]

# Runs, images, standard deviation of the images' difficulty, share of correct answers.
NEW_IMAGES = [(2, 6, 1.0, 0.5), (3, 10, 2.0, 0.8), (5, 40, 1.5, 0.9), (4, 25, 0.0, 0.7), (3, 12, 0.0, 1.0)]
NEW_IMAGES_LEVELS = [0.05, 0.05 / 3]


def levels():
    rows = []
    for alpha in ALPHAS:
        for n in VALUES:
            level = float(design.level_of_look(n, alpha))
            critical = float(stats.t.isf(level / 2, n - 1))
            assert np.isclose(2 * stats.t.sf(critical, n - 1), level, rtol=1e-10)
            rows.append({"alpha": alpha, "n": n, "level": level, "critical": critical})
    return rows


def p_values():
    """For the p-value of one look, the smallest alpha that it rejects at."""
    rows = []
    for n in VALUES:
        for p in P_VALUES:
            excess = lambda log_alpha: np.log(design.level_of_look(n, np.exp(log_alpha)) / p)
            if excess(0) <= 0:
                always_valid = 1.0
            else:
                always_valid = float(np.exp(optimize.brentq(excess, np.log(p), 0, xtol=1e-14)))
            rows.append({"n": n, "p": p, "always_valid": always_valid})
    return rows


def crossing():
    rows, limits = [], []
    for alpha in ALPHAS:
        fine = crossing_up_to(200, alpha, cells=400)
        finer = crossing_up_to(20, alpha, cells=800)
        assert np.allclose(finer[3:], fine[3:21], rtol=0.02), alpha
        coarse = crossing_up_to(200, alpha, cells=200)
        assert np.allclose(coarse[20:], fine[20:], rtol=0.01), alpha
        # Few seeds need small cells, because the boundary is far out. Later looks do not.
        long = crossing_up_to(1000, alpha, cells=150)
        assert np.isclose(long[200] - long[100], fine[200] - fine[100], rtol=0.05), alpha
        later = long[1000] - long[200]
        for n in CROSSING_AT:
            probability = fine[n] if n <= 200 else fine[200] + later
            rows.append({"alpha": alpha, "n": n, "probability": float(probability)})
        after = crossing_after(1000, alpha)
        limit = fine[200] + later + after
        print(f"alpha {alpha:.6f}: {rows[-1]['probability'] / alpha:.3f} alpha at 1,000, at most "
              f"{limit / alpha:.3f} alpha forever; at 50: {fine[50] / alpha:.3f}")
        assert limit <= alpha
        limits.append({"alpha": alpha, "after_1000": after, "any": float(limit)})
    return rows, limits


def crossing_up_to(last, alpha, cells):
    return design.crossing(design.our_boundary(last, alpha), cells)


def crossing_after(last, alpha):
    """Upper bound for the probability of a rejection at any n > `last`: the sum of the levels."""
    end = 100 * last
    total = np.sum(design.level_of_look(np.arange(last + 1, end + 1), alpha))
    # After `end`, the level falls faster than n^-4. The sum of (end / n)^4 over these n is
    # less than end / 3.
    return float(total + design.level_of_look(end, alpha) * end / 3)


def check_recursion():
    """Compare the recursion with methods that are not ours."""
    # A single look at n values has the level of the t-test.
    for n, cells, tolerance in [(2, 200, 1e-6), (3, 400, 1e-3), (10, 400, 1e-3), (100, 400, 1e-3)]:
        critical = design.nominal_boundary({n: 0.05}, n)
        assert np.isclose(design.crossing(critical, cells)[n], 0.05, rtol=tolerance), n

    # Simulated samples.
    rng = np.random.default_rng(1)
    repeated = design.nominal_boundary(dict.fromkeys(range(2, 21), 0.05), 20)
    ours = [design.our_boundary(20, alpha) for alpha in ALPHAS[:3]]
    boundaries = [repeated, *ours]
    found = np.zeros((len(boundaries), 21))
    repetitions = 1_000_000
    for _ in range(10):
        t = t_statistics(rng.normal(size=(repetitions // 10, 20)))
        for row, boundary in zip(found, boundaries):
            row += np.sum(np.logical_or.accumulate(np.abs(t) > boundary, axis=1), axis=0)
    for row, boundary in zip(found, boundaries):
        expected = design.crossing(boundary, 400)
        for n in (3, 5, 10, 20):
            simulated = row[n] / repetitions
            error = np.sqrt(expected[n] / repetitions)
            assert abs(simulated - expected[n]) < 4 * error + 2e-3 * expected[n], (n, simulated)

    # Many values per look: |t| behaves like |z|.
    for looks, pocock, obrien_fleming in [(2, 2.178, 1.977), (3, 2.289, 2.004), (5, 2.413, 2.040)]:
        for constants in (
            np.full(looks, pocock),
            obrien_fleming * np.sqrt(looks / np.arange(1, looks + 1)),
        ):
            normal = normal_crossing(constants)
            assert np.isclose(normal, 0.05, atol=1e-4), normal
            # The error is proportional to 1/size, so two sizes give the limit.
            few, many = (grouped_crossing(constants, size) for size in (10, 20))
            assert np.isclose(2 * many - few, normal, rtol=0.01), (looks, few, many, normal)


def t_statistics(x):
    """t of the first n values, for n = 0, 1, ... 20 in the columns."""
    n = np.arange(1, x.shape[1] + 1)
    mean = np.cumsum(x, axis=1) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (np.cumsum(x * x, axis=1) - n * mean**2) / (n - 1)
        t = mean / np.sqrt(variance / n)
    t[:, 0] = 0
    return np.pad(t, [(0, 0), (1, 0)])


def normal_crossing(constants):
    """Probability that |z| crosses `constants` at equally spaced looks, by gsdesign."""
    r = 40
    z, w, h = gsdesign.h1(r, 0.0, 1.0, -constants[0], constants[0])
    for k, constant in enumerate(constants[1:], start=2):
        z, w, h = gsdesign.hupdate(r, 0.0, k, -constant, constant, 0.0, k - 1, (z, w, h))
    return 1 - np.sum(h)


def grouped_crossing(constants, size):
    """The same with t-tests at the same nominal levels, after every `size` values."""
    levels = {size * k: 2 * stats.norm.sf(c) for k, c in enumerate(constants, start=1)}
    last = size * len(constants)
    return design.crossing(design.nominal_boundary(levels, last), 200)[last]


def t_mixture():
    rows = []
    for precision in PRECISIONS:
        for alpha in ALPHAS[:3]:
            boundary = design.mixture_boundary(50, alpha, precision)
            for n in (5, 10, 20, 50):
                t = boundary[n]
                if np.isinf(t):
                    continue
                assert np.isclose(log_bf(t**2, n - 1, precision, n), -np.log(alpha), rtol=1e-9)
                # The definition of the mixture: the density of t, averaged over the prior.
                prior = stats.norm(scale=precision**-0.5)
                averaged, _ = integrate.quad(
                    lambda d: stats.nct.pdf(t, n - 1, d * n**0.5) * prior.pdf(d),
                    -8, 8, points=[0, t / n**0.5], epsabs=1e-14, limit=500,
                )
                assert np.isclose(averaged / stats.t.pdf(t, n - 1), 1 / alpha, rtol=1e-3)
                rows.append({"precision": precision, "alpha": alpha, "n": n, "critical": float(t)})
    return rows


def equivalence(margin, a, b):
    p, _, _ = ttost_paired(np.array(a), np.array(b), -margin, margin)
    difference = np.subtract(a, b)
    again = DescrStatsW(difference).ttost_mean(-margin, margin)[0]
    assert np.isclose(p, again, rtol=1e-9)
    # The two-sided interval at the level 2p touches the margin.
    half_width = stats.t.isf(p, len(a) - 1) * stats.sem(difference)
    assert np.isclose(abs(difference.mean()) + half_width, margin, rtol=1e-9)
    return {"margin": margin, "a": a, "b": b, "p": float(p)}


def new_images(kind, runs, images, spread, share, level, seed):
    """One item of "new_images". Images differ in difficulty, and all arms agree about it."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(scale=spread, size=images) + stats.norm.isf(min(share, 1 - 1e-9))
    answers = lambda: (rng.normal(size=(runs, images)) > difficulty).astype(int)
    if kind == "arm":
        a = answers()
        values, more = a, [1, 1, 0, 0]
        item = {"runs": strings(a)}
    else:
        a, b = answers(), answers()
        values, more = a - b, [1, -1]
        item = {"a": strings(a), "b": strings(b)}
    variance = variance_of_images(np.hstack([values, np.tile(more, (runs, 1))]))
    of_runs = values.mean(axis=1)
    # Not stats.t.interval: it returns NaN if all runs agree.
    half_width = stats.t.isf(level / 2, runs - 1) * stats.sem(of_runs)
    low, high = of_runs.mean() - half_width, of_runs.mean() + half_width
    critical = stats.t.isf(level / 2, images + len(more) - 1)
    half_width = np.sqrt(half_width**2 + critical**2 * variance)
    return {
        "kind": kind,
        **item,
        "variance": variance,
        "level": level,
        "interval": [float(low), float(high)],
        "widened": [float(of_runs.mean() - half_width), float(of_runs.mean() + half_width)],
    }


def strings(answers):
    return ["".join(map(str, run)) for run in answers]


def variance_of_images(values):
    """Variance of the mean due to the images, from an analysis of variance table."""
    runs, images = values.shape
    run, image = np.indices(values.shape)
    table = pd.DataFrame({"value": values.ravel(), "run": run.ravel(), "image": image.ravel()})
    table = anova_lm(ols("value ~ C(run) + C(image)", table).fit())
    excess = table.mean_sq["C(image)"] - table.mean_sq["Residual"]
    return float(max(excess, 0) / (runs * images))


def main():
    check_recursion()
    probabilities, limits = crossing()
    packages = ("scipy", "statsmodels", "numpy", "gsdesign", "savvi")
    golden = {
        "versions": {name: version(name) for name in packages},
        "levels": levels(),
        "p_values": p_values(),
        "crossing": probabilities,
        "crossing_any": limits,
        "t_mixture": t_mixture(),
        "equivalence": [equivalence(*case) for case in EQUIVALENCE],
        "new_images": [
            new_images(kind, *case, level, seed)
            for seed, case in enumerate(NEW_IMAGES)
            for kind, level in zip(("arm", "pair"), NEW_IMAGES_LEVELS)
        ],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
