"""The error of a stack that cannot start or stop. Its message says what to do next."""


class LauncherError(Exception):
    """The message is printed as it is and the command exits with 1."""
