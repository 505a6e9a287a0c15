"""Bytes alive at once: toys counted by hand, the same on every device, and nothing left behind."""

import pytest
import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.footprint import footprint

MAP = 16 * 16 * 4  # bytes of one float32 channel


class Steps(nn.Module):
    """At most three maps beside the sources: the pair as one, and the sum of it."""

    def __init__(self, forget):
        super().__init__()
        self.forget = forget

    def forward(self, ir, vi):
        first = ir + vi
        both = torch.cat((first, vi), 1)
        if self.forget:
            del first
        return both.sum(1, keepdim=True)


def test_what_is_forgotten_is_not_counted():
    assert footprint(Steps(forget=True), 16, 16) == (2 + 3) * MAP
    assert footprint(Steps(forget=False), 16, 16) == (2 + 4) * MAP


def test_views_cost_nothing_and_weights_count_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv2d(1, 1, 1)
            self.two = nn.Conv2d(1, 1, 1)
            self.two.weight = self.one.weight

        def forward(self, ir, vi):
            return self.two(ir.view(1, 1, 16, 16))[..., :8]

    # A weight and two biases.
    assert footprint(Tied(), 16, 16) == (2 + 1) * MAP + 3 * 4


def test_it_grows_with_the_pixels_and_leaves_the_model_alone():
    model = create_model("seafusion", channels=3).train()
    small, large = (footprint(model, side, side, 3) for side in (32, 64))
    weights = sum(p.nbytes for p in model.parameters())
    assert 3.5 < (large - weights) / (small - weights) < 4.5
    assert model.training


def test_shapes_alone_give_the_same_count():
    model = create_model("seafusion")
    assert footprint(model, 48, 32) == footprint(model.to("meta"), 48, 32)


def test_no_pixels_are_refused():
    with pytest.raises(FusionError, match="1 or more, not 0, 256 and 1"):
        footprint(create_model("seafusion"), height=0)
