"""What other apps may ask of accounts."""

from accounts.services.users import ids_by_username, ids_matching, known_user, overseer, usernames

__all__ = ["ids_by_username", "ids_matching", "known_user", "overseer", "usernames"]
