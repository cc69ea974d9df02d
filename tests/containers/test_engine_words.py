"""What engines say, and what becomes of it."""

import pytest

from trio_supervisor.runtimes.container.words import engine_words

ID = "04ac1b76758eba4ab8a407309884b30b84fd3c36ebac106ee7b20f676184a994"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (f"No such container: {ID}", "No such container: 04ac1b76758e"),
        (f'"{ID}" and\n {ID}', '"04ac1b76758e" and 04ac1b76758e'),
        (f"manifest for agent@sha256:{ID} not found", f"manifest for agent@sha256:{ID} not found"),
        (f"{ID}0 is none", f"{ID}0 is none"),
        (
            f"preparing container {ID} for attach: runc: runc create failed: unable to start container process: "
            'exec: "x": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not '
            "found",
            'exec: "x": executable file not found in $PATH of the image',
        ),
        (
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
            'process: exec: "/x": permission denied: unknown',
            'exec: "/x": permission denied',
        ),
        ("network nonet not found", "network nonet not found"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_what_engines_say_is_told_in_words_that_people_know(said: str, words: str) -> None:
    assert engine_words(said) == words
