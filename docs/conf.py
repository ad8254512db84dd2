"""Sphinx set-up: Markdown pages, pages written from the code, reference, examples run. Needs no network."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import pages  # noqa: E402  - it stands beside this file

project = "earlywarn"
author = "the earlywarn authors"
copyright = "2026, the earlywarn authors"
release = installed_version("earlywarn")
language = "en"

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_nb"]
exclude_patterns = ["conf.py", "pages.py", "_build", "jupyter_execute", "evidence"]

html_theme = "furo"
html_title = f"earlywarn {release}"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections tell types with shapes and units
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True


def _copy_examples() -> None:
    """Sphinx reads below its own folder only: the examples are copied to docs/gallery, which git ignores."""
    gallery = DOCS / "gallery"
    shutil.rmtree(gallery, ignore_errors=True)
    gallery.mkdir()
    for example in sorted((DOCS.parent / "examples").glob("[0-9]*.py")):
        shutil.copy2(example, gallery)


_copy_examples()
pages.write(DOCS / "_build" / "generated")
pages.write_catalogue(DOCS / "catalogue")
