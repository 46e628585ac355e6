"""Generates TypeScript types of the published API with openapi-typescript.

tests/strangers/install installs it.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from tools.client.documents import ROOT, Document

TYPES: Final = Path("clients/typescript/valerix.d.ts")
PROGRAM: Final = ROOT / ".strangers/node/node_modules/openapi-typescript/bin/cli.js"


def types(document: Document) -> str:
    """Returns the text of the declarations. Raises FileNotFoundError if the tools are missing."""
    if not PROGRAM.exists():
        raise FileNotFoundError(
            f"{PROGRAM} is missing: install nodejs and npm, then run tests/strangers/install"
        )
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "openapi.json"), Path(folder, "valerix.d.ts")
        source.write_bytes(msgspec.json.encode(document))
        subprocess.run(
            ["node", PROGRAM, source, "--output", target], check=True, capture_output=True
        )
        return target.read_text()
