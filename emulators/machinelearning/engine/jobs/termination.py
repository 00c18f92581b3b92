"""Early termination of a sweep's trials: bandit, median stopping, truncation selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from emulators.machinelearning.errors import InvalidJob

Histories = Mapping[str, Sequence[float]]
"""Values of the primary metric in the order they were logged, by trial."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When to stop which trial.

    Source: learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters.
    """

    kind: str  # "bandit", "medianstopping", "truncationselection"
    evaluation_interval: int = 1  # every so many values of the metric
    delay_evaluation: int = 0  # not before so many values
    slack_factor: float = 0.0
    slack_amount: float = 0.0
    truncation_percentage: int = 10

    def due(self, reported: int) -> bool:
        """Whether a trial that has reported this many values is judged now."""
        return (
            reported > 0
            and reported >= self.delay_evaluation
            and reported % self.evaluation_interval == 0
        )


def parse_policy(given: Mapping[str, Any] | None) -> Policy | None:
    """Read a policy in either spelling (camelCase of a job, snake_case of a step).

    Raises:
        InvalidJob: an unknown policy or senseless numbers.
    """
    if not given:
        return None
    values = {_snake(name): value for name, value in given.items() if value is not None}
    kind = str(values.get("policy_type") or values.get("type") or "").replace("_", "").lower()
    if kind not in ("bandit", "medianstopping", "truncationselection"):
        raise InvalidJob(f"'{kind}' is no early termination policy.")
    policy = Policy(
        kind,
        int(values.get("evaluation_interval") or 1),
        int(values.get("delay_evaluation") or 0),
        float(values.get("slack_factor") or 0),
        float(values.get("slack_amount") or 0),
        int(values.get("truncation_percentage") or 10),
    )
    if policy.evaluation_interval < 1 or not 0 < policy.truncation_percentage < 100:
        raise InvalidJob("An early termination policy needs a positive interval and a percentage.")
    return policy


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def to_stop(
    policy: Policy, histories: Histories, running: Sequence[str], *, maximize: bool
) -> set[str]:
    """The running trials that the policy ends now, given all that was logged so far."""
    sign = 1.0 if maximize else -1.0
    signed = {t: [sign * v for v in values] for t, values in histories.items() if values}
    judged = [t for t in running if policy.due(len(signed.get(t, ())))]
    if policy.kind == "bandit":
        return {t for t in judged if _outside_slack(policy, signed, t, maximize)}
    if policy.kind == "medianstopping":
        return {t for t in judged if _below_median(signed, t)}
    return _lowest(policy, signed, judged)


def _outside_slack(
    policy: Policy, signed: Mapping[str, list[float]], trial: str, maximize: bool
) -> bool:
    reported = len(signed[trial])
    best = max(max(values[:reported]) for values in signed.values())
    own = max(signed[trial])
    if policy.slack_factor:
        # best / (1 + factor) when more is better, best * (1 + factor) when less is.
        factor = 1 / (1 + policy.slack_factor) if maximize else 1 + policy.slack_factor
        return own < best * factor
    return own < best - policy.slack_amount


def _below_median(signed: Mapping[str, list[float]], trial: str) -> bool:
    reported = len(signed[trial])
    averages = [
        sum(values[:reported]) / reported for values in signed.values() if len(values) >= reported
    ]
    return max(signed[trial]) < median(averages)


def _lowest(policy: Policy, signed: Mapping[str, list[float]], judged: list[str]) -> set[str]:
    """The worst share of those at the same interval, by their newest value."""
    stopped: set[str] = set()
    for reported in {len(signed[t]) for t in judged}:
        peers = [t for t, values in signed.items() if len(values) >= reported]
        count = len(peers) * policy.truncation_percentage // 100
        ranked = sorted(peers, key=lambda t: signed[t][reported - 1])[:count]
        stopped |= {t for t in ranked if t in judged and len(signed[t]) == reported}
    return stopped
