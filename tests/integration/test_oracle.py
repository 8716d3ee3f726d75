"""Dovecot's own POP3 server says what popbridge must say: the same script to
both, over the same mailbox, must bring the same bytes."""

import os
import random

import pytest

import corpus
from pop3client import numbered

LINES = (0, 1, 2, 5, 99999999)
NATIVE_NOOP = b"+OK\r\n"


def seed():
    return int(os.environ.get("POPBRIDGE_TEST_SEED",
                              random.SystemRandom().randrange(10 ** 9)))


def generated():
    number = seed()
    print("POPBRIDGE_TEST_SEED=%d" % number)
    rng = random.Random(number)
    return [("generated-%d" % i, corpus.random_message(rng))
            for i in range(300)]


def commands(count):
    for n in range(1, count + 1):
        yield n, "RETR %d" % n
        for k in LINES:
            yield n, "TOP %d %d" % (n, k)


def native_payload(client, command, message):
    """What Dovecot sends, with a dot in front of a message that begins with
    one: Dovecot forgets to stuff a dot that is the very first octet."""
    if not message.startswith(b"."):
        return client.multi(command)
    client.send(command.encode() + b"\r\nNOOP\r\n")
    assert client.line().startswith(b"+OK")
    data = b""
    while not data.endswith(b".\r\n" + NATIVE_NOOP):
        data += client.stream.readline()
    return b"." + data[:-len(b".\r\n" + NATIVE_NOOP)]


def tell(name, command, native, ours):
    at = next((i for i, (a, b) in enumerate(zip(native, ours)) if a != b),
              min(len(native), len(ours)))
    start = max(0, at - 40)
    return "%s, %s: octet %d of %d/%d: Dovecot %r, popbridge %r" % (
        name, command, at, len(native), len(ours),
        native[start:at + 40], ours[start:at + 40])


@pytest.fixture
def pair(dovecot, bridge, account, connect):
    """Logs in to both, after delivering these messages."""
    def login(messages):
        for _, message in messages:
            dovecot.deliver(account, message)
        clients = [connect((dovecot.address, dovecot.pop3_port)),
                   connect(bridge)]
        for client in clients:
            client.login(account)
        return clients
    return login


CORPORA = {"awkward": lambda: list(corpus.awkward()),
           "boundaries": lambda: list(corpus.boundaries()),
           "generated": generated}


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_listing_and_message_is_byte_equal(name, pair):
    messages = CORPORA[name]()
    native, ours = pair(messages)
    assert ours.cmd("STAT") == native.cmd("STAT")
    for command in ("LIST", "UIDL"):
        assert ours.multi(command) == native.multi(command)
    differences = []
    for n, command in commands(len(messages)):
        label, message = messages[n - 1]
        expected = native_payload(native, command, message)
        got = ours.multi(command)
        if got != expected:
            differences.append(tell(label, command, expected, got))
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_pipelined_client_gets_the_same_bytes(name, pair):
    messages = CORPORA[name]()
    native, ours = pair(messages)
    script = [(n, "RETR %d" % n) for n in range(1, len(messages) + 1)]
    ours.send("".join(c + "\r\n" for _, c in script).encode())
    differences = []
    for n, command in script:
        label, message = messages[n - 1]
        expected = native_payload(native, command, message)
        assert ours.line().startswith(b"+OK"), command
        got = ours.payload()
        if got != expected:
            differences.append(tell(label, command, expected, got))
    assert not differences, "\n".join(differences)


def test_listing_of_one_message_agrees_with_the_whole_listing(pair):
    messages = list(corpus.awkward())
    native, ours = pair(messages)
    for command in ("LIST", "UIDL"):
        for n, value in numbered(native.multi(command)):
            reply = ours.ok("%s %d" % (command, n))
            assert reply == b"+OK %d %s" % (n, value)


def test_unique_ids_stay_after_a_deletion_and_a_new_delivery(
        dovecot, bridge, account, connect):
    for i in range(5):
        dovecot.deliver(account, b"Subject: %d\n\nx\n" % i)
    first = connect(bridge)
    first.login(account)
    before = numbered(first.multi("UIDL"))
    first.ok("DELE 2")
    assert first.quit().startswith(b"+OK")
    dovecot.deliver(account, b"Subject: new\n\nx\n")
    native = connect((dovecot.address, dovecot.pop3_port))
    native.login(account)
    ours = connect(bridge)
    ours.login(account)
    after = ours.multi("UIDL")
    assert after == native.multi("UIDL")
    kept = [u for n, u in before if n != 2]
    assert [u for _, u in numbered(after)][:4] == kept
    assert len(numbered(after)) == 5
