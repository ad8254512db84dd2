"""Make libraries unimportable, as on a machine that does not have them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Blocker(MetaPathFinder):
    """Refuse the import of some top-level packages and of all that lives in them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r} (blocked by the tests)", name=fullname)
        return None


def block(names: str) -> None:
    """Block packages given as `shap,mlflow`; refuse when it is too late, as one of them is loaded already."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    loaded = sorted(wanted & set(sys.modules))
    if loaded:
        raise RuntimeError(f"too late to block {', '.join(loaded)}: already imported")
    if wanted:
        sys.meta_path.insert(0, Blocker(wanted))
