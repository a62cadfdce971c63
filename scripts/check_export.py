"""Check that other programs compute the same from an export as mnist-trainer does.

For each run folder, on all 10,000 test images of MNIST:

- safetensors: PyTorch loads the weights by name with strict=True. NumPy scales
  the images with the statistics in the file's metadata, as in docs/SCALING.md.
- ONNX: onnx.checker checks the file, and ONNX Runtime receives the bytes.
- golden.safetensors: its pixels must be the first test images. PyTorch and ONNX
  Runtime must compute its logits.

The logits are compared with those that `predict` prints for the images, each
passed as a file of 784 bytes. In the table:

- "abs" is the largest difference of a logit.
- "rel" is the largest difference relative to the image's largest logit.
- "float64" compares mnist-trainer with PyTorch in float64, with the same weights:
  the error of computing in f32.
- "other classes" counts images with another prediction, unless their two largest
  logits are closer than the tolerance.

The script fails if a relative difference is above 1e-5 or a class differs.

    pip install torch==2.15.0 onnx==1.23.2 onnxruntime==1.32.0 safetensors==0.8.0 numpy==2.4.6
    for s in none normalize center standardize zca; do
        mnist-trainer train --scaling $s --limit 6000 --epochs 1 --out runs/check-$s
    done
    python3 scripts/check_export.py runs/check-*
"""

import argparse
import base64
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5
BATCH = 1000


class Net(torch.nn.Module):
    """The tutorial's network. PyTorch loads the weights by the names of these layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 32, 3)
        self.conv2 = torch.nn.Conv2d(32, 64, 3)
        self.dense1 = torch.nn.Linear(1600, 64)
        self.dense2 = torch.nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.dense2(F.relu(self.dense1(x.flatten(1))))


def scale(images, fitted):
    """The function `scale` of docs/SCALING.md, but with a parsed file, and in float64."""
    d = fitted["description"]
    x = images.astype("float64") * d["rescale"]
    if d["samplewise_center"]:
        x -= x.mean(axis=(1, 2, 3), keepdims=True)
    if d["samplewise_std_normalization"]:
        x /= x.std(axis=(1, 2, 3), keepdims=True) + 1e-6
    groups = {"global": (1, 1, 1), "channel": (-1, 1, 1), "pixel": x.shape[1:]}[d["granularity"]]
    if fitted["mean"]:
        x -= np.reshape(fitted["mean"], groups)
    if fitted["std"]:
        x /= np.reshape(fitted["std"], groups) + 1e-6
    if fitted["zca"]:
        flat = x.reshape(len(x), -1)
        matrix = np.frombuffer(base64.b64decode(fitted["zca"]["matrix"]), "<f8").reshape(flat.shape[1], -1)
        x = (flat @ matrix).reshape(x.shape)
    return x


def in_batches(function, images):
    return np.concatenate([function(images[i : i + BATCH]) for i in range(0, len(images), BATCH)])


def of_pytorch(file, images, dtype):
    """Logits that PyTorch computes from the safetensors file."""
    with safe_open(file, "pt") as f:
        fitted = json.loads(f.metadata()["scaling_json"])
        weights = {name: f.get_tensor(name) for name in f.keys()}
    net = Net()
    net.load_state_dict(weights, strict=True)
    net = net.to(dtype).eval()
    with torch.no_grad():
        return in_batches(lambda x: net(torch.from_numpy(scale(x, fitted)).to(dtype)).numpy(), images)


def of_onnx(file, images):
    """Logits and probabilities that ONNX Runtime computes from the ONNX file."""
    onnx.checker.check_model(file, full_check=True)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def run(pixels):
        return np.concatenate(session.run(["logits", "probabilities"], {"pixels": pixels}), axis=1)

    return np.split(in_batches(run, images), 2, axis=1)


def of_this_program(run, images, options):
    """Logits and probabilities that `predict` prints."""
    logits, probabilities = [], []
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, len(images), BATCH):
            names = [f"{start + i:05}.bytes" for i in range(len(images[start : start + BATCH]))]
            for name, image in zip(names, images[start:]):
                (Path(folder) / name).write_bytes(image.tobytes())
            printed = program(options, "predict", run.absolute(), *names, cwd=folder)["predictions"]
            assert [prediction["image"] for prediction in printed] == names
            logits += [prediction["logits"] for prediction in printed]
            probabilities += [prediction["probabilities"] for prediction in printed]
    return np.array(logits), np.array(probabilities)


def program(options, *arguments, cwd=None):
    command = [options.binary, *arguments, "--format", "json", "--quiet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        sys.exit(f"`mnist-trainer {arguments[0]}` failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def test_images(options):
    """MNIST's test images, N×1×28×28 bytes."""
    folder = Path(program(options, "data", "fetch")["folder"])
    file = sorted(folder.glob("t10k-images-idx3-ubyte*"))[0]
    content = file.read_bytes()
    content = gzip.decompress(content) if file.suffix == ".gz" else content
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28)


