"""The broker is gone while tasks are made: nobody notices, and every event has its effect once after it is back."""

import uuid

import pytest

from tests.journeys.system import System, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

TASKS = 100


def test_a_hundred_tasks_made_without_a_broker_are_all_counted_and_mailed_once(real_system: System) -> None:
    service = real_system.caller("service")
    mark = f"no broker {uuid.uuid4()}"

    def counted() -> dict[str, int]:
        return dict(service.get("/v1/analytics/daily").raise_for_status().json()["results"][-1])

    before = counted()
    broker = real_system.local.part("rabbitmq")
    broker.kill()
    try:
        for number in range(TASKS):
            made = service.patiently("/v1/tasks", {"title": f"{mark} {number}", "status": "completed"})
            assert made.status_code == 201, made.text
        assert counted()["created"] == before["created"], "events cannot have passed: the broker is dead"
    finally:
        broker.start()

    eventually(lambda: counted()["created"] >= before["created"] + TASKS, 60, "all events arrive")
    eventually(lambda: counted()["completed"] >= before["completed"] + TASKS, 60, "all events arrive")
    after = counted()
    assert after["created"] == before["created"] + TASKS
    assert after["completed"] == before["completed"] + TASKS
    notified = [row for row in service.pages("/v1/notifications", page_size=100) if mark in row["title"]]
    assert len(notified) == len({row["task_id"] for row in notified}) == TASKS
