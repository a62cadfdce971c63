"""Time this program beside its peers on this machine, in one run, as a Markdown table.

    cargo build --release
    python3 scripts/bench_peers.py --json peers.json

Linux on x86-64. The first run makes a virtual environment in target/peers-venv (7 GB, minutes) with
the versions below; --venv chooses another folder. This file is both the driver, which needs nothing but
the standard library, and the peers' workers, which it starts with the environment's Python.

What is compared: Conv 32 3x3 ReLU, MaxPool 2, Conv 64 3x3 ReLU, MaxPool 2, Flatten, Dense 64 ReLU,
Dense 10, without padding; softmax cross-entropy; Adam (1e-3, betas 0.9 and 0.999, epsilon 1e-7); Glorot
uniform weights, zero biases; f32 throughout.

- A training step is forward, loss, backward and optimizer on one batch. Peers read nothing back; this
  program reads the loss, as its training does.
  Inference is a forward pass without gradients, timed at several batch sizes; the table has the best.
- The images are MNIST's train set divided by 255. Batches are ready in memory before the clock starts,
  and steps walk through them: each has another. A quarter as many steps as are timed warm up before.
- Every worker runs once in each round, in a process of its own, so that none shares a thread pool with
  another and a slow minute of the machine hits all. A figure is the median over rounds of each round's
  median; a ratio is the median over rounds of each round's ratio.
- Peak memory is the process's largest resident set: of peers after training and inference at the training
  batch size, of this program after training. Both hold some thousands of images as f32 besides.

Each peer is as its packages install it, in the form that measured fastest: PyTorch with its fused Adam;
Keras as `model.train_step` in one `tf.function` without XLA, which on this model takes twice as long. All
peers run with the C library told to keep the memory of a step for the next (`MALLOC`): this program brings
an allocator that does, and PyTorch gains a third by it.
"""

import argparse
import gzip
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Callable, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = {
    "torch": "2.15.0",
    "keras": "3.15.1",
    "tensorflow-cpu": "2.21.0",
    "onnx": "1.23.2",
    "onnxruntime": "1.32.0",
    "numpy": "2.4.6",
}

# What --only takes, and the table's name for it.
WORKERS = {
    "ours": "**mnist-trainer**",
    "primitives": "mnist-trainer --primitives (stock Burn flex)",
    "torch": "PyTorch",
    "torch-channels-last": "PyTorch, channels_last",
    "torch-compile": "PyTorch, torch.compile, channels_last",
    "keras": "Keras on TensorFlow",
    "onnxruntime": "ONNX Runtime",
}

INFERENCE_BATCH_SIZES = (64, 256, 1024)
INFERENCE_IMAGES = 20_480  # timed at each batch size
WORKER_TIMEOUT = 1800  # seconds


class Failed(Exception):
    """A command that did not give its result; the message says why."""


# The workers: one peer each, run by the environment's Python.


class Peer(NamedTuple):
    packages: tuple[str, ...]
    batch: Callable[..., tuple[Any, Any]]  # NumPy's f32 [N, 28, 28] and i64 [N] -> the peer's images, labels
    train: Callable | None  # one step on a batch's images and labels
    infer: Callable  # the logits of a batch's images


def torch_peer(threads, channels_last=False, compiled=False):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    for layer in model:
        if hasattr(layer, "weight"):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True)

    def loss(images, labels):
        return nn.functional.cross_entropy(model(images), labels)

    forward = model
    if compiled:
        loss, forward = (torch.compile(f, dynamic=False) for f in (loss, model))

    def batch(images, labels):
        return torch.from_numpy(images[:, None]).to(memory_format=layout), torch.from_numpy(labels)

    def train(images, labels):
        optimizer.zero_grad(set_to_none=True)
        loss(images, labels).backward()
        optimizer.step()

    def infer(images):
        with torch.inference_mode():
            return forward(images)

    return Peer(("torch",), batch, train, infer)


def keras_peer(threads):
    import keras
    import tensorflow as tf
    from keras import layers

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)),
    ])
    optimizer = keras.optimizers.Adam(learning_rate=1e-3, epsilon=1e-7)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    optimizer.build(model.trainable_variables)

    def batch(images, labels):
        return tf.constant(images[..., None]), tf.constant(labels)

    train = tf.function(lambda images, labels: model.train_step((images, labels)))
    infer = tf.function(lambda images: model(images, training=False))
    return Peer(("keras", "tensorflow-cpu"), batch, train, infer)


