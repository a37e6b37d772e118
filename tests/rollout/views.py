"""`POST /notes`, `GET` and `PATCH /notes/<id>` as each release has them; RELEASE tells which one this process is."""

import json
import os

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

from config.observability import health

RELEASE = int(os.environ.get("RELEASE", "1"))
# Which columns a release writes, and which one it reads.
_WRITES = {1: ["text"], 2: ["text", "body"], 3: ["text", "body"], 4: ["body"]}[RELEASE]
_READS = {1: "text", 2: "text", 3: "body", 4: "body"}[RELEASE]
_INSERT = f"INSERT INTO rollout_note ({', '.join(_WRITES)}) VALUES ({', '.join(['%s'] * len(_WRITES))}) RETURNING id"
_UPDATE = f"UPDATE rollout_note SET {', '.join(f'{name} = %s' for name in _WRITES)} WHERE id = %s"
_SELECT = f"SELECT {_READS} FROM rollout_note WHERE id = %s"


def notes(request: HttpRequest) -> JsonResponse:
    text = json.loads(request.body)["text"]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [text] * len(_WRITES))
        return JsonResponse({"id": cursor.fetchone()[0], "text": text}, status=201)


def note(request: HttpRequest, identifier: int) -> JsonResponse:
    with connection.cursor() as cursor:
        if request.method == "PATCH":
            text = json.loads(request.body)["text"]
            cursor.execute(_UPDATE, [*[text] * len(_WRITES), identifier])
        cursor.execute(_SELECT, [identifier])
        return JsonResponse({"id": identifier, "text": cursor.fetchone()[0]})


urlpatterns = [path("notes", notes), path("notes/<int:identifier>", note), path("livez", health.livez)]
