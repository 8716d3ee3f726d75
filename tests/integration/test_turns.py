"""A client that keeps popbridge busy leaves time for its neighbours."""

import threading

import pytest

from conftest import PASSWORD, until
from fake_imap import FakeImap

MESSAGES = 50000
# More than one write brings, and minutes of work.
COMMANDS = 10000


class Server(FakeImap):
    """The mailbox of "big" has many messages, all others have one."""

    def __init__(self):
        super().__init__([(1, b"one\r\n")])
        self.many = [(n, b"many\r\n") for n in range(1, MESSAGES + 1)]

    def authenticate(self, connection, tag, args):
        super().authenticate(connection, tag, args)
        if self.logins[-1][0] == b"big":
            self.messages = self.many


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()
    assert server.failures == []


def log_in(connect, bridge, user):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + user)
    client.ok("PASS " + PASSWORD)
    return client


def delete_all(client):
    client.send(b"".join(b"DELE %d\r\n" % n
                         for n in range(1, MESSAGES + 1)))
    for _ in range(MESSAGES):
        assert client.line().startswith(b"+OK")


class Reader:
    """Takes what comes as fast as it comes."""

    def __init__(self, client):
        self.octets = 0
        self.begun = threading.Event()
        self.socket = client.socket
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        room = bytearray(1 << 20)
        try:
            while n := self.socket.recv_into(room):
                self.octets += n
                self.begun.set()
        except OSError:
            pass


@pytest.mark.parametrize("command, deleted, answer", [
    (b"UIDL", False, MESSAGES * 10), (b"LIST", True, 8), (b"RSET", False, 8)])
def test_a_neighbour_is_answered_in_between(
        command, deleted, answer, start_bridge, server, connect):
    bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port,
                          "--workers", "1")
    neighbour = log_in(connect, bridge, "small")
    busy = log_in(connect, bridge, "big")
    if deleted:
        delete_all(busy)
    reader = Reader(busy)
    busy.send((command + b"\r\n") * COMMANDS)
    assert reader.begun.wait(60)
    neighbour.ok("NOOP")
    assert reader.octets < answer * COMMANDS
    busy.reset()
    reader.thread.join()


class Babbler(FakeImap):
    """All messages but one are left, as it says without end."""

    many = 300000
    fewer = 0

    def __init__(self):
        super().__init__(capabilities=b"IMAP4rev1 SASL-IR AUTH=PLAIN ESEARCH")

    def select(self, connection, tag, _):
        connection.send(
            b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n"
            b"* OK [UIDNEXT %d] next\r\n%s OK [READ-WRITE] open\r\n" % (
                self.many - self.fewer, self.many + 1, tag))

    def sizes(self, connection, tag, args):
        connection.send(b"".join(
            b"* %d FETCH (UID %d RFC822.SIZE 5)\r\n" % (n, n)
            for n in range(1, self.many + 1)
            if args.startswith(b"1:")) + tag + b" OK listed\r\n")

    def search(self, connection, tag, _):
        line = b'* ESEARCH (TAG "%s") UID ALL 1:%d\r\n' % (tag, self.many)
        while True:
            connection.send(line * 1000)


def test_a_neighbour_is_answered_while_a_server_repeats_itself(
        start_bridge, server, connect):
    babbler = Babbler()
    bridge = start_bridge(None, config="""
listener "l" { url = "pop3+plain://127.0.0.1:0" }
workers = 1
upstream-keep = 0
route "babbler" { match = {"big"} upstream = "imap+plain://127.0.0.1:%d" }
upstream = "imap+plain://127.0.0.1:%d"
""" % (babbler.port, server.port))
    neighbour = log_in(connect, bridge, "small")
    log_in(connect, bridge, "big").ok("QUIT")
    babbler.fewer = 1
    busy = connect(bridge)
    busy.greeting()
    busy.ok("USER big")
    busy.send(b"PASS " + PASSWORD.encode() + b"\r\n")
    until(lambda: babbler.commands[-1][0] == "SEARCH", "the question")
    for _ in range(100):
        neighbour.ok("NOOP")
    busy.reset()
    babbler.stop()
    assert babbler.failures == []
