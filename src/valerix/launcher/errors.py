"""What keeps a stack from starting or stopping, in one line its reader can act on."""


class LauncherError(Exception):
    """The message is printed as it is and the command exits with 1."""
