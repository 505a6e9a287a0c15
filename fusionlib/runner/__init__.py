"""The one way in which notebooks are run: checked before, watched, and checked after."""
