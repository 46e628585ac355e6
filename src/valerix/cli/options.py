"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from valerix.launcher.settings import default_data_dir

DataDir = Annotated[
    Path,
    typer.Option(
        default_factory=default_data_dir,
        envvar="VALERIX_DATA_DIR",
        file_okay=False,
        show_default=".valerix",
        help="Folder of the stack's data.",
    ),
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
