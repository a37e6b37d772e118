"""The virtual environment is made once, healed after an accident, and each refusal is one line."""

import ast
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from config.launch import bootstrap

SCRIPT = Path(bootstrap.__file__)
_METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _tiny_wheel(folder: Path) -> str:
    """A package of one module; returns its hash."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    files = {"tiny.py": "", "tiny-1.0.dist-info/METADATA": _METADATA, "tiny-1.0.dist-info/WHEEL": _WHEEL}
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in files))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script and requirements that are installed from a folder instead of the network."""
    script = tmp_path / "config" / "launch" / "bootstrap.py"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT.read_text())
    (tmp_path / "requirements").mkdir()
    digest = _tiny_wheel(tmp_path)
    (tmp_path / "requirements" / "base.txt").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    for name in ("run.txt", "dev.txt"):
        (tmp_path / "requirements" / name).write_text("# nothing more\n")
    return tmp_path


def _bootstrap(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(checkout), **environment}
    command = [sys.executable, str(checkout / "config" / "launch" / "bootstrap.py"), *arguments]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


@pytest.mark.install
def test_first_call_installs_and_second_has_nothing_to_do(checkout: Path) -> None:
    first, second = _bootstrap(checkout), _bootstrap(checkout)
    assert (first.returncode, second.returncode, second.stdout, second.stderr) == (0, 0, "", "")
    assert first.stdout.splitlines()[-1] == "bootstrap: .venv is ready."
    assert subprocess.run([checkout / ".venv/bin/python", "-c", "import tiny"], check=False).returncode == 0


@pytest.mark.install
def test_broken_off_installation_is_made_anew(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    left = checkout / ".venv" / "lib" / "half-a-package"
    left.mkdir()
    (checkout / ".venv" / "taskmill-installing").touch()
    assert _bootstrap(checkout).returncode == 0
    assert not left.exists()


@pytest.mark.install
def test_changed_package_is_refused(checkout: Path) -> None:
    (checkout / "requirements" / "base.txt").write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    done = _bootstrap(checkout)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "is not the one that was locked" in done.stderr


@pytest.mark.install
def test_package_without_a_hash_is_refused(checkout: Path) -> None:
    (checkout / "requirements" / "base.txt").write_text("tiny==1.0\n")
    done = _bootstrap(checkout)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "--require-hashes" in done.stderr


@pytest.mark.install
def test_unreachable_index_is_one_line(checkout: Path) -> None:
    network = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "https://127.0.0.1:1/simple"}
    done = _bootstrap(checkout, **network, HTTPS_PROXY="", https_proxy="", PIP_RETRIES="0")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "cannot be reached" in done.stderr


def test_missing_venv_module_names_the_package(checkout: Path) -> None:
    (checkout / "ensurepip.py").write_text("raise ModuleNotFoundError\n")
    done = _bootstrap(checkout, PYTHONPATH=str(checkout))
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"apt install {package}" in done.stderr


def test_too_old_python_says_which_is_needed(monkeypatch: pytest.MonkeyPatch, checkout: Path, errors: "Errors") -> None:
    monkeypatch.setattr(sys, "version_info", (3, 6, 15))
    monkeypatch.setenv("PATH", str(checkout))
    assert bootstrap.main([], checkout) == 1
    assert "Python 3.11 or newer is needed, this is 3.6" in errors.line()


@pytest.mark.parametrize(
    ("is_optimized", "system", "taken"),
    [(False, True, "system"), (True, True, "own"), (False, False, "own")],
)
def test_the_systems_python_is_taken_for_one_without_optimization(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_optimized: bool, system: bool, taken: str
) -> None:
    real = sys.executable

    def python(name: str, optimized: bool, usable: bool) -> str:
        path = tmp_path / name
        # Says what it is asked for as an interpreter of that build would: by its exit code.
        path.write_text(
            f"""#!{real}
import sys
code = sys.argv[2]
sys.exit(not ({optimized} if "CONFIG_ARGS" in code else {usable}))
"""
        )
        path.chmod(0o755)
        return str(path)

    monkeypatch.setattr(sys, "executable", python("own", is_optimized, True))
    monkeypatch.setattr(bootstrap, "SYSTEM", python("system", True, system))
    assert Path(bootstrap._suitable_python()).name == taken


def test_the_python_that_is_named_is_taken(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, errors: "Errors", tmp_path: Path
) -> None:
    monkeypatch.setenv("TASKMILL_PYTHON", sys.executable)
    assert bootstrap._suitable_python() == sys.executable
    monkeypatch.setenv("TASKMILL_PYTHON", str(tmp_path / "none"))
    assert bootstrap.main([], checkout) == 1
    assert "TASKMILL_PYTHON=" in errors.line()


def test_full_disk_is_seen_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, errors: "Errors"
) -> None:
    monkeypatch.setattr(bootstrap, "MEGABYTES", 10**9)
    assert bootstrap.main([], checkout) == 1
    assert "MB are needed" in errors.line()
    assert not (checkout / ".venv").exists()


def test_other_requirements_make_the_stamp_stale(checkout: Path) -> None:
    place = bootstrap.Place(checkout)
    place.python.parent.mkdir(parents=True)
    place.python.symlink_to(sys.executable)
    place.stamp.write_text(json.dumps(place.wanted(False)))
    before = place.is_current(False), place.is_current(True)
    (checkout / "requirements" / "run.txt").write_text("# something more\n")
    assert (before, place.is_current(False)) == ((True, False), False)


def test_script_can_be_read_by_python_3_6() -> None:
    """An interpreter that cannot parse it, or fails at a definition, cannot say that it is too old."""
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
    annotations = [node.annotation for node in ast.walk(tree) if isinstance(node, ast.arg | ast.AnnAssign)]
    annotations += [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [ast.unparse(item) for item in annotations if isinstance(item, ast.Subscript | ast.BinOp)] == []


class Errors:
    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def line(self) -> str:
        """What was written to stderr, which must be one line."""
        [line] = self._capture.readouterr().err.splitlines()
        return line


@pytest.fixture
def errors(capsys: pytest.CaptureFixture[str]) -> Errors:
    return Errors(capsys)
