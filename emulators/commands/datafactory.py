"""Verbs about factories: load a folder, run a pipeline, show what ran, switch triggers."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import typer

from emulators.kernel import control
from emulators.kernel.clock import RealClock

if TYPE_CHECKING:
    import httpx

    from emulators.kernel.settings import Settings

API = "2018-06-01"
ENDED = ("Succeeded", "Failed", "Cancelled")
EVER = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "9999-01-01T00:00:00Z"}
POLL_S = 0.2
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
COLOURS = {"Succeeded": "green", "Failed": "red", "Cancelled": "yellow", "InProgress": "blue"}


class Refused(RuntimeError):
    """What the service answered instead of what was asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Wire:
    """The resource manager of a running host, as the seeded service principal."""

    def __init__(self, client: httpx.Client, factory: str) -> None:
        self._client, self.factory = client, factory

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request below the resource manager; its JSON.

        Raises:
            Refused: with the service's own words.
        """
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise Refused(answer.status_code, _refusal(answer))
        return answer.json() if answer.content else None

    def of_factory(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """The same below the factory."""
        words = urlencode({**query, "api-version": API})
        return self.ask(method, f"{self.factory}{path}?{words}", body)

    def every(self, path: str) -> list[dict[str, Any]]:
        """All of a list of the factory, page by page."""
        found: list[dict[str, Any]] = []
        url: str | None = f"{self.factory}{path}?api-version={API}"
        while url:
            body = self.ask("GET", url)
            found += body["value"]
            url = body.get("nextLink")
        return found

    def query(self, path: str, **more: object) -> list[dict[str, Any]]:
        """Everything that a query finds, page by page."""
        body: dict[str, Any] = {**EVER, **more}
        found: list[dict[str, Any]] = []
        while True:
            page = self.of_factory("POST", path, body)
            found += page["value"]
            if not page.get("continuationToken"):
                return found
            body["continuationToken"] = page["continuationToken"]

    def elsewhere(self) -> str:
        """The other factories of the group for a person who looked in the wrong one, or nothing."""
        group, _, name = self.factory.rpartition("/")
        try:
            found = self.ask("GET", f"{group}?api-version={API}")["value"]
        except Refused:
            return ""
        others = [one["name"] for one in found if one["name"].lower() != name.lower()]
        return f"Other factories of the group: {', '.join(others)} (--factory NAME)." * bool(others)


def _refusal(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code}: {answer.text[:500]}"
    lines = [f"{error.get('code')}: {error.get('message')}"]
    lines += [f"  {one.get('message')}" for one in error.get("details") or []]
    return "\n".join(lines)


@contextmanager
def wire(settings: Settings, factory: str | None, group: str | None = None) -> Iterator[Wire]:
    """A connection to the host of a state folder, and the factory that is meant.

    Raises:
        NotRunning: no host serves the folder.
        Refused: by the service; where something was not found, with where else to look.
    """
    import ssl

    import httpx

    from emulators.kernel.ids import Ids
    from emulators.kernel.secrets import Secrets
    from emulators.kernel.tokens import Tokens

    host = control.find(settings.state)
    secrets = Secrets.open(host.state, read_only=True)
    token = Tokens(secrets, RealClock(), Ids()).issue("https://management.azure.com")
    path = (
        f"/subscriptions/{secrets.subscription_id}/resourceGroups/"
        f"{quote(group or settings.resource_group, safe='')}/providers/Microsoft.DataFactory"
        f"/factories/{quote(factory or settings.data_factory, safe='')}"
    )
    with httpx.Client(
        base_url=f"https://localhost:{host.explicit}",
        headers={"authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=str(host.state / "tls" / "ca.pem")),
        trust_env=False,
        timeout=control.ANSWER_WITHIN_S,
    ) as client:
        there = Wire(client, path)
        try:
            yield there
        except Refused as refused:
            hint = there.elsewhere() if refused.status == HTTPStatus.NOT_FOUND else ""
            raise Refused(refused.status, f"{refused}\n{hint}".rstrip()) from None


def pairs(given: list[str]) -> dict[str, str]:
    """`NAME=VALUE` words as a map.

    Raises:
        BadParameter: one has no equals sign.
    """
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"'{word}': write NAME=VALUE")
        found[name] = value
    return found


def load(settings: Settings, folder: Path, options: Mapping[str, Any]) -> None:
    """Check a folder as a whole and put it; nothing is put while there is a problem.

    Raises:
        ValueError: the folder or an option cannot be understood.
        Exit: there are problems (code 1); each was said with its file, activity and field.
    """
    from emulators.datafactory.engine.loading import checking, deploying, values
    from emulators.datafactory.engine.loading.folder import choose, read

    found = read(folder)
    name, body = choose(found, options["factory"])
    words = pairs(options["param"])
    deep = {key: word for key, word in words.items() if values.MARK in key}
    plain = {key: word for key, word in words.items() if values.MARK not in key}
    parameters = values.global_parameters(body, options["global_parameters"], plain)
    items = values.replaced(found.items, deep)
    problems = [*found.problems, *checking.check(items, frozenset(parameters))]
    doubts = [] if problems else checking.doubts(items)
    for note in (*found.notes, *map(str, doubts)):
        typer.secho(f"note: {note}", err=True, fg="yellow")
    if problems:
        for problem in problems:
            typer.secho(str(problem), err=True, fg="red")
        typer.secho(f"{len(problems)} problems: nothing was loaded.", err=True, fg="red")
        raise typer.Exit(1)
    if options["check"]:
        typer.echo(f"{len(items)} resources of {name or settings.data_factory} hold.")
        return
    outermost = ""
    with wire(settings, name, options["group"]) as there:
        plan = deploying.Plan(
            there.factory, _factory_body(settings, body, parameters), items, options["start"]
        )
        for step in deploying.deploy(plan, there.ask):
            count = f"{step.number:>{len(str(step.of))}}/{step.of} " if step.of else ""
            typer.echo(f"{count}{step.verb} {step.kind} {step.name}")
            if step.kind == "pipelines":
                outermost = step.name  # the last comes after all that it runs
    if outermost:
        chosen = f" --factory {name}" if name and name != settings.data_factory else ""
        typer.echo(f"Next:  rehearse datafactory run {shlex.quote(outermost)}{chosen} --follow")


def _factory_body(
    settings: Settings, body: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    if not body and not parameters:
        return {}
    properties = {**(body.get("properties") or {})}
    if parameters:
        properties["globalParameters"] = dict(parameters)
    return {
        "location": body.get("location") or settings.region,
        "identity": body.get("identity") or {"type": "SystemAssigned"},
        "tags": body.get("tags") or {},
        "properties": properties,
    }


def run(there: Wire, pipeline: str, given: dict[str, str], *, follow: bool) -> None:
    """Begin a run and print its id; with `follow`, what happens in it until it ends.

    Raises:
        Exit: the run that was followed did not succeed (code 1), or is no longer followed (130).
    """
    if pipeline.endswith(".json"):
        made = _debug(there, Path(pipeline), given)
    else:
        path = f"/pipelines/{quote(pipeline, safe='')}"
        declared = there.of_factory("GET", path)["properties"].get("parameters") or {}
        made = there.of_factory("POST", f"{path}/createRun", _typed(declared, given))
    typer.echo(made["runId"])
    if not follow:
        return
    try:
        succeeded = _followed(there, made["runId"])
    except KeyboardInterrupt:
        typer.echo(f"It runs on; `rehearse datafactory cancel {made['runId']}` ends it.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if not succeeded:
        raise typer.Exit(1)


def _debug(there: Wire, file: Path, given: dict[str, str]) -> Any:
    """Begin a run of a pipeline's file, without publishing it."""
    try:
        pipeline = json.loads(file.read_text(encoding="utf-8-sig"))
        declared = pipeline["properties"].get("parameters") or {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"{file} is no pipeline's file: {wrong}") from None
    body = {"pipeline": pipeline, "parameters": _typed(declared, given)}
    return there.of_factory("POST", "/createDebugRun", body)


