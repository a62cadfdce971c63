"""Make crates/data/tests/golden/scaling.json: pixels scaled by Keras.

The file contains every combination of rescale, samplewise and featurewise
steps, ZCA whitening and granularity, in float64. The images are small sets of
random bytes, which the file also contains: grayscale, colour, fewer images than
pixels, and one in which an image, a channel and a position are constant. Each
scaling is fitted on training images, and applied to them and to test images.

    pip install keras-preprocessing==1.1.2 keras==3.15.1 jax==0.10.2 \
        numpy==2.4.6 scipy==1.17.1 pillow==13.0.0
    python3 scripts/golden_scaling.py

The values come from ImageDataGenerator of Keras-Preprocessing 1.1.2. The legacy
module of Keras 3 computes each of them too. The script fails if the two differ
in anything but the whitening matrix, as described below.

According to its sources, Keras works like this:

- The order is rescale, samplewise, featurewise, ZCA.
- standardize() changes its argument in place, so this script passes a copy. For
  a batch it computes one "samplewise" mean over all images, so this script
  passes single images.
- It divides by (std + 1e-6), so a constant image becomes zeros.
- "Samplewise" statistics are over all pixels and channels of one image.
- fit() of both modules applies `rescale` before it computes the statistics, but
  not the samplewise step.
- Whitening is x W with W = U diag(1 / sqrt(s + epsilon)) U^T. U and s come from
  X^T X / n, the second moment of the centred images.
- The legacy module differs in W: it divides by (sqrt(s) + epsilon / sqrt(n)),
  from the singular values of X. If n is below the number of pixels, it drops the
  directions in which the training images do not differ.

Two kinds of values do not come from fit() of a single generator:

- Featurewise statistics describe the pixels as they reach their step. After a
  samplewise step, a first generator applies rescale and that step, and a second
  generator is fitted on the result.
- Keras computes one mean and one standard deviation per channel, which is the
  granularity "channel". For "global" and "pixel", NumPy computes them (the
  population's standard deviation), and W by the formula above.

Conditioning: an eigenvalue that should be 0 is noise of about 1e-16 times the
largest. It matters unless it is small compared with epsilon. For unscaled bytes
(largest eigenvalue about 1e5), epsilon is therefore 1e-2, or 1e-6 if the second
moment has full rank. To verify this, the script computes W again with eigh, from
images that differ in their last bits: scaled values change by less than 1e-9 of
the largest. `mean` and `std` are null if the scaling has no such statistic.
"""

import json
import math
import os
import warnings
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
from keras_preprocessing.image import ImageDataGenerator
from scipy import linalg

os.environ["KERAS_BACKEND"] = "numpy"
from keras.src.legacy.preprocessing.image import (
    ImageDataGenerator as LegacyImageDataGenerator,
)

OUT = Path(__file__).parents[1] / "crates/data/tests/golden/scaling.json"

RESCALES = [{}, {"rescale": 1 / 255}]
SAMPLEWISE = [
    {},
    {"samplewise_center": True},
    {"samplewise_center": True, "samplewise_std_normalization": True},
]
FEATUREWISE = [
    {"featurewise_center": True},
    {"featurewise_center": True, "featurewise_std_normalization": True},
]
WHITENING = {"featurewise_center": True, "zca_whitening": True}
EPSILONS = [1e-6, 1e-2, 0.1]

# The axes of an NCHW array over which each granularity computes its statistics.
AXES = {"global": None, "channel": (0, 2, 3), "pixel": 0}


def make_sets():
    """Training and test images, N x C x H x W."""
    rng = np.random.default_rng(1)

    def split(train, test, *shape):
        return tuple(rng.integers(0, 256, (n, *shape)) for n in (train, test))

    constant, constant_test = split(8, 2, 3, 1, 2)
    constant[:, 2] = 77  # a channel: a standard deviation of zero
    constant[:, 0, 0, 1] = 77  # a position
    constant[4] = constant_test[1] = 77  # an image
    return {
        "grey": split(8, 2, 1, 2, 3),
        "colour": split(13, 2, 3, 2, 2),
        "fewer images than pixels": split(4, 1, 3, 2, 2),
        "constant": (constant, constant_test),
    }


