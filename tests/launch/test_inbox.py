"""The inbox of `make run`: what is sent to it can be read, as a page and as JSON."""

import smtplib
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage

import httpx
import pytest
from aiosmtpd.controller import Controller

from config.launch.inbox import HOST, Inbox, Pages, Receiver


class Post:
    def __init__(self, smtp_port: int, web_port: int) -> None:
        self._smtp_port = smtp_port
        self.web = httpx.Client(base_url=f"http://{HOST}:{web_port}")

    def send(self, subject: str, text: str, html: str | None = None) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "Taskmill <t@localhost>", "alice@example.com", subject
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        with smtplib.SMTP(HOST, self._smtp_port) as smtp:
            smtp.send_message(message)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def post() -> Iterator[Post]:
    inbox = Inbox()
    pages, smtp = Pages(0, inbox), Controller(Receiver(inbox), hostname=HOST, port=_free_port())
    smtp.start()
    thread = threading.Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    post = Post(smtp.port, pages.server_port)
    try:
        yield post
    finally:
        post.web.close()
        pages.shutdown()
        thread.join()
        pages.server_close()
        smtp.stop()


def test_mail_comes_with_the_fields_of_maildev(post: Post) -> None:
    post.send("Grüße: done", "It is done.", "<p>It is <b>done</b>.</p>")
    [mail] = post.web.get("/api/email").json()
    assert (mail["subject"], mail["text"].strip()) == ("Grüße: done", "It is done.")
    assert mail["to"] == [{"address": "alice@example.com", "name": ""}]
    assert mail["from"] == [{"address": "t@localhost", "name": "Taskmill"}]
    assert mail["headers"]["subject"] == "Grüße: done"
    assert "<b>done</b>" in mail["html"]
    assert post.web.get(f"/api/email/{mail['id']}").json() == mail


def test_mails_are_found_by_subject_newest_first(post: Post) -> None:
    for subject in ("one", "two"):
        post.send(subject, "text")
    assert [mail["subject"] for mail in post.web.get("/api/email").json()] == ["two", "one"]
    assert [mail["subject"] for mail in post.web.get("/api/email", params={"subject": "one"}).json()] == ["one"]


def test_all_mails_can_be_deleted(post: Post) -> None:
    post.send("one", "text")
    assert post.web.delete("/api/email/all").status_code == 200
    assert post.web.get("/api/email").json() == []


def test_page_shows_mails_and_runs_nothing_of_theirs(post: Post) -> None:
    post.send("<script>alert(1)</script>", "<script>alert(2)</script>", "<script>alert(3)</script>")
    [mail] = post.web.get("/api/email").json()
    for path in ("/", f"/mail/{mail['id']}"):
        page = post.web.get(path)
        assert "&lt;script&gt;alert(1)" in page.text
        assert "<script>" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/none", "/mail/none", "/api/email/none"])
def test_unknown_address_is_404(post: Post, path: str) -> None:
    assert post.web.get(path).status_code == 404


def test_only_loopback_names_are_served(post: Post) -> None:
    post.send("private", "text")
    answer = post.web.get("/api/email", headers={"Host": "rebound.example:80"})
    assert (answer.status_code, "private" in answer.text) == (400, False)
