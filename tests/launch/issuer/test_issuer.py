"""The issuer as a whole: what it keeps, whom it serves, what it says when it cannot start."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from config.launch.issuer import realm
from tests.launch.issuer.browser import ALICE, Api, claims
from tests.launch.issuer.conftest import REALM, started


def test_restart_keeps_keys_sessions_and_changes(environment: dict[str, str], state: Path, free_port: int) -> None:
    with started(environment, state, free_port) as issuer:
        tokens = issuer.password("alice")
        issuer.admin("PUT", f"users/{ALICE}", json={"lastName": "Ash"})
    with started(environment, state, free_port) as issuer:
        assert issuer.verified(tokens["access_token"], "taskmill-api")["sub"] == ALICE
        assert claims(issuer.refresh(tokens).json()["access_token"])["family_name"] == "Ash"


def test_state_is_for_its_owner_only(issuer: Api, state: Path) -> None:
    issuer.password("alice")
    assert state.stat().st_mode & 0o777 == 0o600


def test_users_without_an_id_get_the_same_one_each_time(environment: dict[str, str], tmp_path: Path) -> None:
    raw = json.loads(REALM.read_text())
    for user in raw["users"]:
        user.pop("id")
    path = tmp_path / "realm.json"
    path.write_text(json.dumps(raw))
    first, second = (realm.read(path, environment).users for _ in range(2))
    assert [user["id"] for user in first] == [user["id"] for user in second]
    assert len({user["id"] for user in first}) == len(first)


def test_placeholders_take_the_environment_then_their_default(environment: dict[str, str]) -> None:
    found = realm.read(REALM, {**environment, "TASKMILL_DEMO_PASSWORD": 'with "quotes"'})
    alice = next(user for user in found.users if user["username"] == "alice")
    assert alice["credentials"][0]["value"] == 'with "quotes"'
    without = {name: value for name, value in environment.items() if name != "TASKMILL_SITE_URL"}
    assert (
        found.clients["taskmill-web"].redirect_uris != realm.read(REALM, without).clients["taskmill-web"].redirect_uris
    )


def test_missing_secret_is_refused_by_name(environment: dict[str, str]) -> None:
    del environment["TASKMILL_SERVICE_SECRET"]
    with pytest.raises(realm.RealmError, match="TASKMILL_SERVICE_SECRET is not set"):
        realm.read(REALM, environment)


def test_only_loopback_names_are_served(issuer: Api) -> None:
    answer = issuer.get(f"{issuer.oidc}/certs", headers={"Host": "rebound.example:80"})
    assert answer.status_code == 400


def test_pages_of_the_web_client_may_call_and_others_not(issuer: Api) -> None:
    for origin, allowed in (("http://127.0.0.1:8000", "http://127.0.0.1:8000"), ("http://evil.example", None)):
        answer = issuer.options(f"{issuer.oidc}/token", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_introspection_answers_only_whom_the_token_is_for(issuer: Api) -> None:
    token = issuer.password("alice")["access_token"]
    answers = [
        issuer.post(f"{issuer.oidc}/token/introspect", data={"token": token}, auth=auth).json()["active"]
        for auth in (("taskmill-api", "api-secret"), ("taskmill-service", "service-secret"))
    ]
    assert answers == [True, False]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/none", 404), ("DELETE", "/realms/taskmill", 405)])
def test_other_addresses_and_methods_are_refused(issuer: Api, method: str, path: str, status: int) -> None:
    base = issuer.url.removesuffix("/realms/taskmill")
    assert issuer.request(method, f"{base}{path}").status_code == status


def test_process_serves_and_ends_by_signal(environment: dict[str, str], state: Path, free_port: int) -> None:
    command = [sys.executable, "-m", "config.launch.issuer", "--port", str(free_port), "--state", str(state)]
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert "never for production" in process.stdout.readline()
        answer = httpx.get(f"http://127.0.0.1:{free_port}/realms/taskmill")
        process.send_signal(signal.SIGTERM)
        assert (answer.json()["realm"], process.wait(10)) == ("taskmill", 0)


@pytest.mark.parametrize(("broken", "line"), [("port", "is taken"), ("state", "is damaged"), ("secret", "is not set")])
def test_process_that_cannot_start_says_one_line(
    environment: dict[str, str], state: Path, free_port: int, broken: str, line: str
) -> None:
    if broken == "state":
        state.write_text("{")
    if broken == "secret":
        del environment["TASKMILL_API_SECRET"]
    port = urlsplit(environment["TASKMILL_BACKCHANNEL_URL"]).port if broken == "port" else free_port
    command = [sys.executable, "-m", "config.launch.issuer", "--port", str(port), "--state", str(state)]
    env = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert line in done.stderr
