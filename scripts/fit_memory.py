"""Measure the memory that fitting takes on data sets larger than memory, as a Markdown table.

    cargo build --release
    python3 scripts/fit_memory.py /path/with/25-GB-free

Needs Linux and only the standard library. For each size (0.2, 2 and 20 GB of pixels, or --sizes), the script
creates a data set in the folder, measures, and deletes it (--keep keeps it). IDX files contain 28x28 random bytes
and take as much disk space as they have pixels. PNG pictures of 512x512 in two class folders take a tenth. All
cases at all three sizes take an hour or more on two cores, a third of it for `idx zca`. Select with --only and
--sizes.

`mnist-trainer scale` makes three passes: it hashes IDX files, fits on the train split, and computes the moments
of both splits that it prints. Every 0.1 s the script reads /proc/PID/status and /proc/PID/io of the program. It
records the peaks of anonymous memory (RssAnon) and of file pages (RssFile, the program itself). The number of
bytes read so far shows which pass is running. `zca` is stopped after its fit, because whitening all images takes
longer.

Memory does not grow with the pixels. But each image has a label of 4 bytes, and each picture also its path: 102 MB
of labels for the 25 million images in 20 GB of 28x28. With `--shape 3x64x64` there are 60 times fewer.

The data are constructed to have a known mean, which the fitted mean must equal exactly. At the largest size, the
script also sends ctrl-C during each pass. It exits with status 1 if a mean is wrong, the program does not stop
after ctrl-C, or RssAnon exceeds --limit.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

SCALINGS = {
    "standardize": 'scaling = "standardize"',
    "pixel": 'scaling = { featurewise_center = true, featurewise_std_normalization = true, granularity = "pixel" }',
    "zca": 'scaling = "zca"',
}
KINDS = ("idx", "folder")
PASSES = ("hash", "fit", "moments")
CASES = ("idx standardize", "idx pixel", "idx zca", "folder standardize", "folder pixel")

BLOCK_BYTES = 8 << 20  # random bytes that an IDX file repeats
SIDE = 512  # height and width of a picture
DISTINCT_PICTURES = 50
TEST_IMAGES = 100
SAMPLE_SECONDS = 0.1
PATIENCE = 2  # seconds that the program may take to stop after ctrl-C


class DataSet(NamedTuple):
    kind: str
    folder: Path
    shape: tuple[int, int, int]
    images: int
    pixel_bytes: int
    read_bytes: int  # bytes read in one pass over the train split
    mean: float

    @property
    def passes(self):
        """Names of the passes that `scale` makes over the train split."""
        return PASSES if self.kind == "idx" else PASSES[1:]


# Creating the data.


def write_idx(folder, pixel_bytes, shape, block_bytes=BLOCK_BYTES):
    """Writes one block of images several times, each time rotated to start with another image.

    The mean is that of the block."""
    size = shape[0] * shape[1] * shape[2]
    per_block = max(min(block_bytes, pixel_bytes) // size, 1)
    blocks = max(pixel_bytes // (per_block * size), 1)
    # Not uniform, because all uniform bytes have a mean near 127.5.
    block = random.Random(1).randbytes(per_block * size).translate(bytes(i * i // 255 for i in range(256)))
    rank = 3 if shape[0] == 1 else 4

    def write(split, count, chunks):
        dimensions = (count, *shape[4 - rank :])
        with open(folder / f"{split}-images-idx3-ubyte", "wb") as file:
            file.write(struct.pack(f">{1 + rank}I", 0x800 + rank, *dimensions))
            file.writelines(chunks)
        with open(folder / f"{split}-labels-idx1-ubyte", "wb") as file:
            file.write(struct.pack(">2I", 0x801, count))
            labels = bytes(range(10)) * 100_000
            for start in range(0, count, len(labels)):
                file.write(labels[: count - start])

    starts = (number % per_block * size for number in range(blocks))
    rotated = itertools.chain.from_iterable((memoryview(block)[s:], memoryview(block)[:s]) for s in starts)
    write("train", per_block * blocks, rotated)
    test = min(TEST_IMAGES, per_block)
    write("t10k", test, [block[: test * size]])
    images = per_block * blocks
    return DataSet("idx", folder, shape, images, images * size, images * size, sum(block) / len(block))


def png(rows):
    """A PNG file of RGB rows, without filters."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">2I5B", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def write_pictures(folder, pixel_bytes):
    """Writes equally many copies of a few pictures, in two classes.

    Runs of one colour with random lengths let PNG compress them to a tenth."""
    generator, pictures, total = random.Random(1), [], 0
    for number in range(DISTINCT_PICTURES):
        rows = []
        for _ in range(SIDE):
            row = b"".join(
                bytes(generator.choices(range(number, 256), k=3)) * generator.randint(4, 24)
                for _ in range(SIDE // 4)
            )
            rows.append(row[: 3 * SIDE])
            total += sum(rows[-1])
        pictures.append(png(rows))
    size = 3 * SIDE * SIDE
    copies = max(pixel_bytes // (size * len(pictures)), 1)
    for split, count in (("train", copies * len(pictures)), ("test", TEST_IMAGES)):
        for name in ("even", "odd"):
            (folder / split / name).mkdir(parents=True)
        for index in range(count):
            name = "odd" if index % 2 else "even"
            (folder / split / name / f"{index:07}.png").write_bytes(pictures[index % len(pictures)])
    images, mean = copies * len(pictures), total / (size * len(pictures))
    return DataSet(
        "folder", folder, (3, SIDE, SIDE), images, images * size, copies * sum(map(len, pictures)), mean
    )


# Measuring the program.


class Watched(NamedTuple):
    peaks: dict[str, int]  # RssAnon and RssFile, in bytes
    starts: list[float]  # when each pass began, in seconds
    seconds: float  # total
    status: int
    stdout: str
    stderr: str
    stopped_after: float | None  # seconds from ctrl-C to the end


def proc(pid, name, *keys):
    """These numbers from a file of a process in /proc, or None if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in lines)
    return [int(found[key].split()[0]) for key in keys] if all(key in found for key in keys) else None


def watch(command, pass_bytes, interrupt_at=None):
    """Runs a command to its end, or sends ctrl-C after `interrupt_at` passes over `pass_bytes` bytes."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        start, interrupted = time.monotonic(), None
        process = subprocess.Popen([str(part) for part in command], stdout=stdout, stderr=stderr)
        peaks, starts = {"RssAnon": 0, "RssFile": 0}, [0.0]
        try:
            while process.poll() is None:
                now = time.monotonic()
                resident, read = proc(process.pid, "status", *peaks), proc(process.pid, "io", "rchar")
                if resident and read:
                    peaks = {key: max(peaks[key], 1024 * kib) for key, kib in zip(peaks, resident)}
                    if read[0] > len(starts) * pass_bytes:
                        starts.append(now - start)
                    if interrupt_at is not None and interrupted is None and read[0] > interrupt_at * pass_bytes:
                        process.send_signal(signal.SIGINT)
                        interrupted = now
                # Faster after ctrl-C, to time when the program stops.
                time.sleep(SAMPLE_SECONDS if interrupted is None else SAMPLE_SECONDS / 10)
        finally:
            process.kill()
        end = time.monotonic()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read())
        return Watched(peaks, starts, end - start, process.wait(), *texts, interrupted and end - interrupted)


def scale(data, scaling, options, **more):
    """Watches `mnist-trainer scale` with one of SCALINGS, passed in a configuration file."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(SCALINGS[scaling] + "\n")
        config.flush()
        command = [options.binary, "scale", "--config", config.name, "--format", "json"]
        return watch(
            [*command, "--dataset", data.kind, "--data-dir", data.folder], data.read_bytes, **more
        )


# The tables.


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def header(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def measure(data, scaling, options):
    """Prints a row; returns descriptions of failures."""
    is_partial = scaling == "zca"
    fit = data.passes.index("fit")
    watched = scale(data, scaling, options, interrupt_at=fit + 1 + 1e-9 if is_partial else None)
    if watched.status not in ([0, 130] if is_partial else [0]):
        return [f"{data.kind} {scaling}: exit status {watched.status}: {watched.stderr.strip()}"]

    # A pass ends when the next one begins. Passes over small data may fall between two samples.
    ends = [*watched.starts[1:], watched.seconds]
    seconds = dict(zip(data.passes, (end - begin for begin, end in zip(watched.starts, ends))))
    if is_partial:
        seconds.pop("moments", None)
    rate = lambda s: f"{s:.1f} s, {data.pixel_bytes / 1e9 / s:.2f} GB/s"
    anonymous, file = (watched.peaks[key] / 1e6 for key in ("RssAnon", "RssFile"))
    shape = "×".join(map(str, data.shape))
    row(
        f"{data.kind} {shape}",
        scaling,
        f"{data.pixel_bytes / 1e9:.1f}",
        f"{data.images:,}",
        f"**{anonymous:.0f}**",
        f"{file:.0f}",
        *(rate(seconds[name]) if name in seconds else "–" for name in PASSES),
        f"{watched.seconds:.0f}",
    )

    failures = []
    if anonymous > options.limit:
        failures.append(f"{data.kind} {scaling}: {anonymous:.0f} MB of anonymous memory exceeds {options.limit:.0f} MB")
    if watched.status == 0 and scaling == "standardize":
        mean = json.loads(watched.stdout)["statistics"]["mean"]
        if mean != [data.mean]:
            failures.append(f"{data.kind} {scaling}: the mean is {mean}, expected {data.mean}")
    return failures


def interrupt(data, options):
    """Sends ctrl-C in the middle of each pass; returns the rows of a table and descriptions of failures."""
    rows, failures = [], []
    for number, name in enumerate(data.passes):
        watched = scale(data, "standardize", options, interrupt_at=number + 0.5)
        # The program prints the checksums of IDX files before it fits.
        printed = [line for line in watched.stderr.splitlines() if "SHA-256" not in line]
        after = watched.stopped_after
        if after is None or after > PATIENCE or watched.status != 130 or len(printed) != 1:
            outcome = f"exit status {watched.status} after {after} s: {printed}"
            failures.append(f"{data.kind}: ctrl-C during {name}: {outcome}")
        took = "–" if after is None else f"{after:.2f}"
        lines = " / ".join(f"`{line}`" for line in printed)
        rows.append([data.kind, f"{data.pixel_bytes / 1e9:.1f}", name, took, watched.status, lines])
    return rows, failures


def parse_options():
    def sizes(text):
        return sorted(float(size) for size in text.split(","))

    def cases(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in CASES:
                raise argparse.ArgumentTypeError(f"unknown case {name!r}, expected some of {', '.join(CASES)}")
        return chosen

    def shape(text):
        channels, height, width = map(int, text.split("x"))
        return channels, height, width

    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=text)
    add = parser.add_argument
    add("folder", type=Path, help="folder to create the data in")
    add("--sizes", type=sizes, default=[0.2, 2, 20], metavar="GB[,GB]", help="sizes of the pixels (default: 0.2,2,20)")
    add("--only", type=cases, default=list(CASES), metavar="CASE[,CASE]", help=f"default: {', '.join(CASES)}")
    add("--shape", type=shape, default=(1, 28, 28), metavar="CxHxW", help="shape of IDX images (default: 1x28x28)")
    add("--limit", type=float, default=200, metavar="MB", help="largest allowed anonymous memory (default: 200)")
    add("--keep", action="store_true", help="keep the data")
    add("--binary", type=Path, default=ROOT / "target/release/mnist-trainer", help="path of mnist-trainer")
    options = parser.parse_args()
    options.binary = options.binary.absolute()
    if not options.binary.is_file():
        parser.error(f"{options.binary} is missing: build it with `cargo build --release`")
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    return options


def make(kind, size, options):
    folder = options.folder.absolute() / f"{kind}-{size:g}-GB"
    folder.mkdir()
    start = time.monotonic()
    try:
        pixel_bytes = int(size * 1e9)
        data = write_idx(folder, pixel_bytes, options.shape) if kind == "idx" else write_pictures(folder, pixel_bytes)
        os.sync()  # so that the system does not write them while the program is timed
    except BaseException:
        shutil.rmtree(folder)
        raise
    print(f"created {folder} in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return data


def main():
    options = parse_options()
    failures, interrupts = [], []
    memory = ["RssAnon, MB", "RssFile, MB"]
    header("data", "scaling", "pixels, GB", "images", *memory, *PASSES, "total, s")
    for kind in KINDS:
        scalings = [case.split()[1] for case in options.only if case.startswith(kind)]
        for size in options.sizes if scalings else []:
            data = make(kind, size, options)
            try:
                for scaling in scalings:
                    failures += measure(data, scaling, options)
                if size == options.sizes[-1]:
                    rows, not_stopped = interrupt(data, options)
                    interrupts += rows
                    failures += not_stopped
            finally:
                if not options.keep:
                    shutil.rmtree(data.folder)
    print()
    header("data", "pixels, GB", "ctrl-C during", "stops after, s", "exit status", "prints")
    for cells in interrupts:
        row(*cells)
    for line in failures:
        print(line, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
