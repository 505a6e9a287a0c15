"""Each table and figure of the papers as a list of named runs."""

from fusionlib.experiments import bsp
from fusionlib.experiments.profiles import PROFILES, Profile, profile

__all__ = ["PROFILES", "Profile", "bsp", "profile"]
