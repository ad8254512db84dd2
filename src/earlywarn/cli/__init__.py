"""The command line: thin layers over the public names, one file a verb."""

from earlywarn.cli.main import main

__all__ = ["main"]
