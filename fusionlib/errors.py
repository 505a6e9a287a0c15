"""The one exception for what a user can mend: a file, a folder or a parameter."""


class FusionError(Exception):
    """Bad input or a bad parameter.

    The message is one sentence that names the file or the parameter and the
    remedy. The command line prints it without a traceback and exits with 2.
    """
