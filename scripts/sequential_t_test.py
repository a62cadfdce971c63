"""Boundaries of repeated t-tests, and the exact probability that a sample crosses one.

golden_looks.py and looks.py import this module. It needs NumPy and SciPy.

A test rejects when |t| of the first n values exceeds the critical value of n, for any
n. The values are the paired differences of two arms, one per seed.
"""

import numpy as np
from scipy import optimize, special, stats

# The design of crates/comparison/src/looks.rs.
FIRST_LOOK = 3
SHARE = 0.022
SMALLER_SHARE = 0.19
RISE = 5
TURN = 50
DECLINE = 6


def level_of_look(values, alpha):
    """Level of our t-test of `values` values, if all looks together have the level `alpha`.

    The level rises with the number of values, and falls quickly after about 40. No look is
    the last one.
    """
    # Smaller levels need a smaller share: their looks depend less on each other.
    share = SHARE / (1 + SMALLER_SHARE * max(0, np.log(0.05 / alpha)))
    shape = (1 + values / RISE) / (1 + (values / TURN) ** DECLINE)
    return np.minimum(1, share * shape) * alpha


def our_boundary(last, alpha):
    """Critical |t| for n = 0, 1, ... `last` values."""
    return nominal_boundary({n: level_of_look(n, alpha) for n in range(FIRST_LOOK, last + 1)}, last)


def nominal_boundary(levels, last):
    """Critical |t| where each n in `levels` has a t-test of that level. Other n have no look."""
    critical = np.full(last + 1, np.inf)
    for n, level in levels.items():
        critical[n] = stats.t.isf(level / 2, n - 1)
    return critical


def mixture_boundary(last, alpha, precision):
    """Critical |t| of the t-mixture of Wang and Ramdas, "Anytime-valid t-tests" (2024), theorem 4.9.

    Under the alternative, the true mean has a normal prior with the standard deviation
    σ/√precision. The t-mixture is the Bayes factor. Under the null hypothesis, it ever
    reaches 1/α with a probability of at most α (Ville's inequality).
    """
    critical = np.full(last + 1, np.inf)
    for n in range(2, last + 1):
        # Solved for t²; with few values, no t is large enough.
        shrinkage = precision / (n + precision)
        ratio = (1 / (alpha * np.sqrt(shrinkage))) ** (2 / n)
        if ratio * shrinkage < 1:
            critical[n] = np.sqrt((n - 1) * (ratio - 1) / (1 - ratio * shrinkage))
    return critical


def spending_boundary(spent, cells=200):
    """Critical |t| of a design that has rejected with the probability spent[n] after n values.

    Lan and DeMets, "Discrete sequential boundaries for clinical trials" (1983).
    """
    critical = np.full(len(spent), np.inf)
    samples = Samples(cells)
    rejected = 0.0
    for n in range(2, len(spent)):
        samples.grow()
        if spent[n] > rejected:
            theta = optimize.brentq(lambda x: samples.beyond(x) - spent[n] + rejected, 0, 1)
            critical[n] = theta * np.sqrt((n - 1) / (1 - theta**2))
            rejected = spent[n]
        samples.keep(critical[n])
    return critical


def crossing(critical, cells=200):
    """Probability under the null hypothesis that |t| has crossed `critical` by each n."""
    coarse, fine = (crossing_with(critical, count) for count in (cells // 2, cells))
    # The error is proportional to 1/cells².
    return (4 * fine - coarse) / 3


def crossing_with(critical, cells):
    rejected = np.zeros(len(critical))
    samples = Samples(cells)
    for n in range(2, len(critical)):
        samples.grow()
        rejected[n] = rejected[n - 1] + samples.keep(critical[n])
    return rejected


class Samples:
    """Distribution of θ = Σx / (√n·|x|) over the samples that no look has rejected.

    Jennison and Turnbull, "Exact calculations for sequential t, χ² and F tests" (1991).
    θ and t determine each other: t = θ·√(n - 1) / √(1 - θ²). For normal values with the
    mean 0, the direction of the sample does not depend on its length, so the next θ
    depends only on the last one. With tan ψ = (next value) / (length so far), which is
    t-distributed but for a factor,

        θ(n+1) = (√n·θ(n)·cos ψ + sin ψ) / √(n+1)

    The distribution is symmetric. Cells of θ > 0 store its mass, at their centers. The
    cells cover only the θ that are not rejected, and are smaller toward the boundary.
    """

    def __init__(self, cells):
        self.cells = cells
        self.values = 1
        # The only value has θ = ±1.
        self.theta = np.array([1.0])
        self.mass = np.array([0.5])

    def grow(self):
        """Prepare for one more value. `keep` must follow."""
        n = self.values
        along, across = np.sqrt(n) * self.theta, 1.0
        self.length = np.hypot(along, across) / np.sqrt(n + 1)
        self.angle = np.arctan2(across, along)
        self.psi = np.linspace(-np.pi / 2, np.pi / 2, 20_001)
        self.psi_cdf = special.stdtr(n, np.sqrt(n) * np.tan(self.psi))
        self.psi_cdf[[0, -1]] = 0, 1
        self.values = n + 1

    def above(self, theta):
        """Probability of a larger next θ: a row for each cell, a column for each `theta`."""
        ratio = np.clip(theta[None, :] / self.length[:, None], -1, 1)
        spread = np.arccos(ratio)
        low = np.interp(self.angle[:, None] - spread, self.psi, self.psi_cdf)
        high = np.interp(self.angle[:, None] + spread, self.psi, self.psi_cdf)
        return high - low

    def beyond(self, theta):
        """Probability that the next |θ| is larger than `theta`."""
        above, above_negative = self.above(np.array([theta, -theta])).T
        return 2 * self.mass @ (above + 1 - above_negative)

    def keep(self, critical):
        """Remove the samples with |t| > `critical`, and return their probability."""
        to_theta = lambda t: np.sqrt(1 / (1 + (self.values - 1) / t**2))
        rejected = self.beyond(to_theta(critical))
        # Without a look, a θ near 1 is possible, but too improbable to store.
        limit = to_theta(min(critical, stats.t.isf(1e-14, self.values - 1)))
        # The angle arcsin θ is uniform for two values, so it is what the cells divide.
        edges = np.arcsin(limit) * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 2 * self.cells + 1))
        mass = self.mass @ -np.diff(self.above(np.sin(edges)), axis=1)
        self.theta = np.sin((edges[:-1] + edges[1:]) / 2)[self.cells :]
        self.mass = (mass + mass[::-1])[self.cells :]
        return rejected
