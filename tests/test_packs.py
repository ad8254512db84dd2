"""Packs of other packages: found by entry point, loaded when asked for, named in every error."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.errors import BundleError, FeatureError
from earlywarn.features import own
from earlywarn.features.catalogue import FeatureSet

EXAMPLE = Path(__file__).with_name("example_pack")
Install = Callable[..., Path]
AGGREGATE = "import earlywarn as ew\n\n\n@ew.aggregate\ndef {name}(values):\n    return values.max()\n"
TOML = '[{name}]\nvalue = "count(payments, days=7)"\n'


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No aggregate and no module of a pack outlives its test."""
    monkeypatch.setattr(own, "_PACKS", {})
    aggregates, modules = dict(own.OWN), set(sys.modules)
    yield
    own.OWN.clear()
    own.OWN.update(aggregates)
    for name in set(sys.modules) - modules:
        if name.startswith(("earlywarn_example_pack", "pack_")):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package by hand: its files, and the metadata that a wheel would bring."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(module: str, files: dict[str, str], *, pack: str = "mine", version: str = "0.1") -> Path:
        folder = tmp_path / module
        folder.mkdir()
        for name, text in {"__init__.py": "", **files}.items():
            (folder / name).write_text(text, encoding="utf-8")
        project = module.replace("_", "-")
        about = tmp_path / f"{module}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[earlywarn.features]\n{pack} = {module}\n")
        return folder

    return put


def example_files() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in (EXAMPLE / "earlywarn_example_pack").glob("*.[tp]*")}


def tables() -> dict[str, pd.DataFrame]:
    paid = pd.to_datetime(["2026-01-05", "2026-02-05", "2026-03-05"])
    bill = {"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": "2026-03-31", "amount": 9.0}
    payments = {"payment_id": list("xyz"), "customer_id": "c", "paid_on": paid, "amount": [10.0, 40.0, 20.0]}
    return {"invoices": pd.DataFrame([bill]), "payments": pd.DataFrame(payments)}


def test_a_pack_brings_features_families_and_aggregates(install: Install) -> None:
    install("earlywarn_example_pack", example_files(), pack="example", version="1.2.0")
    pack = FeatureSet.from_pack("example")
    assert pack.names == ("payment_largest_mean_365d", "payment_count_30d")
    assert pack.families["sizes"].label["nl"] == "Grootte van de betalingen"
    ledger = ew.Ledger.from_tables(**tables())
    obs = pd.DataFrame({"customer_id": ["c"], "as_of": pd.to_datetime(["2026-03-10"])})
    X = (FeatureSet.default().select("payment*") + pack).compute(ledger, obs)
    assert X.loc[0, ["payment_largest_mean_365d", "payment_count_30d"]].tolist() == [30.0, 1.0]


def test_a_pack_may_hold_aggregates_only(install: Install) -> None:
    install("pack_code", {"__init__.py": AGGREGATE.format(name="topmost")})
    assert len(FeatureSet.from_pack("mine")) == 0
    assert "topmost" in own.OWN


def test_no_code_of_a_pack_runs_before_it_is_asked_for(install: Install) -> None:
    install("pack_broken", {"__init__.py": "raise RuntimeError('boom')"}, pack="broken")
    install("pack_fine", {"mine.toml": TOML.format(name="payments_7d")}, pack="fine")
    assert FeatureSet.from_pack("fine").names == ("payments_7d",)
    assert len(FeatureSet.default()) > 10
    code = "import earlywarn, sys; earlywarn.FeatureSet.default(); print([m for m in sys.modules if 'pack_' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"__init__.py": "raise RuntimeError('boom')"}, "RuntimeError: boom"),
        ({"__init__.py": "import no_such_library"}, "no_such_library"),
        ({"mine.toml": "[a\n"}, "mine.toml is not TOML"),
        ({"mine.toml": '[one]\nvalue = "coutn(payments)"\n'}, "did you mean 'count'"),
        ({}, "holds no TOML file and no aggregate"),
        ({"__init__.py": AGGREGATE.format(name="mean")}, "F218"),
    ],
)
def test_a_broken_pack_is_named_with_its_package(install: Install, files: dict[str, str], says: str) -> None:
    install("pack_broken", files, pack="broken", version="3.1")
    with pytest.raises(FeatureError, match="F245") as error:
        FeatureSet.from_pack("broken")
    assert "the pack 'broken' of pack-broken 3.1 cannot be loaded" in str(error.value)
    assert says in str(error.value)


def test_a_pack_that_is_not_there_is_looked_for_among_those_that_are(install: Install) -> None:
    install("pack_fine", {"mine.toml": TOML.format(name="payments_7d")}, pack="telecom")
    with pytest.raises(FeatureError, match=r"F244(.|\n)*did you mean 'telecom'"):
        FeatureSet.from_pack("telekom")


def test_two_packages_with_a_pack_of_one_name_are_both_named(install: Install) -> None:
    install("pack_one", {"mine.toml": TOML.format(name="one")})
    install("pack_two", {"mine.toml": TOML.format(name="two")})
    with pytest.raises(FeatureError, match="F246") as error:
        FeatureSet.from_pack("mine")
    assert {"pack-one 0.1", "pack-two 0.1"} <= set(str(error.value.found).split(", "))


