"""The walkthrough's training on images of one's own: what it takes, and what it refuses."""

import pytest

from fusionlib import images
from fusionlib.data import open_images
from fusionlib.errors import FusionError
from fusionlib.experiments import own_images
from fusionlib.experiments.own_images import OWN_SIZES, own_spec, registered_pair


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return own_images.folders("smoke", "", "", tmp_path_factory.mktemp("own"))


def test_examples_are_files_of_many_sizes_and_no_two_of_one_scene(examples):
    ir, vi = (open_images(folder) for folder in examples)
    assert (len(ir), len(vi)) == (10, 10)
    assert not set(ir.names) & set(vi.names)
    for shown in (ir, vi):
        assert len({tuple(pair.ir.shape[1:]) for pair in shown}) == 4
    # Nowhere do both sides show the same things at the same size.
    sizes = [[tuple(pair.ir.shape[1:]) for pair in shown] for shown in (ir, vi)]
    assert all(one != other for one, other in zip(*sizes, strict=True))


def test_the_same_images_make_the_same_run_wherever_they_lie(examples, tmp_path):
    again = own_images.folders("smoke", "", "", tmp_path)
    first, second = (own_spec("smoke", *map(open_images, where)) for where in (examples, again))
    assert first.key == second.key
    assert first.relation == "unpaired"
    assert (first.ir.patch, first.total_steps) == (32, OWN_SIZES["smoke"].steps)
    longer = own_spec("smoke", *map(open_images, examples), patch=24, steps=7, seed=3)
    assert (longer.ir.patch, longer.total_steps, longer.seed) == (24, 7, 3)


def test_too_few_patches_are_told_before_the_training(examples, tmp_path):
    for side, folder in zip(("ir", "vi"), examples, strict=True):
        source = next(iter(open_images(folder)))
        images.write(tmp_path / side / "one.png", source.ir[:, :40, :70])
    sets = [open_images(tmp_path / side) for side in ("ir", "vi")]
    with pytest.raises(FusionError, match="2 infrared and 2 visible patches make 2 unpaired meet"):
        own_spec("smoke", *sets)
    assert own_spec("smoke", *sets, patch=20).pairs == 6 * 6 - 6


def test_what_is_named_half_is_refused(examples, tmp_path):
    ir, vi = map(str, examples)
    assert own_images.folders("smoke", ir, vi, tmp_path) == examples
    with pytest.raises(FusionError, match="or neither"):
        own_images.folders("smoke", ir, "", tmp_path)
    with pytest.raises(FusionError, match="name two folders"):
        own_images.folders("smoke", ir, f"{ir}/../infrared", tmp_path)
    with pytest.raises(FusionError, match="the infrared and the visible one, or none"):
        registered_pair("smoke", ir=f"{ir}/thermal_0.png")
    with pytest.raises(FusionError, match="must have one size"):
        registered_pair("smoke", f"{ir}/thermal_0.png", f"{vi}/street_0.jpg")
    with pytest.raises(FusionError, match="profile is one of smoke, quick, paper"):
        own_images.own_sizes("fast")


def test_ones_own_pair_is_opened_from_two_files(tmp_path):
    (rendered,) = registered_pair("smoke")
    files = [folder / "0001N.png" for folder in registered_pair("smoke").write(tmp_path)]
    (own,) = registered_pair("smoke", *files)
    assert own.name == "0001N"
    assert own.ir.equal(rendered.ir)
