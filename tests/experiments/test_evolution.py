"""Films of what snapshots fuse, and where the runs are on another machine."""

import pandas as pd
import pytest

from fusionlib import experiments, published, report
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


def test_stages_are_the_ends_and_the_early_steps_under_their_names():
    rows = [
        {"model": "bsp-cnn", "mode": mode, "key": mode, "step": step, "image": image}
        for mode, last in (("SPTP", 160), ("UPTP", 80))
        for step in (20, 40, 80, 160)
        if step <= last
        for image in ("a", "b")
    ]
    stages = evolution.stages(pd.DataFrame(rows))
    assert stages.drop_duplicates("mode")[["mode", "step"]].to_numpy().tolist() == [
        ["SPTP", 160],
        ["UPTP", 80],
        ["SPTP at step 20", 20],
        ["SPTP at step 80", 80],
        ["UPTP at step 20", 20],
    ]
    assert set(stages.groupby("mode").size()) == {2}


def test_claims_about_a_training_compare_its_stages():
    table = published.load("bsp", 1)

    def judged(risen, fallen):
        rows = [
            {"test_set": "MSRS", "mode": mode, "trainable": 150, "seed": seed}
            | {"key": f"{mode} {seed}", "step": step, "image": f"{n:02d}"}
            | {"SSIM": value + n / 1000, "VIF": 0.5, "Qabf": 0.5}
            for mode, end in (("SPTP", risen), ("UPTP", fallen))
            for seed in range(2)
            for step, value in ((20, 0.5), (80, 0.7), (160, end))
            for n in range(20)
        ]  # fmt: skip
        stages = evolution.stages(pd.DataFrame(rows))
        claims = experiments.FIGURE2_CLAIMS["bsp-cnn"]
        ledger = experiments.judge(stages, claims, table, "bsp-cnn")
        return ledger.drop_duplicates("claim").set_index("claim")

    alike = judged(0.9, 0.91)
    # Table 1 prints 0.97 and 0.96 on MSRS, 0.91 and 0.93 on M3FD.
    assert alike.loc["ssim-ends-alike-cnn", "margin"] == pytest.approx(0.03)
    assert alike.loc["ssim-ends-alike-cnn", "paper"] == pytest.approx(0.01)
    assert alike["verdict"].to_dict() == {
        "paired-ssim-rises-cnn": "supported",
        "unpaired-ssim-rises-cnn": "supported",
        "ssim-ends-alike-cnn": "supported",
        "unpaired-is-ahead-at-step-20": "undecided",
        "unpaired-is-ahead-at-step-80": "undecided",
    }
    apart = judged(0.9, 0.4)
    assert apart.loc["unpaired-ssim-rises-cnn", "verdict"] == "contradicted"
    assert apart.loc["ssim-ends-alike-cnn", "verdict"] == "contradicted"
