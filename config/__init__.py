import os
from pathlib import Path

# Before anything else of ours is imported: metrics are made then, and each opens a file there.
if _samples := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    Path(_samples).mkdir(parents=True, exist_ok=True)
