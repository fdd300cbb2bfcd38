"""A checkpoint file that is always whole, and that serves one run at a time."""

import io
import os
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import torch

try:
    import fcntl
except ImportError:  # Windows has no flock: there, two runs on one checkpoint are not told apart
    fcntl = None

FORMAT = "segen checkpoint 1"


class Checkpoint:
    """The file at `path`, locked from `with` to its end.

    The lock is the operating system's (`flock`), so it dies with the process, however that ends. It is held on the
    checkpoint itself: a save locks the new file before it takes the old one's name. A save writes beside, flushes
    and renames, so the file under `path` is at every moment a whole checkpoint, the old or the new.

    Raises ValueError if `path` is no name of a file, BlockingIOError if another run holds the checkpoint, and
    another OSError if it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike):
        named = isinstance(path, str | os.PathLike) and Path(path).name
        # What is there and is no file (a folder, a device) would not survive the renaming.
        if not named or (os.path.exists(path) and not os.path.isfile(path)):
            raise ValueError(f"A checkpoint was asked for at {path!r}; give the path of a file, as 'runs/unet.pt'.")
        # A link stays a link: what it names is replaced.
        self.path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._file = None

    def __enter__(self) -> "Checkpoint":
        while self.exists():
            try:
                file = self.path.open("rb")
            except FileNotFoundError:
                continue  # taken away meanwhile
            except OSError as error:
                raise OSError(
                    f"The checkpoint {str(self.path)!r} could not be opened ({error.strerror}); "
                    "make the file readable, or give this run another one."
                ) from error
            self._lock(file)
            with suppress(FileNotFoundError):
                # The file may have been replaced between opening and locking; then the lock is on the old one.
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    self._hold(file)
                    self._partial.unlink(missing_ok=True)  # left by a run that was killed during a save
                    break
            file.close()
        return self

    def __exit__(self, *_) -> None:
        self._hold(None)

    def __str__(self) -> str:
        return f"the checkpoint {str(self.path)!r}"

    def exists(self) -> bool:
        """Return whether there is a file."""
        return os.path.exists(self.path)  # which, unlike Path.exists, never raises

    def is_at(self, path: str | os.PathLike) -> bool:
        """Return whether `path` names this checkpoint."""
        return Path(path).resolve() == self.path.resolve()

    def read(self) -> dict:
        """Return what the file holds; see `read` below."""
        return read(self.path)

    def write(self, state: dict) -> None:
        """Replace the file by one that holds `state`; if that fails, the file is what it was.

        Raises OSError, with what to do, if the disk is full or the folder cannot be written.
        """
        content = io.BytesIO()
        # Not straight to the disk: torch's writer ends the process when the disk is full.
        torch.save({"format": FORMAT, **state}, content)
        file = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(self._partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            self._lock(file)
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(self._partial)):
                raise self._busy()  # another run gave it the checkpoint's name between opening and locking
            file.truncate(0)
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
            self._rename()
        except BaseException as error:
            if file is not None:
                with suppress(OSError):
                    file.close()
            if isinstance(error, BlockingIOError):
                raise  # the file beside belongs to the other run
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            kept = "the checkpoint before it is whole" if self.exists() else "there was none before it"
            raise OSError(
                f"The checkpoint {str(self.path)!r} could not be written ({error.strerror or error}); {kept} and the "
                "model is still in memory: make room or choose another folder, then save or fit again."
            ) from error
        self._hold(file)

    def _rename(self) -> None:
        """Give the new file its name: the first time without replacing one that another run has made meanwhile."""
        if self._file is not None or not hasattr(os, "link"):
            os.replace(self._partial, self.path)
        else:
            try:
                os.link(self._partial, self.path)
            except FileExistsError:
                raise self._busy() from None
            except OSError:  # a file system without links
                os.replace(self._partial, self.path)
            else:
                os.unlink(self._partial)
        with suppress(OSError):  # the name must survive a power cut too
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _lock(self, file) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise self._busy() from None

    def _busy(self) -> BlockingIOError:
        return BlockingIOError(
            f"Another run is using the checkpoint {str(self.path)!r}; wait for its end, or give this run another file."
        )

    def _hold(self, file) -> None:
        if self._file is not None:
            _held.discard(self._file)
            self._file.close()
        self._file = file
        if file is not None:
            _held.add(file)


_held = set()


def _let_go() -> None:
    """Close the locked files in a forked child: a data worker that outlives its run must not keep the lock."""
    for file in _held:
        file.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def read(path: str | os.PathLike) -> dict:
    """Return what the checkpoint at `path` holds, its tensors on the CPU; nothing in it is executed.

    Raises FileNotFoundError if there is none, ValueError if it is damaged or no checkpoint of segen.
    """
    if not isinstance(path, str | os.PathLike) or not os.path.isfile(path):
        raise FileNotFoundError(f"There is no checkpoint at {str(path)!r}; give the path of one that was saved.")
    try:
        with ZipFile(path) as archive:
            if archive.testzip() is not None:  # the check sums of its parts, which torch does not look at
                raise OSError("a check sum differs")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds, by the place where the file ends
        raise ValueError(
            f"The checkpoint {str(path)!r} cannot be read: it is damaged, cut short, or no file of torch's; "
            "delete it to start anew, or give a whole one."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"The file {str(path)!r} is no checkpoint of segen; give one that a trainer saved.")
    return state
