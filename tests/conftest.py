"""What holds for all tests: nobody's progress in the exercises, and nobody's cache of data, is read or written."""

import pytest


@pytest.fixture(autouse=True)
def own_progress(tmp_path_factory, monkeypatch):
    """Give each test a file of progress of its own."""
    monkeypatch.setenv("SEGEN_PROGRESS", str(tmp_path_factory.mktemp("progress") / "progress.json"))
