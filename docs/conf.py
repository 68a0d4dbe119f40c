"""Sphinx configuration: MyST pages, the Furo theme, warnings are errors (`make docs`)."""

project = "connector-framework"
author = "The connector-framework founders"
copyright = "2026, the connector-framework founders"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "connector-framework"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
nitpicky = False
