"""What asv loads, named in `asv.conf.json`: an environment, pages without a network, and this machine's entry."""

from harness.track.borrowed import Borrowed
from harness.track.commits import Commits
from harness.track.machines import make_known
from harness.track.offline import Offline

__all__ = ["Borrowed", "Commits", "Offline", "setup"]


def setup() -> None:
    """asv calls this once, before its command: a machine it does not know yet is entered, so that it asks nothing."""
    make_known()
