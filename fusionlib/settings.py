"""Where things lie outside the work tree: data, weights, references, the run store."""

import os
from pathlib import Path

from platformdirs import user_cache_dir

from fusionlib.errors import FusionError


def _root(variable: str, what: str, given: str | Path | None = None) -> Path:
    value = given or os.environ.get(variable)
    if not value:
        raise FusionError(
            f"No folder with {what} is named: set {variable} or pass it as an argument."
        )
    folder = Path(value).expanduser().resolve()
    if not folder.is_dir():
        raise FusionError(f"The folder with {what} does not exist: {folder} (set {variable}).")
    return folder


def data_root(data: str | Path | None = None) -> Path:
    """Folder that holds the datasets: `data`, else FUSIONLIB_DATA."""
    return _root("FUSIONLIB_DATA", "the datasets (also --data)", data)


def weights_root(weights: str | Path | None = None) -> Path:
    """Folder that holds released weights: `weights`, else FUSIONLIB_WEIGHTS."""
    return _root("FUSIONLIB_WEIGHTS", "released weights", weights)


def reference_root(reference: str | Path | None = None) -> Path:
    """Folder that holds reference outputs: `reference`, else FUSIONLIB_REFERENCE."""
    return _root("FUSIONLIB_REFERENCE", "reference outputs", reference)


def store_root() -> Path:
    """Folder of the run store: FUSIONLIB_STORE, else the user's cache folder."""
    return Path(os.environ.get("FUSIONLIB_STORE") or user_cache_dir("fusionlib")).expanduser()


def results_root() -> Path:
    """Folder of the results: FUSIONLIB_RESULTS, else the checkout's results
    folder, else (installed without a checkout) one in the run store."""
    checkout = Path(__file__).resolve().parents[1]
    if given := os.environ.get("FUSIONLIB_RESULTS"):
        return Path(given).expanduser().resolve()
    is_checkout = (checkout / "pyproject.toml").is_file()
    return (checkout if is_checkout else store_root()) / "results"
