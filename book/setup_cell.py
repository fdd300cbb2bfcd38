# In Colab, install the course's package and leave Colab's own torch as it is; elsewhere, do nothing.
import subprocess
import sys

if "google.colab" in sys.modules:
    package = "segen[book] @ git+https://github.com/segen-course/segen"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package], check=True)
