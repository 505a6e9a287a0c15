"""The CNN baseline and its training step literally as published: the slow reference.

Written as the authors' description reads, one library layer after the other, in PyTorch's own
memory layout: pixels serialised to (B, N, C) for linear layers, concatenations wherever the
drawing shows one, every filter of the loss a convolution. Its tensors stand in the order of the
released weights. Tests compare numbers with it, `tests/benchmarks` times.
"""

import torch
from torch import nn
from torch.nn import functional as F


class ECA(nn.Module):
    """(B, N, C), gated by a convolution along the channels of the mean over N."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.conv(x.mean(1, keepdim=True)))


class Fusion(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.linear1 = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU())
        self.linear2 = nn.Linear(4 * channels, channels)
        self.eca = ECA()

    def forward(self, x):
        pixels = x.flatten(2).transpose(1, 2)
        pixels = self.linear2(self.eca(self.linear1(pixels)))
        return pixels.transpose(1, 2).reshape(x.shape)


class DenseLayer(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.change = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 2 * growth, 1, bias=False),
            nn.BatchNorm2d(2 * growth),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat([x, self.change(x)], 1)


def dense_block(channels, growth):
    return nn.Sequential(DenseLayer(channels, growth), DenseLayer(channels + growth, growth))


def down(channels, out):
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1), nn.PixelUnshuffle(2))


def up():
    return nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(32, 64, 3, padding=1))


class LiteralCNN(nn.Module):
    """(B, C, H, W) each, H and W multiples of 4, to the same."""

    def __init__(self, channels=1):
        super().__init__()
        self.inchange = nn.Sequential(
            nn.Conv2d(2 * channels, 16, 1), nn.GroupNorm(2, 16), nn.LeakyReLU(inplace=True)
        )
        self.fus_0 = Fusion(16)
        self.dense_1, self.down_1, self.fus_1 = dense_block(16, 4), down(24, 12), Fusion(48)
        self.dense_2, self.down_2, self.fus_2 = dense_block(48, 4), down(56, 28), Fusion(112)
        self.dense_3, self.up_1 = dense_block(112, 8), up()
        self.dense_4, self.up_2 = dense_block(112, 8), up()
        self.outchange = nn.Sequential(
            nn.Conv2d(80 + 2 * channels, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, channels, 1),
            nn.Tanh(),
        )

    def forward(self, ir, vi):
        sources = torch.cat([ir, vi], 1)
        s0 = self.inchange(sources)
        s1 = self.down_1(self.dense_1(s0))
        s2 = self.down_2(self.dense_2(s1))
        f0, f1, f2 = s0 + self.fus_0(s0), s1 + self.fus_1(s1), s2 + self.fus_2(s2)
        x = self.up_1(self.dense_3(f2))
        x = self.up_2(self.dense_4(torch.cat([x, f1], 1)))
        return self.outchange(torch.cat([x, f0, sources], 1))


def gaussian_mean(image, window=11, sigma=1.5):
    """Separable, mirrored at the border."""
    offsets = torch.arange(window, dtype=image.dtype, device=image.device) - window // 2
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).view(1, 1, 1, window)
    radius = window // 2
    rows = F.conv2d(F.pad(image, (radius, radius, 0, 0), "reflect"), taps)
    return F.conv2d(F.pad(rows, (0, 0, radius, radius), "reflect"), taps.mT)


def ssim(x, y):
    c1, c2 = 0.01**2, 0.03**2
    mx, my = gaussian_mean(x), gaussian_mean(y)
    vx = gaussian_mean(x**2) - mx**2
    vy = gaussian_mean(y**2) - my**2
    cov = gaussian_mean(x * y) - mx * my
    return ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def sobel(image):
    taps = torch.tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([taps, taps.T])[:, None].to(image)
    gx, gy = F.conv2d(F.pad(image, (1, 1, 1, 1), "replicate"), kernels).split(1, 1)
    magnitude = torch.sqrt(gx**2 + gy**2 + 1e-8)
    return (magnitude - magnitude.min()) / (magnitude.max() - magnitude.min())


def mixture(a, b):
    return a / (a + b + 1e-8) * a + b / (a + b + 1e-8) * b


def literal_loss(fused, ir, vi):
    """Eq. 2-6 in the released form, with its factors 1, 1 and 0.2: a scalar."""
    intensity = F.l1_loss(fused, mixture(ir, vi))
    gradient = F.l1_loss(sobel(fused), mixture(sobel(ir), sobel(vi)))
    similarity = mixture(ssim(ir, fused).mean(), ssim(vi, fused).mean())
    return intensity + gradient + 0.2 * (1 - similarity)


def copy_weights(source, target):
    """The weights of one form in the other: the same tensors in the same order."""
    shapes = target.state_dict()
    values = source.state_dict().values()
    assert len(values) == len(shapes)
    target.load_state_dict(
        {name: value.reshape(shapes[name].shape) for name, value in zip(shapes, values)}
    )
