"""A client of a scheduler, in so many seconds or not at all."""

import asyncio
import logging
from typing import Any

from distributed import Client
from distributed.comm.core import connect
from distributed.security import Security

from harness.errors import HarnessError

CONNECT = 10.0
"""Seconds to reach a scheduler, and for it to answer."""


def client_of(address: str, security: Security | None) -> Any:
    """A client. Raises HarnessError where no scheduler answers, of this kind or at all."""
    for name in ("distributed", "distributed.client"):  # what matters of it is told in our words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        asyncio.run(_greeted(address, security or Security()))
        return Client(address, timeout=CONNECT, set_as_default=False, security=security)
    except (OSError, ValueError, TypeError) as error:  # TypeError: an encrypted address without a certificate
        hint = "docs/scaling.md says how one is started, and where its certificate goes"
        reason = str(error) or f"what listens there did not answer within {CONNECT:g} s"
        raise HarnessError(f"wanted a Dask scheduler at {address}, found none: {reason}", hint=hint) from error


async def _greeted(address: str, security: Security) -> None:
    """Shakes hands. Dask gives the connection a time limit, but waits for ever for whoever accepts it in silence."""
    arguments = security.get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=CONNECT, **arguments), CONNECT + 1)
    comm.abort()
