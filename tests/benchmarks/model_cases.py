"""What is timed of the models: a training step, and fusing a pair, as published and ours.

A model joins with its published form in `LITERAL` and, where one is set, a target.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from fusionlib.inference import fuse_tensor
from fusionlib.losses import BSPLoss
from fusionlib.models import create_model
from tests.models import literal_cnn, literal_transformer


def _cnn(model):
    literal = literal_cnn.LiteralCNN()
    literal_cnn.copy_weights(model, literal)
    return literal


# The published form of a model, with its weights.
LITERAL = {"bsp-cnn": _cnn, "bsp-transformer": literal_transformer.twin}
TASKS = ("step", "tiled", "whole")
PRECISIONS = ("float32", "bfloat16")
# The most that ours may take of the published form's time.
TARGETS = {
    "bsp-cnn step float32": 0.65,
    "bsp-cnn tiled float32": 0.6,
    "bsp-cnn tiled bfloat16": 1 / 3,
    "bsp-transformer step float32": 1 / 8,
}
NAMES = [f"{model} {task} {kind}" for model in LITERAL for task in TASKS for kind in PRECISIONS]


@dataclass(frozen=True)
class Case:
    """Two callables that do the same.

    step: forward, loss, backward and Adam for a batch of 8 patches; the loss is returned.
    tiled, whole: a pair fused under that tiling, and the published form in float32 and batches
    of four whatever the precision of ours; the image is returned.
    """

    ours: Callable[[], torch.Tensor]
    literal: Callable[[], torch.Tensor]
    target: float | None


def case(name, patch=128, size=(480, 640), device="cpu"):
    """The case of that name; `patch` and `size` are the pixels of a step and of a pair."""
    model, task, precision = name.split()
    torch.manual_seed(0)
    ours = create_model(model)
    literal = LITERAL[model](ours).to(device)
    ours.to(device)
    if task == "step":
        ir, vi = torch.rand(2, 8, 1, patch, patch, device=device)
        both = (
            _step(ours, lambda *images: BSPLoss()(*images)["total"], ir, vi, precision, fused=True),
            _step(literal, literal_cnn.literal_loss, ir, vi, precision, fused=None),
        )
    else:
        ir, vi = torch.rand(2, 1, 1, *size, device=device)
        tiling = {"tiled": "released", "whole": "whole"}[task]
        both = (
            lambda: fuse_tensor(ours, ir, vi, tiling, precision),
            lambda: fuse_tensor(literal, ir, vi, tiling, "float32"),
        )
    return Case(*both, TARGETS.get(name))


def _step(model, loss, ir, vi, precision, fused):
    model.train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=fused)

    def step():
        with torch.autocast(ir.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            fused_image = model(ir, vi)
        total = loss(fused_image.float(), ir, vi)
        adam.zero_grad(set_to_none=True)
        total.backward()
        adam.step()
        return total.detach().cpu()  # a step is over when its loss is here

    return step
