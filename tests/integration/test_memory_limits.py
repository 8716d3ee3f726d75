"""The process has no more memory than it may: who is new waits, what only makes
things faster goes, and then the sessions that hold most; the others go on."""

import os
import re
import resource
import signal
import threading

import pytest

from conftest import PASSWORD, until
from fake_imap import FakeImap

MB = 1 << 20
PAGE = os.sysconf("SC_PAGESIZE")

# A listing of so many messages is 2.4 MB here.
MESSAGES = 300000

# What was freed is to be free, not kept aside to find who still uses it.
ENVIRONMENT = {"ASAN_OPTIONS": ":".join(filter(None, [
    os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=0",
    "thread_local_quarantine_size_kb=0",
    "allocator_release_to_os_interval_ms=0"]))}

CONFIG = """
listen = "pop3+plain://127.0.0.1:0"
upstream = "imap+plain://127.0.0.1:%d"
max-connections-per-address = 1000
listing-memory = 512
workers = 2
"""

SHORT = "memory over memory-soft: "
OVER = "memory over memory-hard: "
PLENTY = "memory is well below memory-soft again"
SHED = "session ended for the memory that it holds"


def used(bridge):
    """Megabytes that are the process's own."""
    with open("/proc/%d/statm" % bridge.process.pid) as f:
        _, resident, shared = map(int, f.read().split()[:3])
    return (resident - shared) * PAGE // MB


class Mailboxes(FakeImap):
    """Users whose names begin with "big" have many messages, all others two."""

    def __init__(self):
        super().__init__([(1, b"one\r\n"), (2, b"two\r\n")],
                         capabilities=b"IMAP4rev1 UIDPLUS SASL-IR AUTH=PLAIN")
        self.many = b"".join(b"* %d FETCH (UID %d RFC822.SIZE 5)\r\n" % (n, n)
                             for n in range(1, MESSAGES + 1))
        self.by_connection = {}

    def authenticate(self, connection, tag, args):
        super().authenticate(connection, tag, args)
        self.by_connection[connection] = self.logins[-1][0]

    def is_big(self, connection):
        return self.by_connection.get(connection, b"").startswith(b"big")

    def select(self, connection, tag, args):
        if not self.is_big(connection):
            super().select(connection, tag, args)
            return
        connection.send(
            b"* FLAGS (\\Seen \\Deleted)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
            b"* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT %d] next\r\n"
            b"%s OK [READ-WRITE] open\r\n" % (MESSAGES, MESSAGES + 1, tag))

    def sizes(self, connection, tag, args):
        if self.is_big(connection):
            connection.send(self.many + tag + b" OK listed\r\n")
        else:
            super().sizes(connection, tag, args)


@pytest.fixture
def mailboxes():
    server = Mailboxes()
    yield server
    server.stop()
    assert server.failures == []


@pytest.fixture
def limited(start_bridge, mailboxes):
    """popbridge, and what gives it other limits than it has."""
    config = CONFIG % mailboxes.port
    bridge = start_bridge(None, config=config, env=ENVIRONMENT)

    def limit(**options):
        reloads = bridge.log().count("configuration reloaded")
        bridge.configure(config + "".join(
            "memory-%s = %d\n" % option for option in options.items()))
        bridge.process.send_signal(signal.SIGHUP)
        until(lambda: bridge.log().count("configuration reloaded") > reloads,
              "the reload")

    bridge.limit = limit
    return bridge


def log_in(connect, bridge, user):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + user)
    client.ok("PASS " + PASSWORD)
    return client


def crowd(connect, bridge, n):
    return [log_in(connect, bridge, "big%d" % i) for i in range(n)]


def is_refused(client):
    return client.rest().startswith(b"-ERR [SYS/TEMP] service is busy")


def goes_on(client):
    try:
        return client.cmd("NOOP").startswith(b"+OK")
    except (AssertionError, ConnectionError):
        return False


def fetched(server):
    """The messages that were asked for, by UID, in order."""
    return [args.split(b" ")[0] for name, args in server.commands
            if name == "BODY"]


def test_over_memory_soft_nothing_is_read_ahead(limited, mailboxes, connect):
    clients = [log_in(connect, limited, name) for name in ("one", "two")]
    clients[0].ok("RETR 1")
    clients[0].payload()
    until(lambda: fetched(mailboxes) == [b"1", b"2"], "a message ahead")
    limited.limit(soft=1)
    until(lambda: SHORT in limited.log(), "the word about memory")
    del mailboxes.commands[:]
    for n, text in ((1, b"one\r\n"), (2, b"two\r\n")):
        clients[1].ok("RETR %d" % n)
        assert clients[1].payload() == text
        clients[1].ok("NOOP")
        assert fetched(mailboxes) == [b"1", b"2"][:n]


