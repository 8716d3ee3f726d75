"""popbridge without memory: its own, OpenSSL's, libuv's, SQLite's, libetpan's.

PB_TEST_STARVE=all tries every allocation, not some of them."""

import os
import signal

import pytest

import starving
from conftest import until

STEP = 1 if os.environ.get("PB_TEST_STARVE") == "all" else 4


@pytest.fixture
def starver(start_bridge, dovecot, tmp_path):
    return starving.Starver(start_bridge, tmp_path, dovecot)


def restart(starver):
    assert starver.bridge.stop() == 0
    starver.faults.clear()
    starver.bridge = starver.start()


def test_each_allocation_of_a_session_may_fail(starver):
    starver.count()
    allocations = starver.count()
    assert allocations > 200
    for n in range(1, allocations + 1, STEP):
        assert starver.session(ALLOC_AT=n) is None, n
    assert starver.faults.get("ALLOC_FAILED") >= allocations // STEP - 20
    # Without a fault all is well again.
    complete = starver.complete
    assert starver.session() is None
    assert starver.complete == complete + 1


def test_the_first_session_of_a_process_may_lack_memory(starver):
    for n in (5, 12, 13, 200, 700, 1100, 1110, 1120):
        restart(starver)
        assert starver.session(ALLOC_AT=n) is None, n
        assert starver.session() is None, n
    assert starver.complete >= 8


@pytest.mark.parametrize("chance", [300, 3000, 100000, 900000])
def test_sessions_and_the_process_live_on_where_many_allocations_fail(
        chance, starver):
    for seed in range(40):
        assert starver.session(SEED=seed, ALLOC_CHANCE=chance) is None, seed
    assert starver.faults.get("ALLOC_FAILED") > 3
    assert starver.session() is None
    assert starver.complete


def reloads(bridge):
    return bridge.log().count("eloaded")


def test_a_reload_without_memory_ends_nothing(starver):
    bridge = starver.bridge
    starver.faults.clear()
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: reloads(bridge) == 1, "a reload")
    allocations = starver.faults.get("ALLOC_CALLS")
    for n in range(1, allocations, STEP * 11):
        before = reloads(bridge)
        starver.faults.set(ALLOC_AT=n)
        bridge.process.send_signal(signal.SIGHUP)
        until(lambda b=before: reloads(bridge) > b
              or bridge.process.poll() is not None, "a word about it")
        starver.faults.set(ALLOC_AT=0)
        assert bridge.process.poll() is None, n
    # OpenSSL takes CA certificates for loaded that it has lost: once more.
    before = reloads(bridge)
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: reloads(bridge) > before, "a reload")
    assert starver.session() is None and starver.complete


def test_the_end_needs_no_memory(starver):
    for n in range(1, 12):
        restart(starver)
        assert starver.session() is None
        starver.faults.set(ALLOC_AT=n)
        assert starver.bridge.stop() == 0, n
