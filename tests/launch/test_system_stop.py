"""However a system ends, nothing of it stays: no process, no listening port, no state file."""

import signal
import time

import pytest

from config.launch import ports
from tests.launch.conftest import Tiny, eventually


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_leaves_nothing(tiny: Tiny, number: signal.Signals) -> None:
    tiny.up()
    launcher = tiny.launcher
    assert launcher is not None
    assert len(tiny.processes()) > 3
    launcher.send_signal(number)
    launcher.communicate(timeout=30)
    assert launcher.returncode == 0
    assert not tiny.processes()
    assert ports.is_free(tiny.port)
    assert not (tiny.folder / "state.json").exists()


def test_part_that_ignores_the_signal_is_killed(tiny: Tiny) -> None:
    tiny.up("stubborn")
    launcher = tiny.launcher
    assert launcher is not None
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=30)
    assert not tiny.processes()


def test_second_signal_kills_at_once(tiny: Tiny) -> None:
    """Somebody who presses Ctrl-C twice does not want to wait for ten minutes."""
    tiny.up("stubborn for long")
    launcher = tiny.launcher
    assert launcher is not None
    launcher.send_signal(signal.SIGINT)
    time.sleep(0.5)  # two signals of one kind that come together are one
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=30)
    assert not tiny.processes()


def test_stop_while_starting_ends_what_was_started(tiny: Tiny) -> None:
    launcher = tiny.start()
    eventually(tiny.processes, "something runs")
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=30)
    assert not tiny.processes()


def test_killed_launcher_takes_its_children_along(tiny: Tiny) -> None:
    """The kernel does it: a launcher that is killed cannot."""
    tiny.up()
    launcher = tiny.launcher
    assert launcher is not None
    launcher.kill()
    launcher.communicate(timeout=30)
    eventually(lambda: ports.is_free(tiny.port), "the web server has ended")


def test_next_start_ends_what_a_killed_launcher_left(tiny: Tiny) -> None:
    """Grandchildren survive the launcher's death; two generations of a server on one folder would destroy it."""
    tiny.up()
    launcher = tiny.launcher
    assert launcher is not None
    launcher.kill()
    launcher.communicate(timeout=30)
    left = set(tiny.processes())
    assert left
    tiny.start()
    eventually(lambda: not left & set(tiny.processes()), "the leftovers have ended")
