"""Every activity type that is known, and what runs those that have an executor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done, Executor

PACKAGE = "emulators.datafactory.engine.activities"
TRACKED = "emulators/datafactory/README.md, Activities"

EXECUTED = {
    "WebActivity": "web:run",
    "WebHook": "webhook:run",
    "AzureFunctionActivity": "function:run",
    "AzureMLExecutePipeline": "azureml:run",
    "Lookup": "lookup:run",
    "GetMetadata": "metadata:run",
    "Copy": "copy:run",
    "Delete": "delete:run",
    "Validation": "validation:run",
    "Script": "script:run",
    "SqlServerStoredProcedure": "procedures:run_linked",
    "SqlPoolStoredProcedure": "procedures:run_pool",
}
"""Type -> module and function here that run one attempt of it."""

CONTROL = (
    "AppendVariable", "ExecutePipeline", "Fail", "Filter", "ForEach", "IfCondition", "SetVariable",
    "Switch", "Until", "Wait",
)  # fmt: skip
"""Types that the runner itself carries out."""

NOT_RUN = {
    "AzureDataExplorerCommand": "a Kusto cluster",
    "AzureMLBatchExecution": "Machine Learning Studio (classic), which Azure has retired",
    "AzureMLUpdateResource": "Machine Learning Studio (classic), which Azure has retired",
    "Custom": "an Azure Batch pool",
    "DatabricksJob": "a Databricks workspace",
    "DatabricksNotebook": "a Databricks workspace",
    "DatabricksSparkJar": "a Databricks workspace",
    "DatabricksSparkPython": "a Databricks workspace",
    "DataLakeAnalyticsU-SQL": "Data Lake Analytics, which Azure has retired",
    "ExecuteDataFlow": "a Spark cluster for mapping data flows",
    "ExecuteSSISPackage": "an integration runtime for SSIS",
    "ExecuteWranglingDataflow": "a Spark cluster for wrangling data flows",
    "HDInsightHive": "an HDInsight cluster",
    "HDInsightMapReduce": "an HDInsight cluster",
    "HDInsightPig": "an HDInsight cluster",
    "HDInsightSpark": "an HDInsight cluster",
    "HDInsightStreaming": "an HDInsight cluster",
    "SparkJob": "a Synapse Spark pool",
    "SynapseNotebook": "a Synapse Spark pool",
}
"""Type -> what it would need; it is stored and validated, and fails when it is to run."""

KNOWN_TYPES: Mapping[str, str] = {name.lower(): name for name in (*EXECUTED, *CONTROL, *NOT_RUN)}
"""Types in lower case -> as Azure spells them. Source: the discriminators of
azure-mgmt-datafactory 9.3.0 and azure-synapse-artifacts 0.22.0."""


class _Executors(Mapping[str, Executor]):
    """Executors by type in lower case; a module is imported when its first activity runs."""

    def __getitem__(self, kind: str) -> Executor:
        name = KNOWN_TYPES.get(kind.lower())
        if name is None or name in CONTROL:
            raise KeyError(kind)
        return _load(EXECUTED[name]) if name in EXECUTED else _not_run

    def __iter__(self) -> Iterator[str]:
        return (k for k, name in KNOWN_TYPES.items() if name not in CONTROL)

    def __len__(self) -> int:
        return len(KNOWN_TYPES) - len(CONTROL)


EXECUTORS: Mapping[str, Executor] = _Executors()
"""Lower-case type -> what runs one attempt; of a type that is not run, what says so."""


@cache
def _load(dotted: str) -> Executor:
    module, _, name = dotted.partition(":")
    executor: Executor = getattr(import_module(f"{PACKAGE}.{module}"), name)
    return executor


async def _not_run(call: Call) -> Done:
    name = KNOWN_TYPES[call.activity.type.lower()]
    what = f"the activity type '{name}' (it needs {NOT_RUN[name]})"
    raise not_emulated(call, what)


def not_emulated(call: Call, what: str, tracked: str = TRACKED) -> ActivityFailed:
    """The failure of an activity that asks for what is not emulated; the ledger counts it."""
    call.ctx.ledger.record("refusal", what=what, operation=call.activity.type)
    return ActivityFailed(
        "NotEmulated", f"Rehearsal does not emulate {what}. Tracked in: {tracked}."
    )
