"""How long the command line takes to answer, against importing timm: medians of fresh processes, taken in turn.

python benchmarks/startup.py [--runs N] [--json]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "opsin --help": [sys.executable, "-m", "opsin.cli.main", "--help"],
    'python -c "import timm"': [sys.executable, "-c", "import timm"],
}


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # fills the file cache
    for _ in range(options.runs):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(found) for name, found in times.items()}
    if options.json:
        print(json.dumps(medians))
        return
    for name, median in medians.items():
        print(f"{median:6.2f} s  {name}")


if __name__ == "__main__":
    main()
