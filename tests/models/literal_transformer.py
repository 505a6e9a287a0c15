"""The Transformer baseline written as it was published, layer by layer.

The reference for `fusionlib.models.bsp_transformer`: queries, keys and values
are really made, pixels are serialised by copies, maps are contiguous. Its
parameters stand in the order of the authors' state dict, which is also ours.
"""

import torch
from torch import nn
from torch.nn import functional as F

HEADS = 8


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(1, HEADS, 1, 1))
        self.copies = nn.Conv2d(channels, 3 * HEADS * channels, 1, groups=channels)
        self.merge = nn.Conv2d(HEADS * channels, channels, 1, groups=channels)

    def forward(self, x):
        batch, channels, height, width = x.shape
        copies = self.copies(x).view(batch, channels, 3, HEADS, height * width)
        query, key, value = (part.transpose(1, 2) for part in copies.unbind(2))
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        attention = (query @ key.transpose(-1, -2) * self.temperature).softmax(-1)
        heads = (attention @ value).transpose(1, 2)
        return self.merge(heads.reshape(batch, HEADS * channels, height, width))


class Layer(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.attention_norm = nn.GroupNorm(2, channels)
        self.attention = Attention(channels)
        self.forward_norm = nn.GroupNorm(2, channels)
        self.expand, self.reduce = nn.Linear(channels, 64), nn.Linear(64, channels)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        pixels = serial(self.forward_norm(x))
        return x + unserial(self.reduce(F.gelu(self.expand(pixels))), x)


class Fusion(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.expand, self.reduce = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.neighbours = nn.Linear(hidden, hidden, bias=False)
        self.register_buffer("mask", torch.ones(hidden, hidden).tril(1).triu(-1), False)

    def forward(self, x):
        hidden = F.gelu(self.expand(serial(x)))
        local = F.avg_pool1d(hidden.transpose(1, 2), 3, 1, 1).transpose(1, 2)
        gate = torch.sigmoid(F.linear(local, self.neighbours.weight * self.mask))
        return unserial(self.reduce(hidden * gate), x)


def serial(x):
    return x.flatten(2).transpose(1, 2).contiguous()


def unserial(pixels, like):
    return pixels.transpose(1, 2).contiguous().view(like.shape)


class LiteralTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Conv2d(2, 16, 1)
        self.fuse1 = Fusion(16, 64)
        self.layer1, self.down1 = Layer(16), nn.Conv2d(16, 8, 3, padding=1)
        self.fuse2 = Fusion(32, 96)
        self.layer2, self.down2 = Layer(32), nn.Conv2d(32, 16, 3, padding=1)
        self.fuse3 = Fusion(64, 192)
        self.layer3, self.up3 = Layer(128), nn.Conv2d(32, 64, 3, padding=1)
        self.layer4, self.up4 = Layer(128), nn.Conv2d(32, 64, 3, padding=1)
        self.last = nn.Sequential(nn.Conv2d(96, 32, 1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.Tanh())

    def forward(self, ir, vi):
        s0 = self.project(torch.cat((ir, vi), 1))
        f0 = self.fuse1(s0)
        s1 = F.pixel_unshuffle(self.down1(self.layer1(s0)), 2)
        f1 = self.fuse2(s1)
        s2 = F.pixel_unshuffle(self.down2(self.layer2(s1)), 2)
        f2 = self.fuse3(s2)
        x = self.up3(F.pixel_shuffle(self.layer3(torch.cat((s2, f2), 1)), 2))
        x = self.up4(F.pixel_shuffle(self.layer4(torch.cat((x, f1, s1), 1)), 2))
        return self.last(torch.cat((x, s0, f0), 1))


def twin(model):
    """A literal network with the weights of `model`, tensor by tensor in order."""
    literal = LiteralTransformer().to(next(model.parameters()).dtype)
    theirs = literal.state_dict()
    literal.load_state_dict(dict(zip(theirs, model.state_dict().values(), strict=True)))
    return literal
