"""The dashboard without a network: asv's page loads nine scripts and a style from three public servers; here, its own.

The files under `assets/` are those very versions (`assets/README.md`), but for the one that draws grouped bars.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from asv.publishing import OutputPublisher

REMOTE = re.compile(r'(?P<tag><script src|<link rel="stylesheet" href)="https://[^"]*/(?P<file>[^"/]+)"[^>]*>')
ASSETS = Path(__file__).parent / "assets"


class Offline(OutputPublisher):  # type: ignore[misc] # asv has no types
    """Runs at the end of every `asv publish`; adds no page of its own."""

    order = 99

    @classmethod
    def publish(cls, conf: Any, *_: Any) -> None:
        """Copies the assets beside the page and points the page to them."""
        page = Path(conf.html_dir) / "index.html"
        shutil.copytree(ASSETS, page.parent / ASSETS.name)
        page.write_text(local(page.read_text("utf-8")), "utf-8")


def local(page: str) -> str:
    """The page with every remote script and style from the assets.

    Raises KeyError for one that is not among them: another asv may want other files.
    """
    return REMOTE.sub(lambda found: f'{found["tag"]}="{ASSETS.name}/{_asset(found["file"])}">', page)


def _asset(file: str) -> str:
    """The asset of that name, minified or not."""
    for name in (file, file.replace(".min.", ".")):
        if (ASSETS / name).exists():
            return name
    raise KeyError(f"asv's page wants {file}, which is not in {ASSETS}")
