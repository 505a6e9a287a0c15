"""The command `fusionlib`: the package's verbs for a shell.

Each verb imports what it needs when it runs, so that `fusionlib --help` is
quick. Exit codes: 0 well, 1 something failed on the way, 2 bad input, 130
interrupted.
"""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from fusionlib import __version__, cli_fuse
from fusionlib.errors import FusionError, listed


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.verb(arguments)
    except FusionError as error:
        print(f"fusionlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "fusionlib: interrupted; finished runs and their scores are kept, run the same command "
            "again.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fusionlib", description="Infrared and visible image fusion.")
    parser.add_argument("--version", action="version", version=f"fusionlib {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(group, name: str, verb, help: str) -> argparse.ArgumentParser:
        sub = group.add_parser(name, help=help, description=help)
        sub.set_defaults(verb=verb)
        return sub

    def add_group(name: str, help: str):
        return verbs.add_parser(name, help=help, description=help).add_subparsers(
            required=True, metavar="VERB"
        )

    cli_fuse.add_arguments(
        add(verbs, "fuse", cli_fuse.run, "fuse a pair of images, or two folders")
    )

    data_help = "folder that holds the datasets (default: FUSIONLIB_DATA)"

    sub = add(verbs, "reproduce", _reproduce, "run notebooks, and check what they leave")
    sub.add_argument("names", nargs="*", metavar="NAME", help="notebook or folder (default: all)")
    sub.add_argument("--list", action="store_true", help="only show the notebooks")
    sub.add_argument("--profile", default="smoke", help="smoke (default), quick or paper")
    sub.add_argument("--data", help=data_help)
    sub.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a parameter"
    )
    sub.add_argument("--results", help="root of the result folders (default: FUSIONLIB_RESULTS)")
    sub.add_argument("--jobs", type=int, help="notebooks at once (default: 2 at smoke, else 1)")

    sub = add(verbs, "doctor", _doctor, "look at this machine, and say what is broken")
    sub.add_argument("--data", help=data_help)

    data = add_group("data", "list, check and get datasets")
    add(data, "list", _data_list, "show which datasets are at hand").add_argument(
        "--data", help=data_help
    )
    sub = add(data, "check", _data_check, "count, open and pair every file")
    sub.add_argument("name", nargs="?", help="dataset (default: all at hand)")
    sub.add_argument("--data", help=data_help)
    sub = add(data, "get", _data_get, "fetch a dataset, or tell where to get it")
    sub.add_argument("name", help="dataset")
    sub.add_argument("--data", help=data_help)

    sub = add(verbs, "evaluate", _evaluate, "score folders of fused images, and rank several")
    sub.usage = (
        "%(prog)s [options] FUSED_DIR [FUSED_DIR ...] IR_DIR VI_DIR\n"
        "       %(prog)s [options] FUSED_DIR [FUSED_DIR ...] --dataset NAME"
    )
    sub.add_argument(
        "folders",
        nargs="+",
        metavar="FUSED_DIR",
        help="folder of fused images, one a method; after the last one IR_DIR and VI_DIR, those "
        "of the infrared and of the visible images, unless there is --dataset",
    )
    sub.add_argument("--dataset", metavar="NAME", help="take the pairs of this dataset")
    sub.add_argument("--split", default="test", help="split of the dataset (default: test)")
    sub.add_argument("--data", help=data_help)
    sub.add_argument(
        "--convention",
        default="bsp",
        metavar="NAME",
        help="whose definitions: bsp (default), ssvif, regionfuse or standard",
    )
    sub.add_argument(
        "--metrics", metavar="EN,MI,...", help="or all (default: those of the convention's paper)"
    )
    sub.add_argument(
        "--common", action="store_true", help="score the pairs that every folder has fused"
    )
    sub.add_argument("--csv", metavar="FILE", help="also write a row an image")
    sub.add_argument("--ranking", metavar="FILE", help="also write the ranking of several folders")

    sub = add(verbs, "published", _published, "print a table as a paper gives it")
    sub.add_argument("paper", help="bsp, ssvif or regionfuse")
    sub.add_argument("table", type=int, help="its number, such as 1")

    add(add_group("runs", "the store of trained runs"), "list", _runs_list, "show all runs")

    sub = add(verbs, "lab", _lab, "open the notebooks in JupyterLab")
    sub.add_argument("options", nargs="*", metavar="OPTION", help="passed on, after --")
    return parser


