"""What other apps may ask of accounts."""

from accounts.services.users import (
    email_addresses,
    exporter,
    ids_by_username,
    ids_matching,
    known_user,
    known_users,
    named,
    overseer,
    usernames,
)

__all__ = [
    "email_addresses",
    "exporter",
    "ids_by_username",
    "ids_matching",
    "known_user",
    "known_users",
    "named",
    "overseer",
    "usernames",
]
