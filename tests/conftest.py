"""Fixtures shared by all tests: the optional roots, and a seed for each test."""

import os
import signal

import pytest
import torch

from fusionlib import settings

# A shell starts what it runs in the background deaf to Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _root_or_skip(variable, find):
    # Where the variable is set, a missing folder is an error, not a reason to skip.
    if not os.environ.get(variable):
        if os.environ.get("FUSIONLIB_NO_SKIP"):
            pytest.fail(f"{variable} is not set, and FUSIONLIB_NO_SKIP forbids to skip")
        pytest.skip(f"{variable} is not set: it names a folder that this test reads")
    return find()


@pytest.fixture(scope="session")
def data_root():
    return _root_or_skip("FUSIONLIB_DATA", settings.data_root)


@pytest.fixture(scope="session")
def weights_root():
    return _root_or_skip("FUSIONLIB_WEIGHTS", settings.weights_root)


@pytest.fixture(scope="session")
def reference_root():
    return _root_or_skip("FUSIONLIB_REFERENCE", settings.reference_root)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
