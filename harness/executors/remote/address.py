"""Where a scheduler listens, and whether others can listen in."""

import ipaddress
from importlib.util import find_spec
from urllib.parse import urlsplit

from harness.errors import HarnessError

PLAIN, ENCRYPTED = ("tcp", "ws"), ("tls", "wss")
EXAMPLE = "tls://scheduler.example.org:8786"


def require_dask() -> None:
    """Raises HarnessError where Dask is not installed."""
    if find_spec("distributed") is None:
        raise HarnessError("wanted Dask's distributed, found none", hint="pip install 'cell-harness[dask]'")


def scheduler_address(found: str) -> str:
    """The address with its protocol, tcp where none is given. Raises HarnessError for what is none."""
    address = found if "://" in found else f"tcp://{found}"
    parts = urlsplit(address)
    try:
        whole = bool(parts.hostname and parts.port) and not (parts.path or parts.query or parts.fragment)
    except ValueError:
        whole = False
    if parts.scheme not in (*PLAIN, *ENCRYPTED) or not whole:
        known = ", ".join((*PLAIN, *ENCRYPTED))
        raise HarnessError(f"wanted a scheduler's address ({known}), found {found!r}", hint=f"--scheduler {EXAMPLE}")
    return address


def warning(address: str) -> str:
    """Why an address is not safe: what crosses a network unencrypted is read, and changed, by others; "" if it is."""
    parts = urlsplit(address)
    if parts.scheme in ENCRYPTED or _is_loopback(parts.hostname or ""):
        return ""
    return (
        f"warning: {address} is neither encrypted nor on this machine: whoever can reach it or listens on the way can "
        "run programs as you, here and on the workers (docs/scaling.md says how to use tls)"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
