"""The variables: nothing of Azure passes us by, and every notation is read back as it was."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulators.kernel.azure_domains import AZURE_DOMAINS
from emulators.kernel.client_env import FORMATS, ClientFacts, render, variables
from emulators.kernel.upstream import Upstream

FACTS = ClientFacts(
    proxy_port=8440,
    ca_bundle="/state/tls/bundle.pem",
    node_ca="/state/tls/node.pem",
    tenant_id="t",
    client_id="c",
    client_secret="s'e\"c$r`e\\t",
    subscription_id="sub",
    resource_group="rg",
    workspace="ws",
    region="eastus",
    storage_account="acct",
    storage_key="a2V5",
    mlflow_token="token",
)

names = st.from_regex(r"[A-Z][A-Z_]{0,12}", fullmatch=True).filter(
    lambda name: name not in ("_", "PATH", "IFS", "UID", "EUID", "PPID", "SHLVL", "PWD", "OLDPWD")
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
lines = texts.filter(lambda text: "\n" not in text and "\r" not in text)


def test_what_the_issue_names_is_there() -> None:
    found = variables(FACTS, {})
    for name in (
        "HTTPS_PROXY", "https_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
        "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AZURE_TENANT_ID", "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP",
        "AZUREML_WORKSPACE_NAME", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING",
        "MLFLOW_TRACKING_URI",
    ):  # fmt: skip
        assert found[name], name
    assert found["NO_PROXY"] == "localhost,127.0.0.1"
    assert "AWS_CA_BUNDLE" not in found
    assert found["MLFLOW_TRACKING_URI"].startswith("https://eastus.api.azureml.ms/mlflow/v1.0/sub")


entries = st.one_of(
    st.sampled_from(
        ["*", ".com", "com", "net", "*.net", "azure.com", ".azure.com", "*.blob.core.windows.net",
         "management.azure.com", "azure.com:443", "Windows.NET", "io", "ms", ".", "*.", "",
         "zure.com", "m", "corp.example", ".corp.example", "10.0.0.0/8", "azureml.ms"]
    ),
    texts.map(lambda text: text[:12]),
)  # fmt: skip


@given(st.lists(entries, max_size=6))
def test_no_azure_host_passes_us_by(mine: list[str]) -> None:
    found = variables(FACTS, {"NO_PROXY": ",".join(mine)})
    for domain in AZURE_DOMAINS:
        for host in (domain, f"a.b.{domain}"):
            past = requests.utils.should_bypass_proxies(f"https://{host}/", found["no_proxy"])
            assert not past, (mine, found["no_proxy"])
    upstream = Upstream.from_environment({"HTTPS_PROXY": "http://p", "NO_PROXY": found["NO_PROXY"]})
    assert upstream.pick(secure=True, host="management.azure.com", port=443) is not None


def test_the_users_own_exceptions_stay() -> None:
    mine = {"no_proxy": "corp.example, 10.0.0.0/8,localhost,build.corp:8080,::2"}
    assert variables(FACTS, mine)["no_proxy"] == (
        "localhost,127.0.0.1,corp.example,10.0.0.0/8,build.corp:8080,::2"
    )


def test_a_shell_in_a_shell_says_the_same() -> None:
    """`rehearse env` twice in one shell keeps the user's proxy, not ours."""
    user = {"HTTPS_PROXY": "http://u:p@corp:3128", "NO_PROXY": "corp.example", "ALL_PROXY": "x:1"}
    once = {**user, **variables(FACTS, user)}
    twice = {**once, **variables(FACTS, once)}
    assert once == twice
    again = Upstream.from_environment(twice)
    assert again.https is not None
    assert (again.https.host, again.https.port) == ("corp", 3128)
    assert again == Upstream.from_environment(user)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, texts, min_size=1, max_size=8))
def test_a_real_shell_reads_back_what_was_written(values: dict[str, str]) -> None:
    script = render(values, "shell") + "".join(f'printf "%s\\0" "${name}"\n' for name in values)
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=20)
    assert done.stdout.split(b"\0")[:-1] == [v.encode() for v in values.values()]


@example({"A": "\\\\0"})
@given(st.dictionaries(names, lines, max_size=8))
def test_dotenv_is_read_back_by_the_common_reader(values: dict[str, str]) -> None:
    from io import StringIO

    from dotenv import dotenv_values

    assert dotenv_values(stream=StringIO(render(values, "dotenv")), interpolate=False) == values


@given(st.dictionaries(names, texts, max_size=8))
def test_json_is_one_flat_object(values: dict[str, str]) -> None:
    assert json.loads(render(values, "json")) == values


@given(texts)
def test_powershell_quotes_cannot_be_left(value: str) -> None:
    """Inside single quotes every quote is doubled; PowerShell knows five of them."""
    text = render({"A": value}, "powershell")
    assert text.startswith("$env:A = '")
    inner = text[len("$env:A = '") : -2]
    for mark in "'\u2018\u2019\u201a\u201b":
        inner = inner.replace(mark * 2, "")
        assert mark not in inner


@pytest.mark.parametrize("notation", FORMATS)
def test_names_and_nuls_are_checked(notation: str) -> None:
    for values in ({"A B": ""}, {"A;rm": ""}, {"": ""}, {"A": "\0"}):
        with pytest.raises(ValueError, match=r"name|cannot be written"):
            render(values, notation)
    assert render({}, notation).strip() in ("", "{}")


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(ValueError, match="known: shell, json, dotenv, powershell"):
        render({}, "yaml")
