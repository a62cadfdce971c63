"""Make crates/kernels/tests/golden/conv_block.json: the fused block and its gradients.

The block is max_pool2d(relu(conv2d(x, w, b)), 2) with a 3x3 convolution without
padding, computed by PyTorch on the CPU in float64. Inputs are normal random numbers
with three decimals, rounded to f32 as Rust reads them. Results have seven digits.
All arrays are flat and row-major: images are NCHW, weights out x in x 3 x 3.

    pip install torch==2.15.0 numpy==2.4.6
    python3 scripts/golden_kernels.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

OUT = Path(__file__).parents[1] / "crates/kernels/tests/golden/conv_block.json"

# Batch, input channels, output channels, height and width of the image. The cases cover
# both algorithms of the convolution (with fewer than 8 input channels, and with more),
# both of the weight gradient, and full and partial registers of 4, 8 and 16 channels.
CASES = [
    (2, 2, 3, 7, 8),
    (1, 3, 5, 10, 10),
    (2, 1, 33, 12, 9),
    (2, 8, 16, 9, 11),
    (2, 16, 10, 9, 13),
    (1, 8, 50, 6, 7),
    (2, 33, 17, 7, 6),
]


def normal(rng, *shape):
    """Normal random numbers with three decimals, rounded to f32, as a float64 tensor."""
    values = rng.normal(size=shape).round(3).astype("float32")
    return torch.tensor(values.astype("float64"))


def digits(tensor, count):
    """The values of a tensor, rounded to `count` digits."""
    return [float(f"{value:.{count}g}") for value in tensor.flatten().tolist()]


def make_case(rng, batch, channels_in, channels_out, height, width):
    x = normal(rng, batch, channels_in, height, width).requires_grad_()
    weight = normal(rng, channels_out, channels_in, 3, 3).requires_grad_()
    bias = normal(rng, channels_out).requires_grad_()
    # The convolution shortens each side by 2; pooling drops an odd last row or column.
    output = F.max_pool2d(F.relu(F.conv2d(x, weight, bias)), 2)
    output_gradient = normal(rng, *output.shape)
    output.backward(output_gradient)
    inputs = {
        "input": x,
        "weight": weight,
        "bias": bias,
        "output_gradient": output_gradient,
    }
    results = {
        "output": output,
        "input_gradient": x.grad,
        "weight_gradient": weight.grad,
        "bias_gradient": bias.grad,
    }
    shaped = {"input": x, "weight": weight, "bias": bias, "output": output}
    return {
        "shapes": {name: list(tensor.shape) for name, tensor in shaped.items()},
        **{name: digits(tensor, 5) for name, tensor in inputs.items()},
        **{name: digits(tensor, 7) for name, tensor in results.items()},
    }


def main():
    rng = np.random.default_rng(2)
    golden = {
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "cases": [make_case(rng, *case) for case in CASES],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
