"""Sequence-to-sequence tasks, answered by an encoder–decoder: sums of numbers, pronunciations of words."""

import harness
from harness_seq2seq.addition import Addition
from harness_seq2seq.g2p import G2P


@harness.hookimpl
def harness_tasks() -> list[harness.Task]:
    """Addition and grapheme-to-phoneme."""
    return [Addition(), G2P()]
