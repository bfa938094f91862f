"""Rules between keys, one case for each: what is written, and which key path is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.config import load_config
from soak.errors import ConfigError

HEAD = '[target]\ncommand = ["x"]\nurl = "http://127.0.0.1:8000"\n'
SSE = HEAD + '[[scenario]]\nname = "s"\nkind = "sse"\npath = "/"\n'
OWN = HEAD + '[[scenario]]\nname = "s"\nkind = "{}"\n'
GRPC = OWN.format("grpc") + 'path = "/demo.Orders/List"\n'
CHECK = HEAD + '[[check]]\nname = "c"\n'
FAULT = HEAD + '[[fault]]\nat = "50%"\n'
PROBE = HEAD + '[[probe]]\nname = "p"\nkind = "state"\n'
ACCEPT = HEAD + '[[accept]]\nreason = "known"\nuntil = 2027-01-31\n'

WRONG = [
    ('[target]\ncommand = ["x"]\n', {"target.url"}),
    (HEAD.replace('["x"]', '["x"]\ncwd = "nowhere"'), {"target.cwd"}),
    ('[target]\nprocess = "gunicorn[("\nurl = "http://h/"\n', {"target.process"}),
    (HEAD + '[load]\ncycle = "60s"\nquiet = "60s"\n', {"load.quiet"}),
    (HEAD + '[load]\ncycle = "60s"\ntimeout = "61s"\n', {"load.timeout"}),
    (HEAD + "[load]\nlow = 51\n", {"load.low"}),
    (HEAD + "[load]\nusers = 3\nhigh = 5\n", {"load.high"}),
    (HEAD + '[load]\ncycle = "60s"\n[sample]\ninterval = "5s"\n', {"sample.interval"}),
    (HEAD + '[load]\ncycle = "60s"\n[limits]\ncleanup = { grace = "10s" }\n', {"limits.cleanup.grace"}),
    (SSE + "users = 1\ncount = 2\n", {"scenario[0]"}),
    (SSE + 'duration = "2h"\n', {"scenario[0].duration"}),
    (SSE + "streams = 2\nexpect_refused = 3\n", {"scenario[0].expect_refused"}),
    (SSE + 'validate = ["order"]\n', {"scenario[0].sequence"}),
    (SSE + 'until = "x"\n', {"scenario[0].until"}),
    (SSE.replace("sse", "http") + 'function = "a.py:f"\n', {"scenario[0].function"}),
    (OWN.format("python") + 'function = "a.py:f"\nfaults = { reset = 0.1 }\n', {"scenario[0].faults"}),
    (OWN.format("python"), {"scenario[0].function"}),
    (OWN.format("locust"), {"scenario[0].file"}),
    (OWN.format("command"), {"scenario[0].command"}),
    (
        SSE + 'file = "x"\ncommand = ["x"]\nclient = "httpx"\n',
        {f"scenario[0].{k}" for k in ("file", "command", "client")},
    ),
    (
        GRPC + 'method = "GET"\ndata = "x"\nfaults = { reset = 0.1 }\n',
        {f"scenario[0].{k}" for k in ("method", "data", "faults")},
    ),
    (SSE + 'proto = "x.pb"\n', {"scenario[0].proto"}),
    (SSE.replace("sse", "locust") + 'file = "x.py"\n', {"scenario[0].path"}),
    (SSE.replace('path = "/"\n', ""), {"scenario[0].path"}),
    (CHECK + 'kind = "dns"\n', {"check[0].host"}),
    (CHECK + 'kind = "tcp"\nhost = "h"\n', {"check[0].port"}),
    (CHECK + 'kind = "sql"\nurl = "sqlite:///x"\n', {"check[0].query"}),
    (CHECK + 'kind = "dns"\nhost = "h"\non_unhealthy = "command"\n', {"check[0].command"}),
    (CHECK + 'kind = "dns"\nhost = "h"\ntimeout = "31s"\n', {"check[0].timeout"}),
    (CHECK + 'kind = "dns"\nhost = "h"\n[[check]]\nname = "c"\nkind = "dns"\nhost = "h"\n', {"check[1].name"}),
    (FAULT + 'kind = "stop"\n', {"fault[0].for"}),
    (FAULT + 'kind = "stop"\nfor = "31m"\n', {"fault[0].for"}),
    (FAULT + 'kind = "command"\n', {"fault[0].command"}),
    (PROBE + 'url = "http://h/"\n', {"probe[0].field"}),
    (PROBE + 'url = "redis://h/"\nfield = "$.x"\n', {"probe[0].key", "probe[0].field"}),
    (PROBE + 'field = "$.x"\n', {"probe[0].url"}),
    (ACCEPT, {"accept[0]"}),
    (ACCEPT + 'file = "x.py"\nfingerprint = "f"\n', {"accept[0]"}),
    (HEAD + '[schedule]\ntimezone = "UTC"\n', {"schedule"}),
    (HEAD + '[schedule]\ncron = "0 22 * * *"\nevery = "6h"\n', {"schedule"}),
    (HEAD + '[schedule]\nevery = "6h"\ntimezone = "UTC"\n', {"schedule.timezone"}),
]

RIGHT = [
    HEAD + '[load]\nprofile = "none"\n',
    '[target]\npid = 1\n[load]\nprofile = "none"\n',
    HEAD + "[load]\nusers = 3\n",
    SSE + 'streams = 11\nexpect_refused = 1\nsequence = "$.seq"\nvalidate = ["order"]\nduration = "60s"\n',
    GRPC + 'proto = "x.pb"\njson = { n = 1 }\nmessages = 3\nsequence = "$.seq"\nfaults = { abandon = 0.1 }\n',
    OWN.format("python") + 'function = "a.py:f"\nclient = "httpx"\n',
    OWN.format("locust") + 'file = "locustfile.py"\n',
    OWN.format("command") + 'command = ["k6", "run", "load.js"]\nrate = 5\n',
    CHECK + 'kind = "http"\nurl = "http://h/"\nstatus = 204\n',
    FAULT + 'kind = "stop"\nfor = "10s"\n',
    PROBE + 'url = "http://h/"\nfield = "$.x"\n',
    PROBE + 'url = "redis://h/"\nkey = "x"\n',
    ACCEPT + 'file = "vendor/*.py"\n',
    HEAD + '[schedule]\ncron = "0 22 * * *"\ntimezone = "Europe/Berlin"\n',
]


@pytest.mark.parametrize(("text", "keys"), WRONG)
def test_each_rule_names_the_key_that_breaks_it(tmp_path: Path, text: str, keys: set[str]) -> None:
    """The problem stands at the key to change, and nothing else is blamed."""
    (tmp_path / "soak.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "soak.toml", environ={})
    assert {problem.key for problem in caught.value.problems} == keys


@pytest.mark.parametrize("text", RIGHT)
def test_what_keeps_the_rules_is_read(tmp_path: Path, text: str) -> None:
    """The nearest right spelling of each is accepted."""
    (tmp_path / "soak.toml").write_text(text)
    assert load_config(tmp_path / "soak.toml", environ={}).target.name == "target"
