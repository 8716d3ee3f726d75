"""Scenarios of hostile servers and hostile clients (tests/hostile), many at
once in few processes.  A test is a file, and its variants; the judgement is
that of tests/hostile/arena.py."""

import os
import sys
import threading
import time

import pytest

import sandbox
from conftest import HERE, PASSWORD, bridges

sys.path.insert(1, os.path.join(os.path.dirname(HERE), "hostile"))

import scenario  # noqa: E402
from arena import Arena  # noqa: E402

SCENARIOS = scenario.load()
KEEP_NOTHING = ("--upstream-keep", "0", "--login-timeout", "60")
IMPATIENT = KEEP_NOTHING + ("--upstream-timeout", "2",
                            "--connect-timeout", "2")
# How each process is started, and how many scenarios play at once there.
PROCESSES = {
    "calm": dict(options=KEEP_NOTHING,
                 lanes={"none": 6, "starttls": 1, "implicit": 1}),
    "impatient": dict(options=IMPATIENT, lanes={
        "none": 24, "starttls": 4, "implicit": 2}),
    "warm": dict(options=("--max-kept-connections", "4"),
                 lanes={"none": 2}, kept=4),
    "alone": dict(options=IMPATIENT, lanes={"none": 1}, alone=True)}


def process_of(variant):
    if variant.has("memory"):
        return "alone"
    if variant.has("remembers"):
        return "warm"
    return "impatient" if variant.has("impatient") else "calm"


@pytest.fixture(scope="module")
def outcomes(request, binary, tmp_path_factory):
    """{name of a scenario: [what went wrong]}, and "the end" for what is
    known only then.  Plays the ones that were chosen."""
    certificates = str(tmp_path_factory.mktemp("certificates"))
    sandbox.make_certificates(certificates)
    chosen = [item.callspec.params["name"] for item in request.session.items
              if item.function in (
                  test_a_scenario,
                  test_a_scenario_comes_to_each_of_its_steps)]
    found = {name: [] for name in chosen}
    found["the end"] = []
    work = {name: [] for name in PROCESSES}
    for name in chosen:
        for variant in SCENARIOS[name].variants:
            work[process_of(variant)].append(variant)

    def report(variant, trouble):
        if trouble:
            found[variant.scenario.name].append(
                "%s: %s" % (variant.name, trouble))

    with bridges(binary) as start:
        arenas = {name: Arena(start, PASSWORD, certificates, **how)
                  for name, how in PROCESSES.items() if work[name]}
        threads = [threading.Thread(target=play, args=(
            name, arena, work[name], report, found["the end"]))
            for name, arena in arenas.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for arena in arenas.values():
            arena.stop()
    return found


def play(name, arena, variants, report, trouble):
    began = time.monotonic()
    arena.play_all(variants, report)
    sys.stderr.write("%s: %d variants in %.1f s, neighbour asked %d times\n"
                     % (name, len(variants), time.monotonic() - began,
                        arena.neighbour.polls))
    wrong = arena.finish()
    if wrong:
        trouble.append("%s: %s" % (name, wrong))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario(name, outcomes):
    wrong = outcomes[name]
    assert not wrong, "%s\n%s" % (SCENARIOS[name].title, "\n".join(wrong))


@pytest.mark.parametrize("name", [n for n in SCENARIOS
                                  if n.startswith("server/")])
def test_a_scenario_comes_to_each_of_its_steps(name, outcomes):
    assert not SCENARIOS[name].unplayed()


def test_in_the_end_neighbours_memory_and_descriptors_are_as_before(outcomes):
    assert not outcomes["the end"]


def test_every_row_has_its_scenarios():
    rows = scenario.rows()
    named = {name for _, _, names in rows for name in names}
    assert all(names for _, _, names in rows)
    assert named == set(SCENARIOS)
