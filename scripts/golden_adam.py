"""Make crates/kernels/tests/golden/adam.json: parameters after each step of Adam.

The values come from torch.optim.Adam in float64, with the trainer's betas and
epsilon. The gradients cover all cases: ordinary, always zero, zero at first or
sometimes, and so small or so large that at most their sign has an effect. All
inputs are f32 values, so Rust reads them exactly.

    pip install torch==2.15.0 numpy==2.4.6
    python3 scripts/golden_adam.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).parents[1] / "crates/kernels/tests/golden/adam.json"

STEPS = 8
LEARNING_RATES = [1e-3, 1e-1]
# One row per parameter: the factor on its gradient at each step.
FACTORS = [
    [1] * STEPS,
    [1e-3] * STEPS,
    [0] * STEPS,
    [0, 0, 0, 1, 1, 1, 1, 1],
    [1, 0, 1, 0, 0, 1, 0, 0],
    [1, 1, 0, 0, 0, 0, 0, 0],
    [1e-7] * STEPS,
    [1e-12] * STEPS,
    [1e-25] * STEPS,
    [1e6] * STEPS,
    [1e15] * STEPS,
    [1, 1, 1e6, 1, 1, 1, 1, 1],
]


def case(rng, learning_rate):
    start = rng.normal(size=len(FACTORS)).astype("float32")
    factors = np.transpose(FACTORS)
    gradients = (rng.normal(size=factors.shape) * factors).astype("float32")
    parameter = torch.tensor(start.astype("float64"))
    optimizer = torch.optim.Adam(
        [parameter], lr=learning_rate, betas=(0.9, 0.999), eps=1e-7
    )
    parameters = []
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient.astype("float64"))
        optimizer.step()
        parameters.append(parameter.tolist())
    return {
        "learning_rate": learning_rate,
        "start": start.tolist(),
        "gradients": gradients.tolist(),
        "parameters": parameters,
    }


def main():
    rng = np.random.default_rng(3)
    golden = {
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "cases": [case(rng, learning_rate) for learning_rate in LEARNING_RATES],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
