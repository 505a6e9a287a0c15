"""The one exception for what a user can mend: a file, a folder or a parameter."""

from collections.abc import Sequence

LISTED = 5  # names in a complaint before it only counts


class FusionError(Exception):
    """Bad input or a bad parameter.

    The message is one sentence that names the file or the parameter and the
    remedy. The command line prints it without a traceback and exits with 2.
    """


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more:,} more" if more > 0 else "")