def make_scalings(train):
    """All scalings, each as the fields that differ from the default."""
    for rescale, samplewise in product(RESCALES, SAMPLEWISE):
        yield rescale | samplewise
        for granularity in AXES:
            base = rescale | samplewise
            if granularity != "global":
                base = base | {"granularity": granularity}
            for featurewise in FEATUREWISE:
                yield base | featurewise
            for epsilon in EPSILONS if rescale else [raw_epsilon(train, base)]:
                zca_epsilon = {} if epsilon == 1e-6 else {"zca_epsilon": epsilon}
                yield base | WHITENING | zca_epsilon


def raw_epsilon(train, base):
    """The epsilon of whitening without rescale: the default if the second moment has full rank."""
    _, centred, *_ = fit(train, base | WHITENING)
    smallest = linalg.svdvals(second_moment(centred))[-1]
    return 1e-6 if smallest > 1e-3 else 1e-2


def generator(scaling, keras=ImageDataGenerator):
    options = {k: v for k, v in scaling.items() if k != "granularity"}
    return keras(data_format="channels_first", dtype="float64", **options)


def standardized(gen, images):
    return np.stack([gen.standardize(image.copy()) for image in images])


def second_moment(centred):
    flat = centred.reshape(len(centred), -1)
    return flat.T @ flat / len(flat)


def whitening_matrix(centred, divisor):
    """U diag(1 / divisor(s)) U^T, by SVD as in Keras."""
    u, s, _ = linalg.svd(second_moment(centred))
    return (u / divisor(s)) @ u.T


def fit(train, scaling):
    """The training images before the featurewise step and after centring, then mean, std and W."""
    before = {k: v for k, v in scaling.items() if k.startswith(("rescale", "sample"))}
    after = {k: v for k, v in scaling.items() if k not in before}
    arriving = standardized(generator(before), train)
    gen = generator(after)
    if scaling.get("granularity") == "channel":
        gen.fit(arriving)
        check_legacy_fit(gen, arriving, after)
    elif gen.featurewise_center:
        axis = AXES[scaling.get("granularity", "global")]
        gen.mean = np.mean(arriving, axis=axis)
        if gen.featurewise_std_normalization:
            gen.std = np.std(arriving, axis=axis)
    centred = arriving - (0 if gen.mean is None else gen.mean)
    if gen.zca_whitening:
        formula = whitening_matrix(centred, lambda s: np.sqrt(s + gen.zca_epsilon))
        if gen.principal_components is None:
            gen.principal_components = formula
        assert_close(gen.principal_components, formula, 1e-9)
    return arriving, centred, gen.mean, gen.std, gen.principal_components


def check_legacy_fit(gen, arriving, scaling):
    """Verifies that the legacy module has the same statistics, and whitens by its own formula."""
    legacy = generator(scaling, LegacyImageDataGenerator)
    legacy.fit(arriving)
    assert np.array_equal(legacy.mean, gen.mean) and np.array_equal(legacy.std, gen.std)
    if gen.zca_whitening:
        epsilon = gen.zca_epsilon / math.sqrt(len(arriving))
        centred = arriving - gen.mean
        flat = centred.reshape(len(centred), -1)
        formula = whitening_matrix(centred, lambda s: np.sqrt(s) + epsilon)
        # Only in the directions of the training images: in others, the legacy matrix is noise.
        assert_close(flat @ legacy.zca_whitening_matrix, flat @ formula, 1e-6)


def scale(images, scaling, mean, std, whitening, keras=ImageDataGenerator):
    """All steps, applied by one generator with these statistics."""
    gen = generator(scaling, keras)
    gen.mean, gen.std = mean, std
    gen.principal_components = gen.zca_whitening_matrix = whitening
    return standardized(gen, images)


