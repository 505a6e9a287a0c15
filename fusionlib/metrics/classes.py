"""A class a metric: the mean over a test set, batch by batch, process by process.

    psnr = PSNR(peak=255)
    for fused, ir, vi in batches:
        psnr.update(fused, ir, vi)
    torch.distributed.all_reduce(psnr.state)  # several processes: once, last
    psnr.compute()

The fashion is that of torchmetrics, but all that a metric remembers is one
tensor of sums, `state`.
"""

import inspect

import torch

from fusionlib.errors import FusionError
from fusionlib.metrics.colour import delta_e
from fusionlib.metrics.information import ce, en, mi, nmi
from fusionlib.metrics.intensity import cc, mse, psnr, scd, sd
from fusionlib.metrics.ms_ssim import ms_ssim
from fusionlib.metrics.perception import qcb, qcv
from fusionlib.metrics.qabf import qabf
from fusionlib.metrics.segmentation import check_classes, confusion, iou_of
from fusionlib.metrics.sharpness import ag, ei, sf
from fusionlib.metrics.ssim import ssim
from fusionlib.metrics.vif import vif


class Sums:
    """What a metric remembers: `state`, one float64 tensor of additive sums.

    The states of several processes add up to the state of all their images, so
    `torch.distributed.all_reduce(metric.state)` is all that they need. It lies
    on the CPU; for a backend that needs it on the device (NCCL), call `to`.

    Raises FusionError for a keyword that the metric's function does not take.
    """

    function = None
    inputs = ("fused", "ir", "vi")

    def __init__(self, **choices):
        parameters = inspect.signature(self.function).parameters.items()
        defaults = {name: p.default for name, p in parameters if name not in self.inputs}
        for name in choices.keys() - defaults:
            takes = f"it takes {', '.join(defaults)}" if defaults else "it takes none"
            raise FusionError(f"{type(self).__name__} has no argument {name!r}: {takes}.")
        self.choices = defaults | choices
        self.state = torch.zeros(self._shape(), dtype=torch.float64)

    def reset(self):
        """Forget all that was seen."""
        self.state = torch.zeros_like(self.state)

    def merge(self, other):
        """Add what another metric has seen.

        Raises FusionError if it is of another class or has other arguments.
        """
        if type(other) is not type(self) or other.choices != self.choices:
            raise FusionError(f"{other!r} cannot be merged into {self!r}: make both alike.")
        self._add(other.state)

    def to(self, device):
        """Move the state to a device; returns the metric."""
        self.state = self.state.to(device)
        return self

    def __repr__(self):
        choices = ", ".join(f"{name}={value!r}" for name, value in self.choices.items())
        return f"{type(self).__name__}({choices})"

    def _add(self, sums):
        # Not in place: a state that was made in inference mode can't be changed outside it.
        self.state = self.state + sums.to(self.state)

    def _seen(self):
        if not self.state.any():
            raise FusionError(f"{self!r} has seen nothing: call update before compute.")
        return self.state


class Metric(Sums):
    """The mean of a metric over images; `state` is count, sum, sum of squares.

    A value that is not finite counts as it is: one image with PSNR inf makes
    the mean inf and the deviation NaN.
    """

    def _shape(self):
        return (3,)

    @torch.no_grad()
    def update(self, fused, ir=None, vi=None):
        """Score a batch; images and errors as for the metric's function."""
        values = self.function(fused, ir, vi, **self.choices).double()
        self._add(torch.stack([torch.ones_like(values), values, values.square()]).sum(1))

    def compute(self):
        """The mean over all images so far: float64 scalar tensor.

        Raises FusionError before the first update.
        """
        count, total, _ = self._seen()
        return total / count

    def std(self):
        """Standard deviation over the images (n - 1): NaN for a single one."""
        count, total, squares = self._seen()
        # Rounding may leave less than nothing where all values are equal.
        return ((squares - total * total / count).clamp_min(0) / (count - 1)).sqrt()


class IoU(Sums):
    """IoU of each class over all pixels seen; `state` is the confusion matrix.

    Args:
        classes, ignore: see `fusionlib.metrics.confusion`.
    """

    function = staticmethod(confusion)
    inputs = ("predicted", "labels")

    def __init__(self, classes, ignore=None):
        check_classes(classes)
        super().__init__(classes=classes, ignore=ignore)

    def _shape(self):
        return (self.choices["classes"],) * 2

    def update(self, predicted, labels):
        """Count a batch: integer tensors (B, H, W)."""
        self._add(confusion(predicted, labels, **self.choices).sum(0))

    def compute(self):
        """IoU of each class: float64 (classes,), NaN for one that is in no image.

        Raises FusionError before the first update.
        """
        return iou_of(self._seen())

    def mean(self):
        """mIoU, the mean over the classes that are in any image: float64 scalar."""
        return self.compute().nanmean()


class EN(Metric):
    """Entropy: see `fusionlib.metrics.en`."""

    function = staticmethod(en)


class SD(Metric):
    """Standard deviation of the grey levels: see `fusionlib.metrics.sd`."""

    function = staticmethod(sd)


class SF(Metric):
    """Spatial frequency: see `fusionlib.metrics.sf`."""

    function = staticmethod(sf)


class AG(Metric):
    """Average gradient: see `fusionlib.metrics.ag`."""

    function = staticmethod(ag)


class EI(Metric):
    """Edge intensity: see `fusionlib.metrics.ei`."""

    function = staticmethod(ei)


class CE(Metric):
    """Cross entropy, lower is better: see `fusionlib.metrics.ce`."""

    function = staticmethod(ce)


class MI(Metric):
    """Mutual information: see `fusionlib.metrics.mi`."""

    function = staticmethod(mi)


class NMI(Metric):
    """Normalised mutual information: see `fusionlib.metrics.nmi`."""

    function = staticmethod(nmi)


class VIF(Metric):
    """Visual information fidelity: see `fusionlib.metrics.vif`."""

    function = staticmethod(vif)


class Qabf(Metric):
    """Edge transfer: see `fusionlib.metrics.qabf`."""

    function = staticmethod(qabf)


class SSIM(Metric):
    """Structural similarity: see `fusionlib.metrics.ssim`."""

    function = staticmethod(ssim)


class MS_SSIM(Metric):
    """Multi-scale structural similarity: see `fusionlib.metrics.ms_ssim`."""

    function = staticmethod(ms_ssim)


class SCD(Metric):
    """Sum of the correlations of differences: see `fusionlib.metrics.scd`."""

    function = staticmethod(scd)


class CC(Metric):
    """Correlation coefficient: see `fusionlib.metrics.cc`."""

    function = staticmethod(cc)


class MSE(Metric):
    """Mean squared error, lower is better: see `fusionlib.metrics.mse`."""

    function = staticmethod(mse)


class PSNR(Metric):
    """Peak signal-to-noise ratio: see `fusionlib.metrics.psnr`."""

    function = staticmethod(psnr)


class Qcb(Metric):
    """Chen and Blum's contrast kept: see `fusionlib.metrics.qcb`."""

    function = staticmethod(qcb)


class Qcv(Metric):
    """Chen and Varshney's error, lower is better: see `fusionlib.metrics.qcv`."""

    function = staticmethod(qcv)


class DeltaE(Metric):
    """CIEDE2000 of RGB images, lower is better: `fusionlib.metrics.delta_e`."""

    function = staticmethod(delta_e)
