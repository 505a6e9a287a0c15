"""Stages as they were seen: they add up to the network, and their shapes are those of the maps."""

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.bsp_discriminator import BSPDiscriminator
from fusionlib.models.cost import cost
from fusionlib.models.stages import SOURCES, parts_of, stages, tapped


def networks():
    pair = torch.rand(2, 1, 1, 32, 48)
    return {
        "bsp-cnn": (create_model("bsp-cnn").eval(), pair),
        "bsp-transformer": (create_model("bsp-transformer").eval(), pair),
        "discriminator": (BSPDiscriminator(32).eval(), pair[:1, ..., :32]),
    }


@pytest.mark.parametrize("name", ["bsp-cnn", "bsp-transformer", "discriminator"])
def test_stages_add_up_to_the_network(name):
    model, inputs = networks()[name]
    found = stages(model, *inputs)
    assert sum(s.parameters for s in found) == sum(p.numel() for p in model.parameters())
    assert all(stage.macs > 0 for stage in found)
    if name != "discriminator":
        assert sum(stage.macs for stage in found) == cost(model, 32, 48).macs
        assert found[-1].shape == (1, 32, 48)
        assert [s.shape[1] for s in found] == [32, 16, 8, 32, 16, 8, 16, 32, 32]
    with tapped(model) as given:
        made = model(*inputs)
    assert {stage.name: stage.shape for stage in found} == {
        name: tuple(map.shape[1:]) for name, map in given.items()
    }
    assert torch.equal(given[found[-1].name].flatten(), made.flatten())
    assert not any(layer._forward_hooks for layer in model.modules())  # none is left behind


@pytest.mark.parametrize("name", ["bsp-cnn", "bsp-transformer", "discriminator"])
def test_what_a_stage_reads_is_what_changes_it(name):
    model, inputs = networks()[name]
    reach = {SOURCES: {SOURCES}}  # all that a stage depends on, by way of others too
    for part in parts_of(model):
        reach[part.name] = {part.name}.union(*(reach[read] for read in part.reads))
    sources = [image.clone().requires_grad_() for image in inputs]
    with tapped(model) as given:
        model(*sources)
    for later in parts_of(model):
        for earlier in parts_of(model):
            total = given[later.name].sum()
            (slope,) = torch.autograd.grad(
                total, given[earlier.name], retain_graph=True, allow_unused=True
            )
            assert (slope is not None) == (earlier.name in reach[later.name])


def test_stages_of_another_network_are_not_known():
    with pytest.raises(FusionError, match=r"BSPCNN, .* not of a EMMA"):
        parts_of(create_model("emma"))
