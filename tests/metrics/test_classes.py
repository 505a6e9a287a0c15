"""The classes: equal to the functions' means, in batches, after a merge and in two processes."""

import inspect
import math
import pickle
import subprocess
import sys

import pytest
import torch

from fusionlib import metrics
from fusionlib.errors import FusionError
from fusionlib.metrics import classes

GREY = [torch.rand(5, 1, 192, 176) for _ in range(3)]
RGB = [torch.rand(5, channels, 40, 50) for channels in (3, 1, 3)]
NAMES = {metric: metric.replace("-", "_").replace("Δ", "Delta") for metric in metrics.METRICS}


def images_for(metric):
    return RGB if metric in metrics.OF_COLOUR else GREY


@pytest.mark.parametrize("metric", NAMES)
def test_every_metric_has_a_class_that_gives_its_mean(metric):
    batch = images_for(metric)
    values = metrics.METRICS[metric](*batch).double()
    mean = getattr(classes, NAMES[metric])()
    mean.update(*(image[:3] for image in batch))
    mean.update(*(image[3:] for image in batch))
    assert mean.state.shape == (3,)
    assert mean.state.dtype == mean.compute().dtype == torch.float64
    torch.testing.assert_close(mean.compute(), values.mean(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(mean.std(), values.std(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("metric", NAMES)
def test_choices_are_those_of_the_function(metric):
    parameters = list(inspect.signature(metrics.METRICS[metric]).parameters)[3:]
    assert list(getattr(classes, NAMES[metric])().choices) == parameters


def test_choices_reach_the_function():
    mean = classes.PSNR(peak=255)
    mean.update(*GREY)
    expected = metrics.psnr(*GREY, peak=255).double().mean()
    torch.testing.assert_close(mean.compute(), expected, rtol=1e-6, atol=0)
    assert "peak=255" in repr(mean)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: classes.VIF(pading="zeros"), "VIF has no argument 'pading': it takes padding, "),
        (lambda: classes.EN(base=2), "EN has no argument 'base': it takes none"),
        (lambda: classes.VIF(fused=GREY[0]), "no argument 'fused'"),
        (lambda: classes.IoU(0), "classes is 0"),
    ],
)
def test_a_wrong_argument_is_found_at_construction(make, says):
    with pytest.raises(FusionError, match=says):
        make()


def test_compute_before_update_is_refused():
    mean = classes.EN()
    with pytest.raises(FusionError, match=r"EN\(\) has seen nothing: call update"):
        mean.compute()
    mean.update(torch.zeros(2, 1, 8, 8))  # a metric may well be 0
    assert mean.compute() == 0
    mean.reset()
    with pytest.raises(FusionError, match="seen nothing"):
        mean.std()
    with pytest.raises(FusionError, match="IoU"):
        classes.IoU(3).mean()


def test_refused_images_leave_no_trace():
    mean = classes.SSIM()
    mean.update(*GREY)
    before = mean.state.clone()
    with pytest.raises(FusionError, match=r"^vi has shape"):
        mean.update(GREY[0], GREY[1], GREY[2][..., 1:])
    with pytest.raises(FusionError, match=r"^vi is None"):
        mean.update(GREY[0], GREY[1])
    assert torch.equal(mean.state, before)


def test_a_source_that_a_metric_does_not_use_may_be_left_out():
    rgb, other = torch.rand(2, 2, 3, 20, 20)
    mean = classes.DeltaE()
    mean.update(rgb, None, other)
    torch.testing.assert_close(mean.compute(), metrics.delta_e(rgb, None, other).double().mean())


def test_merging_equals_seeing_all():
    one, two, whole = (classes.Qabf() for _ in range(3))
    one.update(*(image[:2] for image in GREY))
    two.update(*(image[2:] for image in GREY))
    whole.update(*GREY)
    one.merge(two)
    torch.testing.assert_close(one.state, whole.state, rtol=1e-6, atol=1e-6)
    assert classes.MI(base="e").merge(classes.MI()) is None  # "e" is the default
    for other in (classes.MI(base="2"), classes.EN()):
        with pytest.raises(FusionError, match="cannot be merged"):
            classes.MI().merge(other)


def test_an_infinite_value_counts_as_it_is():
    mean = classes.PSNR()
    mean.update(*[GREY[0]] * 3)
    mean.update(*GREY)
    assert mean.compute() == math.inf
    assert mean.std().isnan()


def test_equal_values_have_no_deviation_and_one_has_none_at_all():
    mean = classes.SD()
    mean.update(GREY[0][:1].expand(3, -1, -1, -1) * 0.7)
    assert mean.std() == pytest.approx(0, abs=1e-4)
    mean.reset()
    mean.update(GREY[0][:1])
    assert mean.std().isnan()


def test_a_pickled_metric_goes_on(tmp_path):
    for name in (*NAMES.values(), "IoU"):
        metric = getattr(classes, name)(*([3] if name == "IoU" else []))
        assert pickle.loads(pickle.dumps(metric)).choices == metric.choices
    mean = classes.MI(base="2")
    mean.update(*GREY)
    again = pickle.loads(pickle.dumps(mean))
    assert again.compute() == mean.compute()
    again.update(*GREY)
    assert again.state[0] == 10


def test_gradients_and_inference_mode_leave_a_usable_state():
    with torch.inference_mode():
        mean = classes.SD()
        mean.update(GREY[0])
    mean.update(GREY[0].clone().requires_grad_())
    assert not mean.state.requires_grad
    assert mean.state[0] == 10


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_images_on_the_device():
    images = [image.cuda() for image in GREY]
    for mean in (classes.Qabf(), classes.Qabf().to("cuda")):
        device = mean.state.device
        mean.update(*images)
        assert mean.state.device == device
        expected = metrics.qabf(*GREY).double().mean()
        torch.testing.assert_close(mean.compute().cpu(), expected, rtol=1e-4, atol=0)


# --- IoU ------------------------------------------------------------------------------------

LABELS = torch.tensor([[[0, 0, 1], [1, 2, 255]], [[0, 1, 1], [2, 2, 255]]])
PREDICTED = torch.tensor([[[0, 1, 1], [1, 2, 0]], [[0, 1, 0], [2, 1, 3]]])


def test_iou_is_that_of_all_pixels_seen():
    whole, parts = classes.IoU(4, ignore=255), classes.IoU(4, ignore=255)
    whole.update(PREDICTED, LABELS)
    for i in range(2):
        parts.update(PREDICTED[i : i + 1], LABELS[i : i + 1])
    assert torch.equal(whole.state, parts.state)
    # Hits over hits, misses and false alarms: of 10 pixels, 7 are right.
    expected = torch.tensor([2 / 4, 3 / 6, 2 / 3, math.nan], dtype=torch.float64)
    torch.testing.assert_close(whole.compute(), expected, equal_nan=True)
    assert whole.mean().item() == pytest.approx((2 / 4 + 3 / 6 + 2 / 3) / 3)


# --- several processes ----------------------------------------------------------------------

PROCESS = """
import sys
import torch
from torch import distributed
from fusionlib.metrics import classes

rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
images, labels, predicted = torch.load(f"{folder}/in.pt")
vif, psnr, iou = classes.VIF(padding="zeros"), classes.PSNR(), classes.IoU(4, ignore=255)
share = slice(0, 2) if rank == 0 else slice(2, 5)
psnr.update(*(image[share] for image in images))
iou.update(predicted[rank : rank + 1], labels[rank : rank + 1])
if rank == 1:  # the other process has seen nothing
    vif.update(*images)
for metric in (vif, psnr, iou):
    distributed.all_reduce(metric.state)
torch.save([vif.compute(), psnr.compute(), psnr.std(), iou.compute()], f"{folder}/out{rank}.pt")
distributed.destroy_process_group()
"""


def test_two_processes_need_one_all_reduce(tmp_path):
    torch.save((GREY, LABELS, PREDICTED), tmp_path / "in.pt")
    commands = [[sys.executable, "-c", PROCESS, str(rank), str(tmp_path)] for rank in range(2)]
    processes = [subprocess.Popen(command) for command in commands]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    vif, psnr = classes.VIF(padding="zeros"), classes.PSNR()
    iou = classes.IoU(4, ignore=255)
    vif.update(*GREY)
    psnr.update(*GREY)
    iou.update(PREDICTED, LABELS)
    expected = [vif.compute(), psnr.compute(), psnr.std(), iou.compute()]
    for rank in range(2):
        results = torch.load(tmp_path / f"out{rank}.pt")
        torch.testing.assert_close(results, expected, rtol=1e-5, atol=1e-6, equal_nan=True)
