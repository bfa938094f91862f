"""The pages themselves: one empty page that our script fills, the form to sign in, and the files they are made of."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from soak.report import html
from soak.web.sessions import COOKIE, LASTS, Sessions, same

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MOST_BODY = 4096  # bytes of a form or a note
WRONG_TOKEN = 0.5  # seconds that a wrong token costs


@cache
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """Body, type and mark of each file that may be asked for; the style sheet of the HTML report is one of them."""
    files = [path for path in STATIC.iterdir() if path.suffix in TYPES]
    found = {}
    for path in (*files, html.TEMPLATES / "report.css"):
        body = path.read_bytes()
        found[path.name] = (body, f"{TYPES[path.suffix]}; charset=utf-8", f'"{hashlib.sha256(body).hexdigest()[:16]}"')
    return found


def static(request: Request) -> Response:
    """One of our files; a browser that has it already is told so."""
    found = static_files().get(request.path_params["name"])
    if found is None:
        return Response("there is no such file\n", 404, media_type="text/plain")
    body, kind, mark = found
    headers = {"etag": mark, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


def page(sessions: Sessions, *, signed_in: bool) -> Response:
    """The page that our script fills; it carries the token for forms."""
    text = (STATIC / "page.html").read_text(encoding="utf-8")
    text = text.replace("{{form}}", escape(sessions.form)).replace("{{signed-in}}", "yes" if signed_in else "")
    return Response(text, media_type="text/html; charset=utf-8")


def login_page(target: str, *, wrong: bool = False) -> Response:
    """The form for the token."""
    text = (STATIC / "login.html").read_text(encoding="utf-8")
    text = text.replace("{{next}}", escape(_inside(target)))
    text = text.replace("{{wrong}}", '<p class="leak" role="alert">That is not the token.</p>' if wrong else "")
    return Response(text, 401 if wrong else 200, media_type="text/html; charset=utf-8")


async def login(request: Request, sessions: Sessions, token: str | None) -> Response:
    """Take the token, give a cookie that scripts cannot read and other sites cannot send."""
    form = parse_qs((await body_of(request)).decode("utf-8", "replace"))
    given, target = form.get("token", [""])[0], form.get("next", ["/"])[0]
    if token is not None and not same(given, token):
        await asyncio.sleep(WRONG_TOKEN)
        return login_page(target, wrong=True)
    answer = RedirectResponse(_inside(target), 303)
    secure = request.headers.get("x-forwarded-proto") == "https"
    answer.set_cookie(
        COOKIE, sessions.cookie(), max_age=int(LASTS), path="/", httponly=True, samesite="strict", secure=secure
    )
    return answer


async def body_of(request: Request) -> bytes:
    """The body of a request, cut off where no form of ours ends."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            return b""
    return body


def _inside(target: str) -> str:
    """Only a page of ours: a path, which neither two slashes nor a backslash can turn into another host."""
    inside = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    return target if inside else "/"
