"""How Sphinx builds these pages: `make docs`."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from varprop import __version__

project = "varprop"
author = "The varprop developers"
copyright = "2026, the varprop developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "command_help",
    "reachable",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"varprop {__version__}"
html_math_renderer_name = "mathml"
html_show_search_summary = False  # it would fetch each page, which a browser refuses for files on disk
html_show_sphinx = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["varprop.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # what an argument may be is said in words
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False
# Attributes as a list: napoleon takes "log_mean, log_variance" for one name and its type
napoleon_custom_sections = [("Sources", "notes_style"), ("Attributes", "params_style")]
smartquotes_action = "D"  # dashes only: phi'(z) is no quotation
default_role = "py:obj"
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "amsmath"]


def _escape(app, what, name, obj, options, lines):
    """Keep |x| in docstrings as it is; to reStructuredText it would be a substitution."""
    inside = re.compile(r"(``.*?``)|\|")
    lines[:] = [line if line.lstrip().startswith(">>>") else inside.sub(_bar, line) for line in lines]


def _bar(match):
    return match[1] or r"\|"


def setup(app):
    app.connect("autodoc-process-docstring", _escape)
