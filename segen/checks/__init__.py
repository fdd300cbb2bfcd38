"""The judges of the exercises: `from segen.checks import unet as check`, then `check.exercise_name(answer)`."""

import html
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules


@dataclass(frozen=True)
class Progress:
    """What a reader has done: chapter → exercise → whether it was solved; shows itself as a table."""

    chapters: dict[str, dict[str, bool]]

    def __repr__(self) -> str:
        width = max(map(len, self.chapters), default=0)
        return "\n".join(
            f"{chapter:<{width}}  {sum(names.values())} of {len(names)} done"
            f"   {'  '.join(f'{self._sign(done)} {name}' for name, done in names.items())}"
            for chapter, names in self.chapters.items()
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align: left'>{html.escape(chapter)}</th>"
            f"<td>{sum(names.values())} of {len(names)}</td><td style='text-align: left'>"
            + " ".join(f"{self._sign(done)}&nbsp;<code>{html.escape(name)}</code>" for name, done in names.items())
            + "</td></tr>"
            for chapter, names in self.chapters.items()
        )
        return f"<table><tr><th>chapter</th><th>done</th><th>exercises</th></tr>{rows}</table>"

    @staticmethod
    def _sign(done: bool) -> str:
        return "✓" if done else "○"


def progress() -> Progress:
    """Return which exercises are done and which are left, chapter by chapter; it is kept in the user's cache folder.

    The folder is `$XDG_CACHE_HOME/segen`, or `~/.cache/segen`; another file is named by `$SEGEN_PROGRESS`.
    """
    from segen.checks import judging

    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    kept = judging.read_progress()
    return Progress(
        {
            chapter: {name: kept.get(chapter, {}).get(name, {}).get("done", False) for name in exercises}
            for chapter, exercises in sorted(judging.EXERCISES.items())
        }
    )
