"""One text for one value: canonical JSON, with NaN and infinities written out, and its digest."""

import hashlib
import json
import math
from typing import Any


def dumps(value: Any) -> str:
    """Sorted keys, no spaces, UTF-8; NaN and infinities become {"$float": "nan" | "inf" | "-inf"}."""
    try:
        return _text(value)
    except (ValueError, TypeError):  # a float that is no number, a key that is no text: rare, so tried second
        return _text(encode(value))


def loads(text: str | bytes) -> Any:
    """Reads what `dumps` wrote. Raises ValueError for anything that is not JSON."""
    marked = "$float" in text if isinstance(text, str) else b"$float" in text
    return json.loads(text, object_hook=_decode if marked else None)


def digest(value: Any, *, length: int = 16) -> str:
    """The first `length` hexadecimal digits of the sha256 of the canonical text."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:length]


def encode(value: Any) -> Any:
    """Plain data with every non-finite float written out."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _decode(found: dict[str, Any]) -> Any:
    return float(found["$float"]) if found.keys() == {"$float"} else found