def test_a_feature_that_two_packs_bring_names_both(install: Install) -> None:
    install("pack_one", {"mine.toml": TOML.format(name="payments_7d")}, pack="one")
    install("pack_two", {"mine.toml": TOML.format(name="payments_7d")}, pack="two")
    one, two = FeatureSet.from_pack("one"), FeatureSet.from_pack("two")
    for left, right in ((one, two), (FeatureSet.default().drop("usage*") + one, two.select("payments_*"))):
        with pytest.raises(FeatureError, match="F203") as error:
            left + right
        assert "the pack 'one' of pack-one 0.1" in str(error.value)
        assert "the pack 'two' of pack-two 0.1" in str(error.value)


def test_an_aggregate_that_two_packs_bring_names_both(install: Install) -> None:
    install("pack_one", {"__init__.py": AGGREGATE.format(name="topmost")}, pack="one")
    install("pack_two", {"__init__.py": AGGREGATE.format(name="topmost")}, pack="two")
    FeatureSet.from_pack("one")
    with pytest.raises(FeatureError, match="F245") as error:
        FeatureSet.from_pack("two")
    assert "one from the pack 'one' of pack-one 0.1, one from the pack 'two' of pack-two 0.1" in str(error.value)


# -- what is saved ---------------------------------------------------------------------------------------------


def test_saved_features_name_the_aggregates_they_need_and_refuse_without_them(install: Install) -> None:
    install("earlywarn_example_pack", example_files(), pack="example", version="1.2.0")
    pack = FeatureSet.from_pack("example")
    saved = json.loads(json.dumps(pack.to_dict()))
    assert FeatureSet.from_dict(saved) == pack == pickle.loads(pickle.dumps(pack))
    assert FeatureSet.from_dict(saved).to_dict() == saved
    assert saved["aggregates"]["mean_of_largest"]["from"] == "the pack 'example' of earlywarn-example-pack 1.2.0"
    assert "aggregates" not in pack.drop("payment_largest*").to_dict(), "only what is used is needed"
    del own.OWN["mean_of_largest"]
    with pytest.raises(FeatureError, match="F242") as error:
        FeatureSet.from_dict(saved)
    for part in ("payment_largest_mean_365d", "earlywarn-example-pack 1.2.0", "FeatureSet.from_pack"):
        assert part in str(error.value)


def test_an_aggregate_that_changed_since_is_refused_and_a_comment_is_no_change(install: Install) -> None:
    folder = install("earlywarn_example_pack", example_files(), pack="example")
    saved = FeatureSet.from_pack("example").to_dict()

    def changed(old: str, new: str) -> None:
        file = folder / "__init__.py"
        file.write_text(file.read_text("utf-8").replace(old, new), encoding="utf-8")
        del sys.modules["earlywarn_example_pack"], own.OWN["mean_of_largest"]
        sys.path_importer_cache.clear()
        for cached in folder.glob("__pycache__/*"):
            cached.unlink()
        FeatureSet.from_pack("example")

    changed("    return np.sort", "    # a word\n    return np.sort")
    FeatureSet.from_dict(saved)
    changed("[-k:]", "[:k]")
    with pytest.raises(FeatureError, match="F243"):
        FeatureSet.from_dict(saved)


def test_a_bundle_without_its_aggregate_says_what_to_install(
    install: Install, tmp_path_factory: pytest.TempPathFactory
) -> None:
    install("earlywarn_example_pack", example_files(), pack="example")
    features = FeatureSet.default().select("invoice*") + FeatureSet.from_pack("example")
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=40, months=8, seed=1))
    outcome = ew.Outcome()
    obs = outcome.observations(ledger)
    X = features.compute(ledger, obs)
    model = ew.RiskModel(features).fit(X, outcome.label(ledger, obs), as_of=obs["as_of"])
    scorer = ew.Scorer(features, outcome, model, ew.Policy.default())
    folder = scorer.save(tmp_path_factory.mktemp("saved") / "bundle")
    again = ew.Scorer.load(folder)
    assert again.model_version == scorer.model_version
    kept = own.OWN.pop("mean_of_largest")
    with pytest.raises(BundleError, match="B516") as error:
        ew.Scorer.load(folder)
    assert "the pack 'example' of earlywarn-example-pack 0.1" in str(error.value)
    own.OWN["mean_of_largest"] = kept
    assert ew.Scorer.load(folder).model_version == scorer.model_version


# -- installed for real ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_pack_is_built_installed_and_found_in_another_process(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    words = ["--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "--quiet", "--target", str(tmp_path)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *words, str(EXAMPLE)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    paths = [str(tmp_path), *(path for path in sys.path if path)]
    code = f"""
import sys
sys.path[:0] = {paths!r}
import earlywarn as ew
assert "earlywarn_example_pack" not in sys.modules
pack = ew.FeatureSet.from_pack("example")
print(*pack.names, *pack.to_dict()["aggregates"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["payment_largest_mean_365d", "payment_count_30d", "mean_of_largest"]
    assert not list(EXAMPLE.rglob("build")), "the build left something in the checkout"
