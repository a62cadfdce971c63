"""Check that an MLflow server has the runs of a comparison as their files say.

MLflow's own Python client reads the experiment, and the script compares, for each
run of the comparison,

- `loss/train` and `accuracy/train` by step with curve.csv,
- `epoch_loss/…` and `epoch_accuracy/…` by epoch with metrics.csv,
- `loss/test` and `accuracy/test` with result.json,
- the parameters with config.toml, the tags with result.json, and
- the files: ONNX Runtime loads model.onnx; the comparison's run has the report.

The script fails if a number differs, is missing, or is there twice, and if a run
is there twice.

    pip install mlflow==3.17.2 onnxruntime==1.32.0
    mlflow server --backend-store-uri sqlite:///mlflow.db --port 5116 &
    mnist-trainer compare --scalings normalize,center --seeds 2 --epochs 2 --limit 6000 --validation-split 0.1 \\
        --out runs/tracked
    mnist-trainer report runs/tracked --to mlflow --tracking-uri http://127.0.0.1:5116
    python3 scripts/check_mlflow.py runs/tracked --tracking-uri http://127.0.0.1:5116
"""

import argparse
import csv
import json
import math
import sys
import tempfile
import tomllib
from pathlib import Path

import onnxruntime
from mlflow import MlflowClient

NAME, PARENT = "mnist_trainer.run", "mlflow.parentRunId"


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def expected_metrics(run, result):
    """Returns {metric: [(step, value)]} as the run's files say."""
    curve, epochs = rows(run / "curve.csv"), rows(run / "metrics.csv")
    metrics = {
        f"{key}/train": [(int(row["step"]), float(row[key])) for row in curve] for key in ["loss", "accuracy"]
    }
    for split in ["train", "validation"]:
        for key in ["loss", "accuracy"]:
            values = [(int(row["epoch"]), row[f"{split}_{key}"]) for row in epochs]
            if all(value for _, value in values):
                metrics[f"epoch_{key}/{split}"] = [(epoch, float(value)) for epoch, value in values]
    if result["test"]:
        for key in ["loss", "accuracy"]:
            metrics[f"{key}/test"] = [(int(curve[-1]["step"]), result["test"][key])]
    # MLflow gets only finite numbers.
    finite = {name: [pair for pair in values if math.isfinite(pair[1])] for name, values in metrics.items()}
    return {name: values for name, values in finite.items() if values}


def check_run(client, remote, run):
    result = json.loads((run / "result.json").read_text())
    config = tomllib.loads((run / "config.toml").read_text())
    expected = expected_metrics(run, result)
    assert set(remote.data.metrics) == set(expected), f"{run.name}: {sorted(remote.data.metrics)}"
    for name, values in expected.items():
        found = [(metric.step, metric.value) for metric in client.get_metric_history(remote.info.run_id, name)]
        assert sorted(found) == values, f"{run.name}: {name} is {sorted(found)} instead of {values}"
    for key in ["seed", "epochs", "batch_size", "learning_rate", "backend", "dataset"]:
        found = remote.data.params[key]
        assert found == str(config[key]), f"{run.name}: {key} is {found} instead of {config[key]}"
    assert remote.data.params["scaling"] == result["scaling"]
    tags = remote.data.tags
    assert tags.get("weights_sha256", "") == (result.get("weights_sha256") or "")
    assert all(sum["sha256"] in tags["data_sha256"] for sum in result["data"])
    is_ok = result["status"] == "ok"
    assert remote.info.status == ("FINISHED" if is_ok else "FAILED"), remote.info.status
    if not is_ok:
        print(f"  {run.name}: {result['status']}")
        return
    with tempfile.TemporaryDirectory() as folder:
        model = client.download_artifacts(remote.info.run_id, "model.onnx", folder)
        inputs = [(value.name, value.shape) for value in onnxruntime.InferenceSession(model).get_inputs()]
    history = client.get_metric_history(remote.info.run_id, "epoch_loss/train")
    for row, metric in zip(rows(run / "metrics.csv"), sorted(history, key=lambda metric: metric.step)):
        print(f"  {run.name} epoch {metric.step}: MLflow {metric.value!r}, metrics.csv {row['train_loss']}")
    print(f"  {run.name}: accuracy/test {remote.data.metrics['accuracy/test']!r}, model.onnx takes {inputs}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--tracking-uri", required=True)
    parser.add_argument("--experiment", default="mnist-trainer")
    arguments = parser.parse_args()
    client = MlflowClient(arguments.tracking_uri)
    experiment = client.get_experiment_by_name(arguments.experiment)
    remotes = client.search_runs([experiment.experiment_id], max_results=10_000)
    identity = (arguments.comparison / "mlflow-id.txt").read_text().strip()
    runs = sorted((arguments.comparison / "runs").iterdir())
    (parent,) = [remote for remote in remotes if remote.data.tags.get(NAME) == identity]
    nested = [remote for remote in remotes if remote.data.tags.get(PARENT) == parent.info.run_id]
    names = sorted(remote.data.tags[NAME] for remote in nested)
    assert names == [run.name for run in runs], f"MLflow has {names}"
    files = sorted(file.path for file in client.list_artifacts(parent.info.run_id))
    assert {"report.html", "report.md", "results.csv", "config.toml"} <= set(files), files
    print(f"{parent.info.run_name}: {files}")
    for run in runs:
        (remote,) = [remote for remote in nested if remote.data.tags[NAME] == run.name]
        check_run(client, remote, run)
    print(f"all {len(runs)} runs agree; {len(remotes)} runs in the experiment")


if __name__ == "__main__":
    sys.exit(main())
