"""Compare the speed of mnist-trainer, PyTorch, Keras and ONNX Runtime on this machine, as Markdown tables.

    cargo build --release
    python3 scripts/bench_peers.py --json peers.json
    python3 scripts/bench_peers.py --tables data     # only fitting and batching

Needs Linux on x86-64. "Peers" are the other programs. The first run creates a virtual environment with
the versions below in target/peers-venv, or in the folder of --venv (7 GB, some minutes). This file is
both the driver, which needs only the standard library, and the peers' workers, which the driver starts
with the environment's Python.

The table `step` compares training and inference of one network: Conv 32 3x3 ReLU, MaxPool 2, Conv 64 3x3
ReLU, MaxPool 2, Flatten, Dense 64 ReLU, Dense 10, without padding. The loss is softmax cross-entropy, the
optimizer Adam (1e-3, betas 0.9 and 0.999, epsilon 1e-7). Weights are Glorot uniform, biases zero, and
everything is f32.

- A training step is forward, loss, backward and optimizer on one batch. mnist-trainer reads the loss, as
  its training does; peers read nothing back.
- Inference is a forward pass without gradients. It is timed at several batch sizes; the table shows the
  best one.
- The images are MNIST's training images divided by 255. Batches are in memory before the clock starts, and
  each step uses another one. A quarter as many steps as are timed run first, as a warm-up.
- In each round, every worker runs once, in its own process. So workers share no thread pool, and a slow
  minute of the machine affects all of them. A figure is the median over rounds of each round's median. A
  ratio is the median over rounds of each round's ratio to mnist-trainer.
- Peak memory is the process's largest resident set: for peers after training and inference at the training
  batch size, for mnist-trainer after training. Both also keep some thousands of images as f32.

Each peer is installed from its packages, and runs in the variant that measured fastest. PyTorch uses its
fused Adam. Keras uses `model.train_step` in one `tf.function` without XLA, because XLA takes twice as long
on this model. For all peers, the C library keeps the memory of a step for the next one (`MALLOC`), as
mnist-trainer's allocator does. This makes PyTorch a third faster.

The tables `data` compare how fast pixels get to the network, from MNIST's 60,000 training images in memory
and from folders of PNG files (`PICTURES`), which the first run writes to target/peers-data.

- Fitting computes the mean and standard deviation of all pixels. A batching pass takes each image once, in
  a new shuffled order, and makes standardized f32 batches of --batch-size with labels. Nothing uses them.
  From folders, fitting and batching both read and decode the files, which are in the system's cache.
- GB are bytes of pixels, before they become floats. Rounds, figures and ratios are as above. A round's
  figure is the median of 3 repetitions (5 in mnist-trainer's `bench`) after an uncounted one. `bench` also
  times a copy of the same number of bytes in memory, on one thread.
- Keras runs its `ImageDataGenerator`: NumPy and Pillow on one thread, the same on every backend. The backend
  is PyTorch here, because it is installed and imports fast. Fitting is `fit`, which needs all images in
  memory, so from a folder the script first reads them with `flow_from_directory`. Batching is an epoch of
  `flow` or `flow_from_directory`.
- PyTorch runs a `DataLoader` with torchvision's `transforms.v2`. From memory, its map dataset returns the
  tensor of one image, twice as fast as with Pillow. Fitting uses operations on the complete tensor, which
  are 50 times as fast as a loop over the loader. From a folder it uses `ImageFolder`, and fitting sums in
  a loop over the loader. The script tries 0 and --threads worker processes (kept between passes), and Pillow
  and `torchvision.io` for decoding. The variant with the fastest second pass counts; a line below the
  table names it.
- PyTorch with whole batches uses a batch sampler, so a tensor is indexed and transformed once per batch. Few
  people write it this way, and it does not work from a folder.
"""

