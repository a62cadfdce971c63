"""Make crates/data/tests/golden/pixel_sums.json: standard deviations from integer sums, correctly rounded.

Each is sqrt(n * sum of squares - sum ** 2) / n, computed by `decimal` to 80 digits and rounded once, to a
double. Of many random sums, the script keeps those whose result is closest to the middle between two doubles,
where an inexact computation would round to the wrong one.

    python3 scripts/golden_pixel_sums.py
"""

import json
import random
from decimal import Decimal, getcontext
from fractions import Fraction
from math import ulp
from pathlib import Path

OUT = Path(__file__).parents[1] / "crates/data/tests/golden/pixel_sums.json"

getcontext().prec = 80

# (count, sum, sum of squares): MNIST's training and test images, then the smallest and largest standard deviations.
SUMS = [
    (60_000 * 784, 1_567_298_545, 342_590_800_147),
    (10_000 * 784, 264_923_200, 58_095_386_156),
    (1, 255, 65_025),
    (2, 255, 65_025),
    (3, 1, 1),
    (2**40, 1, 1),
    (2**48 - 1, 2**47, 2**47),
    (2**47, 2**46 * 255, 2**46 * 65_025),
    (2**62, 1, 1),
    (2**63 - 1, 2**62, 2**62),
]


def standard_deviation(count, total, squares):
    """The standard deviation, to 80 digits."""
    return Decimal(count * squares - total * total).sqrt() / count


def distance_from_tie(sums):
    """Distance of the exact value from the middle between two doubles, in units of the last place."""
    exact = Fraction(standard_deviation(*sums))
    nearest = float(exact)
    return abs(abs(exact - Fraction(nearest)) / Fraction(ulp(nearest)) - Fraction(1, 2))


def random_sums(generator):
    count = generator.randrange(2, 2 ** generator.randrange(2, 46))
    bright = generator.randrange(1, 256)
    part = generator.randrange(1, count + 1)
    return count, bright * part, bright * bright * part


def main():
    generator = random.Random(1)
    candidates = sorted({random_sums(generator) for _ in range(100_000)}, key=distance_from_tie)
    cases = [
        {"count": sums[0], "sum": sums[1], "sum_of_squares": sums[2], "std": float(standard_deviation(*sums))}
        for sums in SUMS + candidates[:40]
    ]
    OUT.write_text(json.dumps({"cases": cases}) + "\n")


if __name__ == "__main__":
    main()
