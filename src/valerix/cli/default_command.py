"""Groups of commands with a default, for lines that name no command."""

from typing import ClassVar

import typer
from typer.core import TyperGroup


class DefaultCommand(TyperGroup):
    """Makes the group mean its command `default`, unless a command's name follows."""

    default: ClassVar[str]

    def parse_args(  # type: ignore[override]  # the parent's context is a class of its own
        self, ctx: typer.Context, args: list[str]
    ) -> list[str]:
        named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [self.default, *args])
