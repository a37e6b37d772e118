"""What other apps may ask of accounts."""

from accounts.services.users import ids_by_username, known_user

__all__ = ["ids_by_username", "known_user"]


def ids_matching(term: str, *, limit: int) -> list[str]:
    """The ids of users whose name or e-mail address begins with `term`."""
    found = User.objects.filter(Q(username__startswith=term) | Q(email__startswith=term))
    return list(found.values_list("id", flat=True)[:limit])


def usernames(user_ids: Iterable[str]) -> dict[str, str]:
    return dict(User.objects.filter(id__in=set(user_ids)).values_list("id", "username"))


def overseer(user_id: str) -> Principal:
    """The principal of an admin who acts in the Django admin, which only the role `admin` may enter."""
    return Principal(
        id=user_id,
        username=usernames([user_id]).get(user_id, user_id),
        email="",
        roles=frozenset({"admin"}),
        permissions=frozenset(PERMISSIONS),
        sid=None,
        issued_at=0,
        expires_at=0,
        client="admin-site",
    )
