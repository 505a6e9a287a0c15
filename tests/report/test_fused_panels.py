"""Panels of what several runs make of one pair, and of runs that are not here."""

import pytest
import torch
from IPython.display import Image
from matplotlib.figure import Figure

from fusionlib import report
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.training import open_run
from tests.training.small import go, tiny


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    return tmp_path


def test_they_are_drawn_where_the_runs_are_and_shown_where_not(store, monkeypatch):
    torch.set_num_threads(1)
    pair = open_pairs("scenes", "test", names=["0001N"], size=(64, 96))[0]
    spec, path = tiny(steps=1), store / "panels.png"
    with pytest.raises(FusionError, match=r"SPTP is not trained, and there is no panels\.png"):
        report.fused_panels({"SPTP": open_run(spec)}, pair, "whole+clip", "scenes", path)
    figure = report.fused_panels({"SPTP": go(spec)}, pair, "whole+clip", "scenes", path)
    assert isinstance(figure, Figure)
    titles = [axis.get_title() for axis in figure.axes]
    assert {"infrared", "visible", "SPTP"} <= set(titles)
    made, before = path.read_bytes(), path.stat().st_ino
    report.write_record(store, {}, {}, runs=[open_run(spec)])
    monkeypatch.setenv("FUSIONLIB_STORE", str(store / "elsewhere"))
    shown = report.fused_panels({"SPTP": open_run(spec)}, pair, "whole+clip", "scenes", path)
    assert isinstance(shown, Image)
    assert shown.data == made == path.read_bytes()
    assert path.stat().st_ino != before  # the runner wants to see it written
    # It does not stand for a run that it never showed.
    networks = {"SPTP": open_run(spec), "UPTP": open_run(tiny(steps=1, seed=1))}
    with pytest.raises(FusionError, match="SPTP is not trained"):
        report.fused_panels(networks, pair, "whole+clip", "scenes", path)
    # Without a file to stand in for them, missing runs are left out.
    networks = {"SPTP": open_run(spec), "model": create_model("bsp-cnn").eval()}
    figure = report.fused_panels(networks, pair, "whole+clip", "scenes", None)
    titles = [axis.get_title() for axis in figure.axes]
    assert "model" in titles
    assert "SPTP" not in titles
