"""Receptive fields: the local one by arithmetic, the effective one by moving single pixels."""

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.bsp_discriminator import BSPDiscriminator
from fusionlib.models.receptive import (
    effective_fields,
    extent,
    judged_field,
    local_fields,
    share_outside,
    side_of,
)

# Of layers in a row: "3" a 3x3 convolution, "a" three pixels in reading order, "d" two pixels a
# side become one, "u" one becomes two, "" a skip.
PATHS = {
    "bsp-cnn": {"E1": "", "E2": "333d", "E3": "333d333d", "F3": "333d333d",
                "R3": "333d333d33u3", "R2": "333d333d33u333u", "R1": "333d333d33u333u33"},
    "bsp-transformer": {"E1": "", "F1": "a", "E2": "3d", "E3": "3d3d", "F3": "3d3da",
                        "R3": "3d3dau3", "R2": "3d3dau3u", "R1": "3d3dau3u3"},
}  # fmt: skip


def reach(path, across):
    """First and last pixel that pixel 64 (at full size) reads, by going back through a path."""
    scale = 2 ** (path.count("d") - path.count("u"))
    first = last = 64 // scale
    for layer in reversed(path):
        if layer == "3" or (layer == "a" and across):
            first, last = first - 1, last + 1
        elif layer == "d":
            first, last = 2 * first, 2 * last + 1
        elif layer == "u":
            first, last = first // 2, last // 2
    return first, last


@pytest.mark.parametrize("name", PATHS)
def test_local_fields_are_those_of_the_kernels(name):
    found = local_fields(create_model(name))
    for stage, path in PATHS[name].items():
        for across in (False, True):
            seen = found[stage].any(0 if across else 1).nonzero()
            assert (seen.min().item(), seen.max().item()) == reach(path, across), stage


def test_an_input_that_would_cut_or_shift_a_field_is_refused():
    model = create_model("bsp-cnn").eval()
    with pytest.raises(FusionError, match="side=48 is too small"):
        local_fields(model, 48)
    with pytest.raises(FusionError, match="multiples of 4, not 62x64"):
        effective_fields(model, *torch.rand(2, 1, 1, 62, 64))


def test_effective_fields_are_the_slopes_that_moving_a_pixel_shows():
    model = create_model("bsp-cnn").double().eval()
    ir, vi = torch.rand(2, 1, 1, 32, 32, dtype=torch.float64)
    field = effective_fields(model, ir, vi)["R1"]
    for y, x in ((16, 16), (14, 19), (0, 31)):
        total, step = 0.0, 1e-5
        for side in (ir, vi):
            ends = []
            for sign in (1, -1):
                kept = side[0, 0, y, x].item()
                side[0, 0, y, x] += sign * step
                with torch.no_grad():
                    ends.append(model(ir, vi)[0, 0, 16, 16].item())
                side[0, 0, y, x] = kept
            total += ((ends[0] - ends[1]) / (2 * step)) ** 2
        assert field[y, x].item() == pytest.approx(total**0.5, rel=1e-3, abs=1e-9)


def test_norms_look_at_the_whole_image_and_plain_layers_do_not():
    model = create_model("bsp-transformer").eval()
    ir, vi = torch.rand(2, 2, 1, 64, 64)
    local, field = local_fields(model, 64), effective_fields(model, ir, vi)
    assert share_outside(field["F1"], local["F1"]) == 0  # no norm stands before it
    assert 0 < share_outside(field["E2"], local["E2"]) < 1
    assert (field["E2"] > 0).all()


def test_a_discriminator_looks_at_every_pixel():
    field = judged_field(BSPDiscriminator(32), torch.rand(3, 1, 32, 32))
    assert field.shape == (32, 32)
    assert (field > 0).all()


def test_the_square_that_holds_a_share():
    field = torch.zeros(9, 9)
    field[4, 4], field[4, 6], field[8, 8] = 0.5, 0.4, 0.1
    everywhere = field > -1
    assert [side_of(field, everywhere, share) for share in (0.4, 0.6, 0.8, 0.95)] == [1, 5, 5, 9]
    assert side_of(field, field > 0.2, 0.95) == 5
    assert extent(field > 0) == (5, 5)
    assert share_outside(field, field > 0.2) == pytest.approx(0.1)
