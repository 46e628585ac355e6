"""Violations of each rule, in modules of today and of later versions."""

from collections.abc import Mapping
from typing import Final

from tests.architecture.plants import folders, modules
from tests.architecture.plants.plant import Plant

PLANTS: Final[Mapping[str, tuple[Plant, ...]]] = {**modules.PLANTS, **folders.PLANTS}
