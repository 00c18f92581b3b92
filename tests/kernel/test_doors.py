"""Links and the explicit door undo each other; long-running operations, times and tags."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel import azure_http
from emulators.kernel.errors import NotFound
from emulators.kernel.explicit import target_of
from emulators.kernel.links import Links
from tests.support import make_context

DOOR = Links("eastus", "https://localhost:8441")
AZURE = Links("eastus")
tails = st.from_regex(r"\A[A-Za-z0-9%._~-]{0,8}(/[A-Za-z0-9%._~-]{1,8}){0,3}\Z")


@given(st.from_regex(r"\A[a-z0-9]{3,24}\Z"), st.sampled_from(["blob", "dfs"]), tails)
def test_storage_links_lead_back(account: str, kind: str, tail: str) -> None:
    host, path = f"{account}.{kind}.core.windows.net", f"/{tail}"
    assert target_of(urlsplit(DOOR.to(host, path)).path, "eastus") == (host, path)
    assert AZURE.to(host, path) == f"https://{host}{path}"


@given(st.from_regex(r"\A[a-z][a-z0-9-]{1,20}\Z"), tails)
def test_endpoint_links_lead_back(endpoint: str, tail: str) -> None:
    path = f"/{tail}"
    host = f"{endpoint}.eastus.inference.ml.azure.com"
    assert AZURE.inference(endpoint, path) == f"https://{host}{path}"
    assert target_of(urlsplit(DOOR.inference(endpoint, path)).path, "eastus") == (host, path)


@pytest.mark.parametrize(
    ("link", "host"),
    [
        (DOOR.arm("/subscriptions/s/resourceGroups/g"), "management.azure.com"),
        (DOOR.arm("/providers/Microsoft.Storage"), "management.azure.com"),
        (DOOR.login("/adfs/oauth2/v2.0/token"), "login.microsoftonline.com"),
        (DOOR.login("/common/discovery/keys"), "login.microsoftonline.com"),
        (DOOR.login("/t/oauth2/token"), "login.microsoftonline.com"),
        (DOOR.login("/metadata/identity/oauth2/token"), "login.microsoftonline.com"),
        (DOOR.arm("/metadata/endpoints"), "management.azure.com"),
        (DOOR.ml("/mlflow/v2.0/subscriptions/s"), "eastus.api.azureml.ms"),
        (DOOR.ml("/history/v1.0/x"), "eastus.api.azureml.ms"),
    ],
)
def test_the_other_links_lead_back(link: str, host: str) -> None:
    path = urlsplit(link).path
    assert target_of(path, "eastus") == (host, path)


def test_what_is_no_first_segment_of_azure_s_is_a_container() -> None:
    expected = ("acct.blob.core.windows.net", "/container/a/b")
    assert target_of("/container/a/b", "eastus", "acct") == expected


@given(st.text(max_size=40))
def test_any_path_leads_to_one_of_azure_s_hosts(path: str) -> None:
    host, rest = target_of("/" + path, "eastus")
    assert rest.startswith("/")
    known = re.compile(r".*\.(azure\.com|microsoftonline\.com|azureml\.ms|windows\.net)", re.DOTALL)
    assert known.fullmatch(host)


def test_a_long_running_operation(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    made = azure_http.begin(ctx, "/subscriptions/s")
    running = azure_http.operation_status(ctx, made.id)
    assert isinstance(running.body, dict)
    assert running.body["status"] == "InProgress"
    assert running.headers["x-ms-retry-after-ms"] == azure_http.POLL_MS
    assert [op.id for op in azure_http.interrupted(ctx)] == [made.id]
    azure_http.finish(ctx, made.id, {"code": "Bad", "message": "no"})
    azure_http.finish(ctx, made.id)  # the first end stays
    ended = azure_http.operation_status(ctx, made.id)
    assert isinstance(ended.body, dict)
    assert (ended.body["status"], ended.body["error"]["code"]) == ("Failed", "Bad")
    assert "x-ms-retry-after-ms" not in ended.headers
    assert azure_http.interrupted(ctx) == []
    azure_http.finish(ctx, "unknown")
    with pytest.raises(NotFound):
        azure_http.operation_status(ctx, "unknown")


@given(st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_read_back(moment: datetime) -> None:
    assert datetime.fromisoformat(azure_http.iso(moment)) == moment
    assert parsedate_to_datetime(azure_http.http_date(moment)) == moment.replace(microsecond=0)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.text(st.characters(codec="utf-8"), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), json_values, max_size=4))
def test_an_entity_tag_is_of_the_value_not_of_its_order(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert azure_http.etag_of(value) == azure_http.etag_of(turned)
    assert azure_http.etag_of({**value, "more": 1}) != azure_http.etag_of(value)
    assert re.fullmatch(r'"[0-9a-f]{32}"', azure_http.etag_of(value))
