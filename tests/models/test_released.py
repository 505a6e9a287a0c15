"""The authors' weights: parity with their outputs, where files are found, fetching."""

import hashlib
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib import images
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.inference import fuse
from fusionlib.models import create_model, load_released, released
from tests.repository import commit

# Outputs of the authors' networks: whole images, and their top-left 128 x 128 patch.
NAMES = ("MSRS_00004N", "MSRS_00491D", "RoadScene_FLIR_00006", "RoadScene_FLIR_06660",
         "TNO_01", "TNO_30")  # fmt: skip
FOLDERS = {"bsp-cnn": "released_cnn", "bsp-transformer": "released_transformer"}

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture(scope="module")
def models(weights_root):
    return {name: load_released(name, weights_root) for name in FOLDERS}


def sources(name, data_root):
    dataset, image = name.split("_", 1)
    (pair,) = open_pairs(dataset, "test", data_root, [image])
    return pair.ir[None], pair.vi[None]


# The CNN's patches are compared in test_bsp_cnn.py.
@pytest.mark.parametrize("name", NAMES)
def test_the_transformer_gives_the_authors_patch(models, name, data_root, reference_root):
    ir, vi = sources(name, data_root)
    with torch.no_grad():
        fused = models["bsp-transformer"](ir[..., :128, :128], vi[..., :128, :128])
    expected = np.load(reference_root / f"released_transformer/{name}_patch.npy")
    np.testing.assert_allclose(fused[0, 0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("network", FOLDERS)
def test_the_released_protocol_gives_the_authors_file(
    models, network, name, data_root, reference_root
):
    fused = images.to_uint8(fuse(models[network], *sources(name, data_root), "released"))[0, 0]
    expected = np.asarray(Image.open(reference_root / FOLDERS[network] / f"{name}.png"))
    apart = abs(fused.astype(int) - expected)
    assert np.mean(apart <= 1) >= 0.999
    assert np.mean(apart == 0) >= 0.99  # a wrong rounding or range stays within one level, too


# --- finding ------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No folder of the user's is looked at, and nothing is asked of the network."""
    monkeypatch.delenv("FUSIONLIB_WEIGHTS", raising=False)
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(released, "REPOSITORY", f"file://{tmp_path}/no-repository")


@pytest.fixture
def made():
    """A network of each name, with weights of its own."""
    return {name: create_model(name).eval() for name in released.RELEASED}


def write(path, model):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)


def equal(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("bsp-cnn", "cnn.model"),
        ("bsp-cnn", "CNN.model"),
        ("bsp-cnn", "pretrained_models/CNN/CNN.model"),
        ("bsp-transformer", "transformer.model"),
        ("bsp-transformer", "Trans.model"),
        ("bsp-transformer", "pretrained_models/Trans/Trans.model"),
        ("bsp-gan", "gan.model"),
        ("bsp-gan", "GAN.model"),
        ("bsp-gan", "pretrained_models/GAN/GAN.model"),
    ],
)
def test_every_spelling_is_found_in_a_folder(tmp_path, monkeypatch, made, name, file):
    folder = tmp_path / "weights"
    write(folder / file, made[name])  # of our own training: the hash is another one
    assert equal(load_released(name, folder), made[name])
    assert equal(load_released(name, str(folder / file)), made[name])
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(folder))
    assert equal(load_released(name), made[name])
    assert not load_released(name).training


def test_a_path_that_does_not_hold_them(tmp_path, made):
    write(tmp_path / "cnn.model", made["bsp-cnn"])
    with pytest.raises(FusionError, match=rf"{tmp_path} holds no released weights of bsp-gan.*gan"):
        load_released("bsp-gan", tmp_path)
    with pytest.raises(FusionError, match=r"no weights file .*/nowhere"):
        load_released("bsp-gan", tmp_path / "nowhere")
    with pytest.raises(FusionError, match=r"bsp-transformer \(its tensor encode1\.1\.weight is"):
        load_released("bsp-transformer", tmp_path / "cnn.model")


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(FusionError, match=r"'bsp'.*bsp-cnn, bsp-transformer, bsp-gan"):
        load_released("bsp", tmp_path)


