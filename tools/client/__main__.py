"""Writes the generated files: `python -m tools.client [models | types]`; both without an argument.

models: src/valerix/client/generated.py
types: clients/typescript/valerix.d.ts, by openapi-typescript (tests/strangers/install)
"""

import argparse
import sys

from tools.client import typescript
from tools.client.documents import ROOT, complete, documents, published
from tools.client.python import MODELS, models


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.client",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=["models", "types"])
    wanted = parser.parse_args().what
    found = documents()
    if wanted != "types":
        (ROOT / MODELS).write_text(models(complete(found)))
    if wanted != "models":
        try:
            types = typescript.types(published(found))
        except FileNotFoundError as error:
            sys.stderr.write(f"The types are as before: {error}\n")
            return 1
        (ROOT / typescript.TYPES).write_text(types)
    return 0


if __name__ == "__main__":
    sys.exit(main())
