"""This machine as asv knows it: in fixed words, so that another kernel or host name begins no new curve."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from asv.machine import Machine, MachineCollection
from asv.util import UserError

from harness.processor import processor


def make_known() -> None:
    """Enters this machine into asv's file of machines, `~/.asv-machine.json`, unless there is an entry for it.

    Raises UserError, which asv shows as one line, where it cannot.
    """
    name = Machine.get_unique_machine_name()
    try:
        MachineCollection.load(name)
    except UserError:
        try:
            MachineCollection.save(name, described(processor()))
        except OSError as error:
            file = MachineCollection.get_machine_file_path()
            raise UserError(f"cannot enter this machine into {file}: {error.strerror}; set HOME to your own") from None


def entry(facts: Mapping[str, Any]) -> dict[str, str]:
    """How asv knows the machine with these facts: this one as its file of machines says, another one in fixed words."""
    words = described(facts)
    if words == described(processor()):
        with suppress(UserError):
            return dict(MachineCollection.load(Machine.get_unique_machine_name()))
    return words


def described(facts: Mapping[str, Any]) -> dict[str, str]:
    """What asv wants to know of a machine with these facts, by words that name nobody."""
    cpu, cores = str(facts["cpu"]), str(facts["cores"])
    words = re.sub(r"\((R|TM)\)|CPU|Processor|@.*", " ", cpu).lower()
    name = "-".join([*re.findall(r"[a-z0-9]+", words), cores, "cores"])
    system, *_, architecture = str(facts["system"]).split()
    return {
        "machine": name,
        "os": system,
        "arch": architecture,
        "cpu": cpu,
        "num_cpu": cores,
        "ram": str(facts["memory_class"]),
    }
