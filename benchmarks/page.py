"""The part of a page that is written by the command, between two marks."""

from pathlib import Path

BEGIN = "<!-- results: written by `python -m benchmarks --page`, not by hand -->"
END = "<!-- end of results -->"


def put(page: Path, text: str) -> None:
    """Put the text between the marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: has no place for results: two lines, {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
