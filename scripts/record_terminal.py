"""Draw what `cargo run --release` shows in a terminal as an SVG, for the README.

    cargo build --release
    python3 scripts/record_terminal.py                  # writes docs/figures/terminal.svg

Runs the program in a temporary folder and a terminal of its own, which `pyte` emulates, and draws two screens with
`rich` (`pip install rich==15.0.0 pyte==0.8.2`): the live view during the training, and the end. Takes about a minute.
The picture shows times, so nothing else should run on the machine.
"""

import argparse
import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]

# GitHub's colours, so that the picture suits a light page and a dark one.
THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [(13, 17, 23), (255, 123, 114), (126, 231, 135), (210, 153, 34), (121, 192, 255), (188, 140, 255), (57, 197, 207), (201, 209, 217)],
)

# Rows of the terminal: more than the program prints, so that nothing scrolls away.
ROWS = 60


def lines(screen: pyte.Screen) -> list[Text]:
    """Return the lines of a screen with their colors, without the empty ones at the end."""
    drawn = []
    for row in range(screen.lines):
        line = Text()
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            # pyte calls yellow brown.
            color = {"default": None, "brown": "yellow"}.get(cell.fg, cell.fg)
            line.append(cell.data, Style(color=color, bold=cell.bold))
        line.rstrip()
        drawn.append(line)
    while drawn and not drawn[-1]:
        drawn.pop()
    return drawn


def record(program: Path, arguments: list[str], columns: int) -> tuple[list[Text], list[Text]]:
    """Run the program and return its screen when the live view ranks the first scalings, and at the end."""
    screen = pyte.Screen(columns, ROWS)
    stream = pyte.ByteStream(screen)
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    screens, taken = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.Popen(
            [program, *arguments],
            cwd=folder,
            stdin=its,
            stdout=its,
            stderr=its,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(its)
        while True:
            try:
                output = os.read(ours, 1 << 16)
            except OSError:  # Linux reports the end this way.
                break
            if not output:
                break
            stream.feed(output)
            if time.monotonic() - taken >= 1:
                taken = time.monotonic()
                screens.append(lines(screen))
        if child.wait() != 0:
            raise SystemExit("\n".join(line.plain for line in lines(screen)))
    ranked = [shown for shown in screens if any("so far" in line.plain for line in shown)] or screens
    return ranked[len(ranked) // 3], lines(screen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/mnist-trainer")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/figures/terminal.svg")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("arguments", nargs="*", help="arguments of the program")
    arguments = parser.parse_args()

    middle, end = record(arguments.program.resolve(), arguments.arguments, arguments.columns)
    # The end repeats the first lines of the middle.
    common = next((row for row, (a, b) in enumerate(zip(middle, end)) if a.plain != b.plain), len(middle))
    console = Console(record=True, width=arguments.columns, file=open("/dev/null", "w"), highlight=False)
    command = " ".join(["cargo run --release", *(["--", *arguments.arguments] if arguments.arguments else [])])
    console.print(Text(f"$ {command}", style="bold"))
    for line in [*middle, Text("⋮", style="bold"), *end[common:]]:
        console.print(line)
    svg = console.export_svg(title="mnist-trainer", theme=THEME)
    # The README must not load fonts from the network.
    svg = re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.S).replace("Fira Code, monospace", "monospace")
    arguments.out.write_text(svg)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
