"""The weights that the authors of Beyond Strict Pairing released.

They are not part of the package: their repository states no licence. They
are read from a folder of the user's, or fetched once into the user's cache.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.files import write_whole
from fusionlib.git import get_revision
from fusionlib.models.weights import load_weights
from fusionlib.settings import store_root, weights_root

REPOSITORY = "https://github.com/yanglinDeng/IVIF_unpair"
REVISION = "2dd111a167950832629854ccc5dbcff786a85313"


@dataclass(frozen=True)
class Release:
    """One file of the authors.

    published: its place in their repository.
    short: another name, which the cache and collections of such files use.
    sha256: of its bytes, in hex digits.
    """

    published: str
    short: str
    sha256: str

    def find(self, folder: Path) -> Path | None:
        """The file in a folder that has one of its names."""
        names = (self.short, Path(self.published).name, self.published)
        return next((folder / name for name in names if (folder / name).is_file()), None)

    def is_sound(self, file: Path) -> bool:
        """Whether the bytes are those that were released."""
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == self.sha256


RELEASED = {
    "bsp-cnn": Release(
        "pretrained_models/CNN/CNN.model",
        "cnn.model",
        "bab577182c3f329bcfd577f899d35fb3582073915bf32ca5d2ba6738fd8cb53f",
    ),
    "bsp-transformer": Release(
        "pretrained_models/Trans/Trans.model",
        "transformer.model",
        "048cbe3547c0379d7cde00467f60196191866ad299cd2e8bb68aadbbaf2dd739",
    ),
    "bsp-gan": Release(
        "pretrained_models/GAN/GAN.model",
        "gan.model",
        "27b2bc446027181d8065107ad79aa3374fbc553bf98f59c6d8cd026240f33684",
    ),
}


def load_released(
    name: str,
    path: str | Path | None = None,
    url: str | None = None,
    revision: str | None = None,
) -> nn.Module:
    """A baseline with the authors' weights, in eval mode, on the CPU.

    Without a path the file is looked for in FUSIONLIB_WEIGHTS, then in the
    user's cache, and then fetched by git from the authors' repository at the
    pinned revision into that cache, whole or not at all. What is fetched must
    have the SHA-256 of the released files.

    Args:
        name: "bsp-cnn", "bsp-transformer" or "bsp-gan".
        path: a file, also one of another training as long as its tensors
            fit, or a folder that holds the file as cnn.model, CNN.model or
            pretrained_models/CNN/CNN.model (transformer.model and Trans.model,
            gan.model and GAN.model).
        url: another git repository with the same files (a mirror).
        revision: another revision, as a full commit hash.

    Raises FusionError for an unknown name, a file that is missing and cannot
    be fetched, that arrived altered, that is another of the released ones, or
    that `load_weights` refuses.
    """
    if name not in RELEASED:
        raise FusionError(
            f"No weights of {name!r} were released; there are those of {', '.join(RELEASED)}."
        )
    file = _find(name, path, url or REPOSITORY, revision or REVISION)
    model = load_weights(file, name)
    # The GAN's generator is the CNN: its tensors alone do not tell them apart.
    for other, release in RELEASED.items():
        if other != name and release.is_sound(file):
            raise FusionError(f"{file} is what was released as {other}, not as {name}.")
    return model


def _find(name: str, path: str | Path | None, url: str, revision: str) -> Path:
    release = RELEASED[name]
    if path is not None:
        path = Path(path).expanduser()
        if not path.is_dir():
            return path
        if found := release.find(path):
            return found
        raise FusionError(
            f"{path} holds no released weights of {name}: put them there as {release.short} or name"
            " the file."
        )
    if os.environ.get("FUSIONLIB_WEIGHTS") and (found := release.find(weights_root())):
        return found
    return _cached(name, url, revision)


def _cached(name: str, url: str, revision: str) -> Path:
    """The file in the cache, fetched where it is not there, with the others."""
    cache = store_root() / "released"
    file = cache / RELEASED[name].short
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FusionError(
            f"{cache} cannot be made ({error.strerror}): set FUSIONLIB_STORE to a folder that can."
        ) from error
    # A second process waits here, then finds the file.
    with FileLock(cache / "lock"):
        if not (file.is_file() and RELEASED[name].is_sound(file)):
            _fetch(name, cache, url, revision)
    return file


def _fetch(name: str, cache: Path, url: str, revision: str) -> None:
    part = cache / "repository.part"
    try:
        get_revision(part, url, revision, "released weights")
        for release in RELEASED.values():
            received = part / release.published
            if not received.is_file():
                raise FusionError(f"{url} has no {release.published} at revision {revision}")
            if not release.is_sound(received):
                raise FusionError(
                    f"The file {release.published} of {url} is not the one that was released:"
                    f" its SHA-256 is not {release.sha256}"
                )
            content = received.read_bytes()
            write_whole(
                cache / release.short, lambda beside, data=content: beside.write_bytes(data)
            )
    except FusionError as error:
        raise FusionError(
            f"{str(error).rstrip('.')}; else bring {RELEASED[name].published} by other means and"
            " pass it as path."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
