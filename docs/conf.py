"""Sphinx: python -m sphinx -W -q -b html docs docs/_build. Needs the extra `docs`, and no network."""

import configparser
import pathlib

from sphinx.util import inspect

package = configparser.ConfigParser()
package.read(pathlib.Path(__file__).parent.parent / "setup.cfg")

project = "tf_supermask"
release = package["metadata"]["version"]
copyright = "the authors of tf_supermask, Apache License 2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
default_role = "code"  # docstrings put names in single backticks
smartquotes_action = "qe"  # no dashes: --flags stay as they are
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"tf_supermask {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False


def of_init(app, what, name, obj, options, signature, return_annotation):
    """The signature of a class is that of `__init__`; Keras' layers have a `__new__` that takes anything."""
    if what == "class" and signature:
        taken = inspect.signature(obj.__init__, bound_method=True)
        return inspect.stringify_signature(taken, show_annotation=False), return_annotation


def setup(app):
    app.connect("autodoc-process-signature", of_init)
