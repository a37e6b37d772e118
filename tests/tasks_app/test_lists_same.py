"""A list holds what its filter says: the database's function and the queryset agree on drawn filters, in every sort"""

import random
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from django.http import QueryDict

from accounts.principal import Principal
from config.data import ids
from tasks_app.models import Priority, Status, Task
from tasks_app.services import filters, pages
from tests.accounts.keycloak import ALICE, BOB
from tests.tasks_app.test_tasks_list_pages import AT, order

pytestmark = pytest.mark.django_db
SECONDS = 9
LABELS = ["a", "b", "it's", "\\"]
WORDS = ["invoice", "berlin", "it's", "42"]
ONE_OF_EACH_WAY: list[dict[str, Any]] = [
    {},
    {"status": "pending"},
    {"status": "pending,in-progress"},
    {"assignee": "me"},
    {"owner": "any"},
    {"q": "invoice"},
]


def draw(chance: random.Random) -> Task:
    created, updated, due = (AT + timedelta(seconds=chance.randrange(SECONDS)) for _ in range(3))
    status = chance.choice(Status.values)
    return Task(
        id=ids.uuid7(created),
        title=" ".join(chance.sample(WORDS, 2)),
        description=chance.choice(WORDS),
        owner_id=chance.choice([ALICE, BOB, "o'hara\\"]),
        assignee_id=chance.choice([None, None, ALICE, BOB, "o'hara\\"]),
        status=status,
        priority=chance.choice(Priority.values),
        labels=chance.sample(LABELS, chance.randrange(3)),
        created_at=created,
        updated_at=updated,
        due_at=chance.choice([None, due]),
        completed_at=updated if status == "completed" else None,
        deleted_at=chance.choice([None] * 9 + [updated]),
    )


def query(chance: random.Random) -> dict[str, Any]:
    def time() -> str:
        return f"{AT + timedelta(seconds=chance.randrange(SECONDS)):%Y-%m-%dT%H:%M:%SZ}"

    drawn = {
        "status": chance.choice(["pending,in-progress", ",".join(chance.sample(Status.values, chance.randint(1, 3)))]),
        "priority": ",".join(chance.sample(Priority.values, chance.randint(1, 3))),
        "label": chance.sample(LABELS, chance.randint(1, 2)),
        "assignee": chance.choice(["me", "none", ALICE, "o'hara\\", "nobody"]),
        "owner": chance.choice(["me", "any", "any", BOB, "o'hara\\"]),
        "q": chance.choice(
            ["invoice", "-berlin", "invoice or 42", '"it\'s invoice"', "nonesuch", "!!", "\x01" + ALICE]
        ),
        **{name: time() for name in ("due_after", "due_before", "created_after", "created_before", "updated_after")},
    }
    return {name: drawn[name] for name in chance.sample(sorted(drawn), chance.choice([0, 1, 1, 2, 2, 3, 4]))}


def walked(wanted: filters.Filter, sort: pages.Sort) -> list[str]:
    found: list[str] = []
    position = None
    while True:
        page = pages.page(wanted, sort, position, 7, ["id"])
        found += [row["id"] for row in orjson.loads(f"[{page.rows}]")]
        position = page.last
        if position is None:
            return found


@pytest.mark.parametrize("seed", range(3))
def test_every_list_holds_what_its_filter_says_in_its_order(seed: int) -> None:
    chance = random.Random(seed)
    Task.objects.bulk_create(draw(chance) for _ in range(150))
    ada = Principal(ALICE, "", "", frozenset(), frozenset({"tasks:read", "tasks:admin"}), None, 0, 0, "taskmill-web")
    seen = set()
    for asked in [*ONE_OF_EACH_WAY, *(query(chance) for _ in range(40))]:
        wanted = filters.of(QueryDict(urlencode(asked, doseq=True)), ada)
        for name, sort in pages.SORTS.items():
            expected = order(name, list(filters.tasks(wanted)))
            assert walked(wanted, sort) == expected, (asked, name)
            seen.add((pages._way(wanted, sort), bool(expected)))
    assert {way for way, some in seen if some} == {"owner", "status", "active", "assignee", "any", "found"}
