"""Paths that are fused or refused, before any work."""

from pathlib import Path

import pytest
import torch

from fusionlib import images
from fusionlib.errors import FusionError
from tests.fusing_toys import (
    Blend,
    at,
    folders,
    names,
    run,
    store,
)

__all__ = ["at", "folders", "store"]  # fixtures


@pytest.fixture
def refusals(folders):
    """What bad paths may name, beside ir and vi."""
    Path("empty").mkdir()
    Path("others").mkdir()
    images.write("others/x.png", torch.rand(1, 4, 4))
    Path("file.txt").write_text("text")
    Path("link").symlink_to("ir")
    Path("farm").mkdir()
    for name in "123":
        Path(f"farm/{name}.png").symlink_to(f"../ir/{name}.png")
    Path("pool").mkdir()
    images.write("pool/1.png", torch.rand(1, 20, 24))
    Path("pooled").mkdir()
    Path("pooled/1.png").symlink_to("../pool/1.png")
    return folders


@pytest.mark.parametrize(
    ("ir", "vi", "output", "part"),
    [
        ("nowhere", "vi", "out", "no file or folder nowhere"),
        ("ir", "nowhere", "out", "no file or folder nowhere"),
        ("ir", "vi/1.png", "out", "ir is a folder but vi/1.png is a file"),
        ("ir/1.png", "vi", "out", "vi is a folder but ir/1.png is a file"),
        ("ir", "ir", "out", "ir is named as infrared and as visible"),
        ("ir", "link", "out", "named as infrared and as visible"),
        ("ir/1.png", "./ir/1.png", "o.png", "named as infrared and as visible"),
        ("empty", "vi", "out", "no image in empty"),
        ("ir", "empty", "out", "no image in empty"),
        ("ir", "others", "out", "No image of ir has a partner"),
        ("ir", "vi", "ir", "lies in the folder of sources ir"),
        ("ir", "vi", "vi/fused", "lies in the folder of sources vi"),
        ("ir", "vi", "ir/a/b", "lies in the folder of sources ir"),
        ("ir", "vi", "link", "lies in the folder of sources ir"),
        ("ir", "vi", "link/a", "lies in the folder of sources ir"),
        ("ir", "vi", "out/../vi/a", "lies in the folder of sources vi"),
        ("link", "vi", "ir/a", "lies in the folder of sources link"),
        ("pooled", "vi", "pool", "pool/1.png would take the name of an image that is fused"),
        ("ir", "vi", "file.txt", "file.txt is a file: name a folder"),
        ("ir", "vi", "out.png", "out.png has the name of an image"),
        ("ir/1.png", "vi/1.png", "out.xyz", "out.xyz has no image suffix"),
        ("ir/1.png", "vi/1.png", "file.txt", "file.txt has no image suffix"),
        ("ir/1.png", "vi/1.png", "file.txt/", "file.txt is a file: name a folder"),
        ("ir/1.png", "vi/1.png", "ir/1.png", "ir/1.png would take the name"),
        ("ir/1.png", "vi/2.png", "link/1.png", "link/1.png would take the name"),
        ("ir/1.png", "vi/1.png", "vi", "vi/1.png would take the name"),
        ("ir/1.png", "vi/1.png", "ir/1.jpg", "ir/1.jpg would take the name"),
        ("ir/1.png", "vi/1.png", "out.gif", "out.gif has no image suffix"),
        ("ir/1.png", "vi/1.png", "file.txt/a.png", "file.txt cannot take the fused images"),
    ],
)
def test_bad_paths_are_refused(refusals, ir, vi, output, part):
    before = {path: path.read_bytes() for path in Path().rglob("*.png") if path.is_file()}
    model = Blend()
    with pytest.raises(FusionError) as caught:
        run(output, model=model, ir=ir, vi=vi, overwrite=True)
    assert part in str(caught.value)
    assert model.shapes == []
    assert before == {path: path.read_bytes() for path in Path().rglob("*.png") if path.is_file()}
    assert not Path("out").exists()


def test_a_home_folder_is_known(folders, monkeypatch):
    monkeypatch.setenv("HOME", str(folders))
    assert len(run("~/out", ir="~/ir", vi="~/vi").written) == 3
    assert len(names("out")) == 3
