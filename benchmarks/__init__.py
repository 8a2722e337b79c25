"""What is tracked from commit to commit: speed, memory and accuracy of cells on backends.

asv takes these files from the working tree and the package from the commit it measures. Of a commit they need
`harness.build(pair, inputs=…, hidden=…)` alone (`layers.py`); clock, scales and training loop are their own, so that a
change of the harness's never shows as a change of a cell. The axes are `grid.json`, which only ever grows at its ends.
"""
