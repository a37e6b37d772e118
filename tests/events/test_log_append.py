import uuid

import pytest
from django.db import transaction

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


def test_log_append_of_nothing_is_refused(db: None) -> None:
    with pytest.raises(ValueError, match="no events"):
        log.append([])
