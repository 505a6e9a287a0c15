"""Rows of the open questions: what differs between them, and nothing else."""

import dataclasses

import pandas as pd
import pytest

from fusionlib import report
from fusionlib.experiments import open_questions as asked
from fusionlib.experiments.measure import check

QUESTIONS = (
    asked.iterations_or_diversity,
    asked.draws,
    asked.few_patches,
    asked.strange_scenes,
    asked.loss_as_printed,
)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", ["smoke", "quick"])
def test_every_row_can_be_drawn_and_is_a_training_of_its_own(question, name, request):
    data = request.getfixturevalue("data_root") if name == "quick" else None
    rows = question(name, data)
    check(rows, data)
    assert len({row.specs[0].key for row in rows}) == len(rows) >= 3


def test_more_steps_alone_equal_those_of_more_pairs(data_root):
    few, many, longer = (r.specs[0] for r in asked.iterations_or_diversity("quick", data_root))
    assert (few.pairs, many.pairs, longer.pairs) == (150, 1500, 150)
    assert few.epochs == many.epochs
    assert longer.total_steps == many.total_steps > 10 * few.total_steps
    assert few.ir == many.ir == longer.ir
    # Or they would meet as many pairs as ten times T.
    assert (few.redraw, many.redraw, longer.redraw) == (False, True, False)


def test_draws_differ_in_nothing_but_when_pairs_are_chosen(data_root):
    once, each, turn = (row.specs[0] for row in asked.draws("quick", data_root))
    assert (once.redraw, each.redraw, turn.redraw) == (False, True, True)
    assert turn.pairs == 60**2
    assert turn.total_steps * turn.batch > turn.pairs  # all of them are met
    assert once.total_steps == each.total_steps == turn.total_steps == 800
    assert once.ir == each.ir == turn.ir


def test_few_patches_give_all_their_pairs(data_root):
    whole, *rows = asked.few_patches("quick", data_root)
    assert whole.specs[0].ir.first is None
    for size, row in zip((10, 5, 3), rows, strict=True):
        spec = row.specs[0]
        assert (spec.ir.first, spec.vi.first, spec.pairs) == (size, size, size**2)


def test_strange_scenes_take_day_and_night_apart(data_root):
    rows = {row.mode: row.specs[0] for row in asked.strange_scenes("quick", data_root)}
    first = rows["night ir, day vi"]
    assert {name[-1] for name in first.ir.images} == {"N"}
    assert {name[-1] for name in first.vi.images} == {"D"}
    assert rows["day ir, night vi"].ir.images == first.vi.images
    assert rows["rendered ir, night vi"].ir.dataset == "scenes"


def test_gains_of_baselines_are_means_of_relative_gains(tmp_path):
    assert asked.gains_of_baselines(tmp_path, "smoke").empty
    for notebook, factor in (("table1_generalisation", 1.1), ("table1_gan", 1.2)):
        rows = [
            {"test_set": "scenes", "mode": mode, "trainable": pairs, "seed": 0, "key": "k",
             "image": image, **dict.fromkeys(("EN", "MI", "VIF", "Qabf", "SSIM"), value)}
            for mode, pairs, value in (("SPTP", 150, 2.0), ("UPTP", 7500, 2 * factor))
            for image in "ab"
        ]  # fmt: skip
        folder = tmp_path / "beyond_strict_pairing" / notebook / "smoke"
        folder.mkdir(parents=True)
        report.write_table(pd.DataFrame(rows), folder / "per_image.csv.gz")
    gains = asked.gains_of_baselines(tmp_path, "smoke")
    assert gains["model"].tolist() == ["bsp-cnn", "bsp-gan"]
    assert gains["mode"].tolist() == ["UPTP"] * 2
    assert gains["ours"].tolist() == pytest.approx([10, 20])
    shown = report.gains_by_model(gains)
    assert shown.loc[("scenes", "UPTP 7,500")].to_dict() == {"CNN": "— | +10.0", "GAN": "— | +20.0"}


def test_the_printed_loss_differs_in_its_form_alone(data_root):
    released, *others = (row.specs[0] for row in asked.loss_as_printed("quick", data_root))
    assert [spec.loss.form for spec in (released, *others)] == ["released", "paper", "clipped"]
    assert all(dataclasses.replace(spec, loss=released.loss) == released for spec in others)
