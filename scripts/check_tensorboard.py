"""Check that TensorBoard reads from the events what a run's own files say.

For each run of a comparison, TensorBoard's EventAccumulator reads the run's
folder below `tensorboard/`, and the script compares

- `loss/train` and `accuracy/train` by step with curve.csv,
- `epoch_loss/…` and `epoch_accuracy/…` by epoch with metrics.csv,
- `loss/test` and `accuracy/test` with result.json,
- the hyperparameters with config.toml, and
- the images' sizes with their PNG files.

TensorBoard's scalars are 32-bit, so the files' numbers are rounded first. The
script fails if a number differs, is missing, or is there twice.

    pip install tensorboard==2.21.0 numpy==2.4.6
    mnist-trainer compare --scalings normalize,center --seeds 2 --epochs 2 --limit 6000 --validation-split 0.1 \\
        --out runs/tracked
    mnist-trainer report runs/tracked --to tensorboard
    python3 scripts/check_tensorboard.py runs/tracked
"""

import argparse
import csv
import json
import struct
import sys
import tomllib
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0}
IMAGES = ["confusion_matrix", "most_confident_errors"]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def expected_scalars(run):
    """Returns {tag: [(step, value)]} as the run's files say."""
    curve, epochs = rows(run / "curve.csv"), rows(run / "metrics.csv")
    result = json.loads((run / "result.json").read_text())
    scalars = {
        f"{key}/train": [(int(row["step"]), float(row[key])) for row in curve] for key in ["loss", "accuracy"]
    }
    for split in ["train", "validation"]:
        for key in ["loss", "accuracy"]:
            values = [(int(row["epoch"]), row[f"{split}_{key}"]) for row in epochs]
            if all(value for _, value in values):
                scalars[f"epoch_{key}/{split}"] = [(epoch, float(value)) for epoch, value in values]
    if result["test"]:
        last = int(curve[-1]["step"])
        for key in ["loss", "accuracy"]:
            scalars[f"{key}/test"] = [(last, result["test"][key])]
    return {tag: values for tag, values in scalars.items() if values}, result


def hyperparameters(events):
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def check(run, root):
    events = EventAccumulator(str(root / run.name), size_guidance=EVERYTHING)
    events.Reload()
    expected, result = expected_scalars(run)
    found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found.keys() == expected.keys(), f"{run.name}: {sorted(found)} instead of {sorted(expected)}"
    for tag, values in expected.items():
        rounded = [(step, float(np.float32(value))) for step, value in values]
        # As text, in which NaN is equal to itself.
        assert str(found[tag]) == str(rounded), f"{run.name}: {tag} is {found[tag]} instead of {rounded}"
    config = tomllib.loads((run / "config.toml").read_text())
    parameters = hyperparameters(events)
    assert parameters["scaling"] == result["scaling"]
    for key in ["seed", "epochs", "batch_size", "learning_rate", "validation_split", "dataset", "backend"]:
        assert parameters[key] == config[key], f"{run.name}: {key} is {parameters[key]} instead of {config[key]}"
    images = {}
    for tag in events.Tags()["images"]:
        (image,) = events.Images(tag)
        width, height = struct.unpack(">II", image.encoded_image_string[16:24])
        assert (image.width, image.height) == (width, height)
        images[tag] = f"{width}×{height}"
    # A run that reads every image correctly has no errors to show.
    shown = IMAGES[:1] if result["test"] and result["test"]["accuracy"] == 1 else IMAGES
    assert result["test"] is None or set(images) == set(shown), f"{run.name}: images {images}"
    if result["test"]:
        test = f"accuracy/test {found['accuracy/test'][0][1]:.6f} (result.json {result['test']['accuracy']})"
    else:
        test = "diverged"
    counts = ", ".join(f"{tag} {len(values)}" for tag, values in sorted(found.items()))
    print(f"{run.name}: {test}; {counts}; images {images}")
    for step, value in found.get("epoch_loss/train", []):
        row = rows(run / "metrics.csv")[step - 1]
        print(f"  epoch {step}: epoch_loss/train {value:.9f}, metrics.csv {row['train_loss']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--events", type=Path, help="folder of the events [default: tensorboard in the comparison]")
    arguments = parser.parse_args()
    runs = sorted((arguments.comparison / "runs").iterdir())
    assert runs, "the comparison has no runs"
    for run in runs:
        check(run, arguments.events or arguments.comparison / "tensorboard")
    print(f"all {len(runs)} runs agree")


if __name__ == "__main__":
    sys.exit(main())
