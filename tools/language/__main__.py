"""Prints how plainly the product's code is written: `python -m tools.language [--words]`.

`--words` also lists where each of the words stands that have no thing as their subject.
"""

import argparse
import sys
from pathlib import Path

from tests.architecture.names import class_names_are_unique
from tests.architecture.tree import Tree
from tools.language.measures import measured

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.language", description=__doc__)
    parser.add_argument("--words", action="store_true", help="also list where the words stand")
    found, homonyms = measured(ROOT), list(class_names_are_unique(Tree(ROOT)))
    if parser.parse_args().words:
        sys.stdout.writelines(f"{place}\n" for place in found.vague)
    sys.stdout.write(
        f"words of comments and docstrings    {found.words:7,}\n"
        f"who, nobody, told … per 1,000       {found.vague_per_thousand:7.2f}\n"
        f"public docstrings                   {found.documented:7.0%}\n"
        f"class names twice                   {len(homonyms):7}\n"
        f"Python lines over 100 characters    {len(found.wide_python):7}\n"
        f"JavaScript lines over 120           {len(found.wide_javascript):7}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
