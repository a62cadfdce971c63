"""Make crates/data/tests/golden/scaling.json: pixel scalings as Keras does them.

The values come from ImageDataGenerator of Keras-Preprocessing 1.1.2, in
float64, on two small sets of random bytes that the file holds too.

    pip install keras-preprocessing==1.1.2 numpy==2.4.6 scipy==1.17.1
    python3 scripts/golden_scaling.py

Keras' own featurewise statistics are one mean and one deviation per channel:
the granularity "channel", got from its fit(). For "global" and "pixel" the
script sets the generator's mean and std itself, with NumPy (population
deviation, as in fit()). What Keras does, read in its source:

- standardize() changes its argument in place, so it is given a copy;
- it divides by (std + 1e-6), so a constant image gives zeros;
- "samplewise" statistics are over all pixels of one image, channels together;
- the order is rescale, samplewise, featurewise;
- fit() of 1.1.2 applies `rescale` before it takes the statistics, so it is
  given the raw bytes.

`mean` and `std` are null where the scaling uses no such stored statistic.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from keras_preprocessing.image import ImageDataGenerator

OUT = Path(__file__).parents[1] / "crates/data/tests/golden/scaling.json"

SCALINGS = {
    "none": {},
    "normalize": {"rescale": 1 / 255},
    "center": {"featurewise_center": True},
    "standardize": {
        "featurewise_center": True,
        "featurewise_std_normalization": True,
    },
    "sample-center": {"samplewise_center": True},
    "sample-standardize": {
        "samplewise_center": True,
        "samplewise_std_normalization": True,
    },
    "normalize-center": {"rescale": 1 / 255, "featurewise_center": True},
}

# The axes of an NCHW array that each granularity takes its statistics over.
AXES = {"global": None, "channel": (0, 2, 3), "pixel": 0}


def make_sets():
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (5, 1, 6, 7))
    grey[2] = 77  # a constant image: a sample deviation of zero
    grey[:, 0, 0, 0] = 77  # a constant pixel position: a pixel deviation of zero
    colour = rng.integers(0, 256, (4, 3, 5, 4))
    return {"grey": grey, "colour": colour}


def flat(values):
    return None if values is None else np.ravel(values).tolist()


def make_case(pixels, scaling, granularity):
    options = SCALINGS[scaling]
    gen = ImageDataGenerator(data_format="channels_first", dtype="float64", **options)
    if gen.featurewise_center:
        if granularity == "channel":
            gen.fit(pixels)
        else:
            rescaled = pixels * (gen.rescale or 1.0)
            axis = AXES[granularity]
            gen.mean = np.mean(rescaled, axis=axis)
            if gen.featurewise_std_normalization:
                gen.std = np.std(rescaled, axis=axis)
    scaled = np.stack([gen.standardize(image.copy()) for image in pixels])
    check(pixels, scaled, scaling, granularity)
    return {
        "scaling": scaling,
        "granularity": granularity,
        "mean": flat(gen.mean),
        "std": flat(gen.std),
        "scaled": flat(scaled),
    }


def check(pixels, scaled, scaling, granularity):
    """The scaled pixels have the mean and deviation that the name promises."""
    axis = (1, 2, 3) if scaling.startswith("sample") else AXES[granularity]
    if "center" in scaling or "standardize" in scaling:
        assert np.allclose(scaled.mean(axis=axis), 0, atol=1e-12)
    if "standardize" in scaling:
        varies = pixels.std(axis=axis) > 0
        assert np.allclose(scaled.std(axis=axis), varies, atol=1e-5)


def main():
    sets = []
    for name, pixels in make_sets().items():
        images, channels, height, width = pixels.shape
        cases = [
            make_case(pixels.astype("float64"), scaling, granularity)
            for scaling, options in SCALINGS.items()
            for granularity in (AXES if "featurewise_center" in options else ["global"])
        ]
        sets.append({
            "name": name,
            "images": images,
            "channels": channels,
            "height": height,
            "width": width,
            "pixels": flat(pixels),
            "cases": cases,
        })
    versions = {name: version(name) for name in ("keras-preprocessing", "numpy", "scipy")}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"versions": versions, "sets": sets}) + "\n")


if __name__ == "__main__":
    main()
