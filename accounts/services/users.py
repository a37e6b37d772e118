"""What other apps may ask about users."""

from collections.abc import Collection, Iterable

from django.db.models import Q

from accounts.models import PERMISSIONS, User
from accounts.principal import Principal


def known_user(user_id: str) -> bool:
    """Has this user ever called? Asked of the primary: somebody may be assigned a task right after he came."""
    return User.objects.using("default").filter(pk=user_id, is_active=True).exists()


def known_users(user_ids: Collection[str]) -> set[str]:
    """Those of them that `known_user` knows."""
    found = User.objects.using("default").filter(pk__in=user_ids, is_active=True)
    return set(found.values_list("id", flat=True))


def ids_by_username(usernames: Iterable[str]) -> dict[str, list[str]]:
    """The ids behind user names: several where a name has passed to another person, none where unknown."""
    found: dict[str, list[str]] = {}
    for user_id, username in User.objects.filter(username__in=set(usernames)).values_list("id", "username"):
        found.setdefault(username, []).append(user_id)
    return found


def named(texts: Collection[str]) -> dict[str, list[str]]:
    """The ids of the users that each text names: one by that id, else all with that username. From the primary."""
    wanted = set(texts)
    users = (
        User.objects.using("default").filter(Q(id__in=wanted) | Q(username__in=wanted)).values_list("id", "username")
    )
    found: dict[str, list[str]] = {}
    for user_id, username in users:
        found.setdefault(username, []).append(user_id)
    return {**found, **{user_id: [user_id] for user_id, _ in users if user_id in wanted}}


def ids_matching(term: str, *, limit: int) -> list[str]:
    """The ids of users whose name or e-mail address begins with `term`."""
    found = User.objects.filter(Q(username__startswith=term) | Q(email__startswith=term))
    return list(found.values_list("id", flat=True)[:limit])


def usernames(user_ids: Iterable[str]) -> dict[str, str]:
    return dict(User.objects.filter(id__in=set(user_ids)).values_list("id", "username"))


def email_addresses(user_ids: Iterable[str]) -> dict[str, str]:
    """Of those who have one."""
    found = User.objects.filter(id__in=set(user_ids), is_active=True).exclude(email="")
    return dict(found.values_list("id", "email"))


def overseer(user_id: str) -> Principal:
    """An admin who acts in the Django admin, which only the role `admin` may enter."""
    return _acting(user_id, frozenset(PERMISSIONS))


def exporter(user_id: str, *, reads_all: bool) -> Principal:
    """The owner of an export, with the rights to read that he had when he asked for it."""
    return _acting(user_id, frozenset({"tasks:read", "tasks:admin"} if reads_all else {"tasks:read"}))


def _acting(user_id: str, permissions: frozenset[str]) -> Principal:
    return Principal(
        id=user_id,
        username=usernames([user_id]).get(user_id, user_id),
        email="",
        roles=frozenset(),
        permissions=permissions,
        sid=None,
        issued_at=0,
        expires_at=0,
        client="taskmill",
    )
