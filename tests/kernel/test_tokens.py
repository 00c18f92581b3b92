"""Tokens: what is issued is verified, and nothing else is, whatever it looks like."""

from __future__ import annotations

import base64
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.clock import ManualClock
from emulators.kernel.ids import Ids
from emulators.kernel.secrets import Secrets
from emulators.kernel.tokens import (
    LEEWAY_S,
    ExpiredToken,
    InvalidToken,
    Tokens,
    WrongAudience,
    WrongTenant,
)

AUDIENCE = "https://management.azure.com"


@cache
def tokens() -> Tokens:
    return Tokens(Secrets.open(None), ManualClock(), Ids())


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.dictionaries(st.sampled_from(["roles", "name", "x"]), st.integers() | st.text(max_size=5)),
)
def test_what_is_issued_is_verified(audience: str, claims: dict[str, Any]) -> None:
    token = tokens().issue(audience, object_id="me", app_id="app", claims=claims)
    found = tokens().verify(token, [audience])
    assert (found.object_id, found.app_id) == ("me", "app")
    assert found.audience == audience
    assert {name: found.claims[name] for name in claims} == claims


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_any_other_text_is_no_token(text: str) -> None:
    for token in (text, f"{text}.{text}.{text}", f"{part({'alg': 'RS256'})}.{part({})}.{text}"):
        with pytest.raises(InvalidToken):
            tokens().verify(token, [AUDIENCE])


@given(st.data())
def test_no_bit_of_a_token_may_change(data: st.DataObject) -> None:
    token = tokens().issue(AUDIENCE)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("Ab0_-.").filter(lambda c: c != token[at]))
    changed = token[:at] + other + token[at + 1 :]
    if at == len(token) - 1:
        return  # the last character carries two bits of padding, which mean nothing
    with pytest.raises(InvalidToken):
        tokens().verify(changed, [AUDIENCE])


@pytest.mark.parametrize(
    ("issued", "accepted", "fits"),
    [
        (AUDIENCE, f"{AUDIENCE}/", True),
        (f"{AUDIENCE}//", AUDIENCE, True),
        (f"{AUDIENCE}.evil.example", AUDIENCE, False),
        (AUDIENCE.upper(), AUDIENCE, False),
        ("", AUDIENCE, False),
    ],
)
def test_slashes_at_the_end_are_equal_and_nothing_else(
    issued: str, accepted: str, fits: bool
) -> None:
    token = tokens().issue(issued)
    if fits:
        assert tokens().verify(token, [accepted])
    else:
        with pytest.raises(WrongAudience):
            tokens().verify(token, [accepted])


def test_times_have_a_minute_of_leeway() -> None:
    clock = ManualClock()
    made = Tokens(tokens()._secrets, clock, Ids())
    token = made.issue(AUDIENCE, lifetime_s=10)
    clock._elapsed = 10 + LEEWAY_S
    assert made.verify(token, [AUDIENCE])
    clock._elapsed += 1
    with pytest.raises(ExpiredToken):
        made.verify(token, [AUDIENCE])
    clock._elapsed = -LEEWAY_S - 1
    with pytest.raises(InvalidToken, match="not valid yet"):
        made.verify(token, [AUDIENCE])


def test_another_folder_s_token_is_a_stranger_s() -> None:
    other = Tokens(Secrets.open(None), ManualClock(), Ids())
    with pytest.raises(InvalidToken):
        tokens().verify(other.issue(AUDIENCE), [AUDIENCE])
    with pytest.raises(WrongTenant):
        tokens().verify(tokens().issue(AUDIENCE, claims={"tid": "x"}), [AUDIENCE])


def test_the_key_outlives_a_restart() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = Tokens(Secrets.open(folder), ManualClock(), Ids())
        token = first.issue(AUDIENCE)
        again = Tokens(Secrets.open(folder), ManualClock(), Ids())
        assert again.verify(token, [AUDIENCE])
        assert again.jwk == first.jwk


def test_a_claim_that_is_none_is_left_out() -> None:
    token = tokens().issue(AUDIENCE, claims={"appid": None, "azp": "app"})
    found = tokens().verify(token, [AUDIENCE])
    assert "appid" not in found.claims
    assert found.app_id == "app"