def onnxruntime_peer(threads):
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(1)
    weights = []

    def parameters(name, shape, fan_in, fan_out, biases):
        bound = (6 / (fan_in + fan_out)) ** 0.5
        tensors = {f"{name}.w": rng.uniform(-bound, bound, shape), f"{name}.b": np.zeros(biases)}
        weights.extend(numpy_helper.from_array(t.astype("float32"), key) for key, t in tensors.items())
        return list(tensors)

    # Operator, its parameters, its attributes; each takes what the one before gives.
    chain = [
        ("Conv", parameters("conv1", (32, 1, 3, 3), 9, 9 * 32, 32), {}),
        ("Relu", [], {}),
        ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", parameters("conv2", (64, 32, 3, 3), 9 * 32, 9 * 64, 64), {}),
        ("Relu", [], {}),
        ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", [], {}),
        ("Gemm", parameters("dense1", (1600, 64), 1600, 64, 64), {}),
        ("Relu", [], {}),
        ("Gemm", parameters("dense2", (64, 10), 64, 10, 10), {}),
    ]
    nodes = [
        helper.make_node(operator, [f"x{i}", *names], [f"x{i + 1}"], **attributes)
        for i, (operator, names, attributes) in enumerate(chain)
    ]
    images = helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["N", 1, 28, 28])
    logits = helper.make_tensor_value_info(f"x{len(chain)}", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "cnn", [images], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])

    def batch(images, labels):
        return images[:, None], labels

    return Peer(("onnxruntime",), batch, None, lambda images: session.run(None, {"x0": images}))


PEERS = {
    "torch": torch_peer,
    "torch-channels-last": lambda threads: torch_peer(threads, channels_last=True),
    "torch-compile": lambda threads: torch_peer(threads, channels_last=True, compiled=True),
    "keras": keras_peer,
    "onnxruntime": onnxruntime_peer,
}


def read_idx(folder, name, header):
    """The bytes of an IDX file after its header, the file being plain or gzipped."""
    import numpy as np

    plain = folder / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    return np.frombuffer(content, "uint8", offset=header)


def time_steps(step, arguments, timed):
    """The seconds of the last `timed` steps, one for each of the arguments; those before warm up."""
    seconds = []
    for a in arguments:
        start = time.perf_counter()
        step(*a)
        seconds.append(time.perf_counter() - start)
    return seconds[-timed:]