import argparse
import gzip
import itertools
import json
import os
import platform
import resource
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stdout
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Callable, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = {
    "torch": "2.15.0",
    "torchvision": "0.29.2",
    "keras": "3.15.1",
    "tensorflow-cpu": "2.21.0",
    "onnx": "1.23.2",
    "onnxruntime": "1.32.0",
    "numpy": "2.4.6",
    "pillow": "13.0.0",
}

TABLES = ("step", "data")

# The names for --only, and their names in the tables.
WORKERS = {
    "ours": "**mnist-trainer**",
    "primitives": "mnist-trainer with Burn's own operations",
    "torch": "PyTorch",
    "torch-channels-last": "PyTorch, channels_last",
    "torch-compile": "PyTorch, torch.compile, channels_last",
    "keras": "Keras on TensorFlow",
    "onnxruntime": "ONNX Runtime",
}
DATA_WORKERS = {
    "ours": "**mnist-trainer**",
    "keras": "Keras `ImageDataGenerator`",
    "torch": "PyTorch `DataLoader` with torchvision",
    "torch-batches": "PyTorch, indexing whole batches",
}


class Pictures(NamedTuple):
    count: int
    side: int  # height and width
    mode: str  # Pillow's mode: "L" is grayscale
    description: str


# The folders of pictures in the `data` tables, besides the arrays of MNIST.
PICTURES = {
    "grey": Pictures(8192, 28, "L", "8,192 PNG files of MNIST, 28×28 grayscale"),
    "colour": Pictures(1000, 128, "RGB", "1,000 PNG files of smooth noise with grain, 128×128 in colour"),
}
SOURCES = {
    "memory": "MNIST's 60,000 training images, in memory",
    **{name: pictures.description for name, pictures in PICTURES.items()},
}

INFERENCE_BATCH_SIZES = (64, 256, 1024)
INFERENCE_IMAGES = 20_480  # timed at each batch size
DATA_REPETITIONS = 3  # timed, after an untimed one
WORKER_TIMEOUT = 1800  # seconds


class Failed(Exception):
    """A command that returned no result; the message states why."""


# The workers: each measures one peer, in the environment's Python.


class Peer(NamedTuple):
    packages: tuple[str, ...]
    batch: Callable[..., tuple[Any, Any]]  # from NumPy's f32 [N, 28, 28] and i64 [N] to the peer's images, labels
    train: Callable | None  # one training step on a batch's images and labels
    infer: Callable  # computes the logits of a batch's images


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

    # Operator, parameters, attributes. The input of each is the output of the previous one.
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


class DataPeer(NamedTuple):
    packages: tuple[str, ...]
    fits: dict[str, Callable]  # by variant: one pass over all images for mean and std
    passes: dict[str, Callable]  # by variant: an iterable over the batches (images, labels) of one epoch


def keras_data(source, folder, threads, batch_size):
    import numpy as np
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)

    def epoch(batches):
        return (next(batches) for _ in range(len(batches)))

    if source == "memory":
        images, labels = mnist(folder)
        images = images[..., None]
        generator.fit(images)
        batches = generator.flow(images, labels, batch_size=batch_size)
        return DataPeer(("keras",), {"": lambda: generator.fit(images)}, {"": lambda: epoch(batches)})

    def flow(generator):
        pictures = PICTURES[source]
        mode = "grayscale" if pictures.mode == "L" else "rgb"
        size = (pictures.side, pictures.side)
        return generator.flow_from_directory(
            folder / "train", size, color_mode=mode, class_mode="sparse", batch_size=batch_size
        )

    plain = flow(ImageDataGenerator())

    def fit():
        generator.fit(np.concatenate([images for images, _ in epoch(plain)]))

    fit()
    batches = flow(generator)
    return DataPeer(("keras", "pillow"), {"": fit}, {"": lambda: epoch(batches)})


