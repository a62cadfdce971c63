"""Draw what `cargo run --release` prints as an SVG, for the README.

    cargo build --release
    python3 scripts/record_terminal.py                  # writes docs/figures/terminal.svg

Runs the program in a temporary folder, as a user would on the first day, and draws its lines with `rich`
(`pip install rich==15.0.0`). Takes about a minute.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]

# GitHub's colours, so that the picture suits a light page and a dark one.
THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [(13, 17, 23), (255, 123, 114), (126, 231, 135), (210, 153, 34), (121, 192, 255), (188, 140, 255), (57, 197, 207), (201, 209, 217)],
)


def record(program: Path, arguments: list[str], columns: int) -> list[str]:
    """Run the program and return its lines, standard error first, as a terminal shows them."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [program, *arguments], cwd=folder, text=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    return done.stdout.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/mnist-trainer")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/figures/terminal.svg")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("arguments", nargs="*", help="arguments of the program")
    arguments = parser.parse_args()

    lines = record(arguments.program.resolve(), arguments.arguments, arguments.columns)
    console = Console(record=True, width=arguments.columns, file=open("/dev/null", "w"), highlight=False)
    command = " ".join(["cargo run --release", *(["--", *arguments.arguments] if arguments.arguments else [])])
    console.print(Text(f"$ {command}", style="bold"))
    for line in lines:
        console.print(Text.from_ansi(line))
    svg = console.export_svg(title="mnist-trainer", theme=THEME)
    # The README must not load fonts from the network.
    svg = re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.S).replace("Fira Code, monospace", "monospace")
    arguments.out.write_text(svg)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
