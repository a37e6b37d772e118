import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Q

from config.data import ids
from config.events import log
from config.events.log import NewEvent
from config.events.models import Event
from config.observability import context


def event(**more: object) -> NewEvent:
    return NewEvent("task.created", uuid.uuid4(), "alice", "alice", version=1, **more)  # type: ignore[arg-type]


def test_log_append_needs_a_transaction(transactional_db: None) -> None:
    """An event that is committed alone would tell of a write that may not happen."""
    with pytest.raises(transaction.TransactionManagementError):
        log.append([event()])
    assert Event.objects.count() == 0


def test_log_append_gives_the_transactions_id(db: None) -> None:
    xid = log.append([event(), event()])
    assert set(Event.objects.values_list("xid", flat=True)) == {xid}


def test_log_append_vanishes_with_its_write(transactional_db: None) -> None:
    with transaction.atomic():
        log.append([event()])
        transaction.set_rollback(True)
    assert Event.objects.count() == 0


def test_log_append_takes_the_calls_context(db: None) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with context.bind(request_id="call-1", traceparent=trace):
        log.append([event(changes={"title": {"from": "a", "to": "b"}})])
    stored = Event.objects.get()
    assert (stored.request_id, stored.traceparent) == ("call-1", trace)
    assert stored.changes == {"title": {"from": "a", "to": "b"}}
    assert stored.at == ids.instant(stored.id)


def test_log_append_stores_many_as_it_stores_each(db: None) -> None:
    """They travel in another form than a single one."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    changes = {"title": {"from": None, "to": "quote ' \" back \\ line \n %s {}, \u00fc \U0001f600"}}
    more: list[dict[str, Any]] = [{}, {"changes": changes, "data": {"number": 2**53 + 1}}, {"changes": {}}]
    events = [event(at=at, **each) for each in more]
    log.append(events)
    many = stored()
    Event.objects.all().delete()
    for one in events:
        log.append([one])
    each_row = {row["subject"]: row for row in stored()}  # of one millisecond: in no order
    assert {row["subject"]: row for row in many} == each_row
    assert [row["subject"] for row in many] == [each.subject for each in events]
    assert [row["changes"] for row in many] == [None, changes, {}]
    assert [row["null"] for row in many] == [True, False, False]


def stored() -> list[dict[str, Any]]:
    rows = Event.objects.annotate(null=Q(changes__isnull=True)).order_by("id").values()
    return [{**row, "id": None, "xid": None} for row in rows]


def test_log_append_of_nothing_is_refused(db: None) -> None:
    with pytest.raises(ValueError, match="no events"):
        log.append([])
