"""Links to a job's logs that anyone who was given one may read, for a while."""

from __future__ import annotations

import hashlib
import hmac

from emulators.kernel.context import Context
from emulators.kernel.errors import Forbidden
from emulators.kernel.ids import same_secret

LIFETIME_S = 24 * 3600


class BadSignature(Forbidden):
    """A link that was not made here, or is over."""

    code = "AuthenticationFailed"


def signature(ctx: Context, workspace: str, job: str, name: str) -> str:
    """The query of a link to one log: expiry and proof."""
    expiry = int(ctx.clock.now().timestamp()) + LIFETIME_S
    return f"se={expiry}&sig={_proof(ctx, workspace, job, name, expiry)}"


def check(ctx: Context, where: tuple[str, str, str], expiry: str, proof: str) -> None:
    """Check a link's query against the log it names.

    Args:
        where: workspace guid, job, log name.

    Raises:
        BadSignature: it does not hold.
    """
    good = expiry.isdigit() and same_secret(proof, _proof(ctx, *where, int(expiry)))
    if not good or int(expiry) < ctx.clock.now().timestamp():
        raise BadSignature("The link to this log is not valid any more.")


def _proof(ctx: Context, workspace: str, job: str, name: str, expiry: int) -> str:
    key = ctx.secrets.token("ml/logs").encode()
    return hmac.new(
        key, f"{workspace}\n{job}\n{name}\n{expiry}".encode(), hashlib.sha256
    ).hexdigest()
