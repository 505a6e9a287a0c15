"""Getting a dataset from a git repository that the test makes."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from fusionlib.data import fetch, open_pairs
from fusionlib.errors import FusionError
from tests.repository import commit, git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def origin(tmp_path):
    """A RoadScene of three pairs, published as two commits; the first is pinned."""
    folder = tmp_path / "origin"
    for part in ("cropinfrared", "crop_LR_visible"):
        (folder / part).mkdir(parents=True)
        for index in range(3):
            pixels = np.random.default_rng(index).integers(0, 256, (30, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / f"{index}.png")
    revision = commit(folder)
    (folder / "README.md").write_text("later")
    (folder / "cropinfrared/0.png").unlink()
    commit(folder, "later")
    return folder, f"file://{folder}", revision


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_get_brings_the_pinned_revision_once(origin, tmp_path, capsys):
    folder, url, revision = origin
    data = tmp_path / "data"  # is made
    said = fetch.get("RoadScene", data, url, revision)
    assert "3 test" in said
    assert "Licence" in said
    assert names(data) == ["RoadScene"]
    assert names(data / "RoadScene") == ["crop_LR_visible", "cropinfrared"]
    assert len(open_pairs("RoadScene", data=data)) == 3
    assert "100%" in capsys.readouterr().err
    shutil.rmtree(folder)
    assert "nothing to do" in fetch.get("RoadScene", data, url, revision)


@pytest.mark.parametrize("stage", ["fetch", "checkout"])
def test_a_killed_git_is_mended_by_a_second_call(origin, tmp_path, monkeypatch, stage):
    folder, url, revision = origin
    data, tools = tmp_path / "data", tmp_path / "tools"
    tools.mkdir()
    # A git that dies at this stage, leaving what a killed git leaves.
    (tools / "git").write_text(
        f'#!/bin/sh\ncase "$*" in *" {stage} "*)\n'
        '  echo half > "$GIT_DIR/index.lock"; echo half > "$GIT_DIR/objects/pack/tmp_pack_x"\n'
        f'  kill -9 $$;;\nesac\nexec {shutil.which("git")} "$@"\n'
    )
    (tools / "git").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(FusionError, match="run the command again"):
            fetch.get("RoadScene", data, url, revision)
    assert names(data) == [".RoadScene.part"]
    if stage == "checkout":  # everything was received: the origin is not asked again
        shutil.rmtree(folder)
    fetch.get("RoadScene", data, url, revision)
    assert names(data) == ["RoadScene"]
    assert len(open_pairs("RoadScene", data=data)) == 3


def test_what_cannot_be_fetched(origin, tmp_path, monkeypatch):
    folder, url, revision = origin
    data = tmp_path / "data"
    with pytest.raises(FusionError, match=f"has no revision {'0' * 40}"):
        fetch.get("RoadScene", data, url, "0" * 40)
    with pytest.raises(FusionError, match="'main' is no full commit"):
        fetch.get("RoadScene", data, url, "main")
    with pytest.raises(FusionError, match=r"elsewhere.*check the address"):
        fetch.get("RoadScene", data, url + "elsewhere", revision)
    # The later commit lacks one infrared image, and nothing there is MSRS.
    later = git(folder, "rev-parse", "HEAD")
    with pytest.raises(FusionError, match=r"as published.*0\.png has no partner"):
        fetch.get("RoadScene", data, url, later)
    with pytest.raises(FusionError, match=r"as published.*train is missing"):
        fetch.get("MSRS", data, url, revision)
    assert not {"RoadScene", "MSRS"} & set(names(data))
    monkeypatch.setenv("PATH", str(data))
    with pytest.raises(FusionError, match="git is not on PATH"):
        fetch.get("RoadScene", data, url, revision)


def test_an_incomplete_folder_in_the_way_is_kept(origin, tmp_path):
    _, url, revision = origin
    (tmp_path / "RoadScene").mkdir()
    (tmp_path / "RoadScene/mine.txt").write_text("mine")
    with pytest.raises(FusionError, match=r"RoadScene.*move it away"):
        fetch.get("RoadScene", tmp_path, url, revision)
    assert names(tmp_path / "RoadScene") == ["mine.txt"]


def test_datasets_without_git_are_explained(tmp_path, monkeypatch):
    said = fetch.get("LLVIP", tmp_path)
    assert "bupt-ai-cz" in said
    assert "non-commercial" in said
    assert str(tmp_path / "LLVIP/infrared/test") in said
    monkeypatch.delenv("FUSIONLIB_DATA", raising=False)
    assert "FUSIONLIB_DATA/TNO/vi" in fetch.get("TNO")
    assert "nothing to get" in fetch.get("scenes")
    with pytest.raises(FusionError, match="'Nothing'"):
        fetch.get("Nothing")