def _typed(declared: Mapping[str, Any], given: dict[str, str]) -> dict[str, Any]:
    from emulators.datafactory.engine.loading.values import typed

    types = {name.lower(): str(one.get("type", "String")) for name, one in declared.items()}
    found = {}
    for name, text in given.items():
        if name.lower() not in types:
            names = ", ".join(declared) or "none"
            raise ValueError(f"The pipeline has no parameter '{name}'; it has {names}.")
        found[name] = typed(text, types[name.lower()])
    return found


def _followed(there: Wire, run_id: str) -> bool:
    """Say what happens in a run until it ends; whether it succeeded."""
    seen: dict[str, str] = {}
    while True:
        found = there.of_factory("GET", f"/pipelineruns/{run_id}")
        for one in _activities(there, run_id):
            if seen.get(one["activityRunId"]) != one["status"]:
                seen[one["activityRunId"]] = one["status"]
                _say(one["status"], f"{one['activityName']} ({one['activityType']})", _why(one))
        if found["status"] in ENDED:
            _say(found["status"], found["pipelineName"], found.get("message") or "")
            return bool(found["status"] == "Succeeded")
        time.sleep(POLL_S)


def _activities(there: Wire, run_id: str) -> list[dict[str, Any]]:
    every = {"operand": "Status", "operator": "NotEquals", "values": [""]}  # the skipped ones too
    return there.query(f"/pipelineruns/{run_id}/queryActivityruns", filters=[every])


