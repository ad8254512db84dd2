"""The catalogue: features in order, read from text files, combined by name, hashed by content.

A folder holds one TOML file a family of features and ``families.toml``. The shipped catalogue stands in the
wheel, or in the top-level ``features/`` of a checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from earlywarn.errors import FeatureError, suggest
from earlywarn.features import pages
from earlywarn.features.definition import Family, Feature
from earlywarn.features.files import default_folder, read_catalogue, shipped_families

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.features.context import Context
    from earlywarn.tables.ledger import Ledger

__all__ = ["Family", "Feature", "FeatureSet"]


class FeatureSet:
    """Features in a fixed order, each name once. It does not change after construction.

    Parameters
    ----------
    features : iterable of Feature
    families : mapping of str to Family, optional
        Labels and texts of the families; those of the shipped catalogue when left out. A family that is used
        and not declared gets a plain label.

    Attributes
    ----------
    names : tuple of str
    families : mapping of str to Family
        Every family declared or used.
    fingerprint : str
        SHA-256 of the content: same fingerprint, same matrix and same words.

    Raises
    ------
    FeatureError
        F203 when a name comes twice.

    Examples
    --------
    >>> bills = FeatureSet([Feature("invoices_count_365d", "count(invoices, days=365)", unit="invoices")])
    >>> more = bills + [Feature("payments_count_90d", "count(payments, days=90)", unit="payments")]
    >>> more.names, more.drop("payments_*").names, "payments_count_90d" in more
    (('invoices_count_365d', 'payments_count_90d'), ('invoices_count_365d',), True)
    """

    __slots__ = ("_by_name", "_declared", "fingerprint")

    _by_name: Mapping[str, Feature]
    _declared: Mapping[str, Family]
    fingerprint: str

    def __init__(self, features: Iterable[Feature] = (), families: Mapping[str, Family] | None = None) -> None:
        by_name: dict[str, Feature] = {}
        for feature in features:
            if not isinstance(feature, Feature):
                raise FeatureError(f"{feature!r} is no Feature.", code="F202", hint="Feature(name, value=…).")
            if feature.name in by_name:
                raise FeatureError(
                    f"feature {feature.name} comes twice.",
                    code="F203",
                    hint="rename one, or .drop() the other first.",
                )
            by_name[feature.name] = feature
        fix = object.__setattr__
        fix(self, "_by_name", MappingProxyType(by_name))
        fix(self, "_declared", MappingProxyType(dict(shipped_families() if families is None else families)))
        fix(self, "fingerprint", hashlib.sha256(_canonical(self.to_dict())).hexdigest())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a FeatureSet does not change; {name} cannot be set. Use + and .drop().")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a FeatureSet does not change; {name} cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        return FeatureSet.from_dict, (self.to_dict(),)

    @classmethod
    def default(cls) -> FeatureSet:
        """Return the shipped catalogue.

        Returns
        -------
        FeatureSet

        Raises
        ------
        FeatureError
            F208 when neither the package nor a checkout holds one.

        Examples
        --------
        >>> "usage_spike_30d" in FeatureSet.default()
        True
        """
        return cls.from_toml(default_folder())

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str] | Traversable) -> FeatureSet:
        """Read one TOML file, or every one of a folder in the order of their names.

        Parameters
        ----------
        path : str, path or resource
            A table ``[name]`` in it is a feature; ``families.toml`` beside or in it declares families.

        Returns
        -------
        FeatureSet

        Raises
        ------
        FeatureError
            F208 no file, or not TOML; else every fault of every feature in one message.
        """
        return cls(*read_catalogue(path))

    @classmethod
    def from_dict(cls, content: Any) -> FeatureSet:
        """Rebuild what `to_dict` gave; nothing is read from disk.

        Parameters
        ----------
        content : mapping

        Returns
        -------
        FeatureSet

        Raises
        ------
        FeatureError
            F202 when it is not of that form, else as `Feature` and `Family`.
        """
        if not isinstance(content, Mapping) or set(content) != {"features", "families"}:
            raise FeatureError(
                "this is no set of features.",
                code="F202",
                found=repr(content)[:80],
                hint="hand over what to_dict() gave.",
            )
        features = [Feature.from_dict(row.get("name", ""), _without_name(row)) for row in content["features"]]
        return cls(features, {name: Family.from_dict(name, row) for name, row in content["families"].items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dictionaries with every definition and every text, ready for JSON.

        Returns
        -------
        dict

        Examples
        --------
        >>> bills = FeatureSet([Feature("invoices_count_365d", "count(invoices, days=365)")])
        >>> FeatureSet.from_dict(bills.to_dict()) == bills
        True
        """
        return {
            "features": [feature.to_dict() for feature in self],
            "families": {name: family.to_dict() for name, family in self.families.items()},
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order: the columns of the matrix."""
        return tuple(self._by_name)

    @property
    def families(self) -> Mapping[str, Family]:
        """Every family declared or used, by name."""
        used = dict.fromkeys(feature.family for feature in self)
        return MappingProxyType(dict(self._declared) | {n: Family(n) for n in used if n not in self._declared})

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Feature:
        if name not in self._by_name:
            raise FeatureError(f"there is no feature {name!r}.", code="F207", hint=suggest(str(name), self.names))
        return self._by_name[name]

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, FeatureSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"FeatureSet({len(self)} features, {self.fingerprint[:12]})"

    def _repr_html_(self) -> str:
        return pages.html(self)

    def __add__(self, other: FeatureSet | Feature | Iterable[Feature]) -> FeatureSet:
        """Features of both; a name may come once only."""
        if isinstance(other, Feature):
            other = [other]
        declared = {**other._declared, **self._declared} if isinstance(other, FeatureSet) else self._declared
        return FeatureSet([*self, *other], declared)

    def drop(self, *patterns: str) -> FeatureSet:
        """Return all features but those whose name fits a pattern such as ``"contact_*"``.

        Parameters
        ----------
        *patterns : str

        Returns
        -------
        FeatureSet

        Raises
        ------
        FeatureError
            F207 when a pattern fits no feature.
        """
        gone = self._matching(patterns)
        return FeatureSet([feature for feature in self if feature.name not in gone], self._declared)

    def select(self, *patterns: str) -> FeatureSet:
        """Return the features whose name fits a pattern, in their own order.

        Parameters
        ----------
        *patterns : str

        Returns
        -------
        FeatureSet

        Raises
        ------
        FeatureError
            F207 when a pattern fits no feature.
        """
        kept = self._matching(patterns)
        return FeatureSet([feature for feature in self if feature.name in kept], self._declared)

    def _matching(self, patterns: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for pattern in patterns:
            hits = {name for name in self.names if fnmatchcase(name, pattern)}
            if not hits:
                groups = {f"{name.partition('_')[0]}_*" for name in self.names}
                raise FeatureError(
                    f"no feature fits {pattern!r}.",
                    code="F207",
                    hint=suggest(pattern, {*self.names, *groups}),
                )
            found |= hits
        return found

    def compute(
        self,
        ledger: Ledger,
        obs: pd.DataFrame,
        *,
        context: Context | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> pd.DataFrame:
        """Compute the matrix, each row from facts known strictly before its ``as_of``.

        Parameters
        ----------
        ledger : Ledger
        obs : DataFrame
            As `Outcome.observations` gives it.
        context : Context, optional
            Reductions over other customers, made beforehand; from the ledger itself when left out.
        progress : callable, optional
            Called with the finished share, 0 to 1.

        Returns
        -------
        DataFrame of float32 (categories as ``category``), one column a feature, index of ``obs``
        """
        from earlywarn.features.build import compute

        return compute(self, ledger, obs, context=context, progress=progress)

    def to_markdown(self) -> str:
        """Return the catalogue as a page of Markdown: one table a family.

        Returns
        -------
        str
        """
        return pages.markdown(self, self.families)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _without_name(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "name"}
