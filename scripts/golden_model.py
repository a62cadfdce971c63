"""Make crates/model/tests/golden/model.json: logits, loss and gradients of the CNN.

PyTorch computes them on the CPU in float64, for Conv(1->32, 3x3, valid) ReLU
MaxPool2 Conv(32->64, 3x3, valid) ReLU MaxPool2 Flatten (C, H, W order)
Linear(1600->64) ReLU Linear(64->10) and the mean cross-entropy.

    pip install torch==2.15.0 numpy==2.4.6
    python3 scripts/golden_model.py

Parameters and input come from formulas that Rust can repeat. They are
evaluated in float64, rounded to f32, and converted back to float64:

- element i (flat, row-major) of parameter tensor number t in PARAMETERS:
  scale * sin(0.7 * (i mod 1000) + 0.3 * (i div 1000) + t)
- element i of the input, 3 images of 1x28x28:
  0.5 + 0.5 * sin(0.05 * i * (1 + 0.001 * i))

Dense weights and their gradients have Burn's layout: input x output.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

OUT = Path(__file__).parents[1] / "crates/model/tests/golden/model.json"

# Name, shape and scale of each tensor; its index is its number t.
PARAMETERS = [
    ("conv1.weight", (32, 1, 3, 3), 0.3),
    ("conv1.bias", (32,), 0.1),
    ("conv2.weight", (64, 32, 3, 3), 0.06),
    ("conv2.bias", (64,), 0.1),
    ("dense1.weight", (1600, 64), 0.03),
    ("dense1.bias", (64,), 0.1),
    ("dense2.weight", (64, 10), 0.2),
    ("dense2.bias", (10,), 0.1),
]
TARGETS = [3, 0, 7]


def rounded(values, shape):
    """Values, rounded to f32, as a float64 tensor."""
    return torch.tensor(values.astype("float32").astype("float64")).reshape(shape)


def parameter(t, shape, scale):
    i = np.arange(np.prod(shape))
    values = scale * np.sin(0.7 * (i % 1000) + 0.3 * (i // 1000) + t)
    return rounded(values, shape).requires_grad_()


def images():
    i = np.arange(3 * 28 * 28)
    return rounded(0.5 + 0.5 * np.sin(0.05 * i * (1 + 0.001 * i)), (3, 1, 28, 28))


def pool(x, name):
    """Max-pool, after verifying that no window has two equal positive maxima."""
    windows = x.detach().unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    top = windows.sort(dim=-1, descending=True).values
    gaps = (top[..., 0] - top[..., 1])[top[..., 0] > 0]
    print(f"{name}: smallest difference between the two largest values of a window: {gaps.min():.3g}")
    assert gaps.min() > 0
    return F.max_pool2d(x, 2)


def forward(p, x):
    x = pool(F.relu(F.conv2d(x, p["conv1.weight"], p["conv1.bias"])), "pool1")
    x = pool(F.relu(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), "pool2")
    x = F.relu(x.flatten(1) @ p["dense1.weight"] + p["dense1.bias"])
    return x @ p["dense2.weight"] + p["dense2.bias"]


def gradient(name, tensor):
    flat = tensor.grad.flatten()
    return {
        "name": name,
        "shape": list(tensor.shape),
        "sum": flat.sum().item(),
        "sum_abs": flat.abs().sum().item(),
        "first": flat[:8].tolist(),
        "last": flat[-8:].tolist(),
    }


def main():
    parameters = {
        name: parameter(t, shape, scale)
        for t, (name, shape, scale) in enumerate(PARAMETERS)
    }
    logits = forward(parameters, images())
    loss = F.cross_entropy(logits, torch.tensor(TARGETS))
    loss.backward()
    golden = {
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "logits": logits.tolist(),
        "loss": loss.item(),
        "gradients": [gradient(name, tensor) for name, tensor in parameters.items()],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
