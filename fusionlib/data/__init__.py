"""Image pairs: public datasets, rendered scenes, and the user's own folders."""

from fusionlib.data.datasets import open_folders, open_images, open_pairs
from fusionlib.data.pairs import Pair, PairSet

__all__ = ["Pair", "PairSet", "open_folders", "open_images", "open_pairs"]
