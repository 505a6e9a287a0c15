"""Table 4: what is trained, which images are scored, and where each row comes from."""

import dataclasses
import hashlib
import re
import shutil

import pandas as pd
import pytest
import torch
from PIL import Image

from fusionlib import published
from fusionlib.data import PairSet
from fusionlib.data.base import PatchSource, patch_count
from fusionlib.data.datasets import DATASETS, NOT_PASSED_ON
from fusionlib.errors import FusionError
from fusionlib.evaluation import METRICS, evaluate
from fusionlib.experiments import bsp, profile, table4, table4_scores
from fusionlib.experiments.kept import as_kept
from fusionlib.models import create_model
from fusionlib.models.released import RELEASED
from fusionlib.pairing import relation_size
from fusionlib.training import train

SETS = ["MSRS", "LLVIP", "RoadScene", "TNO"]


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    """A run store of the test's own, and no weights unless the test brings some."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("FUSIONLIB_STORE", str(folder))
    monkeypatch.delenv("FUSIONLIB_WEIGHTS", raising=False)
    return folder


@pytest.fixture(scope="module")
def smoke():
    return table4.specs("smoke")


@pytest.fixture(scope="module")
def tests():
    return table4.open_tests("smoke")


# --- what is trained ------------------------------------------------------------------------


def test_smoke_trains_three_baselines_on_other_scenes_a_modality(smoke):
    assert list(smoke) == ["bsp-cnn", "bsp-transformer", "bsp-gan"]
    for model, (spec,) in smoke.items():
        assert (spec.model, spec.relation, spec.pairs, spec.total_steps) == (
            model, "unpaired", 64, 20,
        )  # fmt: skip
        assert (spec.ir.modality, spec.vi.modality) == ("ir", "vi")
        assert not set(spec.ir.images) & set(spec.vi.images)
        sides = patch_count(spec.ir), patch_count(spec.vi)
        assert spec.pairs <= relation_size("unpaired", *sides)
    assert len({spec.key for (spec,) in smoke.values()}) == 3


def test_no_scene_of_the_base_is_scored(smoke, tests):
    (spec,) = smoke["bsp-cnn"]
    assert spec.ir.split == "test"
    assert not set(spec.ir.images) & set(tests[0].present.names)


def test_seeds_count_from_0(smoke):
    specs = table4.specs("smoke", seeds=3, models=("bsp-cnn",))
    assert [spec.seed for spec in specs["bsp-cnn"]] == [0, 1, 2]
    assert specs["bsp-cnn"][0] == smoke["bsp-cnn"][0]


def test_quick_trains_on_192_infrared_and_150_visible_patches(data_root):
    specs = table4.specs("quick", data_root)
    assert [len(many) for many in specs.values()] == [1, 1, 1]
    for spec in (spec for many in specs.values() for spec in many):
        assert (spec.ir.dataset, spec.vi.dataset) == ("M3FD", "MSRS")
        assert (spec.pairs, spec.total_steps, spec.precision) == (15000, 1800, "bfloat16")
    spec = specs["bsp-cnn"][0]
    assert (patch_count(spec.ir, data_root), patch_count(spec.vi, data_root)) == (192, 150)
    games = profile("quick").table4.games  # seeds of the GAN, as many as its stability is shown for
    assert len(table4.specs("quick", data_root, games, ("bsp-gan",))["bsp-gan"]) == 3
    assert spec.vi.images == profile("paper").base


def test_trained_as_long_as_the_row_of_table_1_with_the_same_t(monkeypatch):
    def named(pairs, side, patch, stride, first=None):
        return PatchSource(side, "MSRS", "train", ("a",), "0" * 16, patch, stride, first)

    for module in (bsp, table4):
        monkeypatch.setattr(module, "patch_source", named)
        monkeypatch.setattr(module, "open_pairs", lambda *_: None)
    monkeypatch.setattr("fusionlib.experiments.sizes.TestSet.open", lambda *_: None)
    for name in ("quick", "paper"):
        spec, like = table4.specs(name)["bsp-cnn"][0], bsp.table1(name)[3].specs[0]
        assert (spec.epochs, spec.steps, spec.total_steps) == (
            like.epochs, like.steps, like.total_steps,
        )  # fmt: skip
        assert (spec.pairs, spec.batch, spec.lr) == (like.pairs, like.batch, like.lr)


def test_paper_cuts_150_patches_of_ten_images_of_m3fd(tmp_path):
    for folder in ("Ir", "Vis"):
        (tmp_path / "M3FD" / folder).mkdir(parents=True)
        for number in range(24):
            Image.new("L", (1024, 768), number).save(
                tmp_path / "M3FD" / folder / f"{number:05d}.png"
            )
    for folder in ("ir", "vi"):
        (tmp_path / "MSRS/train" / folder).mkdir(parents=True)
        for name in profile("paper").base:
            Image.new("L", (640, 480)).save(tmp_path / "MSRS/train" / folder / f"{name}.png")
    (spec,) = table4.specs("paper", tmp_path, models=("bsp-cnn",))["bsp-cnn"]
    assert patch_count(spec.ir, tmp_path) == patch_count(spec.vi, tmp_path) == 150
    assert (spec.pairs, spec.total_steps) == (15000, 187_500)
    # 15 of each, spread over the names: the eleventh image gives none.
    assert spec.ir.images[:10] == tuple(f"{2 * k:05d}" for k in range(10))
    few = PatchSource(**{**vars(spec.ir), "images": spec.ir.images[:10], "first": None})
    assert patch_count(few, tmp_path) == 150


def test_described_as_people_read_it(smoke):
    table = table4.describe(smoke)
    assert list(table.index) == list(smoke)
    assert table.loc["bsp-gan", "infrared"] == "72 patches of 3 scenes images"
    assert table.loc["bsp-cnn", "runs"] == smoke["bsp-cnn"][0].key


def test_table_8_with_ours_beneath(smoke):
    printed = published.load("bsp", 8)
    table = table4.trainings(printed, smoke)
    assert len(table) == len(printed.cells) + 1
    assert list(table["method"])[-2:] == ["Ours", "trained here"]
    assert table.iloc[0].tolist() == ["DeF", "COCO", "50", "resize"]
    assert table.iloc[-1].tolist() == [
        "trained here", "scenes scenes", "0.003 infrared, 0.003 visible", "crop",
    ]  # fmt: skip


def test_notes_say_what_is_inferred_and_what_is_missing(smoke):
    text = " ".join(table4.notes("smoke", smoke, {"bsp-gan": "bsp-gan is left out"}))
    assert "20 steps" in text
    assert "inferred" in text
    assert "bsp-gan is left out" in text
    cnn = {"bsp-cnn": smoke["bsp-cnn"]}
    assert "inferred" not in " ".join(table4.notes("smoke", cnn, {}))


# --- which images -----------------------------------------------------------------------------


def test_smoke_lists_some_of_the_scenes(tests):
    (test,) = tests
    assert test.dataset == "scenes"
    assert test.present.names == ("0000D", "0001N", "0003N")
    assert test.listed.names == ("0000D", "0001N")


def test_quick_lists_20_images_or_more_of_each_set(data_root):
    tests = table4.open_tests("quick", data_root)
    assert [test.dataset for test in tests] == SETS
    assert [len(test.listed) for test in tests] == [31, 20, 30, 20]
    for test in tests:
        assert len(test.present) > len(test.listed)
        assert set(test.listed.names) <= set(test.present.names)
        assert profile("quick").table4.panels[test.dataset] in test.present.names
    table = table4.describe_tests(tests)
    assert table["present"].tolist() == [len(test.present) for test in tests]
    assert table["published"].tolist()[:3] == [361, 3463, 221]
    assert table["published"].isna().tolist() == [False, False, False, True]
    assert table["fingerprint"].nunique() == 4


def test_table_1_and_table_4_score_the_same_lists(data_root):
    first = {test.dataset: test for test in profile("quick").tests}
    for test in profile("quick").table4.tests:
        if test.dataset in first:
            assert test == first[test.dataset]


def test_counts_of_published_pairs_are_those_of_the_datasets():
    for name, count in table4.PUBLISHED_PAIRS.items():
        said = re.findall(r"\d[\d,]*(?= pairs| of them test)", DATASETS[name].source)
        assert f"{count:,}" in said


@dataclasses.dataclass(frozen=True)
class Named:
    name: str


def named_tests(*names):
    """The four sets with pairs of these names."""
    pairs = tuple(map(Named, names))
    sets = [PairSet(dataset, "test", pairs) for dataset in SETS]
    return [table4.Tests(pairs, pairs) for pairs in sets]


def test_pictures_that_may_not_be_passed_on_are_for_a_reader_alone(monkeypatch):
    tests = named_tests("1", "2")
    files = ["panels.png", "panels_RoadScene.png", "panels_TNO.png"]
    kept = list(zip(("MSRS", "RoadScene", "TNO"), files, strict=True))
    drawn = [(test.dataset, file) for test, _, file in table4.pictures("quick", tests)]
    assert drawn == kept
    monkeypatch.setattr(table4, "live_notebook", lambda: True)
    drawn = [(test.dataset, file) for test, _, file in table4.pictures("quick", tests)]
    assert drawn == [kept[0], ("LLVIP", None), *kept[1:]]
    for name in NOT_PASSED_ON:
        assert "non-commercial" in DATASETS[name].licence


def test_pictures_are_of_the_chosen_image_or_of_the_first():
    wanted = profile("quick").table4.panels["MSRS"]
    pairs = [pair.name for _, pair, _ in table4.pictures("quick", named_tests("1", wanted))]
    assert pairs == [wanted, "1", "1"]


# --- rows -------------------------------------------------------------------------------------


def bring(folder, name, model, monkeypatch):
    """Weights that stand for the authors': their names do not matter, only the order does."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / RELEASED[name].short
    torch.save(model.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    known = {**RELEASED, name: dataclasses.replace(RELEASED[name], sha256=digest)}
    for module in ("models.released", "experiments.table4_scores"):
        monkeypatch.setattr(f"fusionlib.{module}.RELEASED", known)
    return file


def test_without_released_weights_all_are_left_out_with_a_reason():
    found, missing = table4_scores.released()
    assert not found
    assert set(missing) == set(bsp.BASELINES)
    assert all("left out" in reason for reason in missing.values())


def test_weights_that_cannot_be_fetched_are_left_out(monkeypatch):
    def refuse(name):
        raise FusionError(f"{name} cannot be reached.")

    monkeypatch.setattr(table4_scores, "load_released", refuse)
    found, missing = table4_scores.released(("bsp-cnn",), fetch=True)
    assert not found
    assert "cannot be reached" in missing["bsp-cnn"]


@pytest.mark.parametrize("place", ["weights", "cache"])
def test_released_weights_at_hand_are_scored_once_and_kept(
    place, store, tmp_path, tests, monkeypatch
):
    folder = store / "released"
    if place == "weights":
        folder = tmp_path / "weights"
        folder.mkdir()
        monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(folder))
    model = create_model("bsp-cnn")
    file = bring(folder, "bsp-cnn", model, monkeypatch)
    found, missing = table4_scores.released()
    assert list(found) == ["bsp-cnn"]
    assert set(missing) == {"bsp-transformer", "bsp-gan"}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["bsp-cnn"].keep == store / "released" / f"bsp-cnn-{digest[:12]}"
    rows = table4_scores.score_released(found, tests, "plain")
    assert rows["image"].tolist() == ["0000D", "0001N", "0003N"]
    assert rows["listed"].tolist() == [True, True, False]
    assert rows["weights"].unique().tolist() == ["released"]
    direct = evaluate(model.eval(), tests[0].present, "plain", progress=False)
    pd.testing.assert_frame_equal(rows[list(METRICS)], direct[list(METRICS)])
    # A second call reads what the first one kept.
    monkeypatch.setattr("fusionlib.evaluation.fuse", lambda *_: pytest.fail("was fused"))
    assert table4_scores.score_released(found, tests, "plain").equals(rows)
    moved = table4_scores.by_protocol(found["bsp-cnn"], tests[0].listed, ["plain"])
    assert moved["protocol"].tolist() == ["plain"]
    assert moved["EN"].item() == pytest.approx(rows.loc[rows["listed"], "EN"].mean())


