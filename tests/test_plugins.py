"""Loading plugins: whatever one of them does, the rest works and the reason is said."""

import sys
import textwrap
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from harness import plugins
from harness.blame import place
from harness.errors import HarnessError
from harness.grid import load_grid
from harness.planning import plan
from harness.selection import Selection, select
from harness.spelling import parse


def _file(folder, text):
    path = folder / "plugin.py"
    path.write_text(textwrap.dedent(text))
    return path


CELL = """
    import harness
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(harness.Cell):
        about = harness.About(name="{name}", title="mine")
        def parameters(self, I, H): return {{"w": (H, I)}}
        def step(self, ops, p, x, state): return (x @ p["w"].T,)

    @harness.hookimpl
    def harness_cells(): return [Mine()]
"""


def test_every_shipped_plugin_loads(catalog):
    assert not catalog.missing
    assert list(catalog.cells) == ["rnn", "lstm", "gru", "gru_reset_before"]
    assert set(catalog.backends) == {"fused", "numpy", "torch", "eager"}
    assert set(catalog.tasks) == {"adding", "copy_memory", "addition", "g2p"}


def test_a_cell_comes_in_by_one_file(mgu_file):
    assert "mgu" in plugins.load([mgu_file]).cells


def test_a_file_that_imports_its_neighbour_is_told_what_to_do(tmp_path):
    (tmp_path / "neighbour.py").write_text("")
    (missing,) = plugins.load([_file(tmp_path, "import neighbour")]).missing
    assert (
        "No module named 'neighbour'; it lies beside the file, but a plugin file is kept and run alone"
        in missing.reason
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module", "no_such_module"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def (", "SyntaxError"),
        ("import harness\n@harness.hookimpl\ndef harness_cells(): raise ValueError('in a hook')", "in a hook"),
        ("import harness\n@harness.hookimpl\ndef harness_cels(): return []", "harness_cels"),
        ("import harness\n@harness.hookimpl\ndef harness_cells(): return [3]", "wanted harness_cells to give cells"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_the_rest_works(tmp_path, text, reason):
    found = plugins.load([_file(tmp_path, text)])
    assert "lstm" in found.cells
    (missing,) = found.missing
    assert reason in missing.reason


def test_a_clash_of_names_withdraws_the_name_and_names_both(tmp_path):
    found = plugins.load([_file(tmp_path, CELL.format(name="gru"))])
    assert "gru" not in found.cells
    assert "lstm" in found.cells
    (missing,) = found.missing
    assert "plugin.py" in missing.reason
    assert "cell-harness" in missing.reason
    with pytest.raises(HarnessError, match="two plugins offer"):
        found.cell(parse("gru"))


def test_two_distributions_with_one_entry_point_are_both_named(monkeypatch):
    points = [EntryPoint("x", "one_module", plugins.GROUP), EntryPoint("x", "another_module", plugins.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    found = plugins.load()
    assert "two distributions" in found.missing[0].reason


def test_the_digest_follows_the_source(tmp_path):
    path = _file(tmp_path, CELL.format(name="mine"))
    before = plugins.load([path]).cells["mine"].plugin.digest()
    assert plugins.load([path]).cells["mine"].plugin.digest() == before
    path.write_text(path.read_text() + "# changed\n")
    assert plugins.load([path]).cells["mine"].plugin.digest() != before


def test_loading_twice_gives_separate_catalogs(mgu_file):
    assert "mgu" in plugins.load([mgu_file]).cells
    assert "mgu" not in plugins.load().cells
    assert "torch" not in vars(sys.modules["harness.plugins"])


def test_the_authors_line_is_named_below_numpys_and_in_a_folder_of_any_name(tmp_path):
    (tmp_path / "numpy").mkdir()
    file = tmp_path / "numpy" / "mine.py"
    file.write_text("import numpy as np\nnp.linalg.inv(np.zeros((2, 3)))\n")
    with pytest.raises(ValueError, match="square") as caught:
        exec(compile(file.read_text(), file, "exec"), {})
    assert place(caught.value) == "mine.py, line 2: np.linalg.inv(np.zeros((2, 3)))"


def test_a_cell_that_fails_while_it_is_planned_is_blamed_and_the_others_are_planned(tmp_path):
    text = CELL.format(name="mine").replace("return {", "return 1 / 0, {")
    catalog = plugins.load([_file(tmp_path, text)])
    grid = select(load_grid("quick"), Selection(cells="mine,rnn", backends="fused,eager"))
    planned = plan(grid, catalog)
    said = "asked whether it can run, it raised ZeroDivisionError: division by zero (plugin.py, line 8)"
    assert said in "".join(planned.impossible)
    assert {trial.pair for trial in planned.of("memory")} == {"mine@eager", "rnn@fused", "rnn@eager"}
    with pytest.raises(HarnessError, match="mine cannot be matched to rnn by parameters: it raised Zero") as error:
        plan(replace(grid, match="parameters", reference=parse("rnn"), accuracy=(), gradients=()), catalog)
    assert "1 / 0" in error.value.detail, "its author sees the whole trace"


def test_an_option_that_is_no_plain_value_is_refused(tmp_path):
    found = plugins.load(
        [_file(tmp_path, CELL.format(name="mine").replace("def param", "sizes: tuple = (1, 2)\n        def param"))]
    )
    assert "wanted a plain value for mine.sizes, found (1, 2)" in found.missing[0].reason


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(HarnessError, match="plugin file"):
        plugins.load([tmp_path / "absent.py"])


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("BaseException('beyond')", "BaseException: beyond"),
        ("Wordless()", "Wordless: its message raises"),
        ("ValueError('\\x1b[31mred')", r"ValueError: \x1b[31mred"),
    ],
)
def test_whatever_a_file_raises_at_import_is_its_reason_and_told_to_who_looks_for_its_cells(tmp_path, raised, told):
    file = tmp_path / "broken.py"
    file.write_text(f"class Wordless(Exception):\n    __str__ = None\n\n\nraise {raised}\n")
    catalog = plugins.load([file])
    assert [missing.reason for missing in catalog.missing] == [told]
    with pytest.raises(HarnessError, match="wanted a cell") as error:
        catalog.cell(parse("zzz"))
    assert error.value.hint == f"{file} could not be loaded: {told}"
