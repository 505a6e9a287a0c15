"""Multiply-accumulates of a network's layers, taken from their weights: a count beside `cost`."""

import torch
from torch import nn

from fusionlib.models.restormer import ChannelNorm


def layer_macs(model, height, width, channels):
    """Of convolutions and linear layers by module, and the values that layer norms gave.

    The network is one on the meta device. A norm over a map's channels, which the published
    networks write out, is no layer norm.
    """
    macs, normed = [], []

    def note(layer, inputs, made):
        if isinstance(layer, nn.ConvTranspose2d):  # each pixel that enters meets every weight
            macs.append(inputs[0].numel() // layer.in_channels * layer.weight.numel())
        elif isinstance(layer, nn.Conv2d):
            macs.append(made.numel() // layer.out_channels * layer.weight.numel())
        elif isinstance(layer, nn.Linear):
            macs.append(made.numel() // layer.out_features * layer.weight.numel())
        elif isinstance(layer, nn.LayerNorm) and not isinstance(layer, ChannelNorm):
            normed.append(made.numel())

    hooks = [layer.register_forward_hook(note) for layer in model.modules()]
    with torch.no_grad():
        model(*torch.zeros(2, 1, channels, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    return sum(macs), sum(normed)
