"""Groups that mean one of their commands when none is named."""

from typing import ClassVar

import typer
from typer.core import TyperGroup


class DefaultCommand(TyperGroup):
    """The group alone, or followed by anything but the name of a command, means its command `default`."""

    default: ClassVar[str]

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # its own alias
        named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [self.default, *args])
