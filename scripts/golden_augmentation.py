"""Make crates/data/tests/golden/augmentation.json: images transformed by Keras.

The values come from ImageDataGenerator.apply_transform() of Keras-Preprocessing
1.1.2, in float64 with channels first. It transforms two small images of random
bytes, which the file also contains, with each parameter alone, with several
together, and with every fill mode.

    pip install keras-preprocessing==1.1.2 numpy==2.4.6 scipy==1.17.1 pillow==13.0.0
    python3 scripts/golden_augmentation.py

According to its source, Keras works like this:

- The order is rotation, shift, shear and zoom (one affine resampling by SciPy),
  channel shift, flips, brightness.
- A missing parameter changes nothing. Without an affine parameter, there is no
  resampling.
- `tx` and `zx` apply along the rows' axis, `ty` and `zy` along the columns'.
- The centre of an affine transform is at half the size plus a half.

The script computes `brightness` itself: it multiplies the result of the other
steps and clips it. apply_transform() would use PIL, which first stretches the
image to 0..255 and truncates to bytes, and which confuses the axes if channels
come first. check_brightness() verifies that both agree within the rounding of a
byte, on an image that spans 0..255, so that stretching changes nothing.

Keras calls scipy.ndimage.interpolation, which is deprecated: SciPy 1.17.1
warns. With a SciPy that lacks it, set `ndimage.interpolation = ndimage` first.
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from keras_preprocessing.image import ImageDataGenerator

OUT = Path(__file__).parents[1] / "crates/data/tests/golden/augmentation.json"

FILL_MODES = ["nearest", "constant", "reflect", "wrap"]
CVAL = 50.5  # used by the fill mode "constant" only

# The largest shift and the largest zoom read pixels more than an image size outside the image.
AFFINE = [
    {"theta": 30.0},
    {"theta": -205.5},
    {"tx": 1.25},
    {"ty": -2.0},
    {"tx": -13.3, "ty": 17.6},
    {"shear": 20.0},
    {"zx": 1.3, "zy": 0.7},
    {"zx": 3.5, "zy": 4.2},
    {"theta": 15.0, "tx": 0.8, "ty": -0.6, "shear": -10.0, "zx": 0.9, "zy": 1.2},
    {
        "theta": -75.0,
        "tx": -1.5,
        "ty": 1.1,
        "shear": 25.0,
        "zx": 1.4,
        "zy": 1.1,
        "channel_shift_intensity": -30.5,
        "flip_horizontal": 1,
        "flip_vertical": 1,
        "brightness": 1.7,
    },
]

POINTWISE = [
    {},
    {"channel_shift_intensity": 40.25},
    {"channel_shift_intensity": -90.0},
    {"flip_horizontal": 1},
    {"flip_vertical": 1},
    {"flip_horizontal": 1, "flip_vertical": 1},
    {"brightness": 0.35},
    {"brightness": 2.5},
]


def make_images():
    rng = np.random.default_rng(1)
    return {
        "grey": rng.integers(20, 230, (1, 5, 6)),
        "colour": rng.integers(20, 230, (3, 4, 3)),
    }


def transform(pixels, parameters, fill_mode):
    generator = ImageDataGenerator(
        fill_mode=fill_mode, cval=CVAL, data_format="channels_first", dtype="float64"
    )
    steps = {name: value for name, value in parameters.items() if name != "brightness"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        transformed = generator.apply_transform(pixels.astype("float64"), steps)
    return np.clip(transformed * parameters.get("brightness", 1.0), 0, 255)


def check_brightness():
    """Keras' brightness is ours, truncated to bytes, where PIL's stretching changes nothing."""
    pixels = np.arange(256).reshape(1, 16, 16)
    for factor in (0.35, 1.0, 2.5):
        keras = ImageDataGenerator(data_format="channels_last").apply_transform(
            pixels.transpose(1, 2, 0), {"brightness": factor}
        )
        ours = transform(pixels, {"brightness": factor}, "nearest")
        # Truncation loses up to one byte before the factor and one after it.
        assert np.all(np.abs(keras.transpose(2, 0, 1) - ours) <= 1 + factor)


def main():
    check_brightness()
    cases = [(parameters, mode) for parameters in AFFINE for mode in FILL_MODES]
    cases += [(parameters, "nearest") for parameters in POINTWISE]
    images = []
    for name, pixels in make_images().items():
        channels, height, width = pixels.shape
        images.append({
            "name": name,
            "channels": channels,
            "height": height,
            "width": width,
            "pixels": np.ravel(pixels).tolist(),
            "cases": [
                {
                    "parameters": parameters,
                    "fill_mode": fill_mode,
                    "cval": CVAL,
                    "transformed": np.ravel(transform(pixels, parameters, fill_mode)).tolist(),
                }
                for parameters, fill_mode in cases
            ],
        })
    packages = ("keras-preprocessing", "numpy", "scipy", "pillow")
    versions = {name: version(name) for name in packages}
    OUT.write_text(json.dumps({"versions": versions, "images": images}) + "\n")


if __name__ == "__main__":
    main()
