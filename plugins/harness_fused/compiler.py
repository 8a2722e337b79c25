"""From C++ text to functions: compiled for this processor at first use, kept in the user's cache folder."""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from harness.cache import folder
from harness.errors import HarnessError

COMPILERS = ("g++", "clang++")
FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math",
    "-ffp-contract=fast", "-Wall", "-Wno-unknown-pragmas", "-Wno-psabi",
)  # fmt: skip
DRIVER = Path(__file__).parent / "driver"
SEAL = hashlib.sha256().digest_size
Command = tuple[str, ...]


def compiler() -> Command | None:
    """The C++ compiler: `$CXX`, which may be several words (`ccache g++`), else g++ or clang++; None for none."""
    for words in (_words(os.environ.get("CXX", "")), *([name] for name in COMPILERS)):
        if words and (program := shutil.which(words[0])):
            return (program, *words[1:])
    return None


def _words(named: str) -> list[str]:
    """A program, whose path may hold blanks, or one with its first arguments; none where that cannot be told."""
    if shutil.which(named):
        return [named]
    try:
        return shlex.split(named)
    except ValueError:  # a quotation without an end
        return []


def why_not() -> str | None:
    """Why nothing can be compiled, or None."""
    return None if compiler() else f"no C++ compiler was found ({', '.join(COMPILERS)} or $CXX)"


def load(text: str, more: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library of a C++ text that may include the driver's headers; compiled unless that was done before.

    `more`: flags behind those of every text.
    Any number of threads and processes may ask at once. A damaged file is compiled anew; where nothing can be written
    the library lives until the process ends. Raises HarnessError without a compiler and for a text that is not C++.
    """
    program = compiler()
    if program is None:
        raise HarnessError("wanted a C++ compiler, found none", hint="install g++ or clang++, or name one in $CXX")
    flags = (*_flags(program), *more)
    key = hashlib.sha256("\0".join([text, _headers(), *flags, _version(program), _processor()]).encode()).hexdigest()
    return _open(program, text, flags, folder() / "fused" / f"{key[:32]}.so")


@cache
def _open(program: Command, text: str, flags: tuple[str, ...], path: Path) -> ctypes.CDLL:
    try:
        if not _whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _compile(program, text, flags, path)
        return _typed(ctypes.CDLL(str(path)))
    except OSError as error:  # no room, no right to write, or none to run what was written
        reason = error
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _compile(program, text, flags, Path(scratch) / path.name)
            return _typed(ctypes.CDLL(str(Path(scratch) / path.name)))
    except OSError as error:
        raise HarnessError(
            f"a compiled cell could not be kept in {path.parent} ({reason}) nor loaded from a temporary one ({error})",
            hint="name a folder where programs may be written and run in $HARNESS_CACHE",
        ) from error


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    """The functions of driver/library.hpp with their types."""
    if hasattr(library, "packed_size"):
        library.packed_size.restype = ctypes.c_int64
    return library


def _whole(path: Path) -> bool:
    """Whether the file ends with the hash of what stands before it."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-SEAL]).digest() == content[-SEAL:]


def _compile(program: Command, text: str, flags: tuple[str, ...], path: Path) -> None:
    """Compiles aside, seals the library by its hash and moves it in place: readers see all of it or none."""
    with tempfile.TemporaryDirectory(prefix=path.stem, dir=path.parent) as scratch:
        source, library = Path(scratch) / "cell.cpp", Path(scratch) / "cell.so"
        source.write_text(text, encoding="utf-8")
        command = [*program, *flags, "-I", str(DRIVER), str(source), "-o", str(library), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise HarnessError(f"{shlex.join(program)} could not compile a cell:\n{done.stderr.strip()}")
        with library.open("ab") as file:
            # Loaders read what the file's own tables name; bytes behind them are nobody's.
            file.write(hashlib.sha256(library.read_bytes()).digest())
        library.replace(path)


def _flags(program: Command) -> tuple[str, ...]:
    """g++ brings the OpenMP that torch uses; clang++ has another or none, and its kernels run on one thread."""
    return FLAGS if "clang" in _version(program) else (*FLAGS, "-fopenmp")


@cache
def _headers() -> str:
    return "\0".join(path.read_text(encoding="utf-8") for path in sorted(DRIVER.glob("*.hpp")))


@cache
def _version(program: Command) -> str:
    return subprocess.run([*program, "--version"], capture_output=True, text=True).stdout


@cache
def _processor() -> str:
    """What `-march=native` depends on: the processor's model and what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", maxsplit=1)[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    kept = ("model", "cpu family", "flags", "Features", "CPU ")
    return "\n".join(line for line in lines if line.startswith(kept))
