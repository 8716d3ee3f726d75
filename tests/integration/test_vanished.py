"""Who is gone without a word, is gone: its maildrop is free again soon."""

import re
import time

import pytest

from conftest import PASSWORD, bridges, until
from fake_imap import FakeImap
from networks import HERE, Cable, entered
from pop3client import Pop3

LARGE = b"".join(b"%078d\r\n" % n for n in range(100000))
ANSWER_S = 10


@pytest.fixture
def cable(binary):
    """popbridge and an IMAP server here, and a client there that may go."""
    cable = Cable()
    clients = []

    def log_in(connected=None):
        client = Pop3((HERE, cable.port) if connected is None else None,
                      connected=connected)
        clients.append(client)
        client.greeting()
        client.ok("USER holder")
        return client

    try:
        with entered(cable.here):
            server = FakeImap([(1, b"one\r\n"), (2, LARGE)])
            try:
                with bridges(binary) as start:
                    cable.start = lambda *options: start(
                        "imap+plain://127.0.0.1:%d" % server.port, *options,
                        listen=("pop3+plain://%s:0" % HERE,))
                    cable.log_in = log_in
                    yield cable
                    for client in clients:
                        client.close()
            finally:
                server.stop()
    finally:
        cable.close()


def hold(cable, *options):
    """A client there has the maildrop."""
    bridge = cable.start("--lock", "exclusive", *options)
    cable.port = bridge.port
    holder = cable.log_in(cable.connect((HERE, bridge.port)))
    holder.ok("PASS " + PASSWORD)
    return bridge, holder


def is_free(other):
    reply = other.cmd("PASS " + PASSWORD)
    assert reply.startswith((b"+OK", b"-ERR [IN-USE]")), reply
    return reply.startswith(b"+OK")


def tries(cable):
    """Looks for mail each second, until it gets in, and then has a client."""
    last = [0.0]

    def once():
        if time.monotonic() < last[0] + 1:
            return None
        last[0] = time.monotonic()
        other = cable.log_in()
        if is_free(other):
            return other
        other.close()
        return None

    return once


def until_over(seconds, stays):
    """It is true for so long."""
    begun = time.monotonic()

    def is_over():
        assert stays()
        return time.monotonic() - begun > seconds

    until(is_over, "the end of the time")


def test_a_client_that_vanished_is_noticed_and_its_maildrop_is_free(cable):
    bridge, holder = hold(cable, "--client-keepalive", "2")
    holder.ok("DELE 1")
    begun = time.monotonic()
    until(cable.is_quiet, "a client that owes no answer")
    cable.pull()
    other = cable.log_in()
    assert not is_free(other)
    found = re.search(r"maildrop in use id=\S+ user=holder "
                      r"by=192\.0\.2\.2:\d+ for_ms=(\d+)\n", bridge.log())
    assert int(found.group(1)) < 60000
    until(lambda: "client lost" in bridge.log(), "the end of the session")
    assert time.monotonic() - begun < 3 * (2 + ANSWER_S)
    assert is_free(other)
    assert other.ok("STAT").startswith(b"+OK 2 ")
    assert "removed=0 " in bridge.log()


def test_a_client_that_is_there_and_silent_is_not_ended(cable):
    bridge, holder = hold(cable, "--client-keepalive", "1")
    once = tries(cable)
    until_over(3 + ANSWER_S, lambda: once() is None)
    holder.ok("STAT")
    assert bridge.log().count("maildrop in use") > 5


def test_a_client_that_vanished_in_a_message_makes_room_for_the_next(cable):
    bridge, holder = hold(cable, "--client-keepalive", "2")
    holder.ok("RETR 2")
    cable.pull()
    until(tries(cable), "the maildrop")
    assert 'reason="client does not answer any more"' in bridge.log()


def test_a_client_that_does_not_read_is_left_alone(cable):
    """It answers: its window is what is full."""
    bridge, holder = hold(cable, "--client-keepalive", "1")
    holder.ok("RETR 2")
    once = tries(cable)
    until_over(5 + ANSWER_S, lambda: once() is None)
    assert holder.payload() == LARGE
    holder.ok("QUIT")


def test_no_lock_is_older_than_a_session_may_be_silent(cable):
    bridge, _ = hold(cable, "--idle-timeout", "2",
                          "--client-keepalive", "7200")
    cable.pull()
    begun = time.monotonic()
    until(tries(cable), "the maildrop")
    assert time.monotonic() - begun < 30
    assert "reason=autologout" in bridge.log()
