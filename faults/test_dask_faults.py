"""Workers of a cluster killed at random moments of a run: what is recorded is what this machine alone records."""

import os
import random
from collections import Counter
from contextlib import closing

import pytest

from clusters import Cluster, answers
from harness import plugins, store
from harness.events import Recorded
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.record import Status
from harness.runner import run
from harness.selection import Selection, select
from harness.session import RunOptions

KILLS = int(os.environ.get("KILLS", "12"))
SEED = int(os.environ.get("SEED", "7"))
WORKERS = 2
GRID = """
cells = ["rnn", "gru"]
backends = ["torch"]
measures = ["accuracy"]
seeds = 60
timeout = 60
[[accuracy]]
task = "adding[length=4]"
model = { hidden = 3 }
training = { steps = 6, evaluate_every = 2, validation = 16, test = 16 }
"""


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    for number in range(WORKERS):
        made.work(f"worker {number}")
    yield made
    assert not made.end()


def recorded(folder, grid, **options):
    chosen = select(load_grid(str(grid)), Selection())
    asked = RunOptions(results=folder, **options)
    with Stopping() as stopping, closing(run(chosen, plugins.load(), asked, stopping)) as events:
        yield from (event for event in events if isinstance(event, Recorded))


def test_workers_killed_at_random_moments_change_no_answer(cluster, tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text(GRID)
    list(recorded(tmp_path / "alone", grid))
    draw = random.Random(SEED)
    moments = sorted(draw.sample(range(4, 110), KILLS))
    for number, _ in enumerate(recorded(tmp_path / "cluster", grid, executor="dask", scheduler=cluster.address)):
        if moments and number >= moments[0]:
            moments.pop(0)
            name = draw.choice([name for name in cluster.processes if name != "scheduler"])
            worker = cluster.processes.pop(name)
            worker.kill()
            worker.wait()
            cluster.work(f"worker {cluster.started}")
    assert answers(tmp_path / "cluster") == answers(tmp_path / "alone")
    records = [record for _, record in store.read_all(tmp_path / "cluster")]
    lost = [record for record in records if record.status != Status.OK]
    print(f"\nseed {SEED}: {KILLS} workers killed; {len(lost)} attempts lost, of {len(records)}")
    assert {record.status for record in lost} <= {Status.NO_RESULT}
    assert len(lost) <= KILLS, "a worker has one slot: it takes one trial with it"
    done = Counter(record.id for record in records if record.status == Status.OK)
    assert set(done.values()) == {1}
