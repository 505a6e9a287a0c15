"""What tests of trainings share: a store for each, and one thread where that is enough."""

import pytest
import torch

from fusionlib import precision


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Runs of a test lie in a folder of its own, which no other test sees."""
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def made_for_bfloat16(monkeypatch):
    """What is asked for in bfloat16 is computed in it on every machine, slow as that may be."""
    monkeypatch.setattr(precision, "knows_bfloat16", lambda device: True)


@pytest.fixture(scope="module")
def one_thread():
    """Small networks train faster on one, and tests beside each other do not wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
