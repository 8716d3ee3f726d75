"""A client that keeps popbridge busy leaves time for its neighbours."""

import threading

import pytest

from conftest import PASSWORD
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
