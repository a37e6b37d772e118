"""What other apps may ask about users."""

from collections.abc import Iterable

from accounts.models import User


def known_user(user_id: str) -> bool:
    """Has this user ever called? Asked of the primary: somebody may be assigned a task right after he came."""
    return User.objects.using("default").filter(pk=user_id, is_active=True).exists()


def ids_by_username(usernames: Iterable[str]) -> dict[str, list[str]]:
    """The ids behind user names: several where a name has passed to another person, none where unknown."""
    found: dict[str, list[str]] = {}
    for user_id, username in User.objects.filter(username__in=set(usernames)).values_list("id", "username"):
        found.setdefault(username, []).append(user_id)
    return found
