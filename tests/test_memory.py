"""Keeping freed memory: nothing breaks, and the system is asked for less."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from fusionlib.memory import keep_freed_memory
from fusionlib.metrics import score

if {keep}:
    keep_freed_memory()
    keep_freed_memory()
    # Nothing that is scored in between may undo it.
    score(*torch.rand(3, 1, 1, 64, 64))
for _ in range(3):
    torch.ones(1 << 24)  # 64 MB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep):
    script = FAULTS.format(keep=keep)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to keep memory")
def test_memory_that_is_freed_is_not_asked_for_again():
    assert 5 * faults(keep=True) < faults(keep=False)
