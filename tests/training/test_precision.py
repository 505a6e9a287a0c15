"""A device that bfloat16 slows down computes in float32, under the same key, and says so."""

import pytest
import torch

from fusionlib import precision
from tests.training.small import go, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

REALLY = precision.knows_bfloat16  # the other tests of this folder do without it


def test_without_bfloat16_a_training_is_the_one_in_float32(monkeypatch):
    monkeypatch.setattr(precision, "knows_bfloat16", lambda device: False)
    asked, full = go(tiny(precision="bfloat16")), go(tiny())
    assert asked.key != full.key
    last = asked.spec.total_steps
    assert asked.weights_file(last).read_bytes() == full.weights_file(last).read_bytes()
    assert asked.provenance["precision"] == full.provenance["precision"] == "float32"


def test_float32_stays(monkeypatch):
    for known in (True, False):
        monkeypatch.setattr(precision, "knows_bfloat16", lambda device, known=known: known)
        assert precision.computed("float32", torch.device("cpu")) == "float32"


def test_a_cpu_must_have_instructions_for_it(monkeypatch):
    assert REALLY("cpu") <= torch.ops.mkldnn._is_mkldnn_bf16_supported()
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    assert not REALLY.__wrapped__("cpu")  # AVX-512 alone: oneDNN would convert
    monkeypatch.setattr(precision.platform, "machine", lambda: "aarch64")
    assert REALLY.__wrapped__("cpu")


def test_without_onednn_nothing_is_fast(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not REALLY.__wrapped__("cpu")
    assert not REALLY.__wrapped__("mps")