def test_over_memory_soft_nobody_new_comes_in_and_sessions_go_on(
        limited, connect):
    small = log_in(connect, limited, "small")
    big = crowd(connect, limited, 6)
    limited.limit(soft=max(1, used(limited) // 2))
    until(lambda: SHORT in limited.log(), "the word about memory")
    assert is_refused(connect(limited))
    assert is_refused(connect(limited))
    assert "connections refused limit=memory-soft " in limited.log()
    for client in (small, *big):
        client.ok("STAT")
    small.ok("RETR 1")
    assert small.payload() == b"one\r\n"
    limited.limit(soft=100000)
    until(lambda: PLENTY in limited.log(), "the word that there is plenty")
    again = log_in(connect, limited, "other")
    again.ok("QUIT")
    small.ok("QUIT")
    assert limited.log().count(SHORT) == 1
    assert limited.log().count(PLENTY) == 1
    assert SHED not in limited.log()


def test_over_memory_hard_the_largest_sessions_end_and_the_small_one_goes_on(
        limited, connect):
    small = log_in(connect, limited, "small")
    small.ok("DELE 2")
    big = crowd(connect, limited, 10)
    before = used(limited)
    limited.limit(hard=before - 6)
    until(lambda: OVER in limited.log(), "the word about memory")
    until(lambda: used(limited) < before - 6, "less memory")
    # It is measured once a second; what is over by then, has ended.
    limited.limit(soft=100000, hard=0)
    until(lambda: PLENTY in limited.log(), "the word that there is plenty")
    small.ok("STAT")
    left = [client for client in big if goes_on(client)]
    ended = len(big) - len(left)
    log = limited.log()
    assert 1 <= ended < len(big)
    assert log.count(SHED) == ended
    assert len(re.findall(SHED + r" id=\S+ user=big\d+ client=127\.0\.0\.1:\d+"
                          r" octets=[23]\d{6}\n", log)) == ended
    assert log.count('reason="memory over memory-hard"') == ended
    log_in(connect, limited, "big99").ok("QUIT")
    small.ok("QUIT")
    until(lambda: limited.log().count("removed=1 ") == 1, "the summary")


def test_a_session_that_removes_messages_is_not_ended_for_memory(
        limited, mailboxes, connect):
    shed = threading.Event()

    def expunge(connection, tag, _):
        assert shed.wait(60)
        connection.send(b"* 1 EXPUNGE\r\n" + tag + b" OK expunged\r\n")

    mailboxes.on = {"EXPUNGE": expunge}
    removing = log_in(connect, limited, "big")
    removing.ok("DELE 1")
    removing.send(b"QUIT\r\n")
    until(lambda: "EXPUNGE" in str(mailboxes.commands[-1]), "the commit")
    other = log_in(connect, limited, "big-other")
    before = used(limited)
    limited.limit(hard=max(1, before // 4))
    until(lambda: SHED in limited.log(), "the end of a session")
    assert not goes_on(other)
    shed.set()
    assert removing.line().startswith(b"+OK")
    limited.limit(soft=100000, hard=0)
    until(lambda: PLENTY in limited.log(), "the word that there is plenty")
    assert re.findall(SHED + r" id=\S+ user=(\S+)", limited.log()) == [
        "big-other"]


def test_memory_has_its_limit_while_popbridge_ends_too(
        limited, mailboxes, connect):
    """One worker has nothing to do, and ends at once."""
    def sizes(connection, tag, args):
        until(lambda: "finishing what is under way" in limited.log(), "it")
        connection.send(mailboxes.many)
        connection.wait_for_end()

    mailboxes.on = {"SIZES": sizes}
    client = connect(limited)
    client.greeting()
    client.ok("USER big")
    client.send(b"PASS " + PASSWORD.encode() + b"\r\n")
    until(lambda: mailboxes.commands and mailboxes.commands[-1][0] == "SIZES",
          "the question")
    limited.limit(hard=used(limited) + 1)
    limited.process.terminate()
    until(lambda: SHED in limited.log(), "the end of the session")
    assert limited.process.wait(20) == 0


def test_what_is_remembered_goes_when_memory_is_short(limited, connect):
    for client in crowd(connect, limited, 8):
        client.ok("QUIT")
    until(lambda: limited.log().count("session ended") == 8, "the summaries")
    before = used(limited)
    limited.limit(soft=before - 2)
    # What was remembered was all that there was too much.
    until(lambda: PLENTY in limited.log(), "the word that there is plenty")
    assert used(limited) < before - 12
    assert goes_on(log_in(connect, limited, "small"))
    assert SHED not in limited.log()


def test_what_the_system_allows_is_the_limit_when_there_is_no_other(
        start_bridge, mailboxes, connect):
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 50, hard))
    try:
        bridge = start_bridge(None, config=CONFIG % mailboxes.port)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    found = re.search(r"memory is limited soft_mb=(\d+) hard_mb=(\d+) "
                      r"system=(.+)\n", bridge.log())
    soft, hard = int(found.group(1)), int(found.group(2))
    # A cgroup of the machine that runs the test may have less.
    assert 0 < soft <= (1 << 30) * 75 // 100
    assert abs(soft * 90 - hard * 75) <= 90
    assert found.group(3) in ('"the cgroup\'s limit"', "RLIMIT_DATA")
