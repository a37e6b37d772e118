"""A kept connection that the other side ended is replaced before the next request uses it, and nothing is asked."""

from threading import Thread

import pytest
from django.core.signals import request_finished, request_started
from django.db import connection, connections

pytestmark = pytest.mark.django_db(transaction=True)


def _between_requests() -> None:
    request_finished.send(sender=None)
    request_started.send(sender=None)


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _seen_from_elsewhere(query: str, backend: int) -> object:
    answers = []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute(query, [backend])
            answers.append(cursor.fetchone()[0])
        connections.close_all()

    thread = Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0]


def test_a_connection_that_was_ended_is_replaced() -> None:
    _between_requests()
    first = _backend()
    assert _seen_from_elsewhere("SELECT pg_terminate_backend(%s, 5000)", first)
    _between_requests()
    assert _backend() != first


def test_a_sound_connection_is_kept_without_a_query() -> None:
    _between_requests()
    first = _backend()
    last = "SELECT query || query_start FROM pg_stat_activity WHERE pid = %s"
    before = _seen_from_elsewhere(last, first)
    _between_requests()
    with connection.cursor():
        pass
    assert _seen_from_elsewhere(last, first) == before
    assert _backend() == first
