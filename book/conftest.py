"""What holds while notebooks are tested: one thread each, and a reader's progress is left alone."""

import os
import tempfile

# Two notebooks run at a time on two cores; kernels inherit this process's environment.
os.environ.setdefault("OMP_NUM_THREADS", "1")
_folder = tempfile.TemporaryDirectory()
os.environ["SEGEN_PROGRESS"] = os.path.join(_folder.name, "progress.json")
