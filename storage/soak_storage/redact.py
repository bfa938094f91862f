"""Takes secrets out of whatever is about to be stored, logged or shown.

A secret is known by the name it stands under (environment variable, configuration key, header, flag, query parameter),
by its place in a URL (`user:password@`), or by its value once it has been seen under such a name: `Redactor` remembers
those and finds them in free text, such as a line of the target's log. The price is that harmless values under such
names are masked too (`max_tokens`, `--ssl-keyfile`); what soak launches and sends is never taken from the masked copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

MASK = "***"
MIN_LEARNED = 6  # a shorter value is masked under its name only: searched for in text it would hit innocent words

_WORD = r"TOKEN|KEY|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|AUTHORIZATION|COOKIE"
_SECRET = re.compile(rf"{_WORD}|^PASS$|^PWD$|_PASS$|_PWD$|^AUTH$|^SIG(NATURE)?$", re.IGNORECASE)
# Bounded, because what a target logs may be made to hurt: without bounds a line of "keykeykey..." takes hours.
_NAME = rf"[\w.-]{{0,80}}(?:{_WORD}|_PASS|_PWD)[\w.-]{{0,80}}"
_URL = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s\"'<>]+")
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*[:=]\s*)([^\r\n\"']+)")
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_PAIR = re.compile(rf"(?i)(?<![\w.-])(--?)?({_NAME})(\"?'?\s?[=:]\s?)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)")
_FLAG = re.compile(rf"(?i)(?<!\S)(--?{_NAME})\s+(?!-)(\"[^\"]*\"|'[^']*'|\S+)")

# Short flags that carry a secret, by program: glued to it (`mysql -pX`) or in the next argument (`redis-cli -a X`).
SHORT_FLAGS: Mapping[str, tuple[str, ...]] = {
    "mysql": ("-p",),
    "mysqldump": ("-p",),
    "mysqladmin": ("-p",),
    "mariadb": ("-p",),
    "sshpass": ("-p",),
    "redis-cli": ("-a",),
    "curl": ("-u", "--user", "-U", "--proxy-user"),
    "http": ("-a",),
    "mongo": ("-p",),
    "mongosh": ("-p",),
    "ldapsearch": ("-w",),
}
_GLUED_ONLY = frozenset({"mysql", "mysqldump", "mysqladmin", "mariadb"})  # there, a bare -p asks on the terminal


def is_secret_name(name: str) -> bool:
    """Does a value under this name have to be masked?"""
    return bool(_SECRET.search(name))


def plain(text: str) -> str:
    """`text` that every database takes: no NUL, no lone surrogate (from undecodable bytes of a command line)."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def redact_url(url: str) -> str:
    """`url` without user information and without the values of secret query parameters."""
    try:
        parts = urlsplit(url)
    except ValueError:  # not a URL after all, for example an unclosed "["
        return re.sub(r"//[^/@\s]*@", f"//{MASK}@", url)
    netloc = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, query=_query(parts.query), fragment=_query(parts.fragment)))


