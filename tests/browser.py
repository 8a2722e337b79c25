"""A real browser without a window: what a page looks like, what is in it, and what it asked for."""

import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--hide-scrollbars", "--force-device-scale-factor=1", "--log-level=3"),
)
MILLISECONDS = 8000
"""Of the page's own time, which runs ahead while it waits for nothing."""


@dataclass(frozen=True)
class Page:
    """`text`: the document after its scripts; `hosts`: whom the page asked; `picture`: a PNG."""

    text: str
    hosts: set[str]
    picture: Path


def browser() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def look(address: str, folder: Path, size: tuple[int, int] = (1280, 800)) -> Page:
    """Opens an address with no other host within reach."""
    folder.mkdir(exist_ok=True)
    picture, log = folder / "page.png", folder / "log.json"
    done = subprocess.run(
        [
            *(browser(), *OPTIONS),
            *("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", f"--user-data-dir={folder / 'profile'}"),
            *(f"--virtual-time-budget={MILLISECONDS}", f"--window-size={size[0]},{size[1]}"),
            *(f"--log-net-log={log}", f"--screenshot={picture}", "--dump-dom", address),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return Page(text=done.stdout, hosts=_hosts(log, address), picture=picture)


def _hosts(log: Path, address: str) -> set[str]:
    """The hosts that the page's own requests name, kept or not; the browser has requests of its own."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    asked = (event.get("params", {}) for event in json.loads(log.read_text())["events"])
    return {urlsplit(each["url"]).netloc for each in asked if each.get("initiator") == origin and "url" in each}


@contextmanager
def served(folder: Path):
    """The address of a folder on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
