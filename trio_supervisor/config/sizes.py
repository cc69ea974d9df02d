"""Sizes as people write them: `512K`, `1500M`, `1.5G`, `2Gi`; all units are powers of 1024."""

import re

_FACTORS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}

PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,6})?[KMGT]i?$"
"""Matches every size. Also for the schema."""

_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?([KMGT])i?")


def parse_size(text: str) -> int:
    """Bytes, rounded down; raises ValueError with an example when the text is no size with a unit."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("write a size such as 512K, 1500M, 1.5G or 2Gi")
    whole, part, unit = match[1], match[2] or "", match[3]
    return int(whole + part) * _FACTORS[unit] // int("1" + "0" * len(part))
