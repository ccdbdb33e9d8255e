"""Runs the measurements and reports them."""

import argparse
import compileall
import sys
from pathlib import Path

from benchmarks import agents, machine
from benchmarks.measurements import ALL, Measurement
from benchmarks.report import Result, save, show
from benchmarks.sampling import interleave
from benchmarks.stage import Stage, stage

ROOT = Path(__file__).resolve().parent.parent
PROVIDERS = ("codex", "claude", "gemini")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(measurement.name for measurement in ALL)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {names} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a few rounds only")
    for provider in PROVIDERS:
        parser.add_argument(f"--{provider}", type=Path, help="the program of all contestants")
    arguments = parser.parse_args()
    chosen = [m for m in ALL if m.name in arguments.names or not arguments.names]
    if unknown := set(arguments.names) - {measurement.name for measurement in ALL}:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {names}")
    found = agents.find({provider: getattr(arguments, provider) for provider in PROVIDERS})
    for measurement in [m for m in chosen if m.provider not in found]:
        chosen.remove(measurement)
        missing = f"{measurement.provider} is not installed"
        print(f"{measurement.name} is left out: {missing}", file=sys.stderr)

    compileall.compile_dir(ROOT / "src", quiet=1)
    load = machine.load()
    with stage({provider: agent.path for provider, agent in found.items()}) as common:
        results = [run(measurement, common, quick=arguments.quick) for measurement in chosen]
    show(results)
    versions = {provider: agent.version for provider, agent in found.items()}
    file = save(results, agents=versions, quick=arguments.quick, load=load)
    print(f"written to {file.relative_to(ROOT)}")


def run(measurement: Measurement, common: Stage, *, quick: bool) -> Result:
    rounds = measurement.quick_rounds if quick else measurement.rounds

    def progress(number: int) -> None:
        if sys.stderr.isatty():
            total = measurement.warmups + rounds
            print(
                f"\r{measurement.name} {number + 1}/{total} ", end="", file=sys.stderr, flush=True
            )

    print(f"{measurement.name}: {measurement.title}", file=sys.stderr)
    with measurement.open(common) as contestants:
        series = interleave(contestants, rounds, warmups=measurement.warmups, progress=progress)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    return Result(measurement, series)


if __name__ == "__main__":
    main()
