"""Who may look and who may change something: form tokens, origins, signing in, and what every answer carries."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from soak.web.pages import STATIC, static_files
from soak.web.sessions import LASTS, Sessions
from tests.web.conftest import Serve
from tests.web.test_api import form_of

CHANGE = "/api/alerts/424242/acknowledge"  # there is none: 404 says that somebody was let in
HTML = {"Accept": "text/html"}


def test_nothing_changes_without_the_token_of_a_page(serve: Serve) -> None:
    """A POST needs the form token; with it, but from another page, it is refused all the same."""
    served = serve()
    form = form_of(served.ask("/")[2])
    assert served.ask(CHANGE, "POST", "{}")[0] == 403
    assert served.ask(CHANGE, "POST", "{}", x_soak_form="0" * 64)[0] == 403
    assert served.ask(CHANGE, "POST", "{}", x_soak_form=form)[0] == 404
    for foreign in ("http://evil.example", "null", f"http://127.0.0.1:{served.part.port + 1}"):
        assert served.ask(CHANGE, "POST", "{}", x_soak_form=form, Origin=foreign)[0] == 403
    assert served.ask(CHANGE, "POST", "{}", x_soak_form=form, Sec_Fetch_Site="cross-site")[0] == 403
    assert served.ask(CHANGE, "POST", "{}", x_soak_form=form, Origin=served.origin)[0] == 404


def test_no_get_changes_anything(serve: Serve) -> None:
    """What changes something takes POST and nothing else; pages take no POST."""
    served = serve()
    assert served.ask(CHANGE)[0] == 405 and served.ask("/api/logout")[0] == 405
    for path in ("/", "/runs/1", "/alerts", "/metrics", "/health"):
        assert served.ask(path, "POST", "")[0] == 405
    assert served.ask(CHANGE, "PUT", "{}")[0] == 405


def test_signing_in_gives_a_cookie_that_is_not_the_token(serve: Serve) -> None:
    """Without a cookie pages lead to the form; the right token gives one that scripts and other sites cannot use."""
    served = serve("0.0.0.0:0", token="open sesame")
    status, headers, _ = served.ask("/findings", **HTML)
    assert (status, headers["location"]) == (303, "/login?next=%2Ffindings")
    assert served.ask("/api/runs")[0] == 401 and served.ask("/api/events")[0] == 401
    form = f"token={quote('open sesame')}&next=%2Ffindings"
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    status, headers, _ = served.ask("/login", "POST", form, **kind)
    assert (status, headers["location"]) == (303, "/findings")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "sesame" not in cookie and "Secure" not in cookie
    secure = served.ask("/login", "POST", form, X_Forwarded_Proto="https", **kind)[1]["set-cookie"]
    assert "Secure" in secure
    served.headers = {"Cookie": cookie.partition(";")[0]}
    status, _, page = served.ask("/findings", **HTML)
    assert status == 200 and served.ask("/api/runs")[0] == 200
    assert served.ask(CHANGE, "POST", "{}", x_soak_form=form_of(page))[0] == 404
    assert served.ask(CHANGE, "POST", "{}")[0] == 403, "a cookie alone changes nothing"
    gone = served.ask("/api/logout", "POST", "", x_soak_form=form_of(page))[1]["set-cookie"]
    assert "Max-Age=0" in gone
    served.headers = {"Cookie": "soak_session=9999999999.abc"}
    assert served.ask("/api/runs")[0] == 401


def test_a_wrong_token_gets_the_form_again(serve: Serve) -> None:
    """With words, and without a cookie; a page of elsewhere cannot sign somebody in."""
    served = serve("0.0.0.0:0", token="open sesame")
    status, headers, page = served.ask("/login", "POST", "token=no&next=%2F")
    assert status == 401 and "set-cookie" not in headers and b"not the token" in page
    assert served.ask("/login", "POST", "token=open+sesame", Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "javascript:1"]
)
def test_signing_in_never_leads_elsewhere(serve: Serve, target: str) -> None:
    """Only a path of ours is gone on to."""
    served = serve("0.0.0.0:0", token="t")
    headers = served.ask("/login", "POST", f"token=t&next={quote(target, safe='')}")[1]
    assert headers["location"] == "/"


def test_the_login_form_escapes_where_to_go_on(serve: Serve) -> None:
    """A path with markup in it stays text."""
    page = serve("0.0.0.0:0", token="t").ask(f"/login?next={quote('/<script>')}")[2]
    assert b"<script>" not in page and b"/&lt;script&gt;" in page


def test_a_bearer_may_change_without_a_form(serve: Serve) -> None:
    """A program with the token is no browser that was tricked."""
    served = serve("0.0.0.0:0", token="t")
    assert served.ask(CHANGE, "POST", "{}", Authorization="Bearer t")[0] == 404
    assert served.ask(CHANGE, "POST", "{}", Authorization="Bearer x")[0] == 401


def test_a_cookie_ends_and_cannot_be_made(serve: Serve) -> None:
    """Good for a night; one letter or another process makes it worthless."""
    now = 1000.0
    sessions = Sessions(wall=lambda: now)
    cookie = sessions.cookie()
    assert sessions.is_cookie(cookie)
    assert not sessions.is_cookie(cookie[:-1]) and not sessions.is_cookie("9" + cookie) and not sessions.is_cookie("")
    assert not Sessions(wall=lambda: now).is_cookie(cookie)
    now += LASTS + 1
    assert not sessions.is_cookie(cookie)


def test_pages_have_no_script_of_their_own(serve: Serve) -> None:
    """Scripts and styles come from files, which the policy demands; nothing names another host."""
    served = serve()
    _, headers, page = served.ask("/")
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"] and headers["referrer-policy"] == "same-origin"
    assert b'<script type="module" src=' in page and b"style=" not in page
    for path in STATIC.iterdir():
        text = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path.name
        assert "innerHTML" not in text and "eval(" not in text, path.name


def test_files_are_asked_for_once(serve: Serve) -> None:
    """A browser that has a file is told so; what is no file of ours is not there."""
    served = serve()
    for name in ("main.js", "report.css", "dashboard.css", "icon.svg"):
        status, headers, body = served.ask(f"/static/{name}")
        assert status == 200 and body == static_files()[name][0]
        assert served.ask(f"/static/{name}", If_None_Match=headers["etag"])[0] == 304
    for name in ("page.html", "..%2Fapp.py", "../app.py", "nothing.js"):
        assert served.ask(f"/static/{name}")[0] == 404
