"""Which proxy a tunnelled host goes through."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.upstream import BadUpstream, NextProxy, Upstream, before_ours


def upstream(**environ: str) -> Upstream:
    return Upstream.from_environment(environ)


def pick(environ: dict[str, str], host: str, port: int = 443) -> NextProxy | None:
    return Upstream.from_environment(environ).pick(secure=True, host=host, port=port)


def test_credentials_and_port_are_read() -> None:
    proxy = upstream(HTTPS_PROXY="http://us%40er:p%3Aw@proxy.corp:3128").https
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.tls) == ("proxy.corp", 3128, False)
    assert b64decode(proxy.headers[0][1].removeprefix("Basic ")) == b"us@er:p:w"


def test_defaults() -> None:
    assert upstream() == Upstream()
    assert upstream(HTTPS_PROXY="") == Upstream()
    assert upstream(https_proxy="proxy.corp").https == NextProxy("proxy.corp", 80, False, None)
    assert upstream(https_proxy="https://p.corp").https == NextProxy("p.corp", 443, True, None)
    assert upstream(ALL_PROXY="p:1").http == NextProxy("p", 1, False, None)
    assert upstream(https_proxy="a:1", HTTPS_PROXY="b:1").https == NextProxy("a", 1, False, None)


def test_what_a_shell_had_before_ours_wins() -> None:
    """`rehearse up` from a shell that `rehearse env` set up must not call itself."""
    ours = {"HTTPS_PROXY": "http://127.0.0.1:8440", "https_proxy": "http://127.0.0.1:8440"}
    assert Upstream.from_environment({**ours, "REHEARSAL_UPSTREAM_HTTPS_PROXY": ""}).https is None
    corporate = {**ours, "REHEARSAL_UPSTREAM_HTTPS_PROXY": "http://p.corp:1"}
    assert Upstream.from_environment(corporate).https == NextProxy("p.corp", 1, False, None)
    assert Upstream.from_environment(ours).is_door(8440)
    assert not Upstream.from_environment(ours).is_door(8441)


@pytest.mark.parametrize(
    "url", ["socks5://p:1", "http://", "http://p:x", "http://p:99999", "ftp://p"]
)
def test_unusable_proxies_are_named(url: str) -> None:
    with pytest.raises(BadUpstream, match="cannot be used"):
        upstream(HTTPS_PROXY=url)


@pytest.mark.parametrize(
    ("without", "host", "direct"),
    [
        ("corp.net", "corp.net", True),
        ("corp.net", "a.corp.net", True),
        (".corp.net", "a.corp.net", True),
        ("*.corp.net", "a.corp.net", True),
        ("corp.net", "notcorp.net", False),
        ("CORP.net , x", "a.corp.net", True),
        ("*", "anything", True),
        ("corp.net:443", "corp.net", True),
        ("corp.net:80", "corp.net", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "corp.net", False),
        ("fe80::/10", "fe80::1", True),
        ("[fe80::1]", "fe80::1", True),
        ("", "localhost", True),
        ("", "127.0.0.9", True),
        ("", "::1", True),
        ("", "pypi.example", False),
        (",.,*.", "pypi.example", False),
    ],
)
def test_no_proxy(without: str, host: str, direct: bool) -> None:
    found = pick({"HTTPS_PROXY": "http://p:1", "NO_PROXY": without}, host)
    assert (found is None) == direct


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_environment_is_read_or_refused(proxy: str, without: str) -> None:
    try:
        found = Upstream.from_environment({"HTTPS_PROXY": proxy, "NO_PROXY": without})
    except BadUpstream:
        return
    found.pick(secure=True, host="example.com", port=443)


def test_programs_that_go_out_by_themselves_are_not_led_to_a_door_of_ours() -> None:
    door, corporate = "http://127.0.0.1:8440", "http://proxy.corp:3128"
    shell = {"HTTPS_PROXY": door, "https_proxy": door, "NO_PROXY": "localhost", "PATH": "/bin"}
    assert before_ours(shell) == shell  # never given `rehearse env`: the proxy is the machine's
    direct = {"REHEARSAL_UPSTREAM_HTTPS_PROXY": "", "REHEARSAL_UPSTREAM_NO_PROXY": ""}
    assert before_ours({**shell, **direct}) == {"PATH": "/bin", **direct}
    led = before_ours({**shell, **direct, "REHEARSAL_UPSTREAM_HTTPS_PROXY": corporate})
    assert led["HTTPS_PROXY"] == led["https_proxy"] == corporate
