"""Films of what snapshots fuse, and where the runs are on another machine."""

import pytest

from fusionlib import experiments, report
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.experiments import evolution
from fusionlib.experiments.row import Row
from tests.training.small import tiny


def test_films_are_of_every_snapshot_and_missing_ones_are_stood_in_for(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    test = open_pairs("scenes", "test", names=["0001N"], size=(32, 48))
    specs = tiny(steps=2), tiny(steps=2, relation="unpaired")
    rows = [Row(mode, 150, (spec,)) for mode, spec in zip(("SPTP", "UPTP"), specs, strict=True)]
    path = tmp_path / "distance.csv"
    films = evolution.films(rows, test[0], "whole+clip", kept=path)
    assert {mode: list(film) for mode, film in films.items()} == {"SPTP": [1, 2], "UPTP": [1, 2]}
    table = evolution.distances(films, path)
    assert table["SPTP to its last"].iloc[-1] == table["UPTP to its last"].iloc[-1] == 0
    expected = 255 * (films["SPTP"][1] - films["UPTP"][1]).abs().mean().item()
    assert table["SPTP to UPTP"].iloc[0] == pytest.approx(expected)
    report.write_table(table, path)
    grid, film = tmp_path / "grid.png", tmp_path / "film.gif"
    report.browse_evolution(films, "scenes", grid)
    report.evolution_film(films, "scenes", film)
    runs = experiments.train_all(specs)
    report.write_record(tmp_path, {"protocol": "whole+clip"}, {}, runs=runs)

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "elsewhere"))
    elsewhere = evolution.films(rows, test[0], "whole+clip", kept=path)
    assert elsewhere == {}
    assert not list((tmp_path / "elsewhere").rglob("*.safetensors"))
    again = evolution.distances(elsewhere, path)
    assert again["SPTP to UPTP"].tolist() == pytest.approx(table["SPTP to UPTP"].tolist(), rel=1e-5)
    made = grid.read_bytes(), film.read_bytes()
    assert report.browse_evolution(elsewhere, "scenes", grid).data == made[0]
    report.evolution_film(elsewhere, "scenes", film)
    assert film.read_bytes() == made[1]
    with pytest.raises(FusionError, match=r"there is no other\.png"):
        report.browse_evolution(elsewhere, "scenes", tmp_path / "other.png")
    # Another protocol is another film: it is trained and drawn.
    assert evolution.films(rows, test[0], "whole+stretch", kept=path)