def _why(activity: Mapping[str, Any]) -> str:
    return str((activity.get("error") or {}).get("message") or "")


def _say(status: str, what: str, more: str = "") -> None:
    shown = typer.style(f"{status:<11}", fg=COLOURS.get(status))
    typer.echo(f"{shown} {what}{': ' + more if more else ''}")


def show_list(there: Wire, as_json: bool) -> None:
    """Print what the factory has: pipelines, triggers and the rest, with their types."""
    kinds = ("pipelines", "datasets", "linkedservices", "dataflows", "triggers")
    found = {kind: there.every(f"/{kind}") for kind in kinds}
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for kind in kinds:
        for one in found[kind]:
            properties = one["properties"]
            detail = properties.get("runtimeState") or properties.get("type") or ""
            names = ", ".join(properties.get("parameters") or {})
            typer.echo(f"{kind:<15} {one['name']:<40} {f'{detail} {names}'.strip()}")
    if not any(found.values()):
        typer.echo(f"Nothing is published here. {there.elsewhere()}".rstrip(), err=True)


def show_runs(there: Wire, pipeline: str | None, as_json: bool) -> None:
    """Print the runs of the factory, the newest first."""
    filters = [{"operand": "PipelineName", "operator": "Equals", "values": [pipeline]}]
    found = there.query("/queryPipelineRuns", filters=filters if pipeline else [])
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    if not found:
        typer.echo(f"Nothing ran here. {there.elsewhere()}".rstrip(), err=True)
    for one in found:
        seconds = (one.get("durationInMs") or 0) / 1000
        by = one["invokedBy"].get("name", "")
        _say(one["status"], f"{one['runId']} {one['pipelineName']} {one['runStart'][:19]}"
             f" {seconds:.1f} s by {by}")  # fmt: skip


def show_run(there: Wire, run_id: str, svg: Path | None, as_json: bool) -> None:
    """Print a run and its activities, as a chart over time where one can be drawn."""
    found = there.of_factory("GET", f"/pipelineruns/{run_id}")
    activities = _activities(there, run_id)
    if as_json:
        typer.echo(json.dumps({**found, "activities": activities}, indent=1))
        return
    from rich.console import Console

    from emulators.datafactory.engine import gantt

    run, rows = gantt.of_wire(found, activities, _definition(there, found["pipelineName"]))
    console = Console(highlight=False)
    console.print(gantt.text(run, rows, min(console.width, gantt.WIDEST)), end="", soft_wrap=True)
    if svg is not None:
        svg.write_text(gantt.svg(run, rows), encoding="utf-8")
        typer.echo(f"The chart is in {svg}.")


def _definition(there: Wire, pipeline: str) -> dict[str, Any]:
    """The pipeline as it is now; empty when it is gone, and the chart is flat then."""
    try:
        found: dict[str, Any] = there.of_factory("GET", f"/pipelines/{quote(pipeline, safe='')}")
        return dict(found["properties"])
    except RuntimeError:
        return {}


def cancel(there: Wire, run_id: str, recursive: bool) -> None:
    """Cancel a run."""
    query = {"isRecursive": "true" if recursive else "false"}
    there.of_factory("POST", f"/pipelineruns/{quote(run_id, safe='')}/cancel", None, **query)
    typer.echo(f"{run_id} is being cancelled.")


def switch(there: Wire, trigger: str, action: str) -> None:
    """Start or stop a trigger."""
    there.of_factory("POST", f"/triggers/{quote(trigger, safe='')}/{action}")
    typer.echo(f"{trigger} is {'started' if action == 'start' else 'stopped'}.")
