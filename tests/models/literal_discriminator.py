"""The discriminator with every map really made: the reference for the short forms."""

import torch
from torch.nn import functional as F

HEADS = 8


def literal_attention(layer, x):
    batch, channels, height, width = x.shape
    copies = layer.copies(x).view(batch, channels, 3, HEADS, height * width)
    query, key, value = (part.transpose(1, 2) for part in copies.unbind(2))
    query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
    attention = (query @ key.transpose(-1, -2) * layer.temperature).softmax(-1)
    heads = (attention @ value).transpose(1, 2)
    return layer.merge(heads.reshape(batch, HEADS * channels, height, width))


def literal(critic, image):
    x = critic.stem(critic.stem2(critic.stem1(image)))
    norm, attention = critic.attend
    x = x + literal_attention(attention, norm(x))
    x = x + critic.refine(x)
    return critic.judge(critic.widen2(critic.widen1(x))).flatten()


def loss_and_gradients(judge, critic, image):
    image = image.clone().requires_grad_()
    value = judge(image)
    weights = list(critic.parameters())
    return value, torch.autograd.grad(
        (value * torch.arange(1, len(value) + 1)).sum(), [image, *weights]
    )
