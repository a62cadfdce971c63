"""Compare the rounding errors of Winograd's F(2x2, 3x3) and F(4x4, 3x3) with 32 input channels, in f32.

    pip install numpy
    python3 scripts/winograd_error.py

An error is the largest difference from the definition in f64, relative to the largest sum of the magnitudes of its
products. The matrices are those of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016).
"""

import numpy as np

PATCHES, CHANNELS, FILTERS = 400, 32, 64

# The transforms of the patch, the filter and the result, for tiles of 2x2 and 4x4 results.
TRANSFORMS = {
    2: (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
    4: (
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    ),
}


def winograd(side: int, patches: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return the results of Winograd's algorithm, [patches, filters, side, side], in f32."""
    of_patch, of_filter, of_result = (np.array(matrix, np.float32) for matrix in TRANSFORMS[side])
    v = np.einsum("ij,ncjk,lk->ncil", of_patch, patches, of_patch)
    u = np.einsum("ij,ocjk,lk->ocil", of_filter, filters, of_filter)
    m = np.zeros((len(patches), len(filters), side + 2, side + 2), np.float32)
    for channel in range(patches.shape[1]):
        m += v[:, None, channel] * u[None, :, channel]
    return np.einsum("ij,nojk,lk->noil", of_result, m, of_result)


def definition(side: int, patches: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return the same by the definition, in f64."""
    patches, filters = patches.astype(np.float64), filters.astype(np.float64)
    taps = ((y, x) for y in range(3) for x in range(3))
    return sum(
        np.einsum("ncij,oc->noij", patches[:, :, y : y + side, x : x + side], filters[:, :, y, x]) for y, x in taps
    )


def main() -> None:
    generator = np.random.default_rng(1)
    limit = np.sqrt(6 / (9 * (CHANNELS + FILTERS)))
    filters = generator.uniform(-limit, limit, (FILTERS, CHANNELS, 3, 3)).astype(np.float32)
    shape = (PATCHES, CHANNELS, 6, 6)
    for name, values in {
        "uniform": generator.uniform(0, 1, shape),
        "normal, after ReLU": np.maximum(generator.standard_normal(shape), 0),
    }.items():
        for side in TRANSFORMS:
            patches = values[:, :, : side + 2, : side + 2].astype(np.float32)
            error = np.abs(winograd(side, patches, filters) - definition(side, patches, filters)).max()
            magnitude = definition(side, np.abs(patches), np.abs(filters)).max()
            print(f"{name}: F({side}x{side}, 3x3) {error / magnitude:.1e}")


if __name__ == "__main__":
    main()
