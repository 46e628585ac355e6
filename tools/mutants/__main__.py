"""The command line: draw, apply, restore, run, report."""

import argparse
import signal
import sys
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

import msgspec
from tools.mutants import mutant as mutants
from tools.mutants.checkout import scratch
from tools.mutants.draw import draw
from tools.mutants.mutant import DoesNotApply, Mutant
from tools.mutants.trial import Result, Suite

HERE = Path(__file__).parents[2]


def main() -> None:
    own, arguments = split(sys.argv[1:])
    options = parser().parse_args(own, argparse.Namespace(arguments=arguments))
    # The exit restores the file and ends the tests.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.command(options)


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split the arguments at `--`: this program's own, and pytest's, which argparse must not
    see.
    """
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end + 1 :]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tools.mutants")
    commands = top.add_subparsers(required=True)
    drawing = commands.add_parser(
        "draw", help="print mutants of the sources at a commit, drawn with it as the seed"
    )
    drawing.add_argument("count", type=int)
    drawing.add_argument(
        "commit",
        help="also the seed, as it is written: a longer form of the id draws other mutants",
    )
    drawing.set_defaults(
        command=lambda o: print(mutants.written(draw(HERE, o.commit, o.count)), end="")
    )
    for name, act in (("apply", Mutant.apply), ("restore", Mutant.restore)):
        _add_change(commands.add_parser(name, help=f"{name} one mutant in a checkout"), act)
    _add_run(
        commands.add_parser(
            "run",
            help="run tests against each mutant without a result; pytest's options follow after --",
        )
    )
    reporting = commands.add_parser(
        "report", help="print the mutants with their results as a table"
    )
    _add_files(reporting)
    reporting.set_defaults(command=report)
    return top


def _add_change(change: argparse.ArgumentParser, act: object) -> None:
    change.add_argument("list", type=Path)
    change.add_argument("number", type=int)
    change.add_argument("--checkout", type=Path, default=HERE)
    change.set_defaults(command=change_one, act=act)


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument("list", type=Path)
    command.add_argument(
        "results", type=Path, help="JSON lines; number 0 is the run without a mutant"
    )


def _add_run(running: argparse.ArgumentParser) -> None:
    _add_files(running)
    running.add_argument(
        "--tests", type=str.split, default=["tests"], help="paths, in one argument"
    )
    running.add_argument(
        "--nearest-first",
        action="store_true",
        help="run the tests of the mutant's area before the others",
    )
    running.add_argument(
        "--limit-seconds", type=float, default=1200.0, help="for each run of pytest"
    )
    running.add_argument(
        "--commit", default="HEAD", help="commit to test; a mutant that does not fit is reported"
    )
    running.add_argument("--checkout", type=Path, help="a working tree to keep for further runs")
    running.add_argument("--only", type=_numbers, help="e.g. 3,17,20")
    running.set_defaults(command=run)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def change_one(options: argparse.Namespace) -> None:
    found = next(mutant for mutant in mutants.read(options.list) if mutant.number == options.number)
    options.act(found, options.checkout)


def run(options: argparse.Namespace) -> None:
    tests = Suite(options.tests, options.arguments, options.limit_seconds, options.nearest_first)
    done = results(options.results)
    open_ = [
        m
        for m in mutants.read(options.list)
        if m.number not in done and m.number in (options.only or [m.number])
    ]
    with (
        scratch(HERE, options.commit, options.checkout) as checkout,
        options.results.open("ab", buffering=0) as file,
    ):
        if 0 not in done:
            file.write(_line(_passing(tests.baseline(checkout))))
        for count, mutant in enumerate(open_, 1):
            print(f"{count}/{len(open_)} {where(mutant)}: ", end="", flush=True)
            try:
                result = tests.run(checkout, mutant)
            except DoesNotApply as error:
                print(f"does not apply: {error}")
                continue
            file.write(_line(result))
            print(f"{result.outcome} {result.killed_by} ({result.seconds:.0f} s)", flush=True)


def _passing(baseline: Result) -> Result:
    if baseline.outcome != "survived":
        sys.exit(f"without a mutant, this fails already: {baseline.killed_by}")
    return baseline


def _line(result: Result) -> bytes:
    return msgspec.json.encode(result) + b"\n"


def results(file: Path) -> dict[int, Result]:
    lines = file.read_bytes().splitlines() if file.exists() else []
    return {
        result.number: result
        for result in (msgspec.json.decode(line, type=Result) for line in lines)
    }


def where(mutant: Mutant) -> str:
    path = mutant.path.removeprefix("src/valerix/")
    return f"{mutant.number} {path}:{mutant.line} {mutant.operator}"


def report(options: argparse.Namespace) -> None:
    done = results(options.results)
    print("| nr | area | place | change | result |\n|---|---|---|---|---|")
    for mutant in mutants.read(options.list):
        result = done.get(mutant.number)
        ended = f"{result.outcome} {result.killed_by}".strip() if result else "not run"
        place = f"{mutant.path.removeprefix('src/valerix/')}:{mutant.line}"
        print(f"| {mutant.number} | {mutant.area} | {place} | {changed(mutant)} | {ended} |")
    print(f"\n{summary(done.values())}")


def changed(mutant: Mutant) -> str:
    """Return the words that differ, with one word before them and one after."""
    before, after = mutant.before.split(), mutant.after.split()
    first = max(0, _same(before, after) - 1)
    rest = _same(before[:first:-1], after[:first:-1])
    return " → ".join(
        f"`{' '.join(words[first : len(words) - max(0, rest - 1)])}`" for words in (before, after)
    )


def _same(left: list[str], right: list[str]) -> int:
    """Return the number of equal words at the beginning."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))))


def summary(ended: Iterable[Result]) -> str:
    outcomes = [result.outcome for result in ended if result.number]
    return ", ".join(f"{outcomes.count(name)} {name}" for name in ("killed", "timeout", "survived"))


if __name__ == "__main__":
    main()
