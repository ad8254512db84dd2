"""Where data sets that are not shipped lie: where they are said to, else beside the checkout.

The folder is the argument, else the environment variable ``EARLYWARN_DATA``, else ``../shared/data`` beside
the checkout or the working directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from earlywarn.errors import DataError

__all__ = ["VARIABLE", "find_file", "read_text_cells"]

VARIABLE = "EARLYWARN_DATA"


def read_text_cells(folder: str | Path | None, name: str, file: str, *dates: str) -> pd.DataFrame:
    """Read one CSV file with all cells as text, the named columns as moments.

    Parameters
    ----------
    folder : str, path or None
        The folder of all data sets, or of this one.
    name, file : str
        The data set's folder, and the file in it.
    *dates : str
        Columns in ISO form.

    Returns
    -------
    DataFrame
    """
    frame = pd.read_csv(find_file(folder, name, file), dtype="str", keep_default_na=False, na_values=["", "NA"])
    for column in dates:
        frame[column] = pd.to_datetime(frame[column], format="ISO8601")
    return frame


def find_file(folder: str | Path | None, name: str, file: str) -> Path:
    """Return the path of a file of a data set.

    Parameters
    ----------
    folder : str, path or None
        The folder of all data sets, or of this one.
    name, file : str
        The data set's folder, and the file in it.

    Returns
    -------
    path

    Raises
    ------
    DataError
        When it is nowhere (code D180).
    """
    for root in _roots(folder):
        for place in (root / name / file, root / file):
            if place.is_file():
                return place
    raise DataError(
        f"the data set {name} is not there ({file}).",
        code="D180",
        found=f"not in {' nor in '.join(map(str, _roots(folder)))}",
        hint=f"hand over its folder, or set {VARIABLE} to the folder that holds {name}.",
    )


def _roots(folder: str | Path | None) -> Iterator[Path]:
    """Where to look: the place asked for and no other, else those that are usual."""
    named = folder or os.environ.get(VARIABLE)
    if named:
        yield Path(named)
        return
    yield Path(__file__).resolve().parents[3].parent / "shared" / "data"
    yield Path.cwd().parent / "shared" / "data"
