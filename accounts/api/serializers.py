"""The JSON of users: strict on the way in, for the schema only on the way out."""

from typing import Any

from rest_framework import serializers

from config.api import fields


class UserPatch(fields.Body):
    """Locks a user out, or lets him in again."""

    enabled = fields.Flag(help_text="False locks the user out at once, everywhere; true lets him log in again.")


class UserRoles(fields.Body):
    """The roles of a user, which replace those that he has."""

    roles = fields.Texts(
        child=fields.Text(max_length=150), max_length=50, help_text="All roles that the user is to have."
    )


class UserOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    username = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    roles = serializers.ListField(
        child=serializers.CharField(), help_text="As the user's last token, or an admin here, last said."
    )
    enabled = serializers.BooleanField(help_text="False: locked out.")
    last_seen_at = serializers.DateTimeField(allow_null=True, help_text="Written down every few minutes.")


PATCH, ROLES = UserPatch(), UserRoles()
