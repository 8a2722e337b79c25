"""CUDA text is compiled once for an architecture, without a GPU; what is missing or wrong is said in words."""

import subprocess
import sys

import pytest

from harness.errors import HarnessError
from harness_cells import LSTM
from harness_fused import FusedBackend
from harness_fused.cuda import nvrtc, presence, resources

TEXT = """
extern "C" __global__ void scale(float* a, float by) {{
  __shared__ float first[{number}];
  first[threadIdx.x % {number}] = a[threadIdx.x];
  __syncthreads();
  a[threadIdx.x] = by * first[(threadIdx.x + 1) % {number}];
}}
"""
REGISTERS, BYTES = 24, 256
"""What another version of the compiler may take more or less of."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    nvrtc.binary.cache_clear()
    yield tmp_path / "cache"
    nvrtc.binary.cache_clear()


def test_a_text_is_compiled_once_for_each_architecture(cache):
    first = nvrtc.binary(TEXT.format(number=33), "sm_80")
    assert first.code.startswith(b"\x7fELF")
    assert first.usage["scale"].shared == 33 * 4
    assert 0 < first.usage["scale"].registers < 64
    (path,) = cache.iterdir()
    written = path.stat().st_mtime_ns
    nvrtc.binary.cache_clear()
    assert nvrtc.binary(TEXT.format(number=33), "sm_80").code == first.code
    assert nvrtc.binary(TEXT.format(number=33), "sm_90").code != first.code
    assert path.stat().st_mtime_ns == written
    assert len([*cache.iterdir()]) == 2


def test_other_options_and_another_compiler_compile_anew(cache, monkeypatch):
    nvrtc.binary(TEXT.format(number=33), "sm_90")
    nvrtc.binary.cache_clear()
    monkeypatch.setattr(nvrtc, "OPTIONS", (*nvrtc.OPTIONS, "--fmad=false"))
    nvrtc.binary(TEXT.format(number=33), "sm_90")
    nvrtc.binary.cache_clear()
    monkeypatch.setattr(nvrtc, "version", lambda: "99.0")
    nvrtc.binary(TEXT.format(number=33), "sm_90")
    assert len([*cache.iterdir()]) == 3


def test_a_damaged_file_is_compiled_anew(cache):
    wanted = nvrtc.binary(TEXT.format(number=5), "sm_90").code
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    nvrtc.binary.cache_clear()
    assert nvrtc.binary(TEXT.format(number=5), "sm_90").code == wanted


def test_processes_that_ask_at_once_all_get_it(cache):
    script = (
        "import sys; from harness_fused.cuda import nvrtc;"
        "sys.exit(nvrtc.binary(sys.argv[1], 'sm_90').usage['scale'].shared)"
    )
    command = [sys.executable, "-c", script, TEXT.format(number=9)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [36] * 3
    assert len([*cache.iterdir()]) == 1


def test_what_does_not_compile_is_said_in_the_compilers_first_words(cache):
    with pytest.raises(HarnessError, match=r"could not compile a cell: cell\.cu\(1\): error: .*nonsense"):
        nvrtc.binary('extern "C" __global__ void f() { nonsense(); }', "sm_90")
    with pytest.raises(HarnessError, match="gpu-architecture"):
        nvrtc.binary(TEXT.format(number=5), "sm_1")


def test_spills_are_read_from_the_log():
    log = (
        "ptxas info    : Compiling entry function 'f' for 'sm_90'\n"
        "ptxas         .     8 bytes stack frame, 12 bytes spill stores, 30 bytes spill loads\n"
        "ptxas info    : Used 255 registers, used 1 barriers, 144 bytes smem\n"
        "ptxas info    : Compiling entry function 'g' for 'sm_90'\n"
        "ptxas info    : Used 11 registers, used 0 barriers\n"
    )
    assert dict(nvrtc.usage_in(log)) == {
        "f": nvrtc.Usage(registers=255, spilled=42, shared=144),
        "g": nvrtc.Usage(registers=11, spilled=0, shared=0),
    }


@pytest.mark.parametrize(
    ("present", "hidden", "reason"),
    [
        ((), "", "driver is not installed"),
        (("driver",), "", "was built without CUDA"),
        (("driver", "torch"), "cuda.core", "no cuda.core"),
        (("driver", "torch"), "cuda.bindings", "the package cuda.bindings is not installed"),
        (("driver", "torch", "gpus"), "", "CUDA_VISIBLE_DEVICES hides every GPU"),
        (("driver", "torch"), "", None),
    ],
)
def test_what_is_missing_is_the_reason(present, hidden, reason):
    script = f"""
import sys, importlib.abc
from harness_fused import FusedBackend
from harness_fused.cuda import presence
from harness_cells import LSTM
present, hidden = {present!r}, {hidden!r}
presence._has_driver = lambda: "driver" in present
presence._torch = lambda: "2.13.0" if "torch" in present else "2.13.0+cpu"
if "gpus" in present:
    import os; os.environ["CUDA_VISIBLE_DEVICES"] = ""
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if hidden and name.startswith(hidden):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hide())
print(FusedBackend().why_not(LSTM(), "cuda", "bfloat16"))
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "None" if reason is None else reason in done.stdout


def test_options_and_formats_of_another_device_are_refused_in_words():
    assert "not on mps" in (FusedBackend().why_not(LSTM(), "mps", "float32") or "")
    assert "float64" in (FusedBackend().why_not(LSTM(), "cuda", "float64") or "")
    assert "bfloat16" in (FusedBackend().why_not(LSTM(), "cpu", "bfloat16") or "")
    assert "for the CPU" in (FusedBackend(recompute=4).why_not(LSTM(), "cuda", "float32") or "")
    assert "for CUDA" in (FusedBackend(route="grid").why_not(LSTM(), "cpu", "float32") or "")
    assert presence.why_not()


TEXTS = {text.name: text for text in resources.texts()}
RENEW = "python -m harness_fused.cuda.resources"


def test_the_table_of_resources_is_that_of_these_texts():
    known = {name: entry["text"] for name, entry in resources.table().items()}
    assert known == {name: text.digest for name, text in TEXTS.items()}, RENEW


@pytest.mark.parametrize("architecture", resources.ARCHITECTURES)
@pytest.mark.parametrize("name", [name for name in TEXTS if "steps" in name or name.startswith("rnn.bfloat16")])
def test_kernels_compile_and_take_what_the_table_says(name, architecture):
    for kernel, found in TEXTS[name].compiled(architecture).items():
        known = resources.table()[name][architecture][kernel]
        for figure, wanted, leeway in zip(found, known, (REGISTERS, BYTES, BYTES), strict=True):
            assert abs(figure - wanted) <= leeway, (kernel, found, known)
