"""What the pages for callers tell to paste is pasted, in a shell like a reader's."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from config.launch.application import ROOT
from config.launch.client import LocalSystem

PAGES = sorted(page for page in (ROOT / "docs/api").glob("*.md") if page.name != "README.md")
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LOCAL = "http://127.0.0.1:8000"
# A call that is refused ends the shell. `make token` asks another system than this one, which is tested elsewhere.
_READER = """set -euo pipefail
curl() { command curl --fail-with-body --max-time 30 "$@"; }
make() { printf %s "$GIVEN_TOKEN"; }
"""


def blocks(page: Path, system: LocalSystem) -> str:
    return "".join(_BLOCK.findall(page.read_text(encoding="utf-8"))).replace(_LOCAL, system.api_url)


def pasted(system: LocalSystem, commands: str, folder: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "GIVEN_TOKEN": system.token("alice")}
    script = ["bash", "-c", _READER + commands]
    done = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.embedded
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_can_be_pasted_after_the_start(embedded: LocalSystem, page: Path, tmp_path: Path) -> None:
    start = _BLOCK.findall((ROOT / "docs/api/README.md").read_text(encoding="utf-8"))[0]
    commands = blocks(page, embedded)
    assert "curl" in commands
    pasted(embedded, start.replace(_LOCAL, embedded.api_url) + commands, tmp_path)


@pytest.mark.embedded
def test_the_start_can_be_pasted(embedded: LocalSystem, tmp_path: Path) -> None:
    told = pasted(embedded, blocks(ROOT / "docs/api/README.md", embedded), tmp_path)
    assert '"status":"completed"' in told
    assert "HTTP/1.1 204" in told


@pytest.mark.embedded
def test_the_readmes_calls_can_be_pasted(embedded: LocalSystem, tmp_path: Path) -> None:
    assert "HTTP/1.1 201" in pasted(embedded, blocks(ROOT / "README.md", embedded), tmp_path)