def _query(query: str) -> str:
    if "=" not in query or not any(is_secret_name(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        return query
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        f"{name}={MASK}" if equals and is_secret_name(name) else name + equals + value for name, equals, value in pairs
    )


def redact_text(text: str) -> str:
    """A line of a log, a message: URLs, headers, `NAME=value`, `--flag value` and bearer tokens."""
    text = _URL.sub(lambda match: redact_url(match.group()), plain(text))
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    text = _PAIR.sub(lambda match: f"{match[1] or ''}{match[2]}{match[3]}{MASK}", text)
    return _FLAG.sub(rf"\1 {MASK}", text)


def redact_env(env: Mapping[str, str]) -> dict[str, str]:
    """Environment variables with secret names masked, the others searched for URLs and the like."""
    return {name: MASK if is_secret_name(name) else redact_text(value) for name, value in env.items()}


redact_headers = redact_env  # the same rule: Authorization, Cookie, X-Api-Key ... by name


def redact_command(command: Sequence[str]) -> list[str]:
    """An argument list: secret flags (with `=`, glued or in the next argument), `NAME=value`, URLs."""
    program = PurePosixPath(command[0]).name if command else ""
    short = SHORT_FLAGS.get(program, ())
    result: list[str] = []
    mask_next = False
    for argument in command:
        if mask_next and not argument.startswith("-"):
            result.append(MASK)
            mask_next = False
            continue
        masked, mask_next = _argument(argument, short, program in _GLUED_ONLY)
        result.append(masked)
    return result


def _argument(argument: str, short: Sequence[str], glued_only: bool) -> tuple[str, bool]:
    """The masked argument, and whether the next one is its secret value."""
    for flag in short:
        if argument == flag:
            return argument, not glued_only
        if len(flag) == 2 and argument.startswith(flag) and not argument.startswith("--"):
            return flag + MASK, False
    name, equals, _ = argument.partition("=")
    if equals and re.fullmatch(r"[\w.-]+", name) and is_secret_name(name.lstrip("-")):
        return f"{name}={MASK}", False
    if argument.startswith("-") and not equals and is_secret_name(argument.lstrip("-")):
        return argument, True
    return redact_text(argument), False


def redact_mapping(value: Any, *, by_name: bool = True) -> Any:
    """A JSON-able value with all that is secret in it masked, at any depth; `by_name=False`: in texts only."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(name): _entry(str(name), item, by_name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_mapping(item, by_name=by_name) for item in value]
    return value


def _entry(name: str, item: Any, by_name: bool) -> Any:
    if by_name and is_secret_name(name):
        return _masked(item)
    if (
        name.endswith(("command", "cmdline"))
        and isinstance(item, list | tuple)
        and all(isinstance(x, str) for x in item)
    ):
        return redact_command(item)
    return redact_mapping(item, by_name=by_name)


def _masked(item: Any) -> Any:
    if item is None or isinstance(item, bool) or item == "":
        return item
    if isinstance(item, Mapping):
        return {str(name): _masked(value) for name, value in item.items()}
    if isinstance(item, list | tuple):
        return [_masked(value) for value in item]
    return MASK


def secret_values(value: Any, *, secret: bool = False) -> Iterator[str]:
    """The values that stand under secret names in a configuration or environment, and the passwords of its URLs."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from secret_values(item, secret=secret or is_secret_name(str(name)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_values(item, secret=secret)
    elif secret and isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, str):
        yield from _url_passwords(value)


def _url_passwords(text: str) -> Iterator[str]:
    for match in _URL.finditer(text):
        user_info = match.group().partition("//")[2].partition("/")[0].rpartition("@")[0]
        password = user_info.partition(":")[2]
        if password:
            yield password


class Redactor:
    """Masks by name and place, and every value that it was once shown under a secret name."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Remember `values` (those of at least MIN_LEARNED characters), plain and as a URL quotes them."""
        new = {form for value in values if len(value) >= MIN_LEARNED for form in (value, quote(value, safe=""))}
        if new <= self._values:
            return
        self._values |= new
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    @property
    def values(self) -> list[str]:
        """What it remembers, for the redactor of a process that soak starts: by a pipe, never on a command line."""
        return sorted(self._values)

    def known(self, text: str) -> str:
        """`text` with the remembered values masked, and nothing else touched."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def text(self, text: str) -> str:
        """A line of a log or a message."""
        return redact_text(self.known(text))

    def command(self, command: Sequence[str]) -> list[str]:
        """An argument list."""
        return [self.known(argument) for argument in redact_command(command)]

    def mapping(self, value: Any, *, by_name: bool = True) -> Any:
        """A JSON-able value."""
        return self.derived(redact_mapping(value, by_name=by_name))

    def derived(self, value: Any) -> Any:
        """A JSON-able value computed from the store: no names are judged there, so that lines of code stay readable."""
        if isinstance(value, str):
            return _URL.sub(lambda match: redact_url(match.group()), self.known(plain(value)))
        if isinstance(value, Mapping):
            return {self.known(str(name)): self.derived(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.derived(item) for item in value]
        return value
