"""Make crates/data/tests/golden/preparation.json: drawn digits, prepared like those of MNIST.

The recipe is that of http://yann.lecun.com/exdb/mnist/: fit the digit into 20x20
with anti-aliasing, and place its centre of mass at the centre of 28x28. Before
that, ink is separated from paper. This script implements the recipe a second
time, with other tools than the Rust code:

- the plane of the paper: numpy.linalg.lstsq
- Otsu's threshold: tries all thresholds for the smallest variance within the two
  classes
- specks: scipy.ndimage.label
- resizing: Pillow's BILINEAR on floats, which averages when it shrinks
- the centre of mass: scipy.ndimage.center_of_mass

    pip install numpy==2.4.6 scipy==1.17.1 pillow==13.0.0
    python3 scripts/golden_preparation.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

OUT = Path(__file__).parents[1] / "crates/data/tests/golden/preparation.json"

BOX, SIDE, CENTRE, SPECK = 20, 28, 14, 20

# Strokes on a page of 100x100; each case shifts and scales them.
STROKES = {
    "seven": [[(15, 20), (80, 20), (40, 90)]],
    "one": [[(50, 10), (48, 92)]],
    "four": [[(30, 10), (20, 55), (80, 55)], [(65, 30), (62, 95)]],
    "five": [
        [(75, 5), (75, 6)],
        [(70, 22), (30, 22), (28, 50), (60, 48), (72, 70), (50, 90), (25, 85)],
    ],
}

# name, digit, height, width, top, left, size of the digit, stroke, ink, paper, slope, noise, specks
CASES = [
    ("as_scanned", "seven", 70, 60, 5, 3, 50, 5, 0, 255, (0, 0), 0, 0),
    ("white_on_black", "seven", 70, 60, 5, 3, 50, 5, 255, 0, (0, 0), 0, 0),
    ("off_centre", "four", 80, 90, 40, 52, 35, 4, 20, 240, (0, 0), 0, 0),
    ("lit_from_a_side", "four", 90, 70, 10, 10, 55, 6, 40, 170, (60, -50), 0, 0),
    ("noisy", "five", 80, 80, 12, 10, 60, 6, 50, 210, (0, 0), 7, 0),
    ("noisy_and_lit", "five", 60, 100, 8, 40, 50, 6, 200, 60, (-40, 70), 6, 0),
    ("specks", "one", 90, 60, 10, 5, 65, 8, 10, 230, (0, 0), 0, 6),
    ("thin", "seven", 100, 90, 10, 10, 80, 1, 0, 255, (0, 0), 0, 0),
    ("small", "four", 18, 16, 2, 2, 12, 1, 30, 220, (0, 0), 0, 0),
    ("faint", "one", 60, 60, 10, 10, 40, 4, 150, 200, (10, 0), 2, 0),
]


def draw(
    digit, height, width, top, left, size, stroke, ink, paper, slope, noise, specks
):
    rng = np.random.default_rng(7)
    mask = Image.new("L", (4 * width, 4 * height))  # larger, for anti-aliased edges
    pen = ImageDraw.Draw(mask)
    for line in STROKES[digit]:
        points = [
            (4 * (left + size * x / 100), 4 * (top + size * y / 100)) for x, y in line
        ]
        pen.line(points, fill=255, width=4 * stroke, joint="curve")
    for _ in range(specks):
        x, y = rng.integers(2, 4 * width - 6), rng.integers(2, 4 * height - 6)
        pen.rectangle((x, y, x + 4, y + 4), fill=255)
    mask = np.asarray(mask.resize((width, height), Image.Resampling.BOX)) / 255
    y, x = np.mgrid[0:height, 0:width]
    light = slope[0] * (y / height - 0.5) + slope[1] * (x / width - 0.5)
    page = paper + mask * (ink - paper) + light + rng.normal(0, 1, mask.shape) * noise
    return np.clip(np.round(page), 0, 255).astype(np.uint8)


def remove_paper(picture):
    """The difference from the plane through the border, with ink positive."""
    border = np.ones(picture.shape, bool)
    border[1:-1, 1:-1] = False
    y, x = np.indices(picture.shape)
    terms = np.stack([np.ones(picture.shape), y, x], -1)
    plane, *_ = np.linalg.lstsq(
        terms[border], picture[border].astype(float), rcond=None
    )
    difference = picture - terms @ plane
    return difference * np.sign(np.sum(difference**3))


def otsu(ink):
    """The middle between the means of the two classes with the least variance within them."""
    splits = [(ink[ink <= t], ink[ink > t]) for t in range(ink.max())]
    low, high = min(
        (split for split in splits if split[0].size and split[1].size),
        key=lambda split: sum(part.var() * part.size for part in split),
    )
    return (low.mean() + high.mean()) / 2


def prepare(picture):
    ink = np.clip(np.round(remove_paper(picture)), 0, 255).astype(np.uint8)
    ink = np.clip(np.round((ink / otsu(ink) - 0.5) * 255), 0, 255)
    pieces, count = ndimage.label(ink > 0, np.ones((3, 3)))
    sizes = ndimage.sum_labels(ink > 0, pieces, range(1, count + 1))
    strokes = 1 + np.flatnonzero(sizes * SPECK >= sizes.max())
    ink = np.where(np.isin(pieces, strokes), ink, 0)
    ((rows, columns),) = ndimage.find_objects((ink > 0).astype(int))
    crop = ink[rows, columns].astype(np.float32) / 255
    scale = BOX / max(crop.shape)
    height, width = (max(1, round(side * scale)) for side in crop.shape)
    digit = Image.fromarray(crop).resize((width, height), Image.Resampling.BILINEAR)
    digit = np.asarray(digit) / np.asarray(digit).max()
    centre = ndimage.center_of_mass(digit)
    top, left = (
        int(np.clip(round(CENTRE - at), 0, SIDE - side))
        for at, side in zip(centre, digit.shape)
    )
    prepared = np.zeros((SIDE, SIDE), np.uint8)
    prepared[top : top + height, left : left + width] = np.round(digit * 255)
    return prepared


def case(name, *how):
    picture = draw(*how)
    return {
        "name": name,
        "height": picture.shape[0],
        "width": picture.shape[1],
        "picture": picture.tobytes().hex(),
        "prepared": prepare(picture).tobytes().hex(),
    }


def main():
    golden = {
        "versions": {name: version(name) for name in ("numpy", "scipy", "pillow")},
        "cases": [case(*how) for how in CASES],
    }
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
