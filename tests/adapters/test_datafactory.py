"""The factory adapter where its service is not what it expects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from azure_adapters.datafactory import SdkFactories


def test_a_trigger_is_not_timed_by_a_clock_that_runs_ahead() -> None:
    ahead = SimpleNamespace(
        last_updated=datetime.now(UTC) + timedelta(hours=3),
        status="Succeeded",
        pipeline_name="p",
        message="",
    )
    client = SimpleNamespace(
        pipeline_runs=SimpleNamespace(get=lambda *_: ahead),
        activity_runs=SimpleNamespace(
            query_by_pipeline_run=lambda *_: SimpleNamespace(value=[]),
        ),
    )
    target: Any = SimpleNamespace(names=SimpleNamespace(resource_group="rg"))
    factories = SdkFactories(target, "adf")
    factories._known = cast("Any", client)
    assert factories.wait("r", lambda _: None).status == "Succeeded"
    with pytest.raises(RuntimeError, match="without --time-scale"):
        factories.start("nightly", 5)
