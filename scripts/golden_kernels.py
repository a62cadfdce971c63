"""Make crates/kernels/tests/golden/conv_block.json: the fused block and its gradients.

The block is max_pool2d(relu(conv2d(x, w, b)), 2) with a valid 3x3 convolution,
in PyTorch on the CPU, computed in float64 so that the values are the truth.
Inputs are normal random numbers rounded to f32, so that Rust reads them exactly.
All arrays are flat and row-major: NCHW, the weight out x in x 3 x 3.

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

# Batch, input channels, output channels, height and width of the image.
CASES = [(2, 2, 3, 7, 8), (1, 3, 5, 6, 6)]


def normal(rng, *shape):
    """Normal random numbers rounded to f32, as a float64 tensor."""
    return torch.tensor(rng.normal(size=shape).astype("float32").astype("float64"))


def make_case(rng, batch, channels_in, channels_out, height, width):
    x = normal(rng, batch, channels_in, height, width).requires_grad_()
    weight = normal(rng, channels_out, channels_in, 3, 3).requires_grad_()
    bias = normal(rng, channels_out).requires_grad_()
    # A 3x3 valid convolution takes 2 off each side; pooling drops an odd last row or column.
    output = F.max_pool2d(F.relu(F.conv2d(x, weight, bias)), 2)
    output_gradient = normal(rng, *output.shape)
    output.backward(output_gradient)
    tensors = {
        "input": x,
        "weight": weight,
        "bias": bias,
        "output": output,
        "output_gradient": output_gradient,
        "input_gradient": x.grad,
        "weight_gradient": weight.grad,
        "bias_gradient": bias.grad,
    }
    names = ("input", "weight", "bias", "output")
    return {
        "shapes": {name: list(tensors[name].shape) for name in names},
        **{name: tensor.flatten().tolist() for name, tensor in tensors.items()},
    }


def main():
    rng = np.random.default_rng(2)
    golden = {
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "cases": [make_case(rng, *case) for case in CASES],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
