"""What there is to see of one pair: sources, fused images, differences, weights; its metrics."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import pandas as pd
from torch import Tensor, nn

from fusionlib.data import Pair, PairSet
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.images import grey_of
from fusionlib.inference import Protocol, coloured, fuse
from fusionlib.losses.bsp import weight
from fusionlib.losses.windows import gradient
from fusionlib.metrics import OF_COLOUR, PRINTED, score
from fusionlib.training import Run

INFRARED, VISIBLE = "infrared", "visible"
WEIGHTS = ("P_ir", "G_ir")
KEPT = 64  # images in memory

Key, Made = TypeVar("Key"), TypeVar("Made")


def kept(store: dict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """What `store` has of a key, made where it has none; the oldest goes when there are many."""
    if key not in store:
        store[key] = make()
        if len(store) > KEPT:
            del store[next(iter(store))]
    return store[key]


class Views:
    """The views of pairs, each computed once and kept while there is room.

    Args:
        networks: runs and models of grey images, by the name that stands above
            their images.

    A view is (1 or 3, H, W) in [0, 1]: "infrared", "visible", a network's name,
    "NAME - infrared" and "NAME - visible" (0.5 where both are equal), and the
    weights that Beyond Strict Pairing's loss gives to the infrared, "P_ir" and
    "G_ir".

    Raises FusionError for a network that is not trained.
    """

    def __init__(self, networks: Mapping[str, Run | nn.Module]):
        self.networks = dict(networks)
        for name, network in self.networks.items():
            if isinstance(network, Run) and not network.finished:
                raise FusionError(f"{name} is not trained: train its spec first.")
        self._loaded: dict[str, tuple[nn.Module, int]] = {}
        self._fused: dict[tuple, Tensor] = {}
        self._scores: dict[tuple, dict[str, float]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All views, in the order of menus."""
        differences = (
            f"{name} - {source}" for name in self.networks for source in (INFRARED, VISIBLE)
        )
        return (INFRARED, VISIBLE, *self.networks, *differences, *WEIGHTS)

    def view(self, name: str, pair: Pair, protocol: str = "released") -> Tensor:
        """One view of a pair; FusionError for a name that is none."""
        if name == INFRARED:
            return pair.ir
        if name == VISIBLE:
            return pair.vi_rgb
        if name == "P_ir":
            # Eq. 3
            return weight(pair.ir, pair.vi)
        if name == "G_ir":
            return weight(*(gradient(side[None])[0] for side in (pair.ir, pair.vi)))
        network, minus, source = name.partition(" - ")
        if network not in self.networks or source not in ("", INFRARED, VISIBLE):
            raise FusionError(f"There is no view {name!r}: choose from {', '.join(self.names)}.")
        fused = self.fused(network, pair, protocol)
        if not minus:
            return fused
        other = pair.ir if source == INFRARED else pair.vi
        return ((grey_of(fused[None])[0] - other) / 2 + 0.5).clamp(0, 1)

    def fused(self, network: str, pair: Pair, protocol: str = "released") -> Tensor:
        """What a network makes of a pair, in colour: (3, H, W) on 8-bit levels."""
        made = self._made(network, pair, protocol)
        return coloured(made[None], pair.vi_rgb[None])[0] if len(made) == 1 else made

    def _made(self, network: str, pair: Pair, protocol: str) -> Tensor:
        """As the network gives it: (1 or 3, H, W)."""

        def make() -> Tensor:
            model, channels = self._network(network)
            ir, vi = pair.ir[None], (pair.vi if channels == 1 else pair.vi_rgb)[None]
            return fuse(model, ir.expand_as(vi), vi, protocol)[0].cpu()

        return kept(self._fused, (network, pair.digest, Protocol.of(protocol).name), make)

    def _network(self, name: str) -> tuple[nn.Module, int]:
        """A network, loaded once, and its number of channels."""
        if name not in self._loaded:
            network = self.networks[name]
            if isinstance(network, Run):
                self._loaded[name] = network.model().eval(), network.spec.channels
            else:
                self._loaded[name] = network, 1
        return self._loaded[name]

    def scores(
        self,
        network: str,
        pair: Pair,
        protocol: str = "released",
        convention: str = "bsp",
        among: PairSet | None = None,
    ) -> dict[str, float]:
        """The metrics that the convention's paper prints, of one fused image.

        among: the set that the pair is of. `evaluate` keeps a run's scores by
            it, so that what was scored for a table is not fused again.
        """
        key = network, pair.digest, Protocol.of(protocol).name, convention
        run = self.networks[network]
        if key not in self._scores and among is not None and isinstance(run, Run):
            one = among.select([pair.name])
            row = evaluate(run, one, protocol, convention, None, progress=False).iloc[0]
            self._scores[key] = {label: float(value) for label, value in row.iloc[1:].items()}
        if key not in self._scores:
            fused, vi = self._made(network, pair, protocol), pair.vi
            metrics = PRINTED[convention]
            if len(fused) == 3 or OF_COLOUR & set(metrics):
                fused, vi = self.fused(network, pair, protocol), pair.vi_rgb
            found = score(fused[None], pair.ir[None], vi[None], metrics, convention)
            self._scores[key] = {label: float(value) for label, value in found.items()}
        return self._scores[key]

    def table(
        self,
        pair: Pair,
        protocol: str = "released",
        convention: str = "bsp",
        among: PairSet | None = None,
    ) -> pd.DataFrame:
        """A row a network, a column a metric, of one pair; args as `scores`."""
        rows = {
            name: self.scores(name, pair, protocol, convention, among) for name in self.networks
        }
        return pd.DataFrame.from_dict(rows, orient="index")