def summary(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def work(options):
    """One round of one peer, printed as JSON."""
    import numpy as np

    images = read_idx(options.data, "train-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    labels = read_idx(options.data, "train-labels-idx1-ubyte", 8)
    peer = PEERS[options.worker](options.threads)

    def batches(size, timed):
        count = timed + max(timed // 4, 1)
        rows = (np.arange(k * size, (k + 1) * size) % len(labels) for k in range(count))
        return [peer.batch(images[r].astype("float32") / 255, labels[r].astype("int64")) for r in rows]

    result = {"versions": {name: version(name) for name in peer.packages}, "inference_images_per_second": {}}
    if peer.train:
        steps = time_steps(peer.train, batches(options.batch_size, options.steps), options.steps)
        result["train_step_ms"] = summary([1000 * s for s in steps])
    for size in inference_batch_sizes(options):
        timed = max(INFERENCE_IMAGES // size, 20)
        passes = time_steps(peer.infer, [(x,) for x, _ in batches(size, timed)], timed)
        result["inference_images_per_second"][str(size)] = summary([size / s for s in passes])
        if size == options.batch_size:
            result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # from KiB
    print(json.dumps(result))


def inference_batch_sizes(options):
    """The training batch size first: peak memory is taken after it."""
    return [options.batch_size, *(size for size in INFERENCE_BATCH_SIZES if size != options.batch_size)]


# The driver.


def run(command, **environment):
    """What a command prints, or Failed with the end of what it says on stderr."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WORKER_TIMEOUT, env=os.environ | environment
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no result within {WORKER_TIMEOUT} s") from None
    except OSError as error:
        raise Failed(str(error)) from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise Failed(" / ".join(lines[-3:]) or f"exit status {done.returncode}, without a word")
    return done.stdout


def run_json(command, **environment):
    output = run(command, **environment)
    try:
        return json.loads(output)
    except ValueError:
        raise Failed(f"did not print JSON, but: {output[:200]!r}") from None


def prepare_venv(folder):
    """The Python of the environment in `folder`, made or brought to PACKAGES' versions where needed."""
    python = folder / "bin/python"
    query = "from importlib.metadata import version; import sys; print(*map(version, sys.argv[1:]))"
    try:
        if run([python, "-c", query, *PACKAGES]).split() == list(PACKAGES.values()):
            return python
    except Failed:
        pass  # not there, or not whole
    pins = [f"{name}=={number}" for name, number in PACKAGES.items()]
    print(f"Installing {', '.join(pins)} into {folder}: 7 GB, some minutes", file=sys.stderr)
    try:
        run([sys.executable, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", *pins])
    except Failed as error:
        sys.exit(f"The peers could not be installed into {folder}; is there a network? {error}")
    return python


MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "1000000000",
}


def run_peer(name, python, data, options):
    return run_json(
        [python, __file__, "--worker", name, "--data", data, "--threads", options.threads]
        + ["--batch-size", options.batch_size, "--steps", options.steps],
        **MALLOC,
        OMP_NUM_THREADS=str(options.threads),
        CUDA_VISIBLE_DEVICES="-1",
        TF_CPP_MIN_LOG_LEVEL="3",
        KERAS_BACKEND="tensorflow",
        KERAS_HOME=str(options.venv / "keras"),
        TORCHINDUCTOR_CACHE_DIR=str(options.venv / "inductor"),
        TORCHINDUCTOR_COMPILE_THREADS="1",  # no pool of compiling processes beside the worker
    )


def run_ours(name, options):
    """One round of this program: a `bench` for each batch size, in the form that a peer's worker prints."""
    flags = ["--backend", "flex", "--threads", options.threads, "--format", "json", "--quiet"]
    if name == "primitives":
        flags.append("--primitives")
    rates = {}
    # Burn's own operations take minutes at the larger sizes, and gain nothing by them.
    sizes = [options.batch_size] if name == "primitives" else inference_batch_sizes(options)
    for size in sizes:
        printed = run_json([options.binary, "bench", "--batch-size", size, "--steps", options.steps, *flags])
        result = printed["results"][0]
        rates[str(size)] = result["inference_images_per_second"]
        if size == options.batch_size:
            ours = result | {"fma_peak_gflops": printed.get("fma_peak_gflops")}
    return ours | {"inference_images_per_second": rates}


def run_rounds(python, data, options):
    """Each worker's rounds, and what failed: a worker that failed once is not tried again."""
    rounds, failures = {name: [] for name in options.only}, {}
    for number in range(1, options.rounds + 1):
        for name in options.only:
            if name in failures:
                continue
            try:
                if name in PEERS:
                    rounds[name].append(run_peer(name, python, data, options))
                else:
                    rounds[name].append(run_ours(name, options))
                step, _, rate, *_ = cells(rounds[name][-1:], None)
                said = f"step {step} ms, inference {rate} images/s"
            except Failed as error:
                failures[name] = f"round {number}: {error}"
                said = f"failed: {error}"
            print(f"round {number}/{options.rounds}, {name}: {said}", file=sys.stderr)
    return rounds, failures


# The table.


def step_medians(rounds):
    return [r["train_step_ms"]["median"] for r in rounds if "train_step_ms" in r]


def best_inference(rounds):
    """The batch size with the best median over rounds, and each round's images per second at it."""
    rates = {
        size: [r["inference_images_per_second"][size]["median"] for r in rounds]
        for size in rounds[0]["inference_images_per_second"]
    }
    return max(rates.items(), key=lambda item: median(item[1]))


def ratio(values, ours):
    """The median of each round's ratio to this program's figure of that round."""
    return f"{median(a / b for a, b in zip(values, ours)):.2f}" if values and ours else "–"


def cells(rounds, ours):
    """A worker's row, after its name. `ours` are the rounds to relate it to, if there are any."""
    steps = step_medians(rounds)
    size, rates = best_inference(rounds)
    spread = f" ({min(steps):.2f}–{max(steps):.2f})" if len(steps) > 1 else ""
    return [
        f"{median(steps):.2f}{spread}" if steps else "–",
        ratio(steps, step_medians(ours) if ours else None),
        f"{median(rates):,.0f} ({size})",
        ratio(rates, best_inference(ours)[1] if ours else None),
        f"{median(r['peak_memory_mb'] or 0 for r in rounds):,.0f}",
    ]


def table(rounds, failures):
    training = ["step, ms (min–max of rounds)", "ratio to ours"]
    inference = ["inference, images/s (batch)", "ratio to ours"]
    rows = [["", *training, *inference, "peak memory, MB"], ["---"] * 6]
    ours = rounds.get("ours") if "ours" not in failures else None
    for name, of_worker in rounds.items():
        if name in failures:
            note = list(failures).index(name) + 1
            rows.append([WORKERS[name], f"failed [{note}]", *["–"] * 4])
        else:
            rows.append([WORKERS[name], *cells(of_worker, ours)])
    notes = [f"[{i}] {name}, {why}" for i, (name, why) in enumerate(failures.items(), 1)]
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n\n".join([lines, *notes])


def peak_share(rounds):
    """This program's arithmetic as a share of what the machine's multiply-adds could do."""
    known = [r for r in rounds if r.get("gflops") and r.get("fma_peak_gflops")]
    if not known:
        return None
    gflops, peak = (median(r[key] for r in known) for key in ("gflops", "fma_peak_gflops"))
    share = median(r["gflops"] / r["fma_peak_gflops"] for r in known)
    return f"mnist-trainer's step: {gflops:.0f} GFLOP/s, {share:.0%} of the FMA peak of {peak:.0f}."


def machine():
    cpu = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "os": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "load_average": os.getloadavg()[0],
    }


def parse_options():
    def positive(text):
        number = int(text)
        if number < 1:
            raise ValueError
        return number

    def names(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in WORKERS:
                raise argparse.ArgumentTypeError(f"no worker {name!r}; there are {', '.join(WORKERS)}")
        return [name for name in WORKERS if name in chosen]

    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=text)
    add = parser.add_argument
    add("--threads", type=positive, default=len(os.sched_getaffinity(0)), help="default: all cores")
    add("--batch-size", type=positive, default=64, help="of training (64)")
    add("--rounds", type=positive, default=3, help="how often each worker runs (3)")
    add("--steps", type=positive, default=200, help="timed training steps of each peer (200)")
    add("--only", type=names, default=list(WORKERS), metavar="NAME[,NAME]", help=f"of {', '.join(WORKERS)}")
    add("--binary", type=Path, default=ROOT / "target/release/mnist-trainer", help="this program")
    add("--venv", type=Path, default=ROOT / "target/peers-venv", help="the peers' virtual environment")
    add("--json", type=Path, metavar="FILE", help="write the raw figures to FILE too")
    add("--worker", choices=PEERS, help=argparse.SUPPRESS)
    add("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.binary, options.venv = options.binary.absolute(), options.venv.absolute()
    if not options.worker and not options.binary.is_file():
        parser.error(f"{options.binary} is missing: build it with `cargo build --release`")
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"the folder of {options.json} is missing")
    return options


def main():
    options = parse_options()
    if options.worker:
        return work(options)
    try:
        data = run_json([options.binary, "data", "fetch", "--format", "json", "--quiet"])["folder"]
        program = run([options.binary, "--version"]).strip()
    except Failed as error:
        sys.exit(f"{options.binary}: {error}")
    python = prepare_venv(options.venv) if set(options.only) & set(PEERS) else None

    report = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python3", *sys.argv]),
        "machine": machine(),
        "versions": {"mnist-trainer": program.split()[-1], **PACKAGES},
        "threads": options.threads,
        "batch_size": options.batch_size,
        "steps": options.steps,
    }
    report["rounds"], report["failures"] = run_rounds(python, data, options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")

    host = report["machine"]
    load = f"load {host['load_average']:.2f} at the start"
    print(f"- machine: {host['cpu']}, {host['cores']} cores; {host['os']}; {load}")
    print("- versions:", ", ".join(map(" ".join, report["versions"].items())))
    print(f"- {report['date']}: `{report['command']}`")
    settings = ("threads", "batch_size", "steps", "rounds")
    print("- settings:", ", ".join(f"{name} {getattr(options, name)}" for name in settings), end="\n\n")
    print(table(report["rounds"], report["failures"]))
    if share := peak_share(report["rounds"].get("ours", [])):
        print(f"\n{share}")
    if len(report["failures"]) == len(options.only):
        sys.exit(1)


if __name__ == "__main__":
    main()
