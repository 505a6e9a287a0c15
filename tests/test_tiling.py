"""Tiles of a chosen side: where they lie, how they fade, and what they bound."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.inference import Protocol, fuse, fuse_tensor


class Noted(nn.Module):
    """(ir + vi) / 2, plus what a test wants to see of its tile."""

    def __init__(self, extra=lambda ir: 0):
        super().__init__()
        self.extra, self.seen = extra, []

    def forward(self, ir, vi):
        self.seen.append(tuple(ir.shape))
        return (ir + vi) / 2 + self.extra(ir)


def random_pair(height, width, count=1):
    return torch.rand(2, count, 1, height, width).unbind(0)


@pytest.mark.parametrize("size", [(200, 330), (64, 64), (20, 300), (300, 20), (1, 1), (65, 129)])
@pytest.mark.parametrize("tiling", ["32", "64", "100"])
def test_a_pixelwise_model_does_not_see_the_tiles(size, tiling):
    ir, vi = random_pair(*size)
    fused = fuse_tensor(Noted(), ir, vi, tiling)
    torch.testing.assert_close(fused, (ir + vi) / 2, atol=1e-6, rtol=0)


def test_a_local_model_sees_them_only_where_it_looks_beyond_a_tile():
    """A 3x3 mean: equal to the whole image but where a tile's own border has weight."""
    model = nn.Conv2d(2, 1, 3, padding=1, bias=False)
    nn.init.constant_(model.weight, 1 / 18)

    class Local(Noted):
        def forward(self, ir, vi):
            return model(torch.cat((ir, vi), 1))

    ir, vi = random_pair(100, 64)
    whole, tiled = (fuse_tensor(Local(), ir, vi, tiling) for tiling in ("whole", "64"))
    # Tiles begin at rows 0 and 36; their inner borders are rows 63 and 36.
    touched = ((whole - tiled).abs() > 1e-6).any(-1)[0, 0].nonzero().flatten().tolist()
    assert touched == [36, 63]


def test_tiles_share_an_eighth_and_end_at_the_border():
    # 512 at 0 and 448, then flush with 1000; one column of tiles.
    model = Noted()
    fuse_tensor(model, *random_pair(1000, 300), "512", batch=1)
    assert model.seen == [(1, 1, 512, 300)] * 3
    starts = []
    model = Noted(lambda ir: starts.append(int(ir[0, 0, 0, 0])) or 0)
    places = torch.arange(1000.0)[:, None].expand(1, 1, 1000, 4)
    fuse_tensor(model, places, places, "512", batch=1)
    assert starts == [0, 448, 488]


@pytest.mark.parametrize("side", [32, 100, 512])
def test_tiles_fade_without_a_seam(side):
    """A network that adds its tile's mean: neighbours pass into each other gradually."""
    height, width = 3 * side, 2 * side + 5
    step = (torch.arange(float(width)) > width / 2).float().expand(1, 1, height, width)
    model = Noted(lambda ir: ir.mean((2, 3), keepdim=True))
    extra = fuse_tensor(model, step, step, str(side)) - step
    jump = extra.diff(dim=-1).abs().max().item()
    assert extra.amax() - extra.amin() > 0.5
    assert jump < 1.5 / max(16, side // 8)


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_the_batch_changes_nothing(batch):
    ir, vi = random_pair(150, 140, count=3)
    expected = fuse_tensor(Noted(lambda x: x.mean((1, 2, 3), keepdim=True)), ir, vi, "64", batch=4)
    model = Noted(lambda x: x.mean((1, 2, 3), keepdim=True))
    torch.testing.assert_close(fuse_tensor(model, ir, vi, "64", batch=batch), expected)
    assert max(shape[0] for shape in model.seen) <= batch


def test_a_side_is_part_of_the_protocols_name():
    assert Protocol("512").name == "512+clip"
    assert Protocol.of("512+stretch") == Protocol("512", "stretch")
    assert Protocol(512) == Protocol("512")
    ir, vi = random_pair(70, 80)
    stretched = fuse(Noted(), ir, vi, "64+stretch")
    assert stretched.min() == 0
    assert stretched.max() == 1


@pytest.mark.parametrize("tiling", ["31", "0", "-64", "064", "64.5", "6 4", "²", "", "tiles"])
def test_what_is_no_side_is_refused(tiling):
    with pytest.raises(FusionError, match=r"til(es|ing)"):
        Protocol(tiling)
    with pytest.raises(FusionError, match=r"til(es|ing)"):
        fuse_tensor(Noted(), *random_pair(8, 8), tiling)


LARGE = """
import resource, torch
from fusionlib.inference import fuse_tensor
from fusionlib.models import create_model
model = create_model("bsp-cnn").eval()
ir, vi = torch.rand(2, 1, 1, 256, 6000).unbind(0)
fuse_tensor(model, ir[..., :256], vi[..., :256], "256", batch=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fuse_tensor(model, ir, vi, "256", batch=1)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_grows_with_the_image_not_with_the_tiles():
    """A network's features of the whole strip take 1 GB; tile by tile, next to nothing."""
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200