def make_case(train, test, scaling):
    arriving, centred, *statistics = fit(train, scaling)
    mean, std, whitening = statistics
    check_fit_in_one(train, scaling, mean)
    scaled, scaled_test = (scale(x, scaling, *statistics) for x in (train, test))
    for images, ours in ((train, scaled), (test, scaled_test)):
        legacy = scale(images, scaling, *statistics, LegacyImageDataGenerator)
        assert_close(legacy, ours, 1e-12)
        if whitening is not None:
            again = scale(images, scaling, mean, std, whiten_again(centred, scaling))
            assert_close(again, ours, 1e-9)
    check(arriving, centred, scaled, scaling)
    return {
        "scaling": scaling,
        "mean": flat(mean),
        "std": flat(std),
        "scaled": flat(rounded(scaled)),
        "scaled_test": flat(rounded(scaled_test)),
    }


def check_fit_in_one(train, scaling, mean):
    """Verifies that fit() of the complete scaling applies `rescale`, but not the samplewise step."""
    if scaling.get("granularity") == "channel":
        for keras in (ImageDataGenerator, LegacyImageDataGenerator):
            gen = generator(scaling, keras)
            gen.fit(train)
            samplewise = scaling.get("samplewise_center", False)
            assert np.allclose(gen.mean, mean, rtol=1e-12) is not samplewise


def whiten_again(centred, scaling):
    """W by eigh, from images that differ in their last bits."""
    bits = np.random.default_rng(2).uniform(-1, 1, centred.shape)
    s, u = np.linalg.eigh(second_moment(centred * (1 + 4e-16 * bits)))
    return (u / np.sqrt(np.maximum(s, 0) + scaling.get("zca_epsilon", 1e-6))) @ u.T


def check(arriving, centred, scaled, scaling):
    """Verifies the moments of the scaled training images after the last step."""
    if scaling.get("zca_whitening"):
        u, s, _ = linalg.svd(second_moment(centred))
        shrunk = s / (s + scaling.get("zca_epsilon", 1e-6))
        assert_close(second_moment(scaled), (u * shrunk) @ u.T, 1e-9)
        return
    for last in ("featurewise", "samplewise"):
        if not scaling.get(f"{last}_center"):
            continue
        granularity = scaling.get("granularity", "global")
        axis = AXES[granularity] if last == "featurewise" else (1, 2, 3)
        assert np.allclose(scaled.mean(axis=axis), 0, atol=1e-9)
        if scaling.get(f"{last}_std_normalization"):
            varies = arriving.std(axis=axis) > 1e-9
            assert np.allclose(scaled.std(axis=axis), varies, atol=1e-4)
        return


def assert_close(ours, theirs, share):
    """Fails if a difference is larger than this share of the largest value."""
    assert np.abs(ours - theirs).max() <= share * np.abs(theirs).max()


def rounded(values):
    """Values with nine digits of the largest one, and without negative zeros."""
    largest = np.abs(values).max()
    return np.round(values, 9 - math.floor(math.log10(largest)) - 1) + 0.0


def flat(values):
    return None if values is None else np.ravel(values).tolist()


def main():
    warnings.simplefilter("error")  # Keras warns when it overrides a setting.
    sets = []
    for name, (train, test) in make_sets().items():
        _, channels, height, width = train.shape
        sets.append({
            "name": name,
            "channels": channels,
            "height": height,
            "width": width,
            "pixels": flat(train),
            "test_pixels": flat(test),
            "cases": [
                make_case(train.astype("float64"), test.astype("float64"), scaling)
                for scaling in make_scalings(train.astype("float64"))
            ],
        })
    packages = ("keras-preprocessing", "keras", "numpy", "scipy")
    versions = {name: version(name) for name in packages}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    content = {"versions": versions, "sets": sets}
    OUT.write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
