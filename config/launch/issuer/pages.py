"""The few pages that a person sees."""

from html import escape

from config.launch.issuer.users import User
from config.launch.issuer.web import Headers, Response

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 0; background: #f3f4f6; color: #111827; }}
main {{ max-width: 24rem; margin: 4rem auto; padding: 2rem; background: #fff; border-radius: .5rem; }}
h1 {{ font-size: 1.25rem; margin: 0 0 1rem; }}
label {{ display: block; margin-top: 1rem; }}
input, button {{ font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; border-radius: .25rem; }}
input {{ border: 1px solid #6b7280; }}
button {{ margin-top: 1.5rem; border: 0; background: #1d4ed8; color: #fff; cursor: pointer; }}
.error {{ color: #b91c1c; }}
.note {{ margin: 1.5rem 0 0; font-size: .875rem; color: #4b5563; }}
</style>
</head>
<body><main>
<h1>{title}</h1>
{body}
<p class="note">Development issuer: on this machine only, never in production.</p>
</main></body>
</html>
"""
_FORM = """{error}<form id="kc-form-login" action="{action}" method="post">
<label for="username">Username</label>
<input id="username" name="username" value="{username}" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<input type="hidden" name="credentialId" value="">
<button type="submit">Sign in</button>
</form>
<p class="note">Demo users: {users}.</p>"""
# No script and nothing from elsewhere; `form-action` is left out, since browsers apply it to the redirect after a
# login too, and clients may live at any address.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def page(title: str, body: str, status: int = 200, headers: Headers = ()) -> Response:
    fixed = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", _POLICY),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Response(status, _LAYOUT.format(title=escape(title), body=body).encode(), (*fixed, *headers))


def login(action: str, users: list[User], username: str = "", error: str = "") -> Response:
    """The login page. `action` is single use: the next page after a wrong password has another."""
    names = ", ".join(escape(user.username) for user in users if not user.service_client)
    shown = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    body = _FORM.format(error=shown, action=escape(action), username=escape(username), users=names)
    return page("Sign in to Taskmill", body)


def message(title: str, text: str, status: int = 200, headers: Headers = ()) -> Response:
    return page(title, f"<p>{escape(text)}</p>", status, headers)


def confirm_logout(action: str) -> Response:
    form = f'<form action="{escape(action)}" method="post"><button name="confirm" value="yes">Sign out</button></form>'
    return page("Do you want to sign out?", form)
