"""How far popbridge goes ahead of its client, and how much it asks for at a
time."""

import re

import pytest

from conftest import PASSWORD, until
from fake_imap import FakeImap, uids_of

KB = 1024


@pytest.fixture
def start(start_bridge, connect):
    """Returns a server with these messages, and what logs in there."""
    servers = []

    def begin(messages):
        server = FakeImap(messages)
        servers.append(server)
        bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port)

        def log_in():
            client = connect(bridge)
            client.greeting()
            client.ok("USER max")
            client.ok("PASS " + PASSWORD)
            return client

        return server, log_in

    yield begin
    for server in servers:
        server.stop()
        assert server.failures == []


def asked_for(server):
    """UIDs of the messages that the server has been asked for."""
    return {uid for name, args in server.commands if name == "BODY"
            for uid in uids_of(args.split(b" ")[0])}


def walk(client, n):
    for number in range(1, n + 1):
        client.multi("RETR %d" % number)


def test_no_more_than_a_thousand_messages_are_fetched_ahead(start):
    server, log_in = start([(n, b"x\r\n") for n in range(1, 4001)])
    client = log_in()
    walk(client, 300)
    until(lambda: len(asked_for(server)) > 300 + 700, "many of them")
    for _ in range(100):
        client.ok("NOOP")
    assert len(asked_for(server)) <= 300 + 1024
    walk(client, 4000)
    assert len(asked_for(server)) == 4000


def test_no_more_than_two_megabytes_are_fetched_ahead(start):
    text = (b"x" * 78 + b"\r\n") * (100 * KB // 80)
    server, log_in = start([(n, text) for n in range(1, 101)])
    client = log_in()
    walk(client, 30)
    until(lambda: len(asked_for(server)) >= 30 + 15, "some of them")
    for _ in range(100):
        client.ok("NOOP")
    ahead = len(asked_for(server)) - 30
    assert ahead * len(text) <= 2 * KB * KB


def test_a_huge_header_is_fetched_in_parts_and_then_as_a_whole(start):
    header = (b"X-Long: " + b"x" * 980 + b"\r\n") * (17 * KB * KB // 990)
    server, log_in = start([(1, header + b"\r\nline 1\r\nline 2\r\n")])
    client = log_in()
    assert client.multi("TOP 1 1") == header + b"\r\nline 1\r\n"
    parts = [re.search(rb"<0\.(\d+)>", args)
             for name, args in server.commands if name == "BODY"]
    assert [int(part.group(1)) if part else None for part in parts] == [
        16 * KB + 80, 4 * (16 * KB + 80), 16 * (16 * KB + 80),
        64 * (16 * KB + 80), 256 * (16 * KB + 80), None]


@pytest.mark.parametrize("count, logins", [(2000, 1), (2001, 2)])
def test_a_connection_on_which_a_large_mailbox_was_read_is_not_kept(
        count, logins, start):
    server, log_in = start([(n, b"x\r\n") for n in range(1, count + 1)])
    for _ in range(2):
        client = log_in()
        client.ok("STAT")
        client.ok("QUIT")
        assert client.rest() == b""
    assert len(server.logins) == logins
