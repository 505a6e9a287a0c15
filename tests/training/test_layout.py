"""A fused optimiser goes through a weight and its gradient as they lie in memory: see that both
lie alike, whatever a recipe does with gradients."""

import pytest
from torch.optim.optimizer import register_optimizer_step_pre_hook

from fusionlib.losses import CDDFuseLoss, MMDRFuseLoss, RegionFuseLoss, SeAFusionLoss, SSVIFLoss
from fusionlib.training import train_stack
from fusionlib.training.consistency import Consistency
from tests.training.small import go, tiny, tiny_segmenter

pytestmark = pytest.mark.usefixtures("one_thread")

TOGETHER = Consistency(classes=3, segmenter="b0", width=4, two_stages=False)
REGIONS = {"width": 4, "heads": 1, "decoder_blocks": 1, "hidden": 8, "region": 8}
SPECS = {
    "plain": tiny,
    "channels": lambda: tiny(model="seafusion", loss=SeAFusionLoss()),
    "transformer": lambda: tiny(model="bsp-transformer"),
    "bfloat16": lambda: tiny(precision="bfloat16"),
    "shards": lambda: tiny(batch=2, shards=2),
    "critics": lambda: tiny(model="bsp-gan"),
    "phases": lambda: tiny(model="cddfuse", batch=2, loss=CDDFuseLoss()),
    "student": lambda: tiny(model="mmdrfuse", batch=2, loss=MMDRFuseLoss()),
    "routed": lambda: tiny(model="regionfuse", loss=RegionFuseLoss(), options=REGIONS),
    **{
        f"consistency of {model}": lambda model=model: tiny(
            model=model,
            relation="strict",
            pairs=6,
            channels=3,
            loss=SSVIFLoss(),
            consistency=TOGETHER,
        )
        for model in ("seafusion", "emma", "swinfusion")
    },
    "segmenter": tiny_segmenter,
}


@pytest.fixture
def layouts():
    """(weight's, gradient's) strides of every step that an optimiser takes, sides of 1 left out."""
    seen = []

    def look(optimiser, *_):
        for group in optimiser.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    sides = [side for side, size in enumerate(weight.shape) if size > 1]
                    both = weight, weight.grad
                    seen.append(tuple([part.stride()[side] for side in sides] for part in both))

    hook = register_optimizer_step_pre_hook(look)
    yield seen
    hook.remove()


@pytest.mark.parametrize("name", SPECS)
def test_gradients_lie_as_their_weights_do(layouts, name):
    go(SPECS[name]())
    assert layouts
    assert all(weight == gradient for weight, gradient in layouts)


def test_so_they_do_in_a_stack(layouts):
    train_stack([tiny(seed=seed) for seed in (0, 1)], device="cpu", quiet=True)
    assert layouts
    assert all(weight == gradient for weight, gradient in layouts)
