"""Sphinx extension: every solution is folded until the reader opens it, without each chapter having to say so."""

from sphinx_exercise.nodes import solution_node


def fold(app, doctree):
    """Give each solution of a page the class that makes it a dropdown."""
    for node in doctree.findall(solution_node):
        if "dropdown" not in node["classes"]:
            node["classes"].append("dropdown")


def setup(app):
    app.connect("doctree-read", fold)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
