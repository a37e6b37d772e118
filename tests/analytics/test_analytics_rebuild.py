"""`manage.py rebuild_rollups`: the numbers are what the log says, whatever happens meanwhile."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.db.models import F

from analytics.models import DailyRollup
from analytics.services import rebuild as service
from analytics.services import rollups
from analytics.services.rebuild import rebuild
from config.data import ids
from config.events import log
from config.events.log import NewEvent
from config.events.models import ProcessedEvent
from tests.analytics.test_analytics_daily import consume, work
from tests.cast import Caller
from tests.events.broker import eventually
from tests.events_by_hand import delivered
from tests.locks import somebody_waits

EVER = date(1970, 1, 1)


def numbers() -> list[dict[str, Any]]:
    rows = DailyRollup.objects.order_by("owner", "date").values("owner", "date", *rollups.NUMBERS)
    return [dict(row) for row in rows]


def test_wrong_numbers_are_corrected(alice: Caller, bob: Caller) -> None:
    work(alice)
    work(bob)
    before = numbers()
    DailyRollup.objects.filter(owner=alice.id).update(created=99, deleted=0)
    DailyRollup.objects.filter(owner=bob.id).delete()
    assert rebuild(EVER) == 2
    assert numbers() == before
    assert rebuild(EVER) == 0


def test_an_event_that_still_waits_is_left_to_its_consumer(alice: Caller) -> None:
    work(alice)
    waiting = alice.make()
    assert rebuild(EVER) == 0
    consume(delivered(waiting["id"])[0])
    assert DailyRollup.objects.get().created == 2


def test_what_the_consumer_has_forgotten_counts(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which events were consumed is remembered for some months only, and the log for longer."""
    work(alice)
    before = numbers()
    ProcessedEvent.objects.all().delete()
    monkeypatch.setattr(service, "REMEMBER", timedelta(days=-1))  # as if months had passed
    assert rebuild(EVER) == 0
    DailyRollup.objects.all().delete()
    assert rebuild(EVER) == 1
    assert numbers() == before


def test_days_before_the_log_begins_are_left_alone(alice: Caller) -> None:
    """Old months of the log may be dropped; their numbers are all that is left of them."""
    old = DailyRollup.objects.create(owner=alice.id, date=date(2020, 1, 1), created=7)
    work(alice)
    assert rebuild(EVER) == 0
    old.refresh_from_db()
    assert old.created == 7


def test_numbers_that_the_log_knows_nothing_of_become_zero(alice: Caller) -> None:
    work(alice)
    DailyRollup.objects.create(owner="nobody", date=datetime.now(UTC).date(), created=7)
    assert rebuild(EVER) == 1
    assert DailyRollup.objects.get(owner="nobody").created == 0


def test_an_imported_day_is_corrected_too(alice: Caller) -> None:
    """An import writes its events now, with the times of then."""
    task = ids.uuid7()
    with transaction.atomic():
        log.append([NewEvent("task.created", task, alice.id, alice.id, 1, at=datetime(2020, 1, 1, 23, 59, tzinfo=UTC))])
    consume(delivered(str(task))[0])
    DailyRollup.objects.update(created=5)
    assert rebuild(date(2020, 1, 1)) == 1
    assert numbers() == [
        {"owner": alice.id, "date": date(2020, 1, 1), "created": 1, "completed": 0, "deleted": 0},
    ]


def test_days_before_since_are_left_alone(alice: Caller) -> None:
    work(alice)
    DailyRollup.objects.update(created=99)
    assert rebuild(datetime.now(UTC).date() + timedelta(days=1)) == 0
    assert DailyRollup.objects.get().created == 99


def test_an_empty_log_corrects_nothing(db: None) -> None:
    DailyRollup.objects.create(owner="alice", date=date(2020, 1, 1), created=7)
    assert rebuild(EVER) == 0
    assert DailyRollup.objects.get().created == 7


def test_the_command_tells_what_it_did(alice: Caller) -> None:
    work(alice)
    DailyRollup.objects.update(created=99)
    told = StringIO()
    call_command("rebuild_rollups", since="2026-01-01", stdout=told)
    assert "1 rows were wrong" in told.getvalue()
    with pytest.raises(CommandError, match="expected a day"):
        call_command("rebuild_rollups", since="yesterday")


def _consume(event: Mapping[str, Any]) -> None:
    consume(dict(event))
    connections.close_all()


def _rebuild() -> None:
    rebuild(EVER)
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_what_is_counted_while_a_correction_is_found_is_not_lost(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rebuild has read the numbers, and waits for a row that a consumer has moved and not committed yet."""
    work(alice)
    DailyRollup.objects.update(created=1000)
    task, count = alice.make(), rollups.count
    moved, commit = threading.Event(), threading.Event()

    def count_slowly(event: Mapping[str, Any]) -> None:
        count(event)
        moved.set()
        assert commit.wait(60)

    monkeypatch.setattr(rollups, "count", count_slowly)
    with ThreadPoolExecutor(2) as pool:
        consumer = pool.submit(_consume, delivered(task["id"])[0])
        assert moved.wait(60)
        rebuilding = pool.submit(_rebuild)
        eventually(somebody_waits, within=30, what="a rebuild that waits for the consumer")
        commit.set()
        consumer.result()
        rebuilding.result()
    assert DailyRollup.objects.get().created == 2
    assert rebuild(EVER) == 0


@pytest.mark.django_db(transaction=True)
def test_rebuilds_and_eight_consumers_get_along(alice: Caller) -> None:
    """Every message comes twice, while the numbers are spoilt and corrected over and over."""
    tasks = [ids.uuid7() for _ in range(120)]
    with transaction.atomic():
        log.append([NewEvent("task.created", task, alice.id, alice.id, 1) for task in tasks])
    events = [delivered(str(task))[0] for task in tasks]
    with ThreadPoolExecutor(8) as pool:
        running: list[Future[None]] = [pool.submit(_consume, event) for event in [*events, *events]]
        while not all(future.done() for future in running):
            DailyRollup.objects.update(created=F("created") + 1000)
            rebuild(EVER)
    assert [future.exception() for future in running if future.exception()] == []
    assert rebuild(EVER) == 0
    assert DailyRollup.objects.get().created == len(tasks)
