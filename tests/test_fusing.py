"""Files to fused files, in one line of Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fusionlib
from fusionlib import fusing_work, images
from fusionlib.data import open_folders
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate, evaluate_folder
from fusionlib.fusing_work import made_by
from fusionlib.inference import fuse, fuse_tensor
from tests.fusing_toys import (
    Blend,
    at,
    folders,
    levels,
    names,
    random,
    run,
    save_deep,
    save_pair,
    store,
)

__all__ = ["at", "folders", "store"]  # fixtures


# --- what is made -----------------------------------------------------------------------


def test_it_is_one_line_of_the_package(folders):
    done = fusionlib.fuse_files("ir", "vi", "out", Blend(), progress=False)
    assert done.written == tuple(Path(f"out/{name}.png") for name in "123")
    assert done.skipped == ()
    assert done.failed == {}
    assert str(done).startswith("3 fused; Blend, plain, ")
    assert str(done).endswith(" s")
    assert names("out") == ["1.png", "2.png", "3.png"]


@pytest.mark.parametrize("protocol", ["plain", "released", "whole+stretch"])
def test_grey_files_are_what_evaluate_scores_bit_for_bit(folders, protocol):
    model = Blend()
    run(model=model, protocol=protocol, colour=False)
    pairs = open_folders("ir", "vi")
    for pair in pairs:
        expected = fuse(model, pair.ir[None], pair.vi[None], protocol)[0]
        assert torch.equal(images.read_grey(f"out/{pair.name}.png"), expected)
    rows = evaluate(model, pairs, protocol, metrics=("EN", "MI"), progress=False)
    again = evaluate_folder("out", pairs, metrics=("EN", "MI"), progress=False)
    assert rows.equals(again)


def test_colour_is_the_visible_chroma_around_the_fused_grey(folders):
    run("grey", colour=False)
    run("colour")
    for name in "123":
        grey, colour = levels(f"grey/{name}.png"), levels(f"colour/{name}.png")
        assert grey.ndim == 2
        ycbcr = images.rgb_to_ycbcr(images.read_colour(f"vi/{name}.png"))
        ycbcr[0] = torch.from_numpy(grey / np.float32(255))
        expected = images.to_uint8(images.ycbcr_to_rgb(ycbcr)).transpose(1, 2, 0)
        assert np.array_equal(colour, expected)


def test_colour_follows_the_visible_file_unless_forced(at):
    save_pair("c")
    save_pair("g", colour=False)
    for output, colour, channels in (
        ("auto", None, (3, 1)),
        ("yes", True, (3, 3)),
        ("no", False, (1, 1)),
    ):
        run(output, colour=colour)
        shapes = [images.shape_of(f"{output}/{name}.png")[0] for name in "cg"]
        assert tuple(shapes) == channels
    assert np.array_equal(levels("yes/g.png"), np.stack([levels("auto/g.png")] * 3, 2))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3000, 20), (19, 23)])
@pytest.mark.parametrize("protocol", ["plain", "released"])
def test_any_size(at, size, protocol):
    save_pair("a", size)
    done = run(protocol=protocol)
    assert done.failed == {}
    assert images.shape_of("out/a.png") == (3, *size)


def test_any_common_format(at):
    sources = []
    for number, suffix in enumerate((".png", ".jpg", ".bmp", ".tif", ".TIFF", ".webp", ".PNG")):
        save_pair(f"{number}", ir_suffix=suffix, vi_suffix=suffix)
        sources.append(f"{number}")
    rgba = (random(5, 20, 24, 4) * 255).byte().numpy()
    for mode in ("RGBA", "LA", "P", "CMYK"):
        name, suffix = mode, ".jpg" if mode == "CMYK" else ".png"
        picture = Image.fromarray(rgba) if mode == "RGBA" else Image.fromarray(rgba[..., :3])
        picture.convert(mode).save(f"vi/{name}{suffix}")
        picture.convert("L").save(f"ir/{name}.pgm")
        sources.append(name)
    done = run()
    assert done.failed == {}
    assert names("out") == sorted(f"{name}.png" for name in sources)
    assert images.shape_of("out/LA.png")[0] == 1
    assert images.shape_of("out/P.png")[0] == 3


def test_names_with_spaces_and_letters_of_any_script(at):
    for name in ("two words", "夜景", "ä.b", "-o"):
        save_pair(name, ir_suffix=".PNG", vi_suffix=".JPG")
    done = run("an output ö")
    assert done.failed == {}
    assert names("an output ö") == sorted(["two words.png", "夜景.png", "ä.b.png", "-o.png"])
    assert len(run("an output ö").skipped) == 4


def test_orientation_is_that_of_a_viewer(at):
    save_pair("a", (20, 24))
    run("upright")
    exif = Image.Exif()
    exif[0x0112] = 6
    for source in ("ir", "vi"):
        turned = Image.open(f"{source}/a.png").rotate(90, expand=True)
        turned.save(f"{source}/a.png", exif=exif)
        assert Image.open(f"{source}/a.png").size == (20, 24)
    run("turned")
    assert np.array_equal(levels("upright/a.png"), levels("turned/a.png"))


# --- two files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "made"),
    [
        ("one.png", "one.png"),
        ("new/one.PNG", "new/one.PNG"),
        ("one.bmp", "one.bmp"),
        ("new", "new/1.png"),
        ("v1.0/", "v1.0/1.png"),
        ("there.d", "there.d/1.png"),
    ],
)
def test_two_files_into_a_file_or_a_folder(folders, output, made):
    Path("there.d").mkdir()
    done = run(output, ir="ir/1.png", vi="vi/2.png")
    assert done.written == (Path(made),)
    expected = images.quantise(
        fuse_tensor(
            Blend(), images.read_grey("ir/1.png")[None], images.read_grey("vi/2.png")[None]
        )[0]
    )
    fused = images.recolour(expected, images.read_levels("vi/2.png"))
    assert np.array_equal(images.to_uint8(images.read_colour(made)), fused)


def test_a_file_of_another_format_cannot_say_what_made_it(folders):
    files = {"ir": "ir/1.png", "vi": "vi/1.png"}
    assert run("a.jpg", **files).written
    again = run("a.jpg", **files)
    assert not again.written
    assert "only PNG files can say what made them" in again.failed["1"]
    assert "--overwrite" in again.failed["1"]
    assert run("a.jpg", overwrite=True, **files).written


def test_an_output_beside_its_sources_is_no_trouble(folders):
    assert run("ir/fused.png", ir="ir/1.png", vi="vi/1.png").written
    assert run("ir", ir="vi/1.png", vi="ir/2.png", overwrite=True).written


# --- 16 bits ----------------------------------------------------------------------------


def test_bits_of_16_bit_files(at):
    ir = (random(1, 20, 24) * 4095).short().numpy()
    vi = (random(2, 20, 24) * 65535).int().numpy()
    ir[0, 0], vi[0, 0] = 4095, 65535
    save_deep("ir/a.png", ir)
    save_deep("vi/a.tif", vi)
    done = run("dark")
    assert done.failed == {}
    [note] = done.notes
    assert "ir/a.png" in note
    assert "--bits 12,16" in note
    assert "vi/a.tif" not in note
    done = run("out", bits=(12, 16))
    assert done.notes == ()
    sources = [
        torch.tensor(v.astype(np.float32) / t)[None, None] for v, t in ((ir, 4095), (vi, 65535))
    ]
    assert torch.equal(images.read_grey("out/a.png"), fuse(Blend(), *sources)[0])
    done = run("both", bits=12)
    assert "vi/a.tif holds values up to 65,535, more than 12 bits can" in done.failed["a"]
    assert not done.written


@pytest.mark.parametrize(
    ("highest", "dark"), [(16384, False), (16383, True), (1, True), (0, False)]
)
def test_only_files_that_end_below_a_quarter_are_noted(at, highest, dark):
    for folder in ("ir", "vi"):
        save_deep(f"{folder}/a.png", np.full((5, 5), highest))
    assert bool(run().notes) == dark


def test_16_bit_colour_is_fused_in_colour(at):
    from tests.test_decoding import png_of

    rgb = (random(1, 20, 24, 3) * 4095).int().numpy().astype(np.uint16)
    for folder in ("ir", "vi"):
        Path(folder).mkdir()
    Path("vi/a.png").write_bytes(png_of(rgb, 2))
    images.write("ir/a.png", random(2, 1, 20, 24))
    for bits in (16, 12):
        assert run(f"{bits}", bits=bits).failed == {}
        vi = images.to_unit(images.grey_levels(rgb), bits)
        grey = fuse(Blend(), images.read_grey("ir/a.png")[None], vi[None])
        expected = images.recolour(grey[0], rgb, bits)
        assert np.array_equal(levels(f"{bits}/a.png").transpose(2, 0, 1), expected)


# --- tiles ------------------------------------------------------------------------------


def test_tiles_are_named_by_their_side(at):
    save_pair("a", (70, 90))
    model = Blend()
    done = run(model=model, tile=64)
    assert done.protocol == "64+clip"
    assert max(max(shape[-2:]) for shape in model.shapes) <= 64
    assert made_by(Path("out/a.png"))["protocol"] == "64+clip"
    assert run(protocol="64+clip").skipped


def test_large_images_are_tiled_and_that_is_said(at, monkeypatch):
    monkeypatch.setattr(fusing_work, "WHOLE_PIXELS", 100 * 100)
    monkeypatch.setattr(fusing_work, "LARGE_TILE", 64)
    save_pair("large", (101, 100))
    save_pair("limit", (100, 100))
    model = Blend()
    done = run(model=model)
    [note] = done.notes
    assert "large (100x101)" in note
    assert "limit" not in note
    assert "--tile" in note
    assert (1, 1, 100, 100) in model.shapes
    assert (1, 1, 101, 100) not in model.shapes
    assert done.protocol == "plain"
    protocols = [made_by(Path(f"out/{name}.png"))["protocol"] for name in ("large", "limit")]
    assert protocols == ["64+clip", "plain"]
    assert len(run().skipped) == 2
    # A tiling of its own is nobody's business.
    assert run("released", protocol="released").notes == ()


def test_tiles_and_a_protocol_with_tiles_are_refused(folders):
    for protocol in ("released", "released+clip"):
        with pytest.raises(FusionError, match=r"tile=64 does not go with the protocol released"):
            run(tile=64, protocol=protocol)


# --- arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"protocol": "plane"}, "no protocol 'plane'"),
        ({"tile": 0}, "0"),
        ({"tile": -5}, "-5"),
        ({"precision": "float16"}, "precision must be float32 or bfloat16"),
        ({"bits": 7}, "bits must be 8 to 16"),
        ({"bits": None}, "bits must be 8 to 16"),
        ({"bits": (12, None)}, "bits must be 8 to 16"),
        ({"tile": 31}, "tile must be 32 pixels or more, not 31"),
        ({"device": "meta"}, "device 'meta' cannot be used"),
        ({"model": 3}, "model is a name, a run or a network, not 3"),
        ({"ir": ""}, "infrared images have no name"),
        ({"bits": 17}, "bits must be 8 to 16"),
        ({"bits": (12, 12, 12)}, "bits must be 8 to 16"),
        ({"bits": (12, 12.5)}, "bits must be 8 to 16"),
        ({"batch": 0}, "batch must be 1 or more"),
        ({"batch": 1.5}, "batch must be 1 or more"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"weights": "w.safetensors"}, "model and weights both choose"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(folders, options, part):
    model = Blend()
    with pytest.raises(FusionError) as caught:
        run(**{"model": model, **options})
    assert part in str(caught.value)
    assert model.shapes == []
    assert not Path("out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(folders):
    with pytest.raises(FusionError, match="device 'cuda' cannot be used"):
        run(device="cuda")


def test_a_network_in_training_stays_so(folders):
    model = Blend().train()
    run(model=model)
    assert model.training


def test_progress_is_shown_only_if_asked_for(folders, monkeypatch, capsys):
    monkeypatch.setattr("fusionlib.progress.SECONDS_BEFORE_FIRST", 0.0)
    monkeypatch.setattr("fusionlib.progress.SECONDS_BETWEEN_LINES", 0.0)
    run("quiet")
    assert capsys.readouterr().err == ""
    Path("ir/2.png").write_text("no image")
    run("quiet")  # one there, one spoilt
    run("loud", progress=True)
    assert "fuse: 3/3" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_device_equal_sizes_go_together(folders):
    model = Blend()
    done = run(model=model, device="cuda")
    assert done.failed == {}
    assert model.shapes == [(3, 1, 20, 24)]
    run("cpu", device="cpu")
    for name in "123":
        gap = levels(f"out/{name}.png").astype(int) - levels(f"cpu/{name}.png")
        assert np.abs(gap).max() <= 1


LARGE = """
import resource, sys
import torch
from fusionlib import fuse_files
from fusionlib.models import create_model

done = fuse_files("ir", "vi", "out", model=create_model("bsp-cnn").eval(), progress=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
assert len(done.written) == 1 and "tiles of 512" in done.notes[0], done
sys.exit(0 if peak < 4e9 else f"{peak / 1e9:.2f} GB")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_24_million_pixels_take_less_than_4_gb(at):
    row = (torch.arange(6000) % 251).byte().expand(4000, 6000)
    for folder, grey in (("ir", row), ("vi", row.flip(1))):
        Path(folder).mkdir()
        Image.fromarray(grey.numpy()).save(f"{folder}/a.png", compress_level=1)
    subprocess.run([sys.executable, "-c", LARGE], check=True)
    assert images.shape_of("out/a.png") == (1, 4000, 6000)
