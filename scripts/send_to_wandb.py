"""Send events for TensorBoard to Weights & Biases, a run per folder.

The script reads the events with TensorBoard and logs them with wandb's own
client: scalars, images and hyperparameters. The id of a run is the name of its
folder. A run that arrived completely is not sent again; one that broke off gets
all of its rows again. Offline, the client does not know what has arrived, so a
second call logs all rows again. `WANDB_MODE=offline` writes
them into ./wandb, for `wandb sync` on a machine with a network.

    pip install wandb==0.31.0 tensorboard==2.21.0 pillow
    mnist-trainer report runs/tutorial --to tensorboard
    python3 scripts/send_to_wandb.py runs/tutorial/tensorboard --project mnist
"""

import argparse
import io
import sys
from pathlib import Path

import wandb
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

# The key that marks a run whose rows and images were all logged.
COMPLETE = "events_complete"


def hyperparameters(events):
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def send(folder, project):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    config = hyperparameters(events)
    with wandb.init(project=project, id=folder.name, name=folder.name, config=config, resume="allow") as run:
        if run.resumed and run.summary.get(COMPLETE):
            return f"{folder.name}: already there"
        # Scalars by epoch have their own axis. W&B wants rows, so scalars of the same step share one.
        run.define_metric("epoch_*", step_metric="epoch")
        run.define_metric("*", step_metric="step")
        rows = {}
        for tag in events.Tags()["scalars"]:
            axis = "epoch" if tag.startswith("epoch_") else "step"
            for event in events.Scalars(tag):
                rows.setdefault((axis, event.step), {axis: event.step})[tag] = event.value
        for _, row in sorted(rows.items()):
            run.log(row)
        for tag in events.Tags()["images"]:
            for event in events.Images(tag):
                run.log({tag: wandb.Image(Image.open(io.BytesIO(event.encoded_image_string))), "step": event.step})
        run.summary[COMPLETE] = True
    return f"{folder.name}: {len(rows)} rows"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=Path, help="folder with a folder of events per run")
    parser.add_argument("--project", default="mnist-trainer")
    arguments = parser.parse_args()
    for folder in sorted(path for path in arguments.events.iterdir() if path.is_dir()):
        print(send(folder, arguments.project))


if __name__ == "__main__":
    sys.exit(main())
