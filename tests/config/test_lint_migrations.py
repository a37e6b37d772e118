"""The rules about migrations that `make check` adds to those of its linter"""

from collections.abc import Callable

import pytest

from tests.lint_migrations import scans_under_lock, waits_with_others_behind

CHECK = 'ALTER TABLE "task" ADD CONSTRAINT "c" CHECK ("version" > 0)'


@pytest.mark.parametrize(
    ("rule", "statements", "broken"),
    [
        (scans_under_lock, ["BEGIN;", f"{CHECK};"], True),
        (scans_under_lock, ["BEGIN;", f"{CHECK} NOT VALID;"], False),
        (scans_under_lock, ['CREATE TABLE "task" ("id" uuid);', f"{CHECK};"], False),
        (scans_under_lock, ['ALTER TABLE "a" ADD CONSTRAINT "b" FOREIGN KEY ("c") REFERENCES "d" ("e");'], True),
        (waits_with_others_behind, ["BEGIN;", 'ALTER TABLE "task" DROP CONSTRAINT "c";'], False),
        (waits_with_others_behind, ['ALTER TABLE "task" DROP CONSTRAINT "c";'], True),
        (waits_with_others_behind, ['CREATE INDEX CONCURRENTLY "i" ON "a" ("b");'], False),
        (waits_with_others_behind, ['ALTER TABLE "task" VALIDATE CONSTRAINT "c";'], False),
    ],
)
def test_what_would_hold_callers_up_is_found(rule: Callable[..., bool], statements: list[str], broken: bool) -> None:
    assert rule(statements) is broken
