"""One task has one JSON text, whoever writes it: PostgreSQL, the write path, or the serializer of the schema."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.data import ids
from tasks_app.api.serializers import TaskOut
from tasks_app.models import Priority, Status, Task
from tasks_app.representation import COLUMNS, FIELDS, as_json, render

pytestmark = pytest.mark.django_db
ODD = "\x01\x08\x09\x0a\x0c\x0d\x1f\x7f\x80\x9f\u2028\u2029\ufeff\ufffd\u202e\\\"'/<>&\N{GRINNING FACE}\U0010ffff\u0301"
text = st.text(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001 - the zone follows
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)
people = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=36)
tasks = st.fixed_dictionaries(
    {
        "title": text,
        "description": text,
        "status": st.sampled_from(Status.values),
        "priority": st.sampled_from(Priority.values),
        "due_at": st.none() | times,
        "labels": st.lists(text, max_size=4),
        "owner_id": people,
        "assignee_id": st.none() | people,
        "version": st.integers(1, 2**31 - 1),
        "updated_at": times,
        "deleted_at": st.none() | times,
    }
)


def make(values: dict[str, Any]) -> Task:
    now = datetime.now(UTC)
    identifier = ids.uuid7(now)
    completed = ids.instant(identifier) if values["status"] == Status.COMPLETED else None
    return Task.objects.create(
        id=identifier, created_at=ids.instant(identifier), completed_at=completed, **values
    )  # fmt: skip


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks)
def test_three_writers_write_the_same_bytes(db: None, values: dict[str, Any]) -> None:
    task = make(values)
    row = Task.objects.filter(id=task.id)
    by_database = row.values_list(as_json(), flat=True).get().encode()
    by_write_path = render(row.values(*COLUMNS).get())
    by_serializer = orjson.dumps(TaskOut(row.get()).data)
    assert by_database == by_write_path == by_serializer


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks, st.lists(st.sampled_from(FIELDS), min_size=1, unique=True))
def test_chosen_fields_are_those_of_the_whole_in_its_order(db: None, values: dict[str, Any], chosen: list[str]) -> None:
    row = Task.objects.filter(id=make(values).id)
    whole = orjson.loads(render(row.values(*COLUMNS).get()))
    part = row.values_list(as_json(chosen), flat=True).get().encode()
    assert part == orjson.dumps({name: whole[name] for name in FIELDS if name in chosen})


def test_the_schema_names_the_same_fields_in_the_same_order() -> None:
    assert tuple(TaskOut().fields) == FIELDS
