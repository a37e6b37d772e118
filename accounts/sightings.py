"""Users become rows when they are first seen, and the rows follow what their tokens say.

At most one write every five minutes for each user and process, and never a reason to fail a call: the row is
for oversight and for names. While the primary is down nobody is written down at all for a while, so that a
read does not wait for it again and again.
"""

import logging
import threading
import time
from collections import OrderedDict
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from accounts.principal import Principal

logger = logging.getLogger(__name__)

EVERY = 300.0  # seconds
AFTER_FAILURE = 30.0
MOST = 20_000  # users remembered in one process

# One statement, so that it is its own transaction: the row, and the groups as the token lists them.
# It only ever takes staff rights away; an admin login gives them.
_WRITE = """
WITH person AS (
    INSERT INTO account AS old (id, username, email, is_staff, is_superuser, is_active,
                                first_seen_at, last_seen_at)
    VALUES (%(id)s, %(username)s, %(email)s, false, false, true, now(), now())
    ON CONFLICT (id) DO UPDATE SET
        username = excluded.username, email = excluded.email, is_active = true,
        is_staff = old.is_staff AND %(admin)s, is_superuser = old.is_superuser AND %(admin)s,
        last_seen_at = excluded.last_seen_at
), wanted AS (
    SELECT id FROM auth_group WHERE name = ANY(%(roles)s)
), gone AS (
    DELETE FROM account_groups WHERE user_id = %(id)s AND group_id NOT IN (SELECT id FROM wanted)
)
INSERT INTO account_groups (user_id, group_id) SELECT %(id)s, id FROM wanted
ON CONFLICT (user_id, group_id) DO NOTHING
"""

_Said = tuple[str, str, frozenset[str]]
_seen: OrderedDict[str, tuple[_Said, float]] = OrderedDict()
_lock = threading.Lock()
_not_before = float("-inf")


def note(principal: Principal) -> None:
    """Write the caller down, when he is new here, has changed, or was last written five minutes ago."""
    global _not_before  # noqa: PLW0603 - one pause for the whole process
    now = time.monotonic()
    if now < _not_before or not _due(principal, now):
        return
    try:
        write(principal)
    except DatabaseError as error:
        _not_before = now + AFTER_FAILURE
        _seen.pop(principal.id, None)
        _drop_connection()
        logger.warning("user not written down", extra={"error": str(error)})


def write(principal: Principal) -> None:
    values: dict[str, Any] = {
        "id": principal.id,
        "username": principal.username,
        "email": principal.email,
        "roles": sorted(principal.roles),
        "admin": may_enter_admin(principal),
    }
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_WRITE, values)


def may_enter_admin(principal: Principal) -> bool:
    return principal.may("users:admin") or principal.may("tasks:admin")


def forget() -> None:
    """Start anew, as a new process does."""
    global _not_before  # noqa: PLW0603
    _seen.clear()
    _not_before = float("-inf")


def _drop_connection() -> None:
    """Let the call go on with a new connection: this one may be dead (the pooler was restarted)."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        connection.close()


def _due(principal: Principal, now: float) -> bool:
    said = (principal.username, principal.email, principal.roles)
    with _lock:
        before = _seen.get(principal.id)
        if before is not None and before[0] == said and now - before[1] < EVERY:
            return False
        _seen[principal.id] = said, now
        _seen.move_to_end(principal.id)
        if len(_seen) > MOST:
            _seen.popitem(last=False)
        return True
