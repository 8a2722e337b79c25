"""The report as a page: whole without a network, a script or a wide screen; what it says is what the tables say."""

import re
from dataclasses import replace

import pytest

from browser import browser, look, served
from harness.report.figures import draw_figures
from harness.report.findings import findings
from harness.report.layout import content_of, shown_tables
from harness.report.page import MOST_TRIALS, as_page
from recorded import ADDING, adding_record, odd_answers, only_failures, quick_answers, subject, training_trial

FRAME = """<!doctype html><title>narrow</title><body style="margin:0">
<iframe id="page" src="report.html" style="width:390px;height:900px;border:0"></iframe><p id="told"></p><script>
document.getElementById("page").onload = () => {
  const root = document.getElementById("page").contentDocument.documentElement;
  document.getElementById("told").textContent = `${root.scrollWidth} of ${root.clientWidth}`;
};
</script></body>"""
PRINTED = FRAME.replace("390px", "703px").replace("report.html", "printed.html")
"""As wide as what margins leave of A4."""
ACT = """<script>
const header = [...document.querySelectorAll("#learning thead th")].find((one) => one.textContent === "mse");
header.firstChild.click();
const sorted = [...header.closest("table").tBodies[0].rows].map((row) => row.cells[0].textContent).join(" ");
const filter = document.getElementById("filter");
filter.value = "gru torch"; filter.dispatchEvent(new Event("input"));
const left = [...document.querySelectorAll("tbody tr:not([hidden])")].every((row) => /gru/.test(row.textContent));
const found = document.getElementById("found").textContent;
document.title = `${header.getAttribute("aria-sort")}: ${sorted}; ${left}; ${found}`;
</script>"""


@pytest.fixture
def page_of(write):
    def made(answers, **more):
        run = write(answers, **more)
        return run, as_page(run, draw_figures(run), content_of(run))

    return made


def plain(html):
    """The page's text as one line."""
    from html import unescape

    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.mark.parametrize("make", [quick_answers, odd_answers, only_failures])
def test_findings_tables_and_every_planned_trial_are_in_it(page_of, make):
    lost = training_trial(ADDING, "janet", 0)
    run, page = page_of(make(), unanswered=[lost])
    text = plain(page)
    for sentence in findings(run):
        assert " ".join(sentence.split()) in text
    for shown in shown_tables(run):
        assert f"<caption>{shown.title}" in page.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")
    rows = page.partition('<section id="trials"')[2].count("<tr>") - 1
    assert rows == len(run.planned)
    assert f"harness show {lost.id[:8]}" in page
    assert "no record: the run ended before it" in text


def test_every_row_of_trials_has_the_command_that_repeats_it(page_of):
    run, page = page_of(quick_answers())
    for shown in shown_tables(run):
        if shown.topic in ("learning", "gradients", "speed", "memory", "gate"):
            assert len(shown.trials) == len(shown.rows)
            assert all(f"harness replay {trials[0][:8]}" in page for trials in shown.trials)
            assert {id for trials in shown.trials for id in trials} <= {trial.id for trial in run.planned}


def test_it_asks_for_nothing_and_holds_no_markup_of_others(write):
    hostile = "<img src=x onerror=alert(1)>"
    trial = training_trial(ADDING, subject("rnn", kind=hostile), 0)
    answer, arrays = adding_record(trial, 300)
    run = write([(answer, arrays)])
    page = as_page(run, draw_figures(run), content_of(run))
    assert hostile not in page
    assert "&lt;img src=x" in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page.replace('xlink:href="#', "").replace('href="#', ""))


def test_two_thousand_trials_are_at_most_three_megabytes(write):
    cells = ("rnn", "lstm", "gru", "gru_reset_before")
    found = [adding_record(training_trial(ADDING, cell, seed), 400)[0] for cell in cells for seed in range(500)]
    run = write([adding_record(training_trial(ADDING, cell, 0), 400) for cell in cells])
    homes = {one.id: run.folder for one in found} | dict(run.homes)
    run = replace(
        run,
        planned=tuple(one.trial for one in found),
        records={one.id: one for one in found} | run.records,
        homes=homes,
    )
    assert len(run.planned) == 2000 < MOST_TRIALS
    assert len(as_page(run, draw_figures(run), content_of(run)).encode()) <= 3_000_000


def test_a_browser_without_a_network_shows_sorts_and_filters_it(page_of, tmp_path):
    if browser() is None:
        pytest.skip("wants Chromium, found none: apt install chromium")
    _, page = page_of(quick_answers())
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "report.html").write_text(page, "utf-8")
    (folder / "narrow.html").write_text(FRAME, "utf-8")
    (folder / "printed.html").write_text(page.replace("@media print", "@media all"), "utf-8")
    (folder / "paper.html").write_text(PRINTED, "utf-8")
    (folder / "acted.html").write_text(page.replace("</body>", f"{ACT}</body>"), "utf-8")
    with served(folder) as address:
        acted = look(f"{address}acted.html", tmp_path / "acted")
        narrow = look(f"{address}narrow.html", tmp_path / "narrow")
        paper = look(f"{address}paper.html", tmp_path / "paper")
    assert not acted.hosts - {address.split("/")[2]}
    title = re.search(r"<title>(.*?)</title>", acted.text)[1]
    assert re.match(r"ascending: (lstm|gru) .* rnn; true; [1-9]\d* of \d+ rows", title), title
    assert '<p id="told">390 of 390</p>' in narrow.text
    assert '<p id="told">703 of 703</p>' in paper.text, "paper cuts off what a screen scrolls"
