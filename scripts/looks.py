"""Compare our repeated t-test with other designs, by simulation.

Prints three groups of tables:

- trainings until every pair of three arms is decided, at different true differences
- the paired t-test beside tests that borrow the variance of other pairs
- how often repeated tests find a difference although all arms are equal

Accuracies are in correct images out of 10,000. They are normally distributed over
seeds, rounded, with the standard deviations 14, 25 and 18. A difference of at least 20
images matters. All intervals and tests have the family-wise level 5 %.

    pip install scipy==1.17.1 numpy==2.4.6
    python3 scripts/looks.py --repetitions 2000

The simulation is seeded. It takes about 20 seconds. The tables of false rates use ten
times as many repetitions.
"""

import argparse

import numpy as np
from scipy import integrate, special, stats

from sequential_t_test import crossing, mixture_boundary, nominal_boundary, our_boundary, spending_boundary

LEVEL = 0.05
MARGIN = 20
MOST_SEEDS = 50
SPREADS = [14, 25, 18]
PAIRS = [(0, 1), (0, 2), (1, 2)]
DIFFERENCES = [0, 20, 50, 100]
POWER = 0.8
PLANNED_SEEDS = 10


def table(title, header, rows):
    print(f"\n{title}\n")
    rows = [header, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths))
        print("  ".join([row[0].ljust(widths[0]), *others]))


def percent(share):
    return f"{100 * share:.1f}%"


def accuracies(rng, repetitions, means, spreads, seeds=MOST_SEEDS):
    """Correct images, with the shape (repetitions, seeds, arms)."""
    size = (repetitions, seeds, len(means))
    return np.round(rng.normal(np.array(means) + 9850, spreads, size))


def means_and_errors(values):
    """Mean of the first n values along axis 1, and its standard error, for n = 1, 2, ..."""
    n = np.arange(1, values.shape[1] + 1).reshape(1, -1, *[1] * (values.ndim - 2))
    means = np.cumsum(values, axis=1) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = (np.cumsum(values * values, axis=1) - n * means**2) / (n - 1)
    # Rounded accuracies can be equal. Half an image is then the least spread.
    return means, np.sqrt(np.maximum(variances, 0.25) / n)


# Trainings until every pair is decided.


def decisions(means, errors, critical):
    """First number of seeds that decides each pair (0: none), and whether it is "better"."""
    half_widths = critical[None, 1:, None] * np.where(np.isfinite(errors), errors, np.inf)
    better = np.abs(means) > half_widths
    decided = better | (np.abs(means) + half_widths < MARGIN)
    first = np.argmax(decided, axis=1)
    found = np.take_along_axis(decided, first[:, None], axis=1)[:, 0]
    is_better = np.take_along_axis(better, first[:, None], axis=1)[:, 0]
    return np.where(found, first + 1, 0), is_better


def outcome(name, seeds, decided, better, means, true):
    """One row. `seeds` has the shape (repetitions, pairs). `means` are those at the decision."""
    # An arm trains until all its pairs are decided.
    trainings = sum(
        np.max([seeds[:, p] for p, pair in enumerate(PAIRS) if arm in pair], axis=0)
        for arm in range(len(SPREADS))
    )
    false_better = decided & better & ((true == 0) | (np.sign(means) != np.sign(true)))
    false_equivalent = decided & ~better & (np.abs(true) >= MARGIN)
    return [
        name,
        f"{np.median(trainings):.0f}",
        f"{np.mean(trainings):.1f}",
        percent(np.mean(np.all(decided, axis=1))),
        percent(np.mean(np.any(false_better, axis=1))),
        percent(np.mean(np.any(false_equivalent, axis=1))),
    ]


def power_at(seeds, true, spread, level):
    """Probability that the t-test, or the equivalence test if `true` is within the margin, succeeds."""
    critical = stats.t.isf(level / 2, seeds - 1)
    error = spread / np.sqrt(seeds)
    if abs(true) >= MARGIN:
        noncentrality = abs(true) / error
        return stats.nct.sf(critical, seeds - 1, noncentrality)
    # The estimated error is a random factor s times the true one.
    room = lambda s: MARGIN - critical * s * error
    inside = lambda s: stats.norm.cdf((room(s) - true) / error) - stats.norm.cdf((-room(s) - true) / error)
    density = lambda s: stats.chi.pdf(s, seeds - 1, scale=(seeds - 1) ** -0.5)
    return integrate.quad(lambda s: inside(s) * density(s), 0, MARGIN / (critical * error))[0]


def oracle_seeds(true, spread, level):
    """Smallest number of seeds with enough power, if the difference and its spread are known."""
    return next(n for n in range(2, MOST_SEEDS + 1) if power_at(n, true, spread, level) >= POWER)


