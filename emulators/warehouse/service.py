"""SPEC of the warehouse: a TDS listener beside the front door, and no HTTP of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from emulators.kernel.context import Context
from emulators.kernel.http import ServiceSpec

WHAT = "tds"


def _told(bug: Exception) -> None:
    logging.getLogger("rehearsal.warehouse").error("the warehouse failed", exc_info=bug)


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncGenerator[None]:
    """Listen for clients; DuckDB is opened when the first of them logs in.

    Raises:
        PortTaken: the port is in use.
    """
    from emulators.kernel.tls import open_authority
    from emulators.warehouse.engine import admin
    from emulators.warehouse.wire.lazily import LazySessions
    from emulators.warehouse.wire.server import About, TdsServer
    from emulators.warehouse.wire.tls import in_band_context, strict_context

    folder = ctx.state / "tls"
    name = ctx.settings.workspace
    certificate = open_authority(folder).issue(
        "localhost", "127.0.0.1", f"{name}.sql.azuresynapse.net", f"{name}.database.windows.net"
    )
    about = About(
        authority=f"https://login.microsoftonline.com/{ctx.secrets.tenant_id}",
        note=ctx.ledger.record,
        bug=_told,
    )
    sessions = LazySessions(ctx)
    server = TdsServer(
        sessions,
        in_band_context(certificate, folder),
        strict_context(certificate, folder),
        about=about,
    )
    port = await server.start(ctx.settings.host, ctx.settings.tds_port)
    variables = {
        "MSSQL_HOST": "localhost",
        "MSSQL_PORT": str(port),
        "MSSQL_DATABASE": admin.DATABASE,
        "MSSQL_USER": admin.ADMIN,
        "MSSQL_PASSWORD": admin.password(ctx),
    }
    ctx.announced.add(WHAT, port, variables, secret=frozenset(("MSSQL_USER", "MSSQL_PASSWORD")))
    ctx.stills.append(sessions.still)
    try:
        yield
    finally:
        ctx.stills.remove(sessions.still)
        ctx.announced.remove(WHAT, variables)
        await server.stop()
        await asyncio.to_thread(sessions.close)


SPEC = ServiceSpec(name="warehouse", hosts=(), lifespan=lifespan)
