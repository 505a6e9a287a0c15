"""Figure 1a: pairs as cells in the colour of their paradigm, and their counts."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from fusionlib import report
from fusionlib.data.base import Base
from fusionlib.report.style import PARADIGM_COLOURS


@pytest.fixture
def base():
    generator = torch.Generator().manual_seed(0)
    ir, vi = (
        torch.randint(0, 256, (12, 8, 8), generator=generator, dtype=torch.uint8) for _ in range(2)
    )
    ir[:9:3], vi[:9:3] = 7, 7  # without contrast: never chosen, and nothing to divide by
    return Base(ir, vi)


def test_cells_show_both_patches_in_the_colour_of_their_paradigm(base):
    figure = report.pairing_matrix(base, "rendered scenes", shown=4)
    cells = np.array(figure.axes[:25]).reshape(5, 5)
    pictures = [[axis.get_images()[0].get_array() if axis.get_images() else None for axis in line]
                for line in cells]  # fmt: skip
    assert pictures[0][0] is None
    upper = np.triu(np.ones((8, 8), dtype=bool))
    for line in range(1, 5):
        for column in range(1, 5):
            expected = np.where(upper, pictures[line][0], pictures[0][column])
            np.testing.assert_array_equal(pictures[line][column], expected)
            mode = "SPTP" if line == column else "UPTP"
            edge = cells[line, column].spines["left"].get_edgecolor()
            assert to_rgba(edge) == to_rgba(PARADIGM_COLOURS[mode])
    for picture in (*pictures[0][1:], *(line[0] for line in pictures[1:])):
        assert picture.min() == 0
        assert picture.max() == 1


def test_counts_are_those_of_equation_15(base):
    counts = report.pairing_matrix(base).axes[-1]
    labels = [text.get_text() for text in counts.get_legend().get_texts()]
    assert labels == ["SPTP: 12", "UPTP: 132", "APTP: 144"]
    for line, pairs in zip(counts.get_lines(), (150, 22_350, 22_500), strict=False):
        assert dict(line.get_xydata())[150] == pairs


def test_a_base_without_any_contrast_is_drawn(base):
    flat = Base(torch.zeros(1, 8, 8, dtype=torch.uint8), torch.zeros(1, 8, 8, dtype=torch.uint8))
    assert len(report.pairing_matrix(flat).axes) == 4 + 1
