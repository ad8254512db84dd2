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
from earlywarn.features import packs, pages
from earlywarn.features.definition import Family, Feature
from earlywarn.features.files import default_folder, read_catalogue, shipped_families

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.features.context import Context
    from earlywarn.tables.ledger import Ledger
    from earlywarn.tables.store import LedgerStore

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

    __slots__ = ("_by_name", "_declared", "_needs", "_packs", "fingerprint")

    _by_name: Mapping[str, Feature]
    _declared: Mapping[str, Family]
    _needs: Mapping[str, Mapping[str, Any]]  # aggregates of the user's own, see `packs.needs_of`
    _packs: Mapping[str, str]  # the pack of each feature that comes from one, in words
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
        fix(self, "_needs", packs.needs_of(by_name.values()))
        fix(self, "_packs", {})
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
    def from_pack(cls, name: str) -> FeatureSet:
        """Read a pack that an installed package offers, and add its aggregates to the language.

        This imports that package, so it runs its code; no other pack is touched.

        Parameters
        ----------
        name : str
            Name of an entry point in the group ``earlywarn.features``.

        Returns
        -------
        FeatureSet

        Raises
        ------
        FeatureError
            F244 no such pack, F245 it is broken, F246 two packages offer it; each names the packages.

        Examples
        --------
        >>> FeatureSet.from_pack("water")
        Traceback (most recent call last):
        ...
        earlywarn.errors.FeatureError: FeatureError[F244]: no installed package offers the pack 'water'.
        ...
        """
        features, families, words = packs.read_pack(name)
        return cls(features, families)._with_packs({feature.name: words for feature in features})

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
            F202 when it is not of that form, F242 and F243 when an aggregate of the user's own that it uses is
            not there or is another one, else as `Feature` and `Family`.
        """
        if not isinstance(content, Mapping) or set(content) - {"aggregates"} != {"features", "families"}:
            raise FeatureError(
                "this is no set of features.",
                code="F202",
                found=repr(content)[:80],
                hint="hand over what to_dict() gave.",
            )
        needs = content.get("aggregates", {})
        packs.check_needs(needs, content["features"])
        features = [Feature.from_dict(row.get("name", ""), _without_name(row)) for row in content["features"]]
        made = cls(features, {name: Family.from_dict(name, row) for name, row in content["families"].items()})
        object.__setattr__(made, "_needs", needs)  # as it was saved, so that saving again gives the same bytes
        return made

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dictionaries with every definition and every text, ready for JSON.

        An aggregate of the user's own is code and does not go along: it is named, with where it came from.

        Returns
        -------
        dict

        Examples
        --------
        >>> bills = FeatureSet([Feature("invoices_count_365d", "count(invoices, days=365)")])
        >>> FeatureSet.from_dict(bills.to_dict()) == bills
        True
        """
        content: dict[str, Any] = {
            "features": [feature.to_dict() for feature in self],
            "families": {name: family.to_dict() for name, family in self.families.items()},
        }
        return {**content, "aggregates": dict(self._needs)} if self._needs else content

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
        if not isinstance(other, FeatureSet):
            other = FeatureSet([other] if isinstance(other, Feature) else other, {})
        came = {**other._packs, **self._packs}
        twice = [name for name in other.names if name in self and name in came]
        if twice:
            one, two = (packed.get(twice[0], "another set") for packed in (self._packs, other._packs))
            raise FeatureError(
                f"feature {', '.join(twice)} comes twice.",
                code="F203",
                found=f"from {one} and from {two}",
                hint="drop it from one: FeatureSet.from_pack(…).drop(…).",
            )
        return FeatureSet([*self, *other], {**other._declared, **self._declared})._with_packs(came)

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
        rest = FeatureSet([feature for feature in self if feature.name not in gone], self._declared)
        return rest._with_packs(self._packs)

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
        part = FeatureSet([feature for feature in self if feature.name in kept], self._declared)
        return part._with_packs(self._packs)

    def _with_packs(self, words: Mapping[str, str]) -> FeatureSet:
        """The same set, knowing which of its features come from a pack; it is new and seen by nobody else."""
        object.__setattr__(self, "_packs", {name: text for name, text in words.items() if name in self})
        return self

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
        ledger: Ledger | LedgerStore,
        obs: pd.DataFrame,
        *,
        context: Context | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> pd.DataFrame:
        """Compute the matrix, each row from facts known strictly before its ``as_of``.

        Parameters
        ----------
        ledger : Ledger or LedgerStore
            A store is streamed bucket by bucket.
        obs : DataFrame
            As `Outcome.observations` gives it.
        context : Context, optional
            Sums over groups of customers, made of the whole book beforehand with `Context.of`; made of ``ledger``
            itself when left out.
        progress : callable, optional
            Called with the finished share, 0 to 1.

        Returns
        -------
        DataFrame of float32 (categories as ``category``), one column a feature, index of ``obs``
        """
        from earlywarn.features.build import compute
        from earlywarn.features.stored import compute_stored
        from earlywarn.tables.store import LedgerStore

        if isinstance(ledger, LedgerStore):
            return compute_stored(self, ledger, obs, context=context, progress=progress)
        return compute(self, ledger, obs, context=context, progress=progress)

    def to_markdown(self) -> str:
        """Return the catalogue as a page of Markdown: one table a family.

        Returns
        -------
        str
        """
        return pages.markdown(self, self.families)


def _canonical(content: Mapping[str, Any]) -> bytes:
    """Content as bytes to hash; where an aggregate came from is left out."""
    needs = content.get("aggregates", {})
    plain = {name: {key: need[key] for key in ("parameters", "code")} for name, need in needs.items()}
    content = {**content, "aggregates": plain} if needs else content
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _without_name(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "name"}
