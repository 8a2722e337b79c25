"""What has to be told while a comparison goes on, and is no claim."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the reader, told when it is known: before what it casts doubt on."""

    text: str