def test_a_weights_folder_that_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(tmp_path / "moved"))
    with pytest.raises(FusionError, match=r"moved.*FUSIONLIB_WEIGHTS"):
        load_released("bsp-cnn")


# --- fetching -----------------------------------------------------------------------------


@pytest.fixture
def origin(tmp_path, monkeypatch, made):
    """A repository with the authors' layout; its files count as those that were released."""
    folder = tmp_path / "origin"
    for name, release in released.RELEASED.items():
        write(folder / release.published, made[name])
        content = (folder / release.published).read_bytes()
        if release.sha256:
            digest = hashlib.sha256(content).hexdigest()
            changed = released.Release(release.published, release.short, digest)
            monkeypatch.setitem(released.RELEASED, name, changed)
    return folder, {"url": f"file://{folder}", "revision": commit(folder)}


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "store/released").iterdir())


FILES = ["cnn.model", "gan.model", "lock", "transformer.model"]


@needs_git
def test_what_is_nowhere_is_fetched_once(origin, tmp_path, monkeypatch, made):
    folder, where = origin
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(tmp_path / "weights"))  # holds none of them
    assert equal(load_released("bsp-transformer", **where), made["bsp-transformer"])
    assert cached(tmp_path) == FILES
    shutil.rmtree(folder)
    for name, model in made.items():
        assert equal(load_released(name, **where), model)


@needs_git
def test_the_pinned_repository_and_revision_are_the_default(origin, monkeypatch, made):
    monkeypatch.setattr(released, "REPOSITORY", origin[1]["url"])
    monkeypatch.setattr(released, "REVISION", origin[1]["revision"])
    assert equal(load_released("bsp-gan"), made["bsp-gan"])


@needs_git
def test_a_later_revision_does_not_matter(origin, made):
    folder, where = origin
    shutil.rmtree(folder / "pretrained_models")
    (folder / "README.md").write_text("moved")
    commit(folder, "later")
    assert equal(load_released("bsp-cnn", **where), made["bsp-cnn"])


@needs_git
def test_an_altered_download_is_refused_and_removed(origin, tmp_path, made):
    folder, where = origin
    file = folder / released.RELEASED["bsp-cnn"].published
    file.write_bytes(file.read_bytes()[:-1])
    altered = commit(folder, "truncated")
    with pytest.raises(FusionError, match=r"CNN\.model of file.*not the one that was released"):
        load_released("bsp-cnn", url=where["url"], revision=altered)
    assert cached(tmp_path) == ["lock"]
    assert equal(load_released("bsp-cnn", **where), made["bsp-cnn"])


@needs_git
def test_a_spoiled_cache_is_fetched_anew(origin, tmp_path, made):
    _, where = origin
    load_released("bsp-cnn", **where)
    file = tmp_path / "store/released/cnn.model"
    file.write_bytes(file.read_bytes()[:1000])
    assert equal(load_released("bsp-cnn", **where), made["bsp-cnn"])
    assert cached(tmp_path) == FILES


@needs_git
def test_a_repository_without_the_file(origin, tmp_path):
    folder, where = origin
    (folder / released.RELEASED["bsp-gan"].published).unlink()
    later = commit(folder, "later")
    with pytest.raises(FusionError, match=rf"has no pretrained_models/GAN/GAN\.model at .*{later}"):
        load_released("bsp-gan", url=where["url"], revision=later)


@needs_git
def test_without_a_network_the_remedy_is_named(tmp_path):
    message = (
        r"git cannot fetch .*no-repository.*; else bring pretrained_models/GAN/GAN\.model .*path"
    )
    with pytest.raises(FusionError, match=message):
        load_released("bsp-gan")
    assert cached(tmp_path) == ["lock"]


def test_a_cache_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(FusionError, match=r"released cannot be made .*FUSIONLIB_STORE"):
        load_released("bsp-cnn")


def test_the_cnn_does_not_pass_for_the_gan(weights_root):
    with pytest.raises(
        FusionError, match=r"cnn\.model is what was released as bsp-cnn, not as bsp"
    ):
        load_released("bsp-gan", weights_root / "cnn.model")
