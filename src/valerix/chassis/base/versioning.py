"""Prevents lost updates.

A representation carries its version as ETag, and a change names the version it started from.
"""

from valerix.chassis.base.problems import FieldError, Invalid, Problem


class VersionConflict(Problem):
    """The precondition `If-Match` failed (RFC 9110, section 13.1.1)."""

    status, code, title = 412, "version_conflict", "Changed elsewhere in the meantime"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"The current version is {version}; read it again and repeat the change",
            version=version,
        )


def etag(version: int) -> dict[str, str]:
    """The response header with the version.

    Responses to reads also get a digest of the body (`chassis.semantics.reading`).
    """
    return {"ETag": f'"{version}"'}


def expected_version(if_match: str | None) -> int | None:
    """The version that a change started from; None when the caller accepts any version.

    Raises Invalid.
    """
    if if_match is None or if_match == "*":
        return None
    digits = if_match.removeprefix("W/").strip('"').partition("-")[0]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        message = 'If-Match must be the ETag of the version that was read, e.g. "3"'
        raise Invalid(message, [FieldError("/headers/If-Match", message)])
    return int(digits)