def differences(theirs, ours):
    """The largest difference, the largest relative to an image's largest logit, and the number of other classes."""
    each = np.abs(theirs.astype("float64") - ours).max(axis=1)
    size = np.abs(ours).max(axis=1)
    second, first = np.sort(ours, axis=1)[:, -2:].T
    tied = first - second <= 2 * TOLERANCE * size
    other = (theirs.argmax(axis=1) != ours.argmax(axis=1)) & ~tied
    return each.max(), (each / size).max(), int(other.sum())


def check_golden(folder, images, logits):
    golden = load_file(folder / "golden.safetensors")
    first = images[: len(golden["pixels"])]
    assert np.array_equal(golden["pixels"], first), "the golden pixels are not the first test images"
    return differences(logits[: len(first)], golden["logits"])


def check(run, images, options):
    """The cells of a run's row, and whether it passes."""
    ours, our_probabilities = of_this_program(run, images, options)
    with tempfile.TemporaryDirectory() as folder:
        weights, graph = Path(folder) / "weights", Path(folder) / "graph"
        program(options, "export", run, "--to", "safetensors", "--out", weights)
        program(options, "export", run, "--to", "onnx", "--out", graph)
        pytorch = of_pytorch(weights / "model.safetensors", images, torch.float32)
        truth = of_pytorch(weights / "model.safetensors", images, torch.float64)
        runtime, probabilities = of_onnx(graph / "model.onnx", images)
        results = [
            differences(pytorch, ours),
            differences(runtime, ours),
            check_golden(weights, images, pytorch),
            check_golden(graph, images, runtime),
            differences(truth, ours),
        ]
    softmax = np.abs(probabilities - our_probabilities).max()
    cells = [f"{np.abs(ours).max():.3g}"]
    cells += [f"{absolute:.1e} {relative:.1e}" for absolute, relative, _ in results]
    cells += [f"{softmax:.1e}", str(sum(result[2] for result in results))]
    # Softmax turns absolute differences of logits into relative ones, so the absolute difference is the tolerance.
    passes = all(relative <= TOLERANCE and other == 0 for _, relative, other in results[:4])
    return cells, passes and softmax <= max(TOLERANCE, 2 * results[1][0])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a run that was trained on MNIST")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/mnist-trainer", help="mnist-trainer")
    options = parser.parse_args()
    options.binary = options.binary.absolute()
    images = test_images(options)
    header = ["run", "largest logit", "PyTorch, abs rel", "ONNX Runtime, abs rel", "golden, PyTorch"]
    header += ["golden, ONNX Runtime", "float64", "probabilities", "other classes"]
    print("| " + " | ".join(header) + " |\n" + "| --- " * len(header) + "|")
    all_pass = True
    for run in options.runs:
        cells, passes = check(run, images, options)
        print("| " + " | ".join([run.name, *cells]) + " |", flush=True)
        all_pass &= passes
    if not all_pass:
        sys.exit(f"error: a relative difference is above {TOLERANCE}, or a class differs")


if __name__ == "__main__":
    main()
