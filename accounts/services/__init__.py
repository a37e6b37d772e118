"""What other apps may ask of accounts."""

from accounts.services.users import ids_by_username, known_user

__all__ = ["ids_by_username", "known_user"]
