"""Sphinx extension: the built book needs no other host, formulas included.

MathJax is copied from its Python package into the book's static files, in place of the address on a public
server that Sphinx would write. The SVG renderer is taken since it is one file without fonts.
"""

import importlib.util
from pathlib import Path
from shutil import copyfile

SCRIPT = "tex-svg-full.js"


def mathjax() -> Path:
    """Return the path of MathJax's script in the installed package `django-static-mathjax`.

    Raises FileNotFoundError if the package is not installed.
    """
    package = importlib.util.find_spec("mathjax")
    for folder in package.submodule_search_locations if package else []:
        script = Path(folder) / "static" / "mathjax" / "es5" / SCRIPT
        if script.is_file():
            return script
    raise FileNotFoundError("MathJax was not found: install requirements.txt, which names django-static-mathjax.")


def copy(app, exception):
    """Put the script beside the book's other static files, once the pages are written."""
    if exception is None and app.builder.format == "html":
        copyfile(mathjax(), Path(app.outdir) / "_static" / SCRIPT)


def without_thebe(app, page, template, context, doctree):
    """Leave out the scripts that run cells on a public server: the course has no button for them."""
    for kind in ("script_files", "css_files"):
        if kind in context:
            context[kind] = [file for file in context[kind] if "thebe" not in f"{file} {file.attributes}".lower()]


def setup(app):
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", SCRIPT))
    app.connect("html-page-context", without_thebe, priority=900)
    app.connect("build-finished", copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
