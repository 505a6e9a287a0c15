"""The command `fusionlib fuse`."""

import argparse
import signal
import sys


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of the verb; nothing heavy is imported for them."""
    sub.epilog = (
        "Pairs that can't be fused are told at the end (exit code 1), and the others go on. What "
        "is there already, made in the same way, is skipped: after a break, run the same command "
        "again."
    )
    sub.add_argument("ir", metavar="IR", help="infrared image, or a folder of them")
    sub.add_argument(
        "vi",
        metavar="VI",
        help="visible image, or a folder with the same names apart from suffixes",
    )
    sub.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder, or for a pair an image file"
    )
    network = sub.add_mutually_exclusive_group()
    network.add_argument(
        "--model",
        metavar="NAME|RUN",
        help="trained weights of the package (default: bsp-cnn), or a run by 4 digits of its key",
    )
    network.add_argument("--weights", metavar="FILE", help="a file of weights instead")
    sub.add_argument(
        "--protocol",
        default="plain",
        metavar="NAME",
        help="plain (default: whole image, clipped) or released (as the BSP authors' code does)",
    )
    sub.add_argument(
        "--tile",
        type=int,
        metavar="N",
        help="fuse in tiles of N x N pixels (default: only where an image is large)",
    )
    colour = sub.add_mutually_exclusive_group()
    for name, value, help in (
        ("--colour", True, "write colour (default: where the visible image has it)"),
        ("--grey", False, "write grey"),
    ):
        colour.add_argument(
            name, action="store_const", dest="colour", const=value, default=None, help=help
        )
    sub.add_argument(
        "--bits",
        default=(16, 16),
        type=bits,
        metavar="N[,N]",
        help="bits of the values in 16-bit files (default: 16); two numbers: infrared, visible",
    )
    sub.add_argument(
        "--precision",
        default="float32",
        metavar="P",
        help="float32 (default) or bfloat16, which is faster on processors made for it",
    )
    sub.add_argument("--device", metavar="D", help="cpu, cuda, ... (default: cuda if there is one)")
    sub.add_argument(
        "--batch", type=int, metavar="N", help="pairs of one size, or tiles, fused at once"
    )
    sub.add_argument(
        "--overwrite", action="store_true", help="replace files that were made otherwise"
    )


def bits(text: str) -> tuple[int, ...]:
    """One number for both kinds of files, or two; argparse tells its name."""
    numbers = tuple(int(part) for part in text.split(","))
    return numbers * 2 if len(numbers) == 1 else numbers


def run(arguments: argparse.Namespace) -> int:
    """Fuse, and tell what came of it; returns the exit code."""
    from fusionlib.fusing import fuse_files
    from fusionlib.fusing_work import Stopped

    # A stop from outside ends the work as Ctrl-C does, with no file half written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = {
        name: value
        for name, value in vars(arguments).items()
        if name != "verb" and value is not None
    }
    try:
        done = fuse_files(**options)
    except Stopped as error:
        _tell_failed(error.failed)
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        _tell(
            f"interrupted; what was fused stays in {arguments.output}, run the same command again "
            "to go on."
        )
        return 130
    for note in done.notes:
        _tell(note)
    _tell_failed(done.failed)
    print(done)
    return 1 if done.failed else 0


def _tell_failed(failed: dict[str, str]) -> None:
    for name, reason in failed.items():
        _tell(f"failed: {name}: {reason}")


def _tell(text: str) -> None:
    print(f"fusionlib: {text}", file=sys.stderr)
