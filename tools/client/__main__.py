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
        (ROOT / typescript.TYPES).write_text(typescript.types(published(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
