"""The text that Prometheus reads: version 0.0.4 of its own format, or OpenMetrics 1.0. Knows nothing of trees."""

import math
from collections.abc import Iterable, Mapping, Sequence

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = Mapping[str, str]


class Exposition:
    """Collects families, each once and whole, and gives the text."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._lines: list[str] = []

    def gauge(self, name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """What goes up and down."""
        self._family(name, "gauge", text)
        self._samples(name, samples)

    def states(
        self, name: str, text: str, label: str, words: Sequence[str], samples: Iterable[tuple[Labels, str]]
    ) -> None:
        """A gauge for each word that something may be in, 1 for the one that it is in; `label` has the word."""
        self._family(name, "gauge", text)
        ends = [(word, f'{label}="{_escaped(word)}"}} ') for word in words]
        for labels, present in samples:
            begin = f"{name}{_braced(labels)[:-1]},"
            self._lines += [begin + end + ("1" if word == present else "0") for word, end in ends]

    def counter(self, name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """What only grows; `name` without `_total`, which its samples have."""
        # OpenMetrics names the family without the suffix, the older format with it.
        self._family(name if self._openmetrics else f"{name}_total", "counter", text)
        self._samples(f"{name}_total", samples)

    def summary(self, name: str, text: str, samples: Iterable[tuple[Labels, int, float]]) -> None:
        """How many there were, and their sum."""
        self._family(name, "summary", text)
        for labels, count, total in samples:
            self._lines.append(f"{name}_count{_braced(labels)} {count}")
            self._lines.append(f"{name}_sum{_braced(labels)} {_number(total)}")

    def histogram(
        self,
        name: str,
        text: str,
        bounds: Sequence[float],
        samples: Iterable[tuple[Labels, Sequence[int], float]],
    ) -> None:
        """How many there were in each bucket, of which the last has no bound, and their sum."""
        self._family(name, "histogram", text)
        words = [*map(_number, bounds), "+Inf"]
        for labels, buckets, total in samples:
            count = 0
            for word, bucket in zip(words, buckets, strict=True):
                count += bucket
                self._lines.append(f"{name}_bucket{_braced({**labels, 'le': word})} {count}")
            self._lines.append(f"{name}_count{_braced(labels)} {count}")
            self._lines.append(f"{name}_sum{_braced(labels)} {_number(total)}")

    def text(self) -> bytes:
        """All of it."""
        end = "# EOF\n" if self._openmetrics else ""
        return ("".join([f"{line}\n" for line in self._lines]) + end).encode("utf-8", "backslashreplace")

    def _family(self, name: str, kind: str, text: str) -> None:
        escaped = text.replace("\\", r"\\").replace("\n", r"\n")
        if self._openmetrics:
            escaped = escaped.replace('"', r"\"")
        self._lines += [f"# HELP {name} {escaped}", f"# TYPE {name} {kind}"]

    def _samples(self, name: str, samples: Iterable[tuple[Labels, float]]) -> None:
        self._lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in samples]


def _braced(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join([f'{name}="{_escaped(value)}"' for name, value in labels.items()]) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