def trainings_until_decided(repetitions):
    level = LEVEL / len(PAIRS)
    looks = np.arange(MOST_SEEDS + 1)
    share = np.clip((looks - 2) / (MOST_SEEDS - 2), 0, 1)
    designs = {
        "ours": our_boundary(MOST_SEEDS, level),
        **{
            f"t-mixture, prior std {precision**-0.5:.2f}": mixture_boundary(MOST_SEEDS, level, precision)
            for precision in (0.25, 1, 4)
        },
        "Pocock-like spending": spending_boundary(level * np.log1p((np.e - 1) * share)),
        "square root spending": spending_boundary(level * np.sqrt(share)),
    }
    rows = [
        [name, *(f"{critical[n]:.2f}" for n in (3, 4, 5, 6, 8, 10, 15, 20, 30, 50))]
        for name, critical in designs.items()
    ]
    table(
        f"Critical |t| at the level 5%/{len(PAIRS)}, by number of seeds",
        ["design", *map(str, (3, 4, 5, 6, 8, 10, 15, 20, 30, 50))],
        rows,
    )
    for difference in DIFFERENCES:
        arms = [difference, 0, 0]
        true = np.array([arms[a] - arms[b] for a, b in PAIRS])
        x = accuracies(np.random.default_rng(difference), repetitions, arms, SPREADS)
        means, errors = means_and_errors(np.stack([x[:, :, a] - x[:, :, b] for a, b in PAIRS], axis=2))

        rows = []
        for name, critical in designs.items():
            first, better = decisions(means, errors, critical)
            seeds = np.where(first > 0, first, MOST_SEEDS)
            at_decision = np.take_along_axis(means, seeds[:, None] - 1, axis=1)[:, 0]
            rows.append(outcome(name, seeds, first > 0, better, at_decision, true))

        oracle = [oracle_seeds(d, np.hypot(SPREADS[a], SPREADS[b]), level) for d, (a, b) in zip(true, PAIRS)]
        for name, fixed in [
            (f"{PLANNED_SEEDS} seeds, tested once", [PLANNED_SEEDS] * len(PAIRS)),
            (f"oracle: {', '.join(map(str, oracle))} seeds", oracle),
        ]:
            rows.append(tested_once(name, fixed, x, true, level))
        table(
            f"Trainings until every pair is decided. True difference of one arm from the other two: {difference} images",
            ["design", "median", "mean", "all decided", "false better", "false equivalent"],
            rows,
        )


def tested_once(name, fixed, x, true, level):
    """The row of a plan that tests each pair once, at its own number of seeds."""
    means, errors, critical = [], [], []
    for n, (a, b) in zip(fixed, PAIRS):
        all_means, all_errors = means_and_errors(x[:, :n, a] - x[:, :n, b])
        means.append(all_means[:, -1])
        errors.append(all_errors[:, -1])
        critical.append(stats.t.isf(level / 2, n - 1))
    means, half_widths = np.stack(means, axis=1), np.stack(errors, axis=1) * critical
    better = np.abs(means) > half_widths
    decided = better | (np.abs(means) + half_widths < MARGIN)
    return outcome(name, np.broadcast_to(fixed, means.shape), decided, better, means, true)


# Tests that borrow the variance of other pairs.


def paired(x, differences):
    return stats.ttest_1samp(differences, 0, axis=1).pvalue


def pooled_error(x, differences):
    """t-tests with the error of the analysis of variance, in which seeds are blocks."""
    _, seeds, arms = x.shape
    residuals = x - x.mean(axis=1, keepdims=True) - x.mean(axis=2, keepdims=True)
    residuals += x.mean(axis=(1, 2), keepdims=True)
    df = (seeds - 1) * (arms - 1)
    mean_square = np.sum(residuals**2, axis=(1, 2)) / df
    t = differences.mean(axis=1) / np.sqrt(2 * mean_square / seeds)[:, None]
    return 2 * stats.t.sf(np.abs(t), df)


def moderated(x, differences):
    """Moderated t-tests: Smyth, "Linear models and empirical Bayes methods" (2004), section 6.2."""
    n, tests = differences.shape[1:]
    df = n - 1
    variance = differences.var(axis=1, ddof=1)
    e = np.log(variance) - special.digamma(df / 2) + np.log(df / 2)
    excess = e.var(axis=1, ddof=1) - special.polygamma(1, df / 2)
    # Without an excess, the prior has infinitely many degrees of freedom.
    prior_df = np.where(excess > 0, 2 * inverse_trigamma(np.maximum(excess, 1e-6)), 1e6)
    prior = np.exp(e.mean(axis=1) + special.digamma(prior_df / 2) - np.log(prior_df / 2))
    shrunken = (prior_df[:, None] * prior[:, None] + df * variance) / (prior_df[:, None] + df)
    total_df = np.minimum(prior_df + df, tests * df)[:, None]
    return 2 * stats.t.sf(np.abs(differences.mean(axis=1)) / np.sqrt(shrunken / n), total_df)


