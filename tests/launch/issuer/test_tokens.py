"""The tokens have the shape of those recorded from Keycloak 26: each claim, and none besides."""

import base64
import hashlib
import re

import jwt

from tests.launch.issuer.browser import ALICE, SITE, Api, claims

_COMMON = {"exp", "iat", "jti", "iss", "sub", "typ", "azp", "acr"}
_PERSON = {"email_verified", "name", "preferred_username", "given_name", "family_name", "email"}
_USER = {*_COMMON, *_PERSON, "aud", "sid", "realm_access", "scope"}


def test_access_token_of_a_login_page(issuer: Api) -> None:
    token = issuer.log_in("alice")["access_token"]
    found = issuer.verified(token, "taskmill-api")
    assert jwt.get_unverified_header(token).keys() == {"alg", "typ", "kid"}
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert found.keys() == {*_USER, "auth_time", "allowed-origins"}
    assert found["exp"] - found["iat"] == 300
    assert re.fullmatch(r"onrtac:[0-9a-f-]{36}", found["jti"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", found["sid"])
    expected = {
        "iss": issuer.url,
        "aud": "taskmill-api",
        "sub": ALICE,
        "typ": "Bearer",
        "azp": "taskmill-web",
        "acr": "1",
        "allowed-origins": [SITE],
        "realm_access": {"roles": ["user"]},
        "scope": "openid email profile",
        "email_verified": True,
        "name": "Alice Archer",
        "preferred_username": "alice",
        "given_name": "Alice",
        "family_name": "Archer",
        "email": "alice@example.com",
    }
    assert {name: found[name] for name in expected} == expected


def test_access_token_of_a_password_has_neither_login_time_nor_origins(issuer: Api) -> None:
    found = issuer.verified(issuer.password("vera")["access_token"], "taskmill-api")
    assert found.keys() == _USER
    assert found["jti"].startswith("onrtro:")
    assert found["realm_access"] == {"roles": ["viewer"]}


def test_access_token_of_the_service_has_no_session(issuer: Api) -> None:
    answer = issuer.credentials("taskmill-service")
    found = issuer.verified(answer["access_token"], "taskmill-api")
    more = {"aud", "realm_access", "scope", "preferred_username", "client_id", "clientHost", "clientAddress"}
    assert found.keys() == _COMMON | more
    assert found["jti"].startswith("trrtcc:")
    assert found["preferred_username"] == "service-account-taskmill-service"
    assert found["scope"] == "profile"
    assert answer.keys() == {
        "access_token", "token_type", "expires_in", "refresh_expires_in", "not-before-policy", "scope"
    }  # fmt: skip
    assert answer["refresh_expires_in"] == 0


def test_nobody_without_a_role_has_no_realm_access_at_all(issuer: Api) -> None:
    assert "realm_access" not in claims(issuer.password("nobody")["access_token"])


def test_directory_token_carries_the_roles_of_realm_management(issuer: Api) -> None:
    token = issuer.credentials("taskmill-directory")["access_token"]
    found = issuer.verified(token, "realm-management")
    assert jwt.get_unverified_header(token)["typ"] == "JWT"
    assert found["aud"] == "realm-management"
    assert "view-events" in found["resource_access"]["realm-management"]["roles"]


def test_user_made_at_run_time_has_a_list_of_audiences(issuer: Api) -> None:
    body = {"username": "charlie", "enabled": True, "credentials": [{"type": "password", "value": "demo"}]}
    assert issuer.admin("POST", "users", json=body).status_code == 201
    found = issuer.verified(issuer.password("charlie")["access_token"], "taskmill-api")
    assert found["aud"] == ["taskmill-api", "account"]
    assert found["realm_access"]["roles"] == ["default-roles-taskmill", "offline_access", "uma_authorization"]
    assert found["resource_access"] == {
        "account": {"roles": ["manage-account", "manage-account-links", "view-profile"]}
    }


def test_id_token_is_for_the_client_and_names_no_role(issuer: Api) -> None:
    answer = issuer.log_in("alice")
    found = issuer.verified(answer["id_token"], "taskmill-web")
    half = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
    assert found.keys() == {*_COMMON, *_PERSON, "aud", "sid", "auth_time", "nonce", "at_hash"}
    assert jwt.get_unverified_header(answer["id_token"])["typ"] == "JWT"
    assert (found["aud"], found["typ"], found["nonce"]) == ("taskmill-web", "ID", "the-nonce")
    assert found["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def test_no_id_token_unless_openid_is_asked_for(issuer: Api) -> None:
    answer = issuer.password("alice", scope="")
    assert "id_token" not in answer
    assert claims(answer["access_token"])["scope"] == "email profile"


def test_refresh_token_is_signed_by_a_key_that_nobody_else_has(issuer: Api) -> None:
    token = issuer.password("alice")["refresh_token"]
    header, found = jwt.get_unverified_header(token), claims(token)
    published = [key["kid"] for key in issuer.get(f"{issuer.oidc}/certs").json()["keys"]]
    assert (header["alg"], header["typ"], found["typ"], found["aud"]) == ("HS512", "JWT", "Refresh", issuer.url)
    assert header["kid"] not in published


def test_answer_of_a_login_has_the_members_of_keycloak(issuer: Api) -> None:
    answer = issuer.log_in("alice")
    assert answer.keys() == {
        "access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type", "id_token",
        "not-before-policy", "session_state", "scope",
    }  # fmt: skip
    assert (answer["token_type"], answer["expires_in"], answer["refresh_expires_in"]) == ("Bearer", 300, 1800)
    assert answer["session_state"] == claims(answer["access_token"])["sid"]


def test_key_set_has_one_key_to_sign_and_one_to_encrypt(issuer: Api) -> None:
    keys = issuer.get(f"{issuer.oidc}/certs").json()["keys"]
    assert {(key["use"], key["alg"], key["kty"]) for key in keys} == {
        ("sig", "RS256", "RSA"), ("enc", "RSA-OAEP", "RSA")
    }  # fmt: skip
    assert all(key.keys() == {"kid", "kty", "alg", "use", "x5c", "x5t", "x5t#S256", "n", "e"} for key in keys)


def test_discovery_names_the_addresses_of_keycloak(issuer: Api) -> None:
    found = issuer.get(f"{issuer.url}/.well-known/openid-configuration").json()
    assert found["issuer"] == issuer.url
    assert found["token_endpoint"] == f"{issuer.url}/protocol/openid-connect/token"
    assert found["jwks_uri"] == f"{issuer.url}/protocol/openid-connect/certs"
    assert found["backchannel_logout_session_supported"] is True
