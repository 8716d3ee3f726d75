"""Nothing is lost, and nothing else removed, when popbridge is killed in a
commit.  scripts/killtest does the same for longer."""

import contextlib
import itertools

import pytest

import killing

RUNS = 20


@pytest.mark.parametrize("server, trash", [
    (name, False) for name in killing.SERVERS
    if name not in killing.COPY] + [
        (name, True) for name in killing.MOVE + killing.COPY])
def test_killed_at_any_step_of_the_commit(binary, server, trash):
    killer = killing.Killer(binary, server, trash)
    with contextlib.closing(killer):
        for plan in itertools.islice(killing.plans(), RUNS):
            killer.run(plan)
    assert not killer.problems, "\n".join(killer.problems)
    assert killer.figures["killed with a promise open"] > 5
