"""Cells that misbehave inside a trial, one way an option; and one that behaves, as a control."""

import ctypes
import itertools
import mmap
import os
import random
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import harness


def mistake():
    raise ValueError("a cell's own mistake")


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def throw(error):
    raise error


def hang():
    time.sleep(600)


def hang_ignoring_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def hold_gil():
    signal.signal(signal.SIGTERM, lambda *_: None)
    sum(itertools.repeat(1, 10**15))


def leave_a_child():
    if os.fork() == 0:
        time.sleep(600)


def leave_a_daemon():
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.environ.clear()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def leave_a_daemon_and_hang():
    leave_a_daemon()
    hang()


def shout():
    for _ in range(50):
        print("words " * 175_000)
    raise ValueError("after many words")


def print_nonsense():
    print('{"status": "ok", "values": {"test_error": [0, ')
    sys.stderr.write('"\x00\xff\n')


def forge():
    Path("..", "result.json").write_text('{"sha256": "0", "data": "{}"}')
    os._exit(0)


def empty_its_folder():
    shutil.rmtree(Path("..").resolve())


def leave_as_result(make):
    make(Path("..", "result.json"))
    os._exit(0)


def stop_its_parent():
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(600)


def stop_its_parent_for_ever():
    while True:
        os.kill(os.getppid(), signal.SIGSTOP)


def fork_without_end():
    """Each generation leaves as soon as it has the next: who hunts for them finds most of them gone."""
    if os.fork():
        return
    while True:
        if os.fork():
            os._exit(0)
        os.setsid()


def allocate_by_children():
    while True:
        if os.fork() == 0:
            kept = bytearray(2**26)
            time.sleep(600)
            del kept
        time.sleep(0.02)


def allocate():
    kept = []
    while True:
        kept.append(bytearray(2**26))


def allocate_shared():
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 2**25))
        kept[-1].write(b"x" * 2**25)
        time.sleep(0.02)


def change_everything():
    import torch

    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    os.environ["OMP_NUM_THREADS"] = "64"
    for number in (signal.SIGINT, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(2)
    torch.manual_seed(666)
    random.seed(666)
    np.random.seed(666)  # noqa: NPY002 -- a plugin does
    torch.set_default_dtype(torch.float32)


def patch_everything():
    time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
    time.perf_counter_ns = time.monotonic_ns = time.time_ns = lambda: 0
    random.random = random.gauss = lambda *_: 0.5
    np.random.rand = lambda *shape: np.zeros(shape)


def close_descriptors():
    os.closerange(0, 3)


def start_a_thread():
    threading.Thread(target=time.sleep, args=(600,)).start()


def die_once():
    """Of what the machine does to it, the first time only."""
    died = Path(os.environ["HOSTILE_DIED"])
    if not died.exists():
        died.touch()
        os.killpg(0, signal.SIGKILL)


def linger_once():
    """The first time only, and says in a file which process does."""
    told = Path(os.environ["HOSTILE_LINGERS"])
    if not told.exists():
        told.with_suffix(".part").write_text(str(os.getpid()))
        told.with_suffix(".part").rename(told)
        time.sleep(600)


MISDEEDS = {
    "raise": mistake,
    "sys_exit_0": lambda: sys.exit(0),
    "os_exit_0": lambda: os._exit(0),
    "exit_3": lambda: sys.exit(3),
    "exit_with_words": lambda: sys.exit("no more"),
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "raise_without_words": lambda: throw(Wordless()),
    "raise_what_nobody_catches": lambda: throw(GeneratorExit("a cell's own")),
    "raise_half_a_sign": lambda: throw(ValueError("half a sign \ud800, and \x1b[31mred")),
    "exit_beyond_numbers": lambda: sys.exit(10**30 + 3),
    "real_time_signal": lambda: os.kill(os.getpid(), 40),
    "leave_a_pipe": lambda: leave_as_result(os.mkfifo),
    "leave_a_folder": lambda: leave_as_result(os.mkdir),
    "leave_a_link": lambda: leave_as_result(lambda path: path.symlink_to("/dev/zero")),
    "leave_emptiness": lambda: leave_as_result(lambda path: (path.touch(), os.truncate(path, 2**33))),
    "stop_itself": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "kill_its_group": lambda: os.killpg(0, signal.SIGKILL),
    "kill_its_parent": lambda: (os.kill(os.getppid(), signal.SIGKILL), time.sleep(600)),
}


@dataclass(frozen=True)
class Hostile(harness.Cell):
    """`how`: the misdeed, or what `step` gives back. `at`: the only H at which it happens, 0 for every."""

    about = harness.About(name="hostile", title="misbehaves as its option says")
    how: str = "well"
    at: int = 0

    def parameters(self, I, H):
        if self.how == "types":
            return "weights"
        misdeed = MISDEEDS.get(self.how) or globals().get(self.how)
        if misdeed and self.at in (0, H):
            misdeed()
        return {"weight_ih": (H, I), "weight_hh": (H, H)}

    def step(self, ops, p, x, state):
        (h,) = state
        new = ops.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T)
        wrong = {"not_a_number": 0 * new * float("inf"), "shapes": new[..., :1], "step_types": "a state"}
        return (wrong.get(self.how, new),)


@harness.hookimpl
def harness_cells():
    return [Hostile()]
