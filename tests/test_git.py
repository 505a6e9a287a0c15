"""Files at a pinned revision, from a repository that the test makes."""

import shutil

import pytest

import fusionlib.git
from fusionlib.errors import FusionError
from fusionlib.git import get_revision
from tests.repository import commit

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def origin(tmp_path):
    """A repository of two commits; the first one is pinned."""
    folder = tmp_path / "origin"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "b.txt").write_text("pinned\r\n")
    revision = commit(folder)
    (folder / "b.txt").write_text("later")
    commit(folder, "later")
    return folder, f"file://{folder}", revision


def holds_the_pinned_files(folder):
    return (
        (folder / "deep/a.bin").read_bytes() == bytes(range(256)) * 40
        and (folder / "b.txt").read_bytes() == b"pinned\r\n"
        and sorted(path.name for path in folder.iterdir()) == [".git", "b.txt", "deep"]
    )


def test_the_files_of_the_pinned_commit_arrive(origin, tmp_path, capsys):
    folder, url, revision = origin
    get_revision(tmp_path / "here/part", url, revision, "weights")
    assert holds_the_pinned_files(tmp_path / "here/part")
    assert "100%" in capsys.readouterr().err
    shutil.rmtree(folder)  # a second call needs no server
    (tmp_path / "here/part/b.txt").unlink()
    get_revision(tmp_path / "here/part", url, revision, "weights")
    assert holds_the_pinned_files(tmp_path / "here/part")


def test_a_server_that_refuses_a_bare_commit(origin, tmp_path, monkeypatch):
    _, url, revision = origin
    calls = []
    run = fusionlib.git._git
    monkeypatch.setattr(fusionlib.git, "_git", lambda *a, **k: calls.append(a[1:3]) or run(*a, **k))
    # The oldest protocol gives out only what a branch or tag names.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    get_revision(tmp_path / "part", url, revision, "weights")
    assert calls.count(("fetch", "--progress")) == 2
    assert holds_the_pinned_files(tmp_path / "part")


@pytest.mark.parametrize("other_repository", [False, True])
def test_a_leftover_is_cleared_away(origin, tmp_path, other_repository):
    _, url, revision = origin
    part = tmp_path / "part"
    part.mkdir()
    (part / "half.bin").write_text("half")
    if other_repository:
        commit(part)
    get_revision(part, url, revision, "weights")
    assert holds_the_pinned_files(part)


def test_a_damaged_object_is_refused(origin, tmp_path):
    folder, url, revision = origin
    objects = [path for path in (folder / ".git/objects").rglob("*") if path.is_file()]
    largest = max(objects, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 1
    largest.chmod(0o644)
    largest.write_bytes(content)
    with pytest.raises(FusionError, match="git cannot fetch"):
        get_revision(tmp_path / "part", url, revision, "weights")


def test_what_cannot_be_fetched(origin, tmp_path, monkeypatch):
    _, url, revision = origin
    part = tmp_path / "part"
    for wrong in ("main", revision[:7], None):
        with pytest.raises(FusionError, match="no full commit hash of 40 hex digits"):
            get_revision(part, url, wrong, "weights")
    with pytest.raises(FusionError, match=f"has no revision {'0' * 40}: pass one that it has"):
        get_revision(part, url, "0" * 40, "weights")
    assert not part.exists()
    with pytest.raises(FusionError, match=r"elsewhere.*check the address, the connection"):
        get_revision(part, url + "elsewhere", revision, "weights")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FusionError, match="git is not on PATH"):
        get_revision(part, url, revision, "weights")
