"""Move the project to another public address: `make repository URL=https://github.com/OWNER/NAME`.

The address stands in pyproject.toml under [project.urls]. Every other place is derived from it: this script writes
the new one into all of them, notebooks included, and prints the files it changed. With no URL it prints the address.
"""

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
from run import code_hash

ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def current(root: Path) -> str:
    """Return the address in the pyproject.toml of the tree at `root`."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def spellings(address: str) -> list[str]:
    """Return what an address looks like: in a browser, in Colab's addresses and as published pages.

    Raises ValueError if it is not the address of a repository on GitHub, the only place Colab opens and CI knows.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is no repository's address; give one like https://github.com/you/segen.")
    owner, name = match.groups()
    pages = f"https://{owner.lower()}.github.io/{name}"
    return [f"https://github.com/{owner}/{name}", f"colab.research.google.com/github/{owner}/{name}", pages]


def text_files(root: Path) -> Iterator[Path]:
    """Yield the project's own text files: nothing hidden but CI, no environment, nothing built."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if (not name.startswith(".") or name in (".ci", ".github"))
            and name not in ("_build", "build", "dist", "__pycache__")
            and not name.endswith(".egg-info")
            and not (Path(folder, name) / "pyvenv.cfg").exists()
        )
        for path in (Path(folder, name) for name in sorted(files)):
            if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes():
                yield path


def rewrite(path: Path, old: list[str], new: list[str]) -> bool:
    """Replace the spellings `old` by `new` in the file, byte for byte the same elsewhere; say if it changed."""
    before = after = path.read_bytes()
    for was, becomes in zip(old, new, strict=True):
        # Not the beginning of a longer name: /segen is not /segen-data.
        after = re.sub(re.escape(was).encode() + rb"(?![\w-]|\.(?!git\b)\w)", lambda _, b=becomes: b.encode(), after)
    if after == before:
        return False
    if path.suffix == ".ipynb":  # a notebook signs its code, and its set-up cell has just changed
        signatures = (code_hash(nbformat.reads(text.decode(), as_version=4)).encode() for text in (before, after))
        after = after.replace(*signatures)
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(after)
    beside.chmod(path.stat().st_mode)
    os.replace(beside, path)
    return True


def main() -> int:
    """Rewrite the tree; return 1, with a sentence, if the address is none."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", help="the new address; without it the present one is printed")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the tree")
    asked = parser.parse_args()
    address = current(asked.root)
    if asked.url is None:
        print(address)
        return 0
    try:
        old, new = spellings(address), spellings(asked.url)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    # pyproject.toml last: interrupted, the script finds the old address still there and goes on when run again.
    files = sorted(text_files(asked.root), key=lambda path: path == asked.root / "pyproject.toml")
    for path in files:
        if rewrite(path, old, new):
            print(path.relative_to(asked.root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