def inverse_trigamma(x):
    """Newton's method of Smyth (2004), appendix."""
    y = 0.5 + 1 / x
    for _ in range(30):
        trigamma = special.polygamma(1, y)
        y += trigamma * (1 - trigamma / x) / special.polygamma(2, y)
    return y


def borrowed_variances(repetitions):
    x = accuracies(np.random.default_rng(1), repetitions, [0, 0, 0], SPREADS, PLANNED_SEEDS)
    differences = np.stack([x[:, :, a] - x[:, :, b] for a, b in PAIRS], axis=2)
    rows = []
    for name, test in [
        ("paired t-test", paired),
        ("pooled error of the blocks", pooled_error),
        ("moderated t-test", moderated),
    ]:
        p = test(x, differences)
        # The arms are equal, so Holm's procedure is wrong if its first step rejects.
        family = np.mean(np.min(p, axis=1) * len(PAIRS) <= LEVEL)
        rows.append([name, *map(percent, np.mean(p <= LEVEL, axis=0)), percent(family)])
    table(
        f"False \"better\" of equal arms, tested once at 5% with {PLANNED_SEEDS} seeds",
        ["test", *(f"std {SPREADS[a]} and {SPREADS[b]}" for a, b in PAIRS), "any pair (Holm)"],
        rows,
    )


# Repeated tests of equal arms.


def false_rate(repetitions, spreads, critical):
    """How often any |t| crosses `critical`. With Holm, it is the boundary at 5 % / pairs."""
    rng = np.random.default_rng(len(spreads))
    pairs = np.triu_indices(len(spreads), 1)
    wrong, chunk = 0, 1000
    for start in range(0, repetitions, chunk):
        count = min(chunk, repetitions - start)
        x = accuracies(rng, count, [0] * len(spreads), spreads, len(critical) - 1)
        means, errors = means_and_errors(x[:, :, pairs[0]] - x[:, :, pairs[1]])
        with np.errstate(invalid="ignore"):
            wrong += np.sum(np.any(np.abs(means) > critical[None, 1:, None] * errors, axis=(1, 2)))
    return wrong / repetitions


def repeated_tests(repetitions):
    rows = []
    for name, looks in [
        ("once, at 10", [10]),
        ("5, 10", [5, 10]),
        ("3, 5, 10, 20", [3, 5, 10, 20]),
        ("every seed from 2 to 20", range(2, 21)),
        ("every seed from 2 to 50", range(2, 51)),
    ]:
        last = max(looks)
        one, three = (nominal_boundary(dict.fromkeys(looks, LEVEL / tests), last) for tests in (1, 3))
        rows.append([
            name,
            percent(crossing(one)[-1]),
            percent(false_rate(repetitions, SPREADS[:2], one)),
            percent(false_rate(repetitions, SPREADS, three)),
        ])
    table(
        "False \"better\" of equal arms: t-tests at 5%, repeated",
        ["numbers of seeds", "one pair, exact", "one pair", "three arms, any pair (Holm)"],
        rows,
    )

    rows = []
    for arms in (2, 3, 8):
        pairs = arms * (arms - 1) // 2
        critical = our_boundary(MOST_SEEDS, LEVEL / pairs)
        unequal = (SPREADS * arms)[:arms]
        rows.append([
            str(arms),
            str(pairs),
            percent(crossing(critical)[-1]),
            percent(false_rate(repetitions, [SPREADS[0]] * arms, critical)),
            percent(false_rate(repetitions, unequal, critical)),
        ])
    table(
        f"False \"better\" of equal arms: our design at every seed from 3 to {MOST_SEEDS}, any pair (Holm)",
        ["arms", "pairs", "each pair, exact", "equal stds", "unequal stds"],
        rows,
    )

    # An extension after a test that was planned as the only one.
    two_stages = our_boundary(MOST_SEEDS, LEVEL)
    two_stages[:PLANNED_SEEDS] = np.inf
    two_stages[PLANNED_SEEDS] = stats.t.isf(LEVEL / 2, PLANNED_SEEDS - 1)
    table(
        f"False \"better\" of a pair of equal arms: tested at 5% with {PLANNED_SEEDS} seeds; without a result, "
        f"our design at every later seed up to {MOST_SEEDS}",
        ["", "exact", "simulated"],
        [["total", percent(crossing(two_stages)[-1]), percent(false_rate(repetitions, SPREADS[:2], two_stages))]],
    )


def main():
    parser = argparse.ArgumentParser(description="Compare our repeated t-test with other designs, by simulation")
    parser.add_argument("--repetitions", type=int, default=2000, help="simulated comparisons for each row")
    repetitions = parser.parse_args().repetitions
    trainings_until_decided(repetitions)
    borrowed_variances(10 * repetitions)
    repeated_tests(10 * repetitions)


if __name__ == "__main__":
    main()
