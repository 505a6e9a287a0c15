"""RegionFuse and PIAFusion: counts, sizes, and that what flows is what the figure draws."""

import subprocess
import sys

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.cost import cost
from fusionlib.models.piafusion import exchanged
from fusionlib.models.regionfuse import RegionCompression
from tests.models.small_images import parameters

SMALL = {"width": 8, "region": 8, "hidden": 8, "heads": 2, "decoder_blocks": 1}


# At full width; an untrained router sends all tokens to two experts, the dearest case.
PEAK = """
import resource, torch
from fusionlib.models import create_model

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

model, before = create_model("regionfuse").eval(), peak()
with torch.inference_mode():
    model(torch.rand(1, 1, 144, 240), torch.rand(1, 1, 144, 240))
print((peak() - before) / (144 * 240))
"""


# All tokens go to one expert: written out, its scores alone would be 4 N^2 = 268 MB.
SCORES = """
import resource, torch
from fusionlib.models.region_attention import Routing, attend_inside

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

torch.set_num_threads(1)
ones, tokens = torch.ones(1, 8192, 1), torch.rand(3, 1, 8192, 16)
routing = Routing(ones, ones.bool(), ones, ones, ones, None)
with torch.inference_mode():
    few = (part[:, :64] for part in (ones, ones.bool(), ones, ones, ones))
    attend_inside(*tokens[:, :, :64], Routing(*few, None))  # what a first call takes
    before = peak()
    attend_inside(*tokens, routing)
print(peak() - before)
"""


def printed(script):
    """The number that a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def small(**options):
    torch.manual_seed(0)
    return create_model("regionfuse", **{**SMALL, **options}).eval()


def test_numbers_of_parameters():
    assert parameters(create_model("regionfuse")) == 2_798_777
    assert parameters(create_model("piafusion")) == 1_176_097
    # Routers have none for masks: experts are free.
    assert parameters(create_model("regionfuse", experts=5)) - 2_798_777 == 3 * 2 * 97


def test_operations_are_those_that_the_paper_counts():
    """Table 4: 361.06 G and 547.74 G; 455.82 G, which a reconstruction can only come near."""
    counted = {}
    for name, options in (("piafusion", {}), ("cddfuse", {}), ("regionfuse", {"masks": "drawn"})):
        model = create_model(name, **options).to("meta")
        counted[name] = cost(model, 480, 640, convention="thop").macs / 1e9
    assert counted["cddfuse"] == pytest.approx(547.74, abs=0.005)
    # The printed one is 0.07 G more: the pooling of what is exchanged.
    assert counted["piafusion"] == pytest.approx(361.06, abs=0.1)
    assert counted["regionfuse"] == pytest.approx(455.82, rel=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss has other units")
def test_a_pair_of_480x640_fits_into_8_gb():
    assert printed(PEAK) * 480 * 640 < 8e9


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss has other units")
def test_without_gradients_no_table_of_scores_is_made():
    """The image above is too small to tell: at 480x640 one table would be 1.3 GB."""
    assert printed(SCORES) < 50e6


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (30, 37), (5, 9), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size(size, channels):
    ir, vi = (torch.rand(2, channels, *size) for _ in range(2))
    for model in (small(channels=channels), create_model("piafusion", channels=channels).eval()):
        with torch.no_grad():
            fused = model(ir, vi)
        assert fused.shape == ir.shape
        assert ((fused > 0) & (fused < 1)).all()


def test_a_region_that_does_not_divide_is_padded_inside():
    """Regions of 12 on an image of 16: the encoders' maps are mirrored to 24."""
    model, seen = small(region=12), []
    model.blocks[0].register_forward_hook(lambda _, given, made: seen.append(given[0]))
    ir, vi = torch.rand(2, 1, 1, 16, 16)
    with torch.no_grad():
        assert model(ir, vi).shape == (1, 1, 16, 16)
        assert model.routings[0].chosen.shape == (1, 16 * 2 * 2, 4)
        encoded = torch.cat((model.encode_vi(vi), model.encode_ir(ir)), 1)
    mirrored = [*range(16), *range(14, 6, -1)]  # the last row and column stand once
    torch.testing.assert_close(seen[0], encoded[:, :, mirrored][..., mirrored])


def test_the_rounds_add_what_was_found_to_both():
    model = small()
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda _, given, made: seen.append(given[0]))
    found = []
    for compress in model.compressions:
        compress.register_forward_hook(lambda _, given, made: found.append(made))
    with torch.no_grad():
        maps = model.features(torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16))
    for later in (1, 2):
        torch.testing.assert_close(seen[later], seen[0] + torch.cat((found[later - 1],) * 2, 1))
    assert torch.equal(maps, found[-1])


def test_a_region_is_gated_by_its_own_means():
    compress = RegionCompression(4, region=2)
    x = torch.rand(1, 4, 4, 4)
    before = compress(x)
    x[:, :, 2:, 2:] += 1  # the last region alone
    after = compress(x)
    assert torch.equal(after[..., :2, :], before[..., :2, :])
    assert torch.equal(after[..., 2:, :2], before[..., 2:, :2])
    assert not torch.isclose(after[..., 2:, 2:], before[..., 2:, 2:]).any()


def test_each_gives_what_it_has_more_of():
    a, b = torch.rand(2, 1, 3, 4, 4)
    of_a, of_b = exchanged(a, b)
    torch.testing.assert_close(of_a, a + (b - a) * torch.sigmoid((b - a).mean((2, 3), True)))
    torch.testing.assert_close(of_b, b + (a - b) * torch.sigmoid((a - b).mean((2, 3), True)))
    # Both differences are of the maps before the exchange.
    assert torch.equal(exchanged(b, a)[1], of_a)


def test_piafusion_takes_x_restormers_encoder():
    model = create_model("piafusion", encoder="xrestormer").eval()
    with torch.no_grad():
        assert model.features(*torch.rand(2, 1, 1, 9, 15)).shape == (1, 256, 16, 16)
    with pytest.raises(FusionError, match="convolutions or xrestormer, not 'swin'"):
        create_model("piafusion", encoder="swin")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"region": 0}, "region of RegionFuse is 1 or more, not 0"),
        ({"width": 1}, "width of RegionFuse is 2 or more, not 1"),
        ({"heads": 3}, "width=8 can't be shared among 3 heads"),
        ({"experts": 2, "chosen": 3}, "1 to 2 of 2 experts"),
        ({"experts": 0}, "experts of RegionFuse is 1 or more, not 0"),
        ({"hidden": -1}, "hidden of RegionFuse is 1 or more, not -1"),
        ({"decoder_blocks": "2"}, "decoder_blocks of RegionFuse is 0 or more, not '2'"),
        ({"regions": 3}, "no option 'regions': its options are width, region, experts"),
    ],
)
def test_what_cannot_be_is_refused(options, told):
    with pytest.raises(FusionError, match=told):
        small(**options)
    with pytest.raises(FusionError, match="bsp-cnn has no option"):
        create_model("bsp-cnn", region=3)


def test_in_evaluation_it_says_the_same_twice_and_in_training_not():
    model = small()
    ir, vi = torch.rand(2, 1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(model(ir, vi), model(ir, vi))
        model.train()
        assert not torch.equal(model(ir, vi), model(ir, vi))