def _reproduce(arguments: argparse.Namespace) -> int:
    from fusionlib.runner import gallery
    from fusionlib.runner.notebooks import find
    from fusionlib.runner.reproduce import digest, reproduce

    if arguments.list:
        for notebook in find(arguments.names):
            minutes = ", ".join(f"{k} {v:g} min" for k, v in notebook.minutes.items())
            print(f"{notebook.name}\n  {notebook.title} ({minutes})")
            for p in notebook.parameters:
                print(f"    {p.name}: {p.type} = {p.default!r}  # {p.help}")
        return 0
    overrides = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise FusionError(f"--set {text} names no value: write --set NAME=VALUE.")
        overrides[name.strip()] = value
    # A stop from outside ends the notebooks' processes as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcomes = reproduce(
        arguments.names,
        arguments.profile,
        arguments.data,
        overrides,
        arguments.results,
        arguments.jobs,
    )
    print(f"\n{digest(outcomes)}", flush=True)
    try:
        page = gallery.refresh(arguments.results)
        print(f"\nAll notebooks, tables and pictures on one page: {page}")
    except FusionError as error:  # what was measured counts, not the page
        _note(str(error))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _doctor(arguments: argparse.Namespace) -> int:
    from fusionlib.doctor import doctor

    return 0 if doctor(arguments.data) else 1


def _check_data_root(data: str | None) -> None:
    """Refuse a wrong root; without any, the rendered scenes are still there."""
    from fusionlib import settings

    if data or os.environ.get("FUSIONLIB_DATA"):
        settings.data_root(data)


def _data_list(arguments: argparse.Namespace) -> int:
    from fusionlib.data.check import format_list, list_datasets

    _check_data_root(arguments.data)
    print(format_list(list_datasets(arguments.data)))
    return 0


def _data_check(arguments: argparse.Namespace) -> int:
    from fusionlib.data.check import check, list_datasets

    _check_data_root(arguments.data)
    names = [arguments.name]
    if arguments.name is None:
        table = list_datasets(arguments.data)
        names = list(dict.fromkeys(table.dataset[table.present]))
    well = True
    for name in names:
        report = check(name, data=arguments.data)
        print(report, flush=True)
        well &= report.ok
    return 0 if well else 1


def _data_get(arguments: argparse.Namespace) -> int:
    from fusionlib.data.fetch import get

    print(get(arguments.name, arguments.data))
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from fusionlib import folders
    from fusionlib.data import open_folders, open_pairs
    from fusionlib.evaluation import evaluate_folders
    from fusionlib.ranking import format_ranking, format_rows, ranking

    fused, sources = arguments.folders, ()
    if not arguments.dataset:
        fused, sources = fused[:-2], fused[-2:]
    if not fused:
        raise FusionError(
            "Name the folder of fused images, then that of the infrared and that of the visible "
            "images (or --dataset)."
        )
    methods = folders.methods(fused)
    if arguments.ranking and len(methods) == 1:
        raise FusionError("--ranking compares folders of fused images: name two or more.")
    tables = [Path(file).resolve() for file in (arguments.csv, arguments.ranking) if file]
    for file in tables:
        if file.is_dir():
            raise FusionError(f"{file} is a folder: name a file for the table.")
        if not file.parent.is_dir():
            raise FusionError(f"There is no folder for the table {file}: make it first.")
    if len(set(tables)) < len(tables):
        raise FusionError(f"--csv and --ranking both name {tables[0]}: name two files.")
    if arguments.dataset:
        pairs = open_pairs(arguments.dataset, arguments.split, arguments.data)
    else:
        pairs = open_folders(*sources)
    rows = evaluate_folders(
        methods, pairs, arguments.convention, arguments.metrics, arguments.common
    )
    for method, names in rows.attrs["passed_over"].items():
        _note(f"{methods[method]} has images of no pair, passed over: {listed(names)}")
    for reason in rows.attrs["left_out"].values():
        _note(f"left out: {reason}")
    table = rows.rename(columns={"image": "name"})
    count = table["name"].nunique()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if len(methods) == 1:
        table = table.drop(columns="method")
        _save(table, arguments.csv)
        table.loc[count] = {**table.mean(numeric_only=True), "name": "mean"}
        print(format_rows(table, width))
    else:
        _save(table, arguments.csv)
        ranks = ranking(rows)
        _save(ranks, arguments.ranking)
        print(format_ranking(ranks, width))
    print(f"\n{count} of {len(pairs)} pairs, convention {arguments.convention}")
    return 0


def _note(text: str) -> None:
    print(f"fusionlib: {text}", file=sys.stderr)


def _save(table, file: str | None) -> None:
    from fusionlib.files import write_whole

    if file:
        write_whole(Path(file), lambda beside: table.to_csv(beside, index=False))


def _published(arguments: argparse.Namespace) -> int:
    from fusionlib import published

    print(published.load(arguments.paper, arguments.table).cells.to_string(index=False))
    return 0


def _runs_list(arguments: argparse.Namespace) -> int:
    from fusionlib import settings, training

    runs = training.runs()
    for run in runs:
        state = "finished" if run.finished else f"at step {run.at:,}"
        print(f"{run.key}  {run.spec.listed}  {state}")
    print(f"{len(runs)} runs in {settings.store_root()}")
    return 0


def _lab(arguments: argparse.Namespace) -> int:
    import subprocess

    from fusionlib.runner.notebooks import notebooks_root

    command = [sys.executable, "-m", "jupyterlab", *arguments.options]
    return subprocess.run(command, cwd=notebooks_root()).returncode


if __name__ == "__main__":
    sys.exit(main())
