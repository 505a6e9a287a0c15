"""The command line apart from `reproduce`, which tests/runner covers."""

import subprocess
import sys

import pytest

from fusionlib import cli
from fusionlib.cli import main


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("FUSIONLIB_DATA", raising=False)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from fusionlib.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'torch', 'pandas', 'numpy', 'papermill'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "reproduce" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("argv", [[], ["fly"], ["reproduce", "--colour"], ["data"]])
def test_wrong_usage(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_runs_list", interrupt)
    assert main(["runs", "list"]) == 130
    assert "scores are kept, run the same command again." in capsys.readouterr().err


def test_data_list_works_without_a_root(no_data, capsys):
    assert main(["data", "list"]) == 0
    assert "scenes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["data", "list", "--data", "no/where"], "no/where"),
        (["data", "check", "MSRS", "--data", "no/where"], "no/where"),
        (["data", "get", "MSRX"], "MSRX"),
        (["evaluate", "fused"], "then that of the infrared"),
        (["evaluate", "ir", "vi"], "then that of the infrared"),
        (["evaluate", "fused", "a", "b"], "no folder a"),
        (["evaluate", "fused", "./fused", "--dataset", "scenes"], "named twice"),
        (["evaluate", "fused", "--dataset", "scenes", "--csv", "no/where/t.csv"], "where"),
        (["evaluate", "a", "b", "--dataset", "scenes", "--ranking", "no/where/t.csv"], "where"),
        (["evaluate", "fused", "--dataset", "scenes", "--ranking", "t.csv"], "two or more"),
        (["evaluate", "fused", "--dataset", "scenes", "--csv", "."], "is a folder: name a file"),
        (["evaluate", "a", "b", "--dataset", "scenes", "--ranking", "/"], "is a folder: name"),
        (
            ["evaluate", "a", "b", "--dataset", "scenes", "--csv", "t", "--ranking", "./t"],
            "--csv and --ranking both name",
        ),
        (["evaluate", "fused", "--dataset", "scenes", "--metrics", "EN,Qabv"], "mean Qabf"),
        (["published", "bsp", "99"], "99"),
    ],
)
def test_bad_input_is_one_sentence(no_data, capsys, argv, part):
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("fusionlib: ")
    assert part in error


def test_data_get_tells_where(no_data, capsys):
    assert main(["data", "get", "LLVIP"]) == 0
    assert "non-commercial" in capsys.readouterr().out


def test_published_table_is_printed(capsys):
    assert main(["published", "bsp", "1"]) == 0
    printed = capsys.readouterr().out
    assert "SPTP" in printed
    assert "MSRS" in printed


@pytest.fixture
def fused_folders(tmp_path, monkeypatch):
    """Two methods' images of three pairs, in the current folder."""
    import torch

    from fusionlib import images

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    for name in ("1", "2", "3"):
        ir, vi = torch.rand(1, 48, 52), torch.rand(3, 48, 52)
        images.write(tmp_path / "ir" / f"{name}.png", ir)
        images.write(tmp_path / "vi" / f"{name}.jpg", vi)
        images.write(tmp_path / "ours" / f"{name}_fused.png", (ir + vi) / 2)
        images.write(tmp_path / "theirs" / f"{name}.png", 0.1 * ir + 0.5 * vi)
    return tmp_path


def test_evaluate_says_how_it_is_called_and_which_conventions_there_are(capsys):
    from fusionlib.metrics import CONVENTIONS

    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "fusionlib evaluate [options] FUSED_DIR [FUSED_DIR ...] IR_DIR VI_DIR" in printed
    assert all(convention in printed for convention in CONVENTIONS)
    with pytest.raises(SystemExit):
        main(["evaluate"])
    assert "[FUSED_DIR ...] IR_DIR VI_DIR" in capsys.readouterr().err


def test_one_folder_for_both_sources_is_refused(fused_folders, capsys):
    assert main(["evaluate", "ours", "ir", "./ir"]) == 2
    assert "name two folders" in capsys.readouterr().err


def test_a_released_folder_scores_as_the_fields_usual_evaluator(
    tmp_path, data_root, reference_root, capsys
):
    import json
    import shutil

    import pandas as pd

    from tests.metrics.test_real_images import SCENES, SOURCES

    expected = json.loads((reference_root / "metrics_by_field_evaluator.json").read_text())
    folders = [tmp_path / name for name in ("fused", "ir", "vi")]
    for folder in folders:
        folder.mkdir()
    for scene in SCENES:
        dataset, name = scene.split("_", 1)
        shutil.copy(reference_root / f"released_cnn/{scene}.png", folders[0])
        for source, folder in zip(SOURCES[dataset], folders[1:], strict=True):
            file = next((data_root / source).glob(f"{name}.*"))
            shutil.copy(file, folder / f"{scene}{file.suffix}")
    metrics = list(expected[f"released_cnn/{SCENES[0]}"])
    assert len(metrics) == 12
    csv = tmp_path / "scores.csv"
    argv = ["evaluate", *map(str, folders), "--metrics", ",".join(metrics), "--csv", str(csv)]
    assert main(argv) == 0
    assert "6 of 6 pairs" in capsys.readouterr().out
    rows = pd.read_csv(csv, index_col="name")
    assert list(rows) == metrics
    assert sorted(rows.index) == sorted(SCENES)
    for scene, row in rows.iterrows():
        for metric, value in expected[f"released_cnn/{scene}"].items():
            # MSE is in hundreds.
            near = {"rel": 1e-6} if metric == "MSE" else {"abs": 5e-4}
            assert row[metric] == pytest.approx(value, **near), (scene, metric)