def torch_data(source, folder, threads, batch_size, whole_batches=False):
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
    from torchvision.datasets import ImageFolder
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    torch.set_num_threads(threads)
    to_float = v2.ToDtype(torch.float32, scale=True)
    workers = {"no worker": 0, f"{threads} workers": threads}

    def loader(dataset, number):
        options = {"num_workers": number, "persistent_workers": number > 0}
        if whole_batches:
            batches = BatchSampler(RandomSampler(dataset), batch_size, drop_last=False)
            return DataLoader(dataset, sampler=batches, batch_size=None, **options)
        return DataLoader(dataset, batch_size=batch_size, shuffle=True, **options)

    if source == "memory":
        images, labels = (torch.from_numpy(array.copy()) for array in mnist(folder))
        images = images[:, None]  # [N, 1, 28, 28]

        class Mnist(Dataset):
            transform = v2.Compose([to_float, v2.Normalize([0.1307], [0.3081])])

            def __len__(self):
                return len(images)

            def __getitem__(self, index):
                return self.transform(images[index]), labels[index]

        def fit():
            values = images.float()
            mean = values.mean()
            return mean, (values.square_().mean() - mean**2).sqrt()

        passes = {form: loader(Mnist(), number) for form, number in workers.items()}
        return DataPeer(("torch", "torchvision"), {"": fit}, {f: lambda b=b: b for f, b in passes.items()})

    grey = PICTURES[source].mode == "L"
    read_mode = ImageReadMode.GRAY if grey else ImageReadMode.RGB
    normalize = v2.Normalize([0.5] * (1 if grey else 3), [0.25] * (1 if grey else 3))
    # How a file becomes a tensor of bytes: arguments of `ImageFolder`, and the first transforms.
    decoders = {
        "Pillow": ({}, [v2.Grayscale()] * grey + [v2.PILToTensor()]),
        "torchvision.io": ({"loader": lambda path: decode_image(path, read_mode)}, []),
    }
    fits, passes = {}, {}

    def fit(batches):
        total, squares, count = 0, 0, 0
        for images, _ in batches:
            images = images.double()
            total, squares, count = total + images.sum(), squares + images.square().sum(), count + images.numel()
        return total / count, (squares / count - (total / count) ** 2).sqrt()

    for (decoder, (options, transforms)), (form, number) in itertools.product(decoders.items(), workers.items()):
        def load(*more):
            transform = v2.Compose([*transforms, to_float, *more])
            return loader(ImageFolder(folder / "train", transform, **options), number)

        plain, standardized = load(), load(normalize)
        fits[f"{decoder}, {form}"] = lambda batches=plain: fit(batches)
        passes[f"{decoder}, {form}"] = lambda batches=standardized: batches
    return DataPeer(("torch", "torchvision", "pillow"), fits, passes)


DATA_PEERS = {
    "keras": keras_data,
    "torch": torch_data,
    "torch-batches": lambda *arguments: torch_data(*arguments, whole_batches=True),
}


