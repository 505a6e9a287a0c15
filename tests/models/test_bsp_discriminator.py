"""The discriminator: its size, any patch, and its short forms against the long ones."""

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.models.bsp_discriminator import BSPDiscriminator
from tests.models.literal_discriminator import literal, literal_attention, loss_and_gradients


def test_number_of_parameters():
    weights = BSPDiscriminator().parameters()
    assert sum(weight.numel() for weight in weights) == 350_183


@pytest.mark.parametrize("patch", [8, 17, 64])
def test_any_patch(patch):
    critic = BSPDiscriminator(patch)
    value = critic(torch.rand(3, 1, patch, patch))
    assert value.shape == (3,)
    assert value.abs().max() < 1


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 1, 8, 16), (2, 3, 8, 8), (1, 8, 8)])
def test_another_shape_is_refused(shape):
    with pytest.raises(FusionError, match=r"\(B, 1, 8, 8\).*patch="):
        BSPDiscriminator(8)(torch.rand(shape))


@pytest.mark.parametrize("patch", [12, 15])
def test_it_equals_the_published_form_with_its_gradients(patch):
    critic = BSPDiscriminator(patch).double()
    image = torch.rand(3, 1, patch, patch, dtype=torch.float64)
    value, gradients = loss_and_gradients(critic, critic, image)
    expected, theirs = loss_and_gradients(lambda x: literal(critic, x), critic, image)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    for ours, literal_gradient in zip(gradients, theirs, strict=True):
        torch.testing.assert_close(ours, literal_gradient, rtol=1e-9, atol=1e-11)


def test_attention_of_a_flat_map_is_finite():
    layer = BSPDiscriminator(8).attend[1].double()
    flat = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(flat), literal_attention(layer, flat))


def test_float32_is_close_to_the_published_form():
    critic = BSPDiscriminator(32)
    image = torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(critic(image), literal(critic, image), rtol=0, atol=1e-5)
