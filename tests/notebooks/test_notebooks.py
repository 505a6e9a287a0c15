"""Every notebook runs at `smoke`, and what it records is right, not only there."""

import json
import math
import shlex

import nbformat
import pandas as pd
import pytest
from PIL import Image

from fusionlib import experiments, images
from fusionlib.cli import main
from fusionlib.experiments import TABLE1_CLAIMS, profile
from fusionlib.experiments.bsp import BASELINES, TABLE1_ROWS
from fusionlib.models import create_model
from fusionlib.models.cost import cost
from fusionlib.runner.notebooks import find
from fusionlib.runner.reproduce import digest, reproduce
from fusionlib.segmenting import iou_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

METRICS = ["EN", "MI", "VIF", "Qabf", "SSIM"]
TABLE1 = "beyond_strict_pairing/table1_generalisation"
TABLES1 = [TABLE1, *(f"beyond_strict_pairing/table1_{x}" for x in ("transformer", "gan"))]
FIGURE2 = "beyond_strict_pairing/fig2_convergence"
TABLE4 = "beyond_strict_pairing/table4_other_methods"
COST = "beyond_strict_pairing/training_cost"
SCORING = "walkthroughs/how_fusion_is_scored"
ATTENTION = "walkthroughs/attention_without_queries"
OWN = "walkthroughs/your_own_images"
ARCHITECTURES = "walkthroughs/three_architectures"
WATCH = "walkthroughs/watch_a_training"
PAIRS = "walkthroughs/why_pairs_need_not_match"
LOSS = "walkthroughs/the_adaptive_loss"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A store of its own, and no data: smoke must need none."""
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(folder / "store"))
        for name in ("FUSIONLIB_DATA", "FUSIONLIB_WEIGHTS", "FUSIONLIB_REFERENCE"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def outcomes(root):
    return reproduce(profile="smoke", results=root / "results")


@pytest.fixture(scope="module")
def folder_of(outcomes):
    return {outcome.name: outcome.folder for outcome in outcomes}


def record_of(folder):
    return json.loads((folder / "record.json").read_text(encoding="utf-8"))


def shown(folder):
    """Text and HTML of all outputs of the executed notebook."""
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    data = [output.get("data", {}) for output in outputs]
    return "\n".join(str(text) for d in data for kind, text in d.items() if "text" in kind)


def printed(folder):
    """What the cells of the executed notebook printed, line by line."""
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs).splitlines()


def states(root):
    files = [*(root / "store").rglob("step-*.safetensors"), *(root / "store").rglob("history.csv")]
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


def test_every_notebook_is_reproduced(outcomes):
    assert [outcome.name for outcome in outcomes] == [notebook.name for notebook in find()]
    assert all(outcome.ok for outcome in outcomes), digest(outcomes)


def test_every_record_says_that_scenes_are_rendered(folder_of):
    for name, folder in folder_of.items():
        record = record_of(folder)
        # Those that count operations show no image.
        shows = not name.endswith("table4_efficiency")
        assert any("rendered scenes" in note for note in record["notes"]) == shows
        # Two score nothing: one counts patches, one gathers the others' verdicts.
        assert {test["dataset"] for test in record["tests"]} <= {"scenes"}
        assert record["parameters"]["profile"] == "smoke"
        assert not {"data", "results"} & record["parameters"].keys()


def test_start_here_learns(root, folder_of):
    record = record_of(folder_of["start_here"])
    numbers = record["numbers"]
    assert list(numbers) == ["fused_files", "loss", *METRICS]
    assert numbers["fused_files"] == len(profile("smoke").tests[0].names)
    assert all(math.isfinite(value) for value in numbers.values())
    (run,) = record["runs"]
    assert run["steps"] == profile("smoke").steps
    history = pd.read_csv(root / "store" / run["key"] / "history.csv")
    assert len(history) == run["steps"]
    assert numbers["loss"] == pytest.approx(history["total"].iloc[-1])
    # By more than batches differ: the last quarter lies below every early step.
    early, late = history["total"].iloc[:4], history["total"].iloc[-6:]
    assert late.mean() < 0.8 * early.mean()
    assert late.max() < early.min()


def test_start_here_scores_its_test_images(folder_of):
    folder = folder_of["start_here"]
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores["image"]) == ["0000D", "0001N"]
    means = scores[METRICS].mean()
    for name, value in means.items():
        assert record_of(folder)["numbers"][name] == pytest.approx(value, rel=1e-4)
    # What a fusion of any sense keeps: bits of grey levels, structure, edges.
    assert 5 < means["EN"] < 8
    assert means["SSIM"] > 0.3
    assert 0 < means["Qabf"] < 1


def test_table1_has_six_rows_by_five_metrics_and_every_claim(folder_of):
    numbers = record_of(folder_of[TABLE1])["numbers"]
    wanted = {f"scenes, {mode} {t}, {metric}" for mode, t in TABLE1_ROWS for metric in METRICS}
    assert numbers["table"].keys() == wanted
    assert all(math.isfinite(value) for value in numbers["table"].values())
    assert numbers["verdicts"].keys() == {claim.name for claim in TABLE1_CLAIMS}
    for claim in TABLE1_CLAIMS:  # four images: nothing can be decided
        assert numbers["verdicts"][claim.name] == {"undecided": len(claim.metrics)}


def test_table1_files_agree_with_its_record(folder_of):
    folder = folder_of[TABLE1]
    per_image = pd.read_csv(folder / "per_image.csv.gz")
    seeds = profile("smoke").seeds
    images = len(profile("smoke").tests[0].names)
    assert len(per_image) == images * (2 * seeds + 4)  # rows of T = 150 have all seeds
    means = per_image.groupby(["mode", "trainable"])[METRICS].mean()
    table = record_of(folder)["numbers"]["table"]
    for (mode, trainable), row in means.iterrows():
        for metric in METRICS:
            kept = table[f"scenes, {mode} {trainable}, {metric}"]
            assert kept == pytest.approx(row[metric], abs=1e-4)
    keys = {run["key"] for run in record_of(folder)["runs"]}
    assert keys == set(per_image["key"])
    compared = pd.read_csv(folder / "table.csv")
    assert compared["paper"].isna().all()  # the paper prints nothing of rendered scenes
    moved = pd.read_csv(folder / "protocols.csv").set_index("protocol")
    assert moved.loc["whole+stretch", "EN"] > moved.loc["whole+clip", "EN"]


def test_table1_shows_that_scenes_are_rendered(folder_of):
    assert "rendered scenes" in shown(folder_of[TABLE1])


def test_figure2_ends_and_curves(folder_of):
    folder = folder_of[FIGURE2]
    ends = {(row["model"], row["mode"]): row for row in record_of(folder)["numbers"]["ends"]}
    assert list(ends) == [(model, mode) for model in BASELINES for mode in ("SPTP", "UPTP")]
    curve, losses = (
        pd.read_csv(folder / name).set_index(["model", "mode"]).sort_index()
        for name in ("per_image.csv.gz", "loss.csv")
    )
    for names, row in ends.items():
        assert row["seeds"] == profile("smoke").seeds
        assert all(math.isfinite(v) for v in row.values() if not isinstance(v, str))
        course = losses.loc[names].groupby("step")["total"].mean()
        assert row["total"] == pytest.approx(course.iloc[-1], rel=1e-4)
        if names[0] == BASELINES[0]:  # the others take too few steps to get anywhere
            assert course.iloc[-1] < course.iloc[0]
        scored = curve.loc[names].groupby("step")["SSIM"].mean()
        assert row["SSIM"] == pytest.approx(scored.iloc[-1], rel=1e-4)


def test_figure2_follows_runs_of_table1(folder_of):
    figure2, *table1 = (
        {run["key"] for run in record_of(folder_of[name])["runs"]} for name in (FIGURE2, *TABLES1)
    )
    assert len(figure2) == 3 * 2 * profile("smoke").seeds
    for runs in table1:
        assert len(figure2 & runs) == 2 * profile("smoke").seeds


def test_table4_has_a_row_for_each_baseline_trained_here(folder_of):
    folder = folder_of[TABLE4]
    numbers = record_of(folder)["numbers"]
    rows = [f"{name}, trained here" for name in ("CNN", "Transf", "GAN")]
    assert numbers["table"].keys() == {f"scenes, {row}, {m}" for row in rows for m in METRICS}
    per_image = pd.read_csv(folder / "per_image.csv.gz")
    assert per_image["method"].unique().tolist() == list(BASELINES)
    assert set(per_image["weights"]) == {"trained"}
    means = per_image.groupby("method")[METRICS].mean()
    for row, method in zip(rows, BASELINES, strict=True):
        for metric in METRICS:
            kept = numbers["table"][f"scenes, {row}, {metric}"]
            assert kept == pytest.approx(means.loc[method, metric], abs=1e-4)
    keys = {run["key"] for run in record_of(folder)["runs"]}
    assert keys == set(per_image["key"])
    assert len(keys) == 3
    # Nothing to compare with: no released weights, and rendered scenes are in no paper.
    assert (numbers["within"], numbers["check"], numbers["above"]) == ("0 of 0", {}, {})


def test_table4_says_what_is_left_out_and_what_is_inferred(folder_of):
    folder = folder_of[TABLE4]
    notes = " ".join(record_of(folder)["notes"])
    text = shown(folder)
    for model in BASELINES:
        assert f"{model} is left out" in notes
    assert "inferred" in notes
    assert "bsp-gan is left out" in text
    assert "look swapped" in text
    sizes = pd.read_csv(folder / "sizes.csv", dtype=str).set_index("model")
    assert sizes.loc["bsp-cnn"].tolist()[:3] == ["0.81", "0.820", "214,882"]
    assert sizes["GMAC"].astype(float).gt(10).all()
    training = pd.read_csv(folder / "training.csv")
    assert training["method"].tolist()[-1] == "trained here"
    moved = pd.read_csv(folder / "protocols.csv").set_index("protocol")
    assert moved.loc["whole+stretch", "EN"] != moved.loc["whole+clip", "EN"]


def test_table4_follows_the_game_of_the_gan(root, folder_of):
    game = pd.read_csv(folder_of[TABLE4] / "gan_training.csv")
    (key,) = (
        run["key"] for run in record_of(folder_of[TABLE4])["runs"] if run["model"] == "bsp-gan"
    )
    history = pd.read_csv(root / "store" / key / "history.csv")
    assert game["step"].iloc[-1] == len(history) == profile("smoke").table4.steps
    for term in ("total", "saliency_critic", "detail_critic"):
        # Twenty steps are fewer than the stretches of the figure: each is one.
        assert game[term].tolist() == pytest.approx(history[term].tolist(), rel=1e-4)
        assert history[term].nunique() > 1


def test_training_cost_predicts_from_what_it_measured(folder_of):
    folder = folder_of[COST]
    numbers = record_of(folder)["numbers"]
    steps = pd.read_csv(folder / "steps.csv")
    assert steps[["ms", "core_ms", "gflop", "peak_mb"]].gt(0).all(axis=None)
    # Twice the batch is twice the arithmetic, but for what merges weights.
    assert steps["gflop"][1] == pytest.approx(2 * steps["gflop"][0], rel=0.05)
    assert steps["gflop"][2] == pytest.approx(steps["gflop"][1], rel=1e-9)  # the other paradigm
    predicted = pd.read_csv(folder / "predicted.csv")
    for row in predicted.itertuples():
        assert numbers["hours"][f"{row.model} {row.T}"] == pytest.approx(row.hours, rel=1e-4)


# Rows of the two other papers' tables that keep a row an image.
OTHER_ROWS = {
    "ssvif/table2_fusion": 3, "ssvif/table3_ablations": 10, "ssvif/table6_classes": 2,
    "ssvif/table7_colour_weight": 3, "ssvif/table8_channels": 2,
    "regionfuse/table1_region_size": 2, "regionfuse/fig4_fig5_experts": 4,
    "regionfuse/table2_table3_loss_weights": 6,
    "regionfuse/table5_xrestormer_in_piafusion": 3,
}  # fmt: skip
# Claims of rows that smoke leaves out: those of two methods, and some settings.
NOT_AT_SMOKE = (  # large networks, rows of a wide grid, and steps that short trainings never reach
    r"tgfuse.*|ssvif-helps-swinfusion.*"
    r"|regionfuse-(region-48-beats-64|lambda-5-equals-(2|10)|mu-5-beats-(1|10))"
    r"|regionfuse-.*-against-e6-k2"
    r"|unpaired-is-ahead-at-step-80|(un)?paired-ssim-rises-(transformer|gan)"
)
ROWS_OF = {
    "table1_transformer": 6, "table1_gan": 6, "table2_cross_dataset": 9, "table3_base_size": 8,
    "table5_imbalanced": 3, "table7_loss_ablation": 5,
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS_OF)
def test_tables_record_the_means_of_their_images(root, folder_of, name):
    folder = folder_of[f"beyond_strict_pairing/{name}"]
    numbers = record_of(folder)["numbers"]["table"]
    per_image = pd.read_csv(folder / "per_image.csv.gz")
    means = per_image.groupby(["mode", "trainable", "image"])[METRICS].mean()
    means = means.groupby(["mode", "trainable"]).mean()
    assert len(means) == ROWS_OF[name]
    for (mode, trainable), row in means.iterrows():
        for metric in METRICS:
            kept = numbers[f"scenes, {mode} {trainable}, {metric}"]
            assert kept == pytest.approx(row[metric], abs=1e-4)
    # Rows differ: each is a training of its own.
    assert means["SSIM"].nunique() == len(means)
    assert len({run["key"] for run in record_of(folder)["runs"]}) == per_image["key"].nunique()


@pytest.mark.parametrize(("name", "rows"), OTHER_ROWS.items())
def test_other_papers_tables_record_the_means_of_their_images(folder_of, name, rows):
    folder = folder_of[name]
    numbers = record_of(folder)["numbers"]["table"]
    per_image = pd.read_csv(folder / "per_image.csv.gz")
    means = per_image.groupby(["mode", "image"]).mean(numeric_only=True).groupby("mode").mean()
    assert len(means) == rows
    for mode, row in means.drop(columns=["trainable", "seed"]).iterrows():
        for metric, value in row.items():
            kept = numbers.get(f"scenes, {mode}, {metric}")
            if kept is not None:  # Table III prints some of the metrics
                assert kept == pytest.approx(value, abs=1e-4)
    assert len(numbers) >= 5 * rows


@pytest.mark.parametrize("name", [name for name in OTHER_ROWS if name.startswith("ssvif")])
def test_segmentations_are_counted_beside(folder_of, name):
    folder = folder_of[name]
    if name.endswith("table2_fusion"):
        pytest.skip("of fusion alone")
    counts = pd.read_csv(folder / "segments.csv.gz")
    comparison = pd.read_csv(folder / "table.csv")
    miou = comparison[comparison["metric"] == "mIoU"].set_index("mode")["ours"]
    for mode, rows in counts.groupby("mode"):
        assert miou[mode] == pytest.approx(100 * iou_table(rows)["mIoU"].item(), rel=1e-4)
    assert set(counts["mode"]) == set(miou.index)


def test_one_training_serves_all_of_ssvifs_tables(folder_of):
    names = [name for name in OTHER_ROWS if name.startswith("ssvif")]
    keys = [
        {run["key"] for run in record_of(folder_of[name])["runs"]}
        for name in (*names, "ssvif/table1_segmentation")
    ]
    # The usual training; where fused images are segmented, its segmenter and the first one, too.
    assert len(set.intersection(*keys)) == 1
    assert len(set.intersection(*keys[1:])) == 3


def test_gradients_are_followed_through_stage_two(folder_of):
    folder = folder_of["ssvif/gradient_projection"]
    courses, pulled = (pd.read_csv(folder / name) for name in ("courses.csv.gz", "pulls.csv"))
    together = courses[courses["stage"] == 2]
    assert 0 < len(together) < len(courses)
    cosine = record_of(folder)["numbers"]["cosine"]
    assert cosine == pytest.approx(together["cosine"].mean(), rel=1e-4)  # an epoch is a step
    assert (pulled["cosine"].abs() <= 1).all()


def test_a_short_lesson_lowers_both_losses(folder_of):
    course = pd.read_csv(folder_of["ssvif/framework_walkthrough"] / "course.csv")
    for loss in ("fusion", "csc"):
        assert course[loss].iloc[-3:].mean() < 0.9 * course[loss].iloc[0]
    assert course["agreement"].iloc[-1] > course["agreement"].iloc[0]


def test_routing_adds_up_in_the_walkthrough(folder_of):
    numbers = record_of(folder_of["regionfuse/model_walkthrough"])["numbers"]
    shares = [value for name, value in numbers.items() if name.startswith("expert ")]
    assert sum(shares) == pytest.approx(2)  # each token goes to two experts
    assert numbers["largest difference"] < 1e-5


def test_expert_shares_add_up_in_every_epoch(folder_of):
    courses = pd.read_csv(folder_of["regionfuse/fig4_fig5_experts"] / "courses.csv.gz")
    for number in (1, 2, 3):
        sums = courses.filter(regex=f"^round_{number}_expert_").sum(axis=1)
        assert sums.to_numpy() == pytest.approx(1, abs=1e-4)
    balanced = courses["epoch"] <= experiments.regionfuse_sizes("smoke").load_epochs
    assert 0 < balanced.mean() < 1
    assert (courses.loc[balanced, "load"] > 0).all()
    assert (courses.loc[~balanced, "load"] == 0).all()
    allocation = record_of(folder_of["regionfuse/fig4_fig5_experts"])["numbers"]["allocation"]
    usual = courses[(courses["mode"] == "E4-K2") & (courses["seed"] == 0)].filter(regex="^round_")
    for key, of in (("least", usual.min(axis=1)), ("most", usual.max(axis=1))):
        assert allocation["E4-K2, epoch 1"][key] == pytest.approx(of.iloc[0], abs=1e-4)


def test_both_piafusions_learn_to_make_an_image(folder_of):
    numbers = record_of(folder_of["regionfuse/table5_xrestormer_in_piafusion"])["numbers"]
    for mode in ("PIAF", "PIAF*"):
        assert numbers["table"][f"scenes, {mode}, SF"] > 0.5  # of a constant image it is 0
        assert numbers["grain"][mode] > 0


def test_ranks_are_in_the_record(folder_of):
    folder = folder_of["regionfuse/table2_table3_loss_weights"]
    ranks, table = record_of(folder)["numbers"]["ranks"], pd.read_csv(folder / "ranks.csv")
    for row in table.itertuples():
        assert ranks[row.mode] == {"MR": pytest.approx(row.MR, abs=1e-3), "RoR": row.RoR}


def test_table6_trains_two_methods_by_their_own_recipes(folder_of):
    folder = folder_of["beyond_strict_pairing/table6_other_methods"]
    record = record_of(folder)
    assert {run["model"] for run in record["runs"]} == {"cddfuse", "mmdrfuse"}
    per_image = pd.read_csv(folder / "per_image.csv.gz")
    means = per_image.groupby(["method", "mode", "trainable"])["EN"].mean()
    for (method, mode, trainable), value in means.items():
        kept = record["numbers"]["table"][method][f"scenes, {mode} {trainable}, EN"]
        assert kept == pytest.approx(value, abs=1e-4)
    assert len(means) == 6


def test_tables_share_their_strict_row(folder_of):
    names = ("table2_cross_dataset", "table3_base_size", "table5_imbalanced")
    keys = [
        {run["key"] for run in record_of(folder_of[f"beyond_strict_pairing/{name}"])["runs"]}
        for name in names
    ]
    assert len(set.intersection(*keys)) == profile("smoke").seeds


def test_the_ledger_has_every_claim_with_the_verdict_of_its_notebook(folder_of):
    folder = folder_of["beyond_strict_pairing/claims"]
    ledger = pd.read_csv(folder / "ledger.csv")
    claims = [claim.name for several in experiments.CLAIMS.values() for claim in several]
    assert ledger["claim"].tolist() == claims
    assert len(claims) >= 25
    # At smoke all tables are measured, but for NOT_AT_SMOKE, and on too few images to decide;
    # Table 4's claims are about printed numbers, of which rendered scenes have none.
    printed = ledger["notebook"].str.endswith("table4_other_methods")
    left_out = printed | ledger["claim"].str.fullmatch(NOT_AT_SMOKE)
    assert set(ledger.loc[left_out, "verdict"]) == {"not measured"}
    assert set(ledger.loc[~left_out, "verdict"]) == {"undecided"}
    assert record_of(folder)["numbers"]["undecided"] == (~left_out).sum()
    for row in ledger[~left_out].itertuples():
        judged = pd.read_csv(folder_of[row.notebook] / "claims.csv")
        assert (judged["claim"] == row.claim).sum() == row.undecided


def test_figure5_counts_more_meetings_of_arbitrary_pairs(folder_of):
    folder = folder_of["beyond_strict_pairing/fig5_relationship_diversity"]
    numbers = record_of(folder)["numbers"]
    for kind in ("intensity", "gradient"):
        strict, arbitrary = (numbers[f"{kind}, {name}"] for name in ("strict", "arbitrary"))
        assert strict["coverage"] < arbitrary["coverage"] <= 1
        assert strict["entropy"] < arbitrary["entropy"] <= 12
    met = pd.read_csv(folder / "met.csv").set_index(["draw", "epochs"])["met"]
    once, anew = "UPTP 16, drawn once", "UPTP 16"
    assert met[once, 30] == met[once, 1] == pytest.approx(met[anew, 1])
    assert met[anew, 30] > 10 * met[once, 30]


def test_figure3_ends_each_training_at_its_own_last_image(folder_of):
    folder = folder_of["beyond_strict_pairing/fig3_evolution"]
    distance = pd.read_csv(folder / "distance.csv").set_index("step")
    for mode in ("SPTP", "UPTP"):
        course = distance[f"{mode} to its last"]
        assert course.iloc[-1] == 0
        assert course.iloc[0] > course.iloc[-2] > 0
    with Image.open(folder / "evolution.gif") as film:
        assert film.n_frames == len(distance)


def test_open_questions_compare_each_row_with_its_reference(folder_of):
    folder = folder_of["beyond_strict_pairing/open_questions"]
    table = pd.read_csv(folder / "table.csv")
    assert table.groupby("question", sort=False)["mode"].nunique().sum() >= 10
    for _, here in table.groupby("question"):
        # The reference gains nothing against itself.
        still = here.groupby(["mode", "trainable"])["gain"].apply(lambda g: (g == 0).all())
        assert still.sum() == 1


def test_a_folder_of_fused_images_joins_table4(root, folder_of):
    fused = root / "my method"
    for pair in profile("smoke").table4.tests[0].open(None, profile("smoke").size):
        images.write(fused / f"{pair.name}.png", (pair.ir + pair.vi) / 2)
    before = states(root)
    (outcome,) = reproduce(
        ["table4_other_methods"],
        profile="smoke",
        overrides={"fused": str(fused), "fused_set": "scenes"},
        results=root / "with folder",
    )
    assert outcome.ok, digest([outcome])
    assert states(root) == before
    numbers = record_of(outcome.folder)["numbers"]["table"]
    without = record_of(folder_of[TABLE4])["numbers"]["table"]
    mine = {name: value for name, value in numbers.items() if "my method, your folder" in name}
    assert len(mine) == len(METRICS)
    assert {name: value for name, value in numbers.items() if name not in mine} == without
    assert "my method, your folder" in shown(outcome.folder)


def test_scoring_measures_what_metrics_reward(folder_of):
    folder = folder_of[SCORING]
    numbers = record_of(folder)["numbers"]
    assert numbers["gains"]["noise σ 10"]["SF"] > 10 > -10 > numbers["gains"]["noise σ 10"]["VIF"]
    assert "noise σ 10" in numbers["fooled"]["EN"]
    assert "noise" not in numbers["fooled"]["SSIM"]
    assert numbers["ssim"]["255"] > numbers["ssim"]["2"] + 0.1
    assert numbers["ssim"]["2"] == pytest.approx(numbers["start"]["SSIM"], abs=1e-4)
    rewards = pd.read_csv(folder / "rewards.csv").set_index("metric")
    assert rewards["noise σ 10"].to_dict() == pytest.approx(
        numbers["gains"]["noise σ 10"], rel=1e-4, abs=1e-4
    )
    stretch = pd.read_csv(folder / "stretch.csv").set_index("metric")
    assert stretch.loc["EN", "stretched, then rounded"] > stretch.loc["EN", "clipped"] + 0.1
    assert stretch.loc["EN", "rounded, then stretched"] == stretch.loc["EN", "clipped"]


def test_scoring_is_static_without_a_reader(folder_of):
    text = shown(folder_of[SCORING])
    assert "application/vnd.jupyter.widget" not in (
        folder_of[SCORING] / "notebook.ipynb"
    ).read_text(encoding="utf-8")
    assert text.count("<summary>Answer</summary>") == 5
    for code in ("def en(", "def similarity(", "def vif("):
        assert code in text


def test_attention_is_the_same_without_queries_and_cheaper(folder_of):
    folder = folder_of[ATTENTION]
    numbers = record_of(folder)["numbers"]
    assert numbers["difference"] < 1e-12
    assert numbers["shuffled"] < 1e-4
    costs = pd.read_csv(folder / "costs.csv").set_index("channels")
    assert costs.index.tolist() == [16, 32, 128]
    assert (costs["times as fast"] > 2).all()
    quotients = costs["published, ms"] / costs["short, ms"]
    for channels, quotient in quotients.items():
        assert numbers["faster"][str(channels)] == pytest.approx(quotient, rel=1e-3)


def test_own_images_teach_without_a_pair(root, folder_of):
    folder = folder_of[OWN]
    record = record_of(folder)
    numbers, (run,) = record["numbers"], record["runs"]
    survey = pd.read_csv(folder / "survey.csv")
    assert survey["folder"].value_counts().to_dict() == {"infrared": 10, "visible": 10}
    assert survey[["width", "height"]].drop_duplicates().shape[0] > 2
    assert survey.groupby("folder")["patches"].sum().tolist() == numbers["patches"]
    n, m = numbers["patches"]
    assert numbers["meetings"] == n * m - min(n, m)
    assert run["relation"] == "unpaired"
    history = pd.read_csv(root / "store" / run["key"] / "history.csv")
    assert numbers["loss"] == pytest.approx(history["total"].iloc[-1])
    assert history["total"].iloc[-10:].mean() < 0.7 * history["total"].iloc[:4].mean()
    scores = pd.read_csv(folder / "scores.csv").set_index("fusion")
    for name, row in scores.iterrows():
        assert numbers["scores"][name] == pytest.approx(row.to_dict(), rel=1e-4)
    assert numbers["shifted"] < numbers["scores"]["your network"]["SSIM"]
    assert shown(folder).count("<summary>Answer</summary>") == 4


def test_the_line_that_own_images_end_with_fuses_a_folder(root, folder_of, tmp_path):
    folder = folder_of[OWN]
    (line,) = (line for line in printed(folder) if line.startswith("fusionlib fuse "))
    ir, vi = profile("smoke").tests[0].open(None, profile("smoke").size).write(tmp_path)
    places = {"INFRARED_FOLDER": ir, "VISIBLE_FOLDER": vi, "FUSED_FOLDER": tmp_path / "fused"}
    words = [str(places.get(word, word)) for word in shlex.split(line)]
    assert main(words[1:]) == 0
    fused = sorted((tmp_path / "fused").iterdir())
    assert [file.stem for file in fused] == list(profile("smoke").tests[0].names)
    # The run's key makes the same images.
    (run,) = record_of(folder)["runs"]
    by_key = ["--model", run["key"][:6], "-o", str(tmp_path / "by key")]
    assert main(["fuse", str(ir), str(vi), *by_key]) == 0
    for file in fused:
        again = images.read_levels(tmp_path / "by key" / file.name)
        assert (again == images.read_levels(file)).all()


def test_architectures_are_those_of_the_networks(folder_of):
    folder = folder_of[ARCHITECTURES]
    numbers = record_of(folder)["numbers"]
    table = pd.read_csv(folder / "stages.csv")
    for title, name in (("CNN", "bsp-cnn"), ("Transformer", "bsp-transformer")):
        whole, here = cost(create_model(name), 128, 128), table[table["network"] == title]
        found = numbers[title]
        assert (found["weights"], found["macs"]) == (whole.parameters, whole.macs)
        assert (here["weights"].sum(), here["macs"].sum()) == (whole.parameters, whole.macs)
        last = here.set_index("stage").loc["R1"]
        assert found["local"] == [last["rows"], last["columns"]]
        assert found["trained"] == last["side, trained"] <= max(found["local"])
        assert 0 < found["outside"] < 0.5
    assert numbers["CNN"]["local"][0] > 2 * numbers["Transformer"]["local"][0]
    judge = numbers["discriminator"]
    assert judge["pixels"] == 128 * 128
    assert judge["after"] < judge["before"] - 0.1
    text = (folder / "notebook.ipynb").read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget" not in text
    assert shown(folder).count("<summary>Answer</summary>") == 5


def test_a_watched_training_is_scored_at_every_snapshot_and_a_stop_changes_nothing(root, folder_of):
    folder = folder_of[WATCH]
    numbers = record_of(folder)["numbers"]
    (run,) = record_of(folder)["runs"]
    history = pd.read_csv(root / "store" / run["key"] / "history.csv")
    course = pd.read_csv(folder / "course.csv")
    kept = (root / "store" / run["key"]).glob("step-*.safetensors")
    assert course["step"].tolist() == sorted(int(file.stem[5:]) for file in kept)
    assert course["step"].iloc[-1] == run["steps"] == profile("smoke").steps
    last = history[history["step"] > course["step"].iloc[-2]]
    assert numbers["loss"][-1] == pytest.approx(last["total"].mean())
    assert numbers["ssim"] == pytest.approx(course["SSIM"].tolist(), rel=1e-4, abs=1e-6)
    assert numbers["best"] == course["step"][course["SSIM"].idxmax()]
    assert numbers["difference"] == 0 < numbers["moved"]
    text = shown(folder)
    assert text.count("<summary>Answer</summary>") == 4
    assert "<b>none at all</b>: the largest difference is 0" in text
    assert "application/vnd.jupyter.widget" not in (folder / "notebook.ipynb").read_text("utf-8")


def test_pairs_need_not_match(folder_of):
    folder = folder_of[PAIRS]
    record = record_of(folder)
    numbers = record["numbers"]
    assert numbers["pull"]["measured"] == pytest.approx(numbers["pull"]["promised"], rel=0.05)
    assert numbers["to the brighter"] > 0.99
    # Mismatched meetings rest as low as matching ones, and keep as much of both.
    assert numbers["rest"]["mismatched"] == pytest.approx(numbers["rest"]["matching"], rel=0.25)
    for share in ("visible brightness", "visible edges", "infrared edges"):
        assert numbers["kept"]["mismatched"][share] > 0.6
    starts = pd.read_csv(folder / "starts.csv").set_index("start")
    near = starts[starts["rest"] < 2 * starts["rest"].min()]
    assert len(near) >= 4
    assert near["levels"].max() < 6
    scores = pd.read_csv(folder / "scores.csv")
    assert scores["SSIM"].notna().all()
    means = scores.groupby(["pairing", "seed"])["SSIM"].mean().groupby("pairing").mean()
    mixture = numbers["trained"].pop("mixture")
    assert numbers["trained"] == pytest.approx(means.to_dict(), abs=1e-4)
    assert 0.8 < mixture < 1.2
    assert means[["strict", "unpaired"]].min() > 0.6
    terms = pd.read_csv(folder / "terms.csv")
    told = " ".join(f"{row.ir}-{row.vi}" for row in terms.itertuples())
    assert record["parameters"]["pairs"] == told
    parts = terms[["intensity", "gradient", "ssim"]].sum(axis=1)
    assert parts.to_numpy() == pytest.approx(terms["total"].to_numpy(), abs=1e-5)


def test_a_pairing_may_be_given_without_clicks(root):
    (outcome,) = reproduce(
        [PAIRS],
        profile="smoke",
        overrides={"pairs": "0-1 2-2", "steps": 2, "seeds": 1},
        results=root / "own pairing",
    )
    assert outcome.ok, digest([outcome])
    terms = pd.read_csv(outcome.folder / "terms.csv")
    assert terms[["ir", "vi"]].to_numpy().tolist() == [[0, 1], [2, 2]]


def test_the_adaptive_loss_adds_up(folder_of):
    folder = folder_of[LOSS]
    numbers = record_of(folder)["numbers"]
    row = numbers["pixel"]["intensity"]
    a, b = row["infrared"], row["visible"]
    assert row["mixture"] == pytest.approx((a * a + b * b) / (a + b), rel=1e-4)
    assert row["residual"] == pytest.approx(abs(row["fused"] - row["mixture"]), abs=1e-6)
    for side, lowest in numbers["lowest"].items():
        assert lowest["intensity"] == pytest.approx(lowest["closed form"], abs=2e-3), side
    assert numbers["lowest"]["1"]["closed form"] == pytest.approx(row["mixture"])
    assert numbers["slopes"]["intensity"] == pytest.approx(1, abs=0.01)
    for name, value in numbers["dip"].items():
        assert numbers["dip found"][name] == pytest.approx(value, abs=2e-3)
    moves = pd.read_csv(folder / "moves.csv").set_index("infrared")["intensity"]
    for level, lowest in moves.items():
        assert lowest == pytest.approx((level**2 + b * b) / (level + b), abs=1e-4)
    batch = numbers["shares"].pop("as one batch")
    alone = [scene["share"] for scene in numbers["shares"].values()]
    assert min(alone) < batch["share"] < max(alone)
    # As printed, Eq. 4 hardly trains a network from random weights.
    trained = numbers["trained"]
    assert trained["released"]["mean"] > trained["paper"]["mean"] + 0.3


@pytest.mark.parametrize(("name", "questions"), [(PAIRS, 4), (LOSS, 5)])
def test_walkthroughs_of_the_loss_are_static_without_a_reader(folder_of, name, questions):
    text = shown(folder_of[name])
    whole = (folder_of[name] / "notebook.ipynb").read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget" not in whole
    assert text.count("<summary>Answer</summary>") == questions
    code = {PAIRS: ("def pull(", "def descend(", "def learn("),
            LOSS: ("def weight(", "def mix(", "def ssim_term(")}  # fmt: skip
    assert all(part in text for part in code[name])


def test_again_in_the_same_store_trains_nothing(root, folder_of):
    before = states(root)
    assert before
    kept = record_of(folder_of[FIGURE2])["numbers"]
    (outcome,) = reproduce(["fig2_convergence"], profile="smoke", results=root / "again")
    assert outcome.ok, digest([outcome])
    assert states(root) == before
    assert record_of(outcome.folder)["numbers"] == kept


def test_one_seed_is_enough(root, folder_of):
    before = states(root)
    (outcome,) = reproduce(
        ["fig2_convergence"], profile="smoke", overrides={"seeds": 1}, results=root / "one"
    )
    assert outcome.ok, digest([outcome])
    assert [row["seeds"] for row in record_of(outcome.folder)["numbers"]["ends"]] == [1] * 6
    assert states(root) == before  # its two runs are among those of the profile's seeds
