"""Drills stop, kill, freeze and start single parts of a running system."""

import os
import signal
import urllib.request

import pytest

from config.launch import ports
from config.launch.client import LocalSystem
from config.launch.errors import LaunchError
from tests.launch.conftest import Tiny, eventually


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=0.3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_killed_part_stays_dead_until_it_is_started(tiny: Tiny) -> None:
    system = tiny.up()
    web = system.part("web")
    first = web.pid
    web.kill()
    assert ports.is_free(tiny.port)
    eventually(lambda: not web.entry["ready"], "the state file says so")
    web.start()
    assert answers(web.url)
    assert web.pid != first


def test_stopped_part_can_be_started_again(tiny: Tiny) -> None:
    web = tiny.up().part("web")
    web.restart()
    assert answers(web.url)


def test_frozen_part_keeps_its_port_and_does_not_answer(tiny: Tiny) -> None:
    """What time-outs are for: a frozen server accepts connections."""
    web = tiny.up().part("web")
    url = web.url
    web.freeze()
    assert ports.answers(tiny.port)
    assert not answers(url)
    web.thaw()
    assert answers(url)


def test_frozen_part_can_be_stopped(tiny: Tiny) -> None:
    web = tiny.up().part("web")
    web.freeze()
    web.stop()
    assert ports.is_free(tiny.port)


def test_unknown_part_is_refused_with_the_names_of_all(tiny: Tiny) -> None:
    system = tiny.up()
    with pytest.raises(LaunchError, match="there is no part redis: there are step, web, family"):
        system.part("redis").kill()


def test_part_can_be_started_while_what_it_needs_is_down(tiny: Tiny) -> None:
    """A worker that starts during an outage of the broker is a drill of its own."""
    system = tiny.up()
    system.part("family").stop()
    system.part("web").stop()
    system.part("family").start()
    assert set(system.parts()) == {"family"}


def test_drill_without_a_system_says_how_to_start_one(tiny: Tiny) -> None:
    tiny.folder.mkdir()
    with pytest.raises(LaunchError, match="no system is running"):
        LocalSystem(tiny.folder).part("web").stop()


def test_part_whose_first_process_was_killed_can_be_started_again(tiny: Tiny) -> None:
    """A drill that knows only the process id: what the first process leaves behind must not be in the way."""
    system = tiny.up()
    family = system.part("family")
    before = set(tiny.processes())
    os.kill(family.pid, signal.SIGKILL)
    eventually(lambda: not family.entry["ready"], "the state file says so")
    family.start()
    left = {process.pid for process in before} & {process.pid for process in tiny.processes()}
    assert left == {system.part("web").pid}
