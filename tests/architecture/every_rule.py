"""All rules: those of rules.py, and those that the modules named here enter."""

from tests.architecture import (  # noqa: F401 - enter their rules
    commands,
    errors,
    forms,
    loops,
    names,
    schemas,
    seams,
    sizes,
    starting,
    states,
)
from tests.architecture.rules import RULES as RULES
