"""Committed results come back from their own rows, where none of the runs are."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fusionlib.runner.gallery import PICTURES
from fusionlib.runner.reproduce import digest, reproduce

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parents[2]
BSP = "beyond_strict_pairing"
PAPERS = (BSP, "ssvif", "regionfuse")
NOT_REBUILT = {
    # They measure time, or look into a network, anew each time.
    f"{BSP}/training_cost",
    "ssvif/framework_walkthrough",
    "ssvif/table4_efficiency",
    "regionfuse/model_walkthrough",
    "regionfuse/table4_efficiency",
}
COMMITTED = sorted(
    name
    for record in (CHECKOUT / "results").glob("*/*/quick/record.json")
    if record.parts[-4] in PAPERS
    and (name := f"{record.parts[-4]}/{record.parts[-3]}") not in NOT_REBUILT
)


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory, data_root, weights_root):
    """A copy of the results, reproduced over an empty store."""
    root = tmp_path_factory.mktemp("rebuilt")
    for paper in PAPERS:
        if (CHECKOUT / "results" / paper).is_dir():
            shutil.copytree(CHECKOUT / "results" / paper, root / "results" / paper)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(root / "store"))
        patch.setenv("FUSIONLIB_DATA", str(data_root))
        patch.setenv("FUSIONLIB_WEIGHTS", str(weights_root))
        outcomes = reproduce(COMMITTED, profile="quick", results=root / "results")
    assert all(outcome.ok for outcome in outcomes), digest(outcomes)
    return root


def test_nothing_was_trained(rebuilt):
    assert not list((rebuilt / "store").rglob("*.safetensors"))
    assert not list((rebuilt / "store").rglob("history.csv"))


@pytest.mark.parametrize("name", COMMITTED)
def test_tables_are_the_committed_ones(rebuilt, name):
    committed = CHECKOUT / "results" / name / "quick"
    tables = [*committed.glob("*.csv"), *committed.glob("*.csv.gz")]
    assert tables
    for file in tables:
        again = rebuilt / "results" / name / "quick" / file.name
        # Six digits are kept of a number, and what is made from them differs in the last.
        pd.testing.assert_frame_equal(pd.read_csv(again), pd.read_csv(file), rtol=1e-4, atol=1e-4)


def grey_levels(file):
    with Image.open(file) as picture:
        return np.asarray(picture.convert("L"), float)


@pytest.mark.parametrize("name", COMMITTED)
def test_every_picture_is_there_again(rebuilt, name):
    committed = CHECKOUT / "results" / name / "quick"
    again = rebuilt / "results" / name / "quick"
    for picture in (path for path in committed.iterdir() if path.suffix in PICTURES):
        made, before = (grey_levels(file) for file in (again / picture.name, picture))
        assert made.shape == pytest.approx(before.shape, rel=0.05)
        assert made.std() > 0.5 * before.std()  # of an empty picture it is 0
