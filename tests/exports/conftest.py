from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def export_dir(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORT_DIR = str(tmp_path / "exports")
    return tmp_path / "exports"
