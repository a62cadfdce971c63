"""Make crates/trackers/tests/golden/tensorboard.events: an event file by TensorBoard's own writer.

It has the events of a short run: the hyperparameters of the default settings with
seed 3 and the scaling `standardize`, two scalars, an image and the end.

    pip install tensorboard==2.21.0
    python3 scripts/golden_tensorboard.py
"""

from pathlib import Path

from google.protobuf import struct_pb2
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = Path(__file__).parents[1] / "crates/trackers/tests/golden/tensorboard.events"

BEGAN = 1_700_000_000.0
PARAMETERS = {
    "scaling": "standardize",
    "seed": 3.0,
    "dataset": "mnist",
    "epochs": 5.0,
    "batch_size": 64.0,
    "learning_rate": 0.001,
    "validation_split": 0.0,
    "backend": "flex",
}


def event(seconds, step=0, **what):
    return event_pb2.Event(wall_time=BEGAN + seconds, step=step, **what)


def summary(tag, **content):
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, **content)])


def hparams(tag, **data):
    content = plugin_data_pb2.HParamsPluginData(version=0, **data).SerializeToString(deterministic=True)
    plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    return summary(f"_hparams_/{tag}", metadata=summary_pb2.SummaryMetadata(plugin_data=plugin))


def value(content):
    return struct_pb2.Value(**{"string_value" if isinstance(content, str) else "number_value": content})


def info(name):
    text = isinstance(PARAMETERS[name], str)
    differs = name in ["scaling", "seed", "learning_rate", "batch_size"]
    kind = api_pb2.DATA_TYPE_STRING if text else api_pb2.DATA_TYPE_FLOAT64
    return api_pb2.HParamInfo(name=name, type=kind, differs=differs)


experiment = api_pb2.Experiment(
    # In the order of the settings: the scaling, then the others by name.
    hparam_infos=[info(name) for name in sorted(PARAMETERS, key=lambda name: (name != "scaling", name))],
    metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in ["accuracy/test", "loss/test"]],
)
start = plugin_data_pb2.SessionStartInfo(
    hparams={name: value(content) for name, content in PARAMETERS.items()}, start_time_secs=BEGAN
)
end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=BEGAN + 2.5)
image = summary_pb2.Summary.Image(height=2, width=3, colorspace=3, encoded_image_string=b"png")

EVENTS = [
    event(0, file_version="brain.Event:2"),
    event(0, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    event(0, summary=hparams("experiment", experiment=experiment)),
    event(0, summary=hparams("session_start_info", session_start_info=start)),
    event(1.5, step=10, summary=summary("loss/train", simple_value=0.1)),
    event(2.5, step=1, summary=summary("epoch_accuracy/train", simple_value=0.975)),
    event(2.5, step=10, summary=summary("confusion_matrix", image=image)),
    event(2.5, summary=hparams("session_end_info", session_end_info=end)),
]

with open(OUT, "wb") as file:
    writer = RecordWriter(file)
    for record in EVENTS:
        writer.write(record.SerializeToString(deterministic=True))
    writer.flush()
print(f"{OUT}: {len(EVENTS)} events, {OUT.stat().st_size} bytes" if OUT.exists() else "nothing written")
