"""What a notification says of a life."""

import pytest

from trio_supervisor.engine.notes import said_by
from trio_supervisor.runtimes.base import HasCost, IsBusy, MadeProgress, Said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"X_AGENT_BUSY": "1"}, [IsBusy(True, "notify")]),
        ({"X_AGENT_BUSY": "0"}, [IsBusy(False, "notify")]),
        ({"X_AGENT_BUSY": "perhaps"}, []),
        ({"X_AGENT_COST_USD": "0.25"}, [HasCost(0.25)]),
        ({"X_AGENT_COST_USD": "nan"}, []),
        ({"X_AGENT_COST_USD": "-1"}, []),
        ({"X_AGENT_COST_USD": "much"}, []),
        ({"X_AGENT_PROGRESS": "1"}, [MadeProgress()]),
        ({"READY": "1", "STATUS": "fine"}, []),
        (
            {"X_AGENT_BUSY": "1", "X_AGENT_COST_USD": "1", "X_AGENT_PROGRESS": "7"},
            [IsBusy(True, "notify"), MadeProgress(), HasCost(1.0)],
        ),
    ],
)
def test_what_it_says(fields: dict[str, str], said: list[Said]) -> None:
    assert list(said_by(fields)) == said