def test_a_file_of_other_bytes_is_not_taken_for_the_authors(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    file = bring(folder, "bsp-cnn", create_model("bsp-cnn"), monkeypatch)
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(folder))
    torch.save(create_model("bsp-cnn").state_dict(), file)
    with pytest.raises(FusionError, match=r"cnn\.model is not the file that was released"):
        table4_scores.released(("bsp-cnn",))


def test_the_authors_files_are_found_and_keep_their_rows_apart(weights_root, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(weights_root))
    found, _ = table4_scores.released()
    assert {"bsp-cnn", "bsp-transformer"} <= set(found)
    assert found["bsp-cnn"].keep != found["bsp-transformer"].keep
    for name in ("bsp-cnn", "bsp-transformer"):
        assert found[name].keep.name == f"{name}-{RELEASED[name].sha256[:12]}"


@pytest.fixture
def tiny(smoke):
    """One baseline, two seeds, two steps."""
    (spec,) = smoke["bsp-cnn"]
    values = {**spec.to_dict(), "steps": 2}
    return {"bsp-cnn": tuple(spec.from_dict({**values, "seed": seed}) for seed in (0, 1))}


def test_trained_rows_are_of_the_listed_images_for_every_seed(tiny, tests):
    rows = table4_scores.score_trained(tiny, tests, "plain")
    assert rows["image"].tolist() == ["0000D", "0001N"] * 2
    assert rows["seed"].tolist() == [0, 0, 1, 1]
    assert rows["key"].tolist() == [spec.key for spec in tiny["bsp-cnn"] for _ in range(2)]
    assert rows["listed"].all()
    run = train(tiny["bsp-cnn"][1])
    direct = evaluate(run, tests[0].listed, "plain", progress=False)
    assert rows["MI"].tolist()[2:] == as_kept(direct)["MI"].tolist()
    moved = table4_scores.by_protocol(tiny["bsp-cnn"][1], tests[0].listed, ["plain", "released"])
    assert moved["MI"].iloc[0] == direct["MI"].mean()


