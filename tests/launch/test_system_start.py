"""What a start leaves on the machine: a state file that is right, or one clear line and nothing else."""

import socket
import subprocess

import pytest

from config.launch import state
from config.launch.processes import look
from tests.launch.conftest import Tiny


def test_state_file_names_each_part_while_it_runs(tiny: Tiny) -> None:
    """Drills find a part's process, its port and its address there, and can tell it from a later one."""
    system = tiny.up()
    web = system.parts()["web"]
    running = look(web["pid"])
    assert running is not None
    assert running.started == web["started"]
    assert (web["port"], web["url"], web["ready"]) == (tiny.port, f"http://127.0.0.1:{tiny.port}", True)
    assert system.api_url == f"http://127.0.0.1:{tiny.port}"
    assert "step" not in system.parts()


def test_state_file_is_closed_to_others(tiny: Tiny) -> None:
    """It holds passwords inside URLs."""
    tiny.up()
    assert (tiny.folder / "state.json").stat().st_mode & 0o077 == 0


def test_taken_port_is_named_and_nothing_is_started(tiny: Tiny) -> None:
    with socket.create_server(("127.0.0.1", tiny.port)):
        launcher = tiny.start()
        _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 1
    assert errors == (
        f"taskmill: port {tiny.port}, which web needs, is taken: stop what uses it, or choose another port.\n"
    )
    assert not tiny.processes()
    assert not (tiny.folder / "state.json").exists()


def test_missing_program_is_named_and_nothing_stays(tiny: Tiny) -> None:
    launcher = tiny.start("program")
    _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 1
    assert errors == "taskmill: web needs the program no-such-program, which is not installed.\n"
    assert not tiny.processes()


def test_failed_step_says_what_its_log_ends_with(tiny: Tiny) -> None:
    launcher = tiny.start("step")
    _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 1
    assert errors.startswith("taskmill: step ended with exit code 3 before it was ready: no space here (its log: ")
    assert errors.count("\n") == 1
    assert not tiny.processes()


def test_second_start_is_refused_and_the_first_stays(tiny: Tiny) -> None:
    """Two launchers on one data folder would start two databases on the same files."""
    system = tiny.up()
    before = system.parts()
    second = Tiny(tiny.folder, tiny.port).start()
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 1
    assert errors.startswith("taskmill: The tiny system is already running (process ")
    assert system.parts() == before


def test_file_in_place_of_the_folder_is_one_line(tiny: Tiny) -> None:
    tiny.folder.write_text("", encoding="utf-8")
    launcher = tiny.start()
    _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 1
    assert errors.startswith(f"taskmill: {tiny.folder}: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_broken_state_file_does_not_hinder_a_start(tiny: Tiny, text: str) -> None:
    """A full disk may have left half of one."""
    tiny.folder.mkdir()
    (tiny.folder / "state.json").write_text(text, encoding="utf-8")
    assert "web" in tiny.up().parts()


def test_process_that_got_the_id_of_a_part_is_left_alone(tiny: Tiny) -> None:
    """An old state file may name an id that now belongs to somebody else: only the start time tells."""
    tiny.folder.mkdir()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        try:
            entry = {"pid": stranger.pid, "pgid": stranger.pid, "started": 1, "command": ["web-server"]}
            state.write(tiny.folder, {"parts": {"web": entry}})
            assert state.end_leftovers(tiny.folder) == []
            assert stranger.poll() is None
        finally:
            stranger.kill()
