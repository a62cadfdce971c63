"""Compare the cost of fitting a ZCA whitening with the program's own estimate, as a Markdown table.

    cargo build --release
    python3 scripts/whitening_cost.py

Needs Linux and only the standard library. Takes some minutes, and 3 GB of memory for the largest shape.

The script writes IDX files of random bytes with distinct images, just enough (64 MiB) that the program leaves them on
disk. So the number of bytes read, in /proc/PID/io, shows when the sums of products are done and the eigenproblem
begins, and when that ends. CPU seconds are those of all threads. On shared cores, they mean more than elapsed seconds.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from fit_memory import ROOT, header, proc, row, write_idx

SHAPES = {(1, 28, 28): 90_000, (3, 32, 32): 25_000, (3, 48, 48): 10_000}
REFUSED = (3, 227, 227)
COST = re.compile(r"about ([\d.]+) GB of memory and (\d+) s")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write(folder, shape, images):
    pixel_bytes = images * shape[0] * shape[1] * shape[2]
    return write_idx(Path(folder), pixel_bytes, shape, pixel_bytes)


def fit(binary, data):
    """The program's stderr, its peak memory during the fit, and the time at the end of each part.

    A time is (elapsed seconds, CPU seconds)."""
    command = [binary, "scale", "--scaling", "zca", "--dataset", "idx", "--data-dir", data.folder]
    with tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        peak, marks = 0, []
        # Bytes read after hashing, after the last block of the fit, and in the first block of the moments.
        bounds = [data.read_bytes, 2 * data.read_bytes, 2 * data.read_bytes + (1 << 20)]
        try:
            while process.poll() is None and len(marks) < len(bounds):
                resident, read = proc(process.pid, "status", "RssAnon"), proc(process.pid, "io", "rchar")
                if resident and read:
                    peak = max(peak, 1024 * resident[0])
                    while len(marks) < len(bounds) and read[0] >= bounds[len(marks)]:
                        marks.append((time.monotonic(), cpu_seconds(process.pid)))
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
        stderr.seek(0)
        return stderr.read(), peak, marks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/mnist-trainer", help="mnist-trainer")
    binary = parser.parse_args().binary.absolute()

    parts = ["products, s (CPU)", "eigenproblem and matrix, s (CPU)"]
    header("shape", "values", "images", "estimated, GB", "RssAnon, GB", "estimated, s", "measured, s", *parts)
    for shape, images in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            data = write(folder, shape, images)
            stderr, peak, marks = fit(binary, data)
        estimate = COST.search(stderr)
        if estimate is None or len(marks) != 3:
            raise SystemExit(f"{shape}: the fit could not be measured: {stderr}")
        took = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(marks, marks[1:])]
        gigabytes, seconds = estimate.groups()
        row(
            *("×".join(map(str, shape)), shape[0] * shape[1] * shape[2], images),
            *(gigabytes, f"{peak / 1e9:.2f}", seconds, f"{sum(clock for clock, _ in took):.1f}"),
            *(f"{clock:.1f} ({cpu:.1f})" for clock, cpu in took),
        )

    with tempfile.TemporaryDirectory() as folder:
        data = write(folder, REFUSED, 20)
        command = [binary, "scale", "--scaling", "zca", "--dataset", "idx", "--data-dir", data.folder]
        done = subprocess.run(command, capture_output=True, text=True)
        print(f"\n{'×'.join(map(str, REFUSED))}: exit status {done.returncode}")
        print(*(line for line in done.stderr.splitlines() if "SHA-256" not in line), sep="\n")


if __name__ == "__main__":
    main()
