"""The form and Basic readers: any bytes give fields or Entra's error, never anything else."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.identity.engine import resources
from emulators.identity.errors import EntraError, MalformedRequest
from emulators.identity.wire import forms

texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.dictionaries(texts.filter(bool), texts, max_size=20))
def test_what_is_written_is_read(fields: dict[str, str]) -> None:
    assert forms.parse(urlencode(fields).encode()) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_an_error(body: bytes) -> None:
    try:
        found = forms.parse(body)
    except EntraError:
        return
    assert all(isinstance(value, str) for value in found.values())


@given(texts, texts)
def test_basic_round_trip(name: str, secret: str) -> None:
    pair = f"{quote_plus(name)}:{quote_plus(secret)}".encode()
    assert forms.basic(f"Basic {base64.b64encode(pair).decode()}") == (name, secret)


@given(st.text(max_size=60))
def test_any_header_is_basic_another_or_an_error(header: str) -> None:
    for text in (header, f"Basic {header}"):
        try:
            found = forms.basic(text)
        except MalformedRequest:
            continue
        assert found is None or len(found) == 2


@given(st.text(max_size=80))
def test_any_scope_is_a_resource_or_an_error(scope: str) -> None:
    try:
        found = resources.of_scope(scope)
    except EntraError:
        return
    assert found.audience
    assert f"{found.audience}/.default" in scope.split(" ")


@pytest.mark.parametrize(
    ("resource", "known"),
    [
        ("https://management.azure.com", True),
        ("HTTPS://MANAGEMENT.AZURE.COM/", True),
        ("https://acct.blob.core.windows.net", True),
        ("https://127.0.0.1:8441", True),
        ("https://[::1]:8441", True),
        ("https://[bad", False),
        ("http://management.azure.com", False),
        ("management.azure.com", False),
        ("https://management.azure.com.evil.example", False),
        ("https://evil@management.azure.com", False),
        ("https://evilvault.azure.net.example", False),
        ("https://management.azure.com?x", False),
    ],
)
def test_known_resources(resource: str, known: bool) -> None:
    assert resources.is_known(resource) is known