def test_all_rows_are_checked_before_the_first_is_trained(tiny, tests, store):
    spec = tiny["bsp-cnn"][0]
    many = spec.from_dict({**spec.to_dict(), "pairs": 10**6})
    with pytest.raises(FusionError, match="can't be drawn"):
        table4_scores.score_trained({**tiny, "bsp-gan": (many,)}, tests)
    assert not list(store.rglob("history.csv"))


@pytest.fixture
def mine(tmp_path, tests):
    """Fused images of two of the three scenes."""
    folder = tmp_path / "my method"
    folder.mkdir()
    for pair in tests[0].present.select(["0001N", "0003N"]):
        grey = ((pair.ir + pair.vi) * 127.5)[0].byte().numpy()
        Image.fromarray(grey).save(folder / f"{pair.name}_fused.png")
    return folder


def test_a_folder_of_fused_images_is_scored_on_what_it_has(mine, tests):
    rows = table4_scores.score_folder(mine, "scenes", tests)
    assert rows["method"].unique().tolist() == ["my method"]
    assert rows["weights"].unique().tolist() == ["folder"]
    assert rows["image"].tolist() == ["0001N", "0003N"]
    assert rows["listed"].tolist() == [True, False]
    assert rows[list(METRICS)].notna().all(axis=None)


def test_no_folder_no_rows(tests):
    assert table4_scores.score_folder("", "MSRS", tests).empty


def test_a_folder_of_an_unknown_set_or_without_images_is_refused(mine, tests):
    with pytest.raises(FusionError, match="fused_set is one of scenes, not 'MSRS'"):
        table4_scores.score_folder(mine, "MSRS", tests)
    with pytest.raises(FusionError, match="no folder"):
        table4_scores.score_folder(mine / "nowhere", "scenes", tests)
    shutil.rmtree(mine)
    mine.mkdir()
    with pytest.raises(FusionError, match="no image in"):
        table4_scores.score_folder(mine, "scenes", tests)


def test_tables_are_joined_without_the_empty_ones(mine, tests, recwarn):
    none = table4_scores.score_folder("", "MSRS", tests)
    rows = table4_scores.score_folder(mine, "scenes", tests)
    assert table4_scores.joined([none, rows, none]).equals(rows)
    assert len(table4_scores.joined([rows, rows])) == 4
    assert table4_scores.joined([none]).empty
    assert not [warning for warning in recwarn if issubclass(warning.category, FutureWarning)]
