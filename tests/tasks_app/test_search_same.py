"""What the index of words finds is what a plain text search of each task would: for drawn texts and queries."""

import random

import pytest
from django.db import connection

from tasks_app.querysets import SEARCH

pytestmark = pytest.mark.django_db
_PEOPLE = ["anna", "ben's \\", "carla"]
_PIECES = [
    *("red", "Paint", "fence", "ice-cream", "o'neils", "back\\slash", "100%", "3.14", "-7", "a@b.org", "été"),
    *("www.example.org/a<->b?c=(d)&e='f'", "/usr/local/bin", "<b>", "&amp;", "! ( ) | & :*", "\x01", "it''s", "and"),
]
_PLAIN = "SELECT to_tsvector('simple', title || ' ' || description) @@ websearch_to_tsquery('simple', %s)"
_TASK = 'FROM (SELECT %s::text AS title, %s::text AS description, %s::text AS owner, %s::text AS assignee) AS "task"'


def _text(chance: random.Random) -> str:
    return chance.choice([" ", "  ", ", ", "-"]).join(chance.choices(_PIECES, k=chance.randint(0, 6)))


def _query(chance: random.Random) -> str:
    def part() -> str:
        words = " ".join(chance.choices(_PIECES, k=chance.choice([1, 1, 2, 3])))
        quoted = f'"{words}"' if chance.random() < 0.5 else words
        return f"-{quoted}" if chance.random() < 0.3 else quoted

    return chance.choice([" ", " or "]).join(part() for _ in range(chance.choice([1, 1, 2, 3])))


@pytest.mark.parametrize("seed", range(3))
def test_the_index_of_words_finds_what_a_plain_search_finds(seed: int) -> None:
    chance = random.Random(seed)
    seen = set()
    with connection.cursor() as cursor:
        for _ in range(700):
            texts, query = [_text(chance), _text(chance)], _query(chance)
            owner, assignee = chance.choice(_PEOPLE), chance.choice([None, *_PEOPLE])
            cursor.execute(f"{_PLAIN} {_TASK}", [query, *texts, owner, assignee])
            [expected] = cursor.fetchone()
            for person in {owner, assignee or owner, None}:
                cursor.execute(f"SELECT {SEARCH} {_TASK}", [query, person, query, query, *texts, owner, assignee])
                assert cursor.fetchone() == (expected,), (texts, query, person)
            seen.add(expected)
    assert seen == {True, False}


def test_another_ones_words_are_passed_over_unless_they_share_a_shelf() -> None:
    """256 shelves: of 40 others some 0.15 share it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE task_words('red', '', 'person ' || number, NULL) @@ task_query('red', 'anna'))
            FROM generate_series(1, 40) AS number
            """
        )
        assert cursor.fetchone()[0] <= 3
        cursor.execute("SELECT task_words('red', '', 'anna', NULL) @@ task_query('red', 'anna')")
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize("length", [2043, 2044, 2046, 2047])
def test_a_word_that_is_too_long_to_be_looked_for_does_no_harm(length: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_words(%s, '', 'anna', 'ben') @@ task_query('red', 'ben')", ["x" * length + " red"])
        assert cursor.fetchone() == (True,)
