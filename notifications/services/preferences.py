"""Which of one's notifications go where: `GET/PATCH /v1/me/preferences`."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError

from config.api.preconditions import IfMatch
from config.data.statements import LostRace
from notifications.models import Preferences

TYPES = ("task.assigned", "task.completed")
CHANNELS = ("inbox", "email", "push")


def of(user: str) -> Preferences:
    """The user's, or those of one who has said nothing (version 0). Read where this request may read."""
    return Preferences.objects.filter(user_id=user).first() or Preferences(
        user_id=user, version=0, time_zone="UTC", muted=[]
    )


def wanting(people: Collection[str], type: str) -> dict[str, set[str]]:
    """The channels on which each of these people wants to hear of events of this type."""
    muted = dict(Preferences.objects.filter(user_id__in=people).values_list("user_id", "muted"))
    return {
        person: {channel for channel in CHANNELS if f"{type} {channel}" not in muted.get(person, ())}
        for person in people
    }


def change(user: str, patch: Mapping[str, Any], if_match: IfMatch) -> Preferences:
    """Applies a merge patch in the caller's transaction. Raises Problem 412, LostRace when somebody wrote meanwhile."""
    found = Preferences.objects.using("default").filter(user_id=user).first() or of(user)
    if_match.check(found.version)
    time_zone = patch.get("time_zone", found.time_zone) or "UTC"
    muted = sorted(_muted(set(found.muted), patch.get("notifications", {})))
    if (time_zone, muted) != (found.time_zone, found.muted):
        found.time_zone, found.muted, version = time_zone, muted, found.version
        found.version += 1
        _store(found, version)
    return found


def render(preferences: Preferences) -> dict[str, Any]:
    on = {type: {channel: f"{type} {channel}" not in preferences.muted for channel in CHANNELS} for type in TYPES}
    return {"time_zone": preferences.time_zone, "notifications": on}


def _muted(muted: set[str], patch: Mapping[str, Any] | None) -> set[str]:
    """What is switched off after the patch, in which null takes a member back to its default: on."""
    if patch is None:
        return set()
    for type, channels in patch.items():
        for channel, on in (channels or dict.fromkeys(CHANNELS)).items():
            name = f"{type} {channel}"
            muted = muted | {name} if on is False else muted - {name}
    return muted


def _store(preferences: Preferences, before: int) -> None:
    values = {"version": preferences.version, "time_zone": preferences.time_zone, "muted": preferences.muted}
    if before:
        if not Preferences.objects.filter(user_id=preferences.user_id, version=before).update(**values):
            raise LostRace
        return
    try:
        Preferences.objects.create(user_id=preferences.user_id, **values)
    except IntegrityError as error:
        raise LostRace from error