def test_a_folder_is_scored_with_a_row_an_image_and_their_mean(fused_folders, capsys):
    import pandas as pd

    argv = ["evaluate", "ours", "ir", "vi", "--csv", "out.csv"]
    assert main(argv) == 0
    rows = pd.read_csv("out.csv", dtype={"name": str})
    assert list(rows) == ["name", "EN", "MI", "VIF", "Qabf", "SSIM"]
    assert list(rows["name"]) == ["1", "2", "3"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == list(rows)
    means = [f"{mean:.4f}" for mean in rows.drop(columns="name").mean()]
    assert printed[4].split() == ["mean", *means]
    assert printed[-1] == "3 of 3 pairs, convention bsp"


def test_metrics_and_convention_set_the_columns(fused_folders, capsys):
    argv = ["evaluate", "ours", "ir", "vi", "--csv", "out.csv", "--convention", "regionfuse"]
    assert main([*argv, "--metrics", "qcb, deltae"]) == 0
    header = (fused_folders / "out.csv").read_text().splitlines()[0]
    assert header == "name,Qcb (nyquist),Qcb (halved),ΔE"
    assert main([*argv, "--metrics", "all"]) == 0
    header = (fused_folders / "out.csv").read_text().splitlines()[0]
    assert header.count(",") == 20  # 19 metrics, two of them with two candidates, but MS-SSIM
    assert "left out: MS-SSIM needs larger images" in capsys.readouterr().err


def test_several_folders_are_ranked(fused_folders, capsys):
    import pandas as pd

    argv = ["evaluate", "ours", "theirs", "ir", "vi", "--csv", "rows.csv", "--ranking", "rank.csv"]
    assert main(argv) == 0
    printed = capsys.readouterr().out
    rows, ranks = pd.read_csv("rows.csv"), pd.read_csv("rank.csv")
    assert list(rows)[:3] == ["method", "name", "EN"]
    assert list(rows["method"]) == ["ours"] * 3 + ["theirs"] * 3
    assert set(ranks["method"]) == {"ours", "theirs"}
    assert list(ranks["RoR"]) == [1, 2]
    gap = abs(rows.groupby("method")["EN"].mean().diff().iloc[-1])
    assert ranks["EN gap"].abs().max() == pytest.approx(gap)
    assert {"MR", "EN gap low", "EN gap high"} <= set(ranks)
    assert "ours" in printed
    assert "RoR" in printed


def test_folders_that_lack_images_are_refused_unless_common_is_asked_for(fused_folders, capsys):
    (fused_folders / "theirs" / "2.png").rename(fused_folders / "theirs" / "two.png")
    argv = ["evaluate", "ours", "theirs", "ir", "vi"]
    assert main(argv) == 2
    refused = capsys.readouterr()
    assert refused.out == ""
    assert "theirs lacks 1 of the pairs' images (2)" in refused.err
    assert "belong to no pair (two)" in refused.err
    assert main([*argv, "--common"]) == 0
    scored = capsys.readouterr()
    assert "2 of 3 pairs" in scored.out
    assert "theirs has images of no pair, passed over: two" in scored.err


def test_a_dataset_gives_the_pairs(tmp_path, monkeypatch, capsys):
    from fusionlib import images
    from fusionlib.data import PairSet, open_pairs

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    small = open_pairs("scenes", "train", names=("0000D", "0001N"), size=(48, 64))
    for pair in small:
        images.write(tmp_path / "ours" / f"{pair.name}.png", pair.vi)

    def opened(dataset, split, data):
        assert (dataset, split, data) == ("scenes", "train", None)
        return PairSet(dataset, split, small.pairs)

    monkeypatch.setattr("fusionlib.data.open_pairs", opened)
    argv = ["evaluate", str(tmp_path / "ours"), "--dataset", "scenes", "--split", "train"]
    assert main([*argv, "--metrics", "MSE"]) == 0
    assert "0001N" in capsys.readouterr().out


def test_lab_opens_jupyterlab_on_the_notebooks(monkeypatch):
    started = []

    def run(command, cwd):
        started.append((command, cwd.name))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["lab", "--", "--no-browser"]) == 3
    assert started == [([sys.executable, "-m", "jupyterlab", "--no-browser"], "notebooks")]


def test_runs_list_names_each_run(tmp_path, monkeypatch, capsys):
    from fusionlib.experiments import bsp
    from fusionlib.training import open_run

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path))
    run = open_run(bsp.first_steps("smoke", "unpaired"))
    assert main(["runs", "list"]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{run.key}  bsp-cnn  unpaired")
    assert line.endswith("at step 0")
    assert total.startswith("1 runs")
