"""What a run says while it runs, where nobody can see a line that moves."""

from harness.cli import progress
from harness.events import Opened, Recorded
from harness.executors.stopping import Stopping
from recorded import ADDING, adding_record, training_trial


def test_a_log_hears_of_a_long_run(monkeypatch, capsys, tmp_path):
    records = [adding_record(training_trial(ADDING, "rnn", seed), 300)[0] for seed in range(3)]
    for quiet, said in ((0.0, ["1 of 3, ", "2 of 3, "]), (60.0, [])):
        monkeypatch.setattr(progress, "QUIET", quiet)
        with Stopping() as stopping, progress.Progress(stopping) as shown:
            shown.show(Opened(folder=tmp_path, answered=0, missing=3, repaired=0))
            for record in records:
                shown.show(Recorded(record=record))
        lines = capsys.readouterr().err.splitlines()[1:]
        assert len(lines) == len(said)
        assert all(line.startswith(start) for line, start in zip(lines, said, strict=True)), lines