def mnist(folder):
    """The training images, u8 [N, 28, 28], and their labels."""
    images = read_idx(folder, "train-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    return images, read_idx(folder, "train-labels-idx1-ubyte", 8)


def write_pictures(idx, folder, pictures):
    """Writes train/<class>/<number>.png and a small test split; the pictures are always the same."""
    import numpy as np
    from PIL import Image

    images, labels = mnist(idx)
    rng = np.random.default_rng(1)

    def picture(number):
        if pictures.mode == "L":
            return Image.fromarray(images[number]), labels[number]
        size = (pictures.side, pictures.side)
        smooth = Image.fromarray(rng.integers(0, 256, (9, 9, 3), "uint8")).resize(size, Image.Resampling.BICUBIC)
        grained = np.asarray(smooth) + rng.normal(0, 3, (*size, 3))
        return Image.fromarray(grained.clip(0, 255).astype("uint8")), number % 10

    for number in range(pictures.count + 100):
        image, label = picture(number)
        path = folder / ("train" if number < pictures.count else "test") / str(label) / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


def read_idx(folder, name, header):
    """The bytes of a plain or gzipped IDX file after its header."""
    import numpy as np

    plain = folder / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    return np.frombuffer(content, "uint8", offset=header)


def time_steps(step, arguments, timed):
    """Runs a step with each of the arguments; returns the seconds of the last `timed` ones, after the warm-up."""
    seconds = []
    for a in arguments:
        start = time.perf_counter()
        step(*a)
        seconds.append(time.perf_counter() - start)
    return seconds[-timed:]


def summary(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def work(options):
    """One round of one peer, to be printed as JSON."""
    import numpy as np

    images, labels = mnist(options.data)
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
    return result


def work_data(options):
    """One round of one peer's fitting and batching, to be printed as JSON."""
    memory = options.source == "memory"
    count, pixels = (60_000, 28 * 28) if memory else picture_pixels(PICTURES[options.source])
    peer = DATA_PEERS[options.worker](options.source, options.data, options.threads, options.batch_size)

    def consume(batches):
        seen = 0
        for images, labels in batches:
            seen += len(labels)
            assert str(images.dtype).endswith("float32"), images.dtype
        assert seen == count, f"{seen} of {count} images"

    def rates(work):
        """Images per second of each repetition except the first."""
        seconds = time_steps(work, [()] * (1 + DATA_REPETITIONS), DATA_REPETITIONS)
        return [count / s for s in seconds]

    passes = {form: lambda p=p: consume(p()) for form, p in peer.passes.items()}
    form = min(passes, key=lambda form: time_steps(passes[form], [(), ()], 1)) if len(passes) > 1 else ""
    fits, passes = rates(peer.fits.get(form) or peer.fits[""]), rates(passes[form])
    return {
        "versions": {name: version(name) for name in peer.packages},
        "form": form,
        "fit_gb_per_second": summary([rate * pixels / 1e9 for rate in fits]),
        "batch_gb_per_second": summary([rate * pixels / 1e9 for rate in passes]),
        "batch_images_per_second": summary(passes),
    }


def picture_pixels(pictures):
    """The number of pictures, and the bytes of pixels in each."""
    return pictures.count, pictures.side**2 * len(pictures.mode)


def inference_batch_sizes(options):
    """The training batch size comes first, because peak memory is read after it."""
    return [options.batch_size, *(size for size in INFERENCE_BATCH_SIZES if size != options.batch_size)]


# The driver.


def run(command, **environment):
    """Returns what a command prints. Raises Failed with the last lines of its stderr."""
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
        raise Failed(" / ".join(lines[-3:]) or f"exit status {done.returncode}, without a message")
    return done.stdout


def run_json(command, **environment):
    output = run(command, **environment)
    try:
        return json.loads(output)
    except ValueError:
        raise Failed(f"printed no JSON, but {output[:200]!r}") from None


def prepare_venv(folder):
    """Returns the Python of the environment in `folder`. Installs PACKAGES into it if needed."""
    python = folder / "bin/python"
    query = "from importlib.metadata import version; import sys; print(*map(version, sys.argv[1:]))"
    try:
        if run([python, "-c", query, *PACKAGES]).split() == list(PACKAGES.values()):
            return python
    except Failed:
        pass  # missing or incomplete
    pins = [f"{name}=={number}" for name, number in PACKAGES.items()]
    print(f"installing {', '.join(pins)} into {folder} (7 GB, takes some minutes)", file=sys.stderr)
    try:
        run([sys.executable, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", *pins])
    except Failed as error:
        sys.exit(f"error: cannot install the peers into {folder}: {error}\nhint: this needs a network")
    return python


MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "1000000000",
}


def run_peer(name, python, data, options, source=None):
    return run_json(
        [python, __file__, "--worker", name, "--data", data, "--threads", options.threads]
        + ["--batch-size", options.batch_size, "--steps", options.steps]
        + (["--source", source] if source else []),
        **MALLOC,
        OMP_NUM_THREADS=str(options.threads),
        CUDA_VISIBLE_DEVICES="-1",
        TF_CPP_MIN_LOG_LEVEL="3",
        KERAS_BACKEND="torch" if source else "tensorflow",
        KERAS_HOME=str(options.venv / "keras"),
        TORCHINDUCTOR_CACHE_DIR=str(options.venv / "inductor"),
        TORCHINDUCTOR_COMPILE_THREADS="1",  # so that no pool of compiling processes runs next to the worker
    )


def run_ours(name, options):
    """One round of mnist-trainer: a `bench` for each batch size, in the format of a peer's worker."""
    flags = ["--backend", "flex", "--threads", options.threads, "--format", "json", "--quiet"]
    binary = options.binary
    if name == "primitives":
        flags.append("--primitives")
        binary = options.primitives_binary or binary
    rates = {}
    # Burn's own operations take minutes at larger sizes, and are not faster there.
    sizes = [options.batch_size] if name == "primitives" else inference_batch_sizes(options)
    for size in sizes:
        printed = run_json([binary, "bench", "--batch-size", size, "--steps", options.steps, *flags])
        result = printed["results"][0]
        rates[str(size)] = result["inference_images_per_second"]
        if size == options.batch_size:
            ours = result | {"fma_peak_gflops": printed.get("fma_peak_gflops")}
    return ours | {"inference_images_per_second": rates}


def run_ours_on(source, data, options):
    """One round of mnist-trainer's fitting and batching, without the training step that `bench` also times."""
    dataset = ["--dataset", "mnist"] if source == "memory" else ["--dataset", "folder", "--data-dir", data]
    return run_json(
        [options.binary, "bench", *dataset, "--batch-size", options.batch_size, "--steps", 1]
        + ["--backend", "flex", "--threads", options.threads, "--format", "json", "--quiet"]
    )["data"]


def prepare_pictures(source, python, idx):
    """Returns the folder of a source's pictures. Writes them if it does not exist."""
    folder = ROOT / "target/peers-data" / source
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            run([python, __file__, "--write", unfinished, "--source", source, "--data", idx])
        except Failed as error:
            sys.exit(f"error: cannot write the pictures into {unfinished}: {error}")
        unfinished.rename(folder)
    return folder


def run_rounds(title, names, run_once, describe, options):
    """The rounds of each worker, and the failures. A worker that failed is not tried again.

    `run_once` runs one worker, `describe` formats the result of a round as a line."""
    rounds, failures = {name: [] for name in names}, {}
    for number in range(1, options.rounds + 1):
        for name in names:
            if name in failures:
                continue
            try:
                rounds[name].append(run_once(name))
                line = describe(rounds[name][-1])
            except Failed as error:
                failures[name] = f"round {number}: {error}"
                line = f"failed: {error}"
            print(f"{title}, round {number}/{options.rounds}, {name}: {line}", file=sys.stderr)
    return rounds, failures


def run_step_rounds(python, data, options):
    def run_once(name):
        return run_peer(name, python, data, options) if name in PEERS else run_ours(name, options)

    def describe(result):
        step, _, rate, *_ = cells([result], None)
        return f"training step {step} ms, inference {rate} images/s"

    return run_rounds("step", [name for name in WORKERS if name in options.only], run_once, describe, options)


def run_data_rounds(source, python, idx, options):
    names = [name for name in DATA_WORKERS if name in options.only]
    if source != "memory" and "torch-batches" in names:
        names.remove("torch-batches")
    if not names:
        return {}, {}
    data = idx if source == "memory" else prepare_pictures(source, python, idx)

    def run_once(name):
        return run_ours_on(source, data, options) if name == "ours" else run_peer(name, python, data, options, source)

    def describe(result):
        fit, _, batch, _, images = data_cells([result], None)
        return f"fitting {fit} GB/s, batching {batch} GB/s, {images} images/s"

    return run_rounds(source, names, run_once, describe, options)


# The tables.


def step_medians(rounds):
    return [r["train_step_ms"]["median"] for r in rounds if "train_step_ms" in r]


def best_inference(rounds):
    """The batch size with the best median over rounds, and its images per second in each round."""
    rates = {
        size: [r["inference_images_per_second"][size]["median"] for r in rounds]
        for size in rounds[0]["inference_images_per_second"]
    }
    return max(rates.items(), key=lambda item: median(item[1]))


def ratio(values, ours):
    """The median over rounds of the ratio to mnist-trainer's figure of the same round."""
    return f"{median(a / b for a, b in zip(values, ours)):.2f}" if values and ours else "–"


def cells(rounds, ours):
    """The cells after a worker's name. `ours` are mnist-trainer's rounds, if there are any."""
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


STEP_HEADER = [
    *("training step, ms (min–max of the rounds)", "ratio"),
    *("inference, images/s (batch)", "ratio"),
    "peak memory, MB",
]
DATA_HEADER = [
    *("fitting, GB/s (min–max of the rounds)", "mnist-trainer is faster by"),
    *("batching, GB/s (min–max of the rounds)", "mnist-trainer is faster by"),
    "batching, images/s",
]


def table(header, labels, cells, rounds, failures, more=()):
    """A table with one row per worker. `cells` formats a worker's rounds, given ours; `more` are further rows."""
    rows = [["", *header], ["---"] * (1 + len(header))]
    ours = rounds.get("ours") if "ours" not in failures else None
    for name, of_worker in rounds.items():
        if name in failures:
            note = list(failures).index(name) + 1
            rows.append([labels[name], f"failed [{note}]", *["–"] * (len(header) - 1)])
        else:
            rows.append([labels[name], *cells(of_worker, ours)])
    notes = [f"[{i}] {name}, {why}" for i, (name, why) in enumerate(failures.items(), 1)]
    lines = "\n".join("| " + " | ".join(row) + " |" for row in [*rows, *more])
    return "\n\n".join([lines, *notes])


def data_cells(rounds, ours):
    """The cells after a worker's name in a `data` table. `ours` are mnist-trainer's rounds, if there are any."""

    def rates(rounds, key):
        return [r[key]["median"] for r in rounds]

    def speed(key):
        of_rounds = rates(rounds, key)
        spread = f" ({min(of_rounds):.3g}–{max(of_rounds):.3g})" if len(of_rounds) > 1 else ""
        return [f"{median(of_rounds):.3g}{spread}", ratio(rates(ours, key) if ours else None, of_rounds)]

    images = median(rates(rounds, "batch_images_per_second"))
    return [*speed("fit_gb_per_second"), *speed("batch_gb_per_second"), f"{images:,.0f}"]


def data_table(rounds, failures):
    ours = rounds.get("ours") if "ours" not in failures else None
    more = []
    if ours:
        copy = f"{median(r['copy_gb_per_second']['median'] for r in ours):.3g}"
        more.append(["a plain copy of the bytes, one thread", copy, "–", copy, "–", "–"])
    lines = [table(DATA_HEADER, DATA_WORKERS, data_cells, rounds, failures, more)]
    for name, of_worker in rounds.items():
        if forms := [r["form"] for r in of_worker if r.get("form")]:
            lines.append(f"{DATA_WORKERS[name]}, fastest variant in each round: {'; '.join(forms)}.")
    return "\n\n".join(lines)


def peak_share(rounds):
    """mnist-trainer's floating-point rate as a share of the machine's peak rate of multiply-adds."""
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
        return chosen_of(text, every, "worker")

    def tables(text):
        return chosen_of(text, TABLES, "table")

    def chosen_of(text, known, what):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown {what} {name!r}, expected some of {', '.join(known)}")
        return [name for name in known if name in chosen]

    every = list(WORKERS | DATA_WORKERS)

    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=text)
    add = parser.add_argument
    add("--threads", type=positive, default=len(os.sched_getaffinity(0)), help="CPU threads (default: all cores)")
    add("--batch-size", type=positive, default=64, help="training batch size (default: 64)")
    add("--rounds", type=positive, default=3, help="runs of each worker (default: 3)")
    add("--steps", type=positive, default=200, help="timed training steps in a run (default: 200)")
    add("--tables", type=tables, default=list(TABLES), metavar="NAME[,NAME]", help=f"default: {', '.join(TABLES)}")
    add("--only", type=names, default=every, metavar="NAME[,NAME]", help=f"default: {', '.join(every)}")
    add("--binary", type=Path, default=ROOT / "target/release/mnist-trainer", help="path of mnist-trainer")
    add("--primitives-binary", type=Path, help="mnist-trainer built with an optimized burn-flex (default: --binary)")
    add("--venv", type=Path, default=ROOT / "target/peers-venv", help="folder of the peers' virtual environment")
    add("--json", type=Path, metavar="FILE", help="also write the measurements to FILE")
    add("--worker", choices=PEERS | DATA_PEERS, help=argparse.SUPPRESS)
    add("--source", choices=SOURCES, help=argparse.SUPPRESS)
    add("--write", type=Path, help=argparse.SUPPRESS)
    add("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.binary, options.venv = options.binary.absolute(), options.venv.absolute()
    if options.primitives_binary:
        options.primitives_binary = options.primitives_binary.absolute()
    if not (options.worker or options.write) and not options.binary.is_file():
        parser.error(f"{options.binary} is missing: build it with `cargo build --release`")
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"the folder of {options.json} does not exist")
    return options


def main():
    options = parse_options()
    if options.write:
        return write_pictures(options.data, options.write, PICTURES[options.source])
    if options.worker:
        with redirect_stdout(sys.stderr):  # Keras prints how many files it found
            result = work_data(options) if options.source else work(options)
        return print(json.dumps(result))
    try:
        data = run_json([options.binary, "data", "fetch", "--format", "json", "--quiet"])["folder"]
        program = run([options.binary, "--version"]).strip()
    except Failed as error:
        sys.exit(f"{options.binary}: {error}")
    # The `data` tables always need the environment: its Pillow writes the pictures.
    needs_peers = "data" in options.tables or set(options.only) & set(PEERS)
    python = prepare_venv(options.venv) if needs_peers else None

    report = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python3", *sys.argv]),
        "machine": machine(),
        "versions": {"mnist-trainer": program.split()[-1], **PACKAGES},
        "threads": options.threads,
        "batch_size": options.batch_size,
        "steps": options.steps,
    }
    report["rounds"], report["failures"], report["data"] = {}, {}, {}
    if "step" in options.tables:
        report["rounds"], report["failures"] = run_step_rounds(python, data, options)
    if "data" in options.tables:
        for source in SOURCES:
            rounds, failures = run_data_rounds(source, python, data, options)
            if rounds:
                report["data"][source] = {"rounds": rounds, "failures": failures}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    show(report, options)
    results = [report, *report["data"].values()]
    if all(len(result["failures"]) == len(result["rounds"]) for result in results):
        sys.exit(1)


def show(report, options):
    host = report["machine"]
    load = f"load {host['load_average']:.2f} at the start"
    print(f"- machine: {host['cpu']}, {host['cores']} cores; {host['os']}; {load}")
    print("- versions:", ", ".join(map(" ".join, report["versions"].items())))
    print(f"- {report['date']}: `{report['command']}`")
    settings = ("threads", "batch_size", "steps", "rounds")
    print("- settings:", ", ".join(f"{name} {getattr(options, name)}" for name in settings))
    if report["rounds"]:
        print(f"\n{table(STEP_HEADER, WORKERS, cells, report['rounds'], report['failures'])}")
    if share := peak_share(report["rounds"].get("ours", [])):
        print(f"\n{share}")
    for source, result in report["data"].items():
        print(f"\n{SOURCES[source]}:\n\n{data_table(**result)}")


if __name__ == "__main__":
    main()
