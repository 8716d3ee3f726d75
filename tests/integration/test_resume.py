"""An IMAP server that is lost and comes back: a real Dovecot behind a relay
that cuts connections, and what POP3 clients see of it, which is nothing."""

import os
import random
import re
import socket
import threading

import pytest

from conftest import plain, until
from corpus import TOP, random_message
from fake_imap import says

MESSAGES = [(10, b"Subject: one\r\n\r\nfirst\r\n"),
            (20, b"Subject: two\r\n\r\nsecond\r\n")]

DOWNLOADS = 500  # of all variants together


class Cutter:
    """A relay to a server.  It cuts each connection, either by a reset or as
    if the server had closed it, when as many octets of the server have passed
    as next(cuts) says; None is never."""

    def __init__(self, where, cuts=iter(())):
        self.where = where
        self.cuts = cuts
        self.made = 0           # connections
        self.cut = 0            # those that were cut
        self.refusing = False
        self.pairs = set()
        self.threads = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self._accept)
        self.accepting.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            pair = (client, socket.create_connection(self.where))
            with self.lock:
                self.made += 1
                self.pairs.add(pair)
                left = next(self.cuts, None)
            for args in ((pair, 0, None), (pair, 1, left)):
                thread = threading.Thread(target=self._pass, args=args)
                self.threads.append(thread)
                thread.start()

    def _pass(self, pair, side, left):
        """From this side of the pair to the other."""
        try:
            while True:
                data = pair[side].recv(65536)
                if left is not None and len(data) >= left:
                    pair[1 - side].sendall(data[:left])
                    self.cut += 1
                    break
                if not data:
                    break
                if left is not None:
                    left -= len(data)
                pair[1 - side].sendall(data)
        except OSError:
            pass
        self._end(pair)

    def _end(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for sock in pair:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut_all(self):
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self._end(pair)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        self.cut_all()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def start_cutter():
    cutters = []

    def start(*args):
        cutters.append(Cutter(*args))
        return cutters[-1]

    yield start
    for cutter in cutters:
        cutter.stop()


class Person:
    name = "joe"
    password = "secret"


def at(port):
    return "imap+plain://127.0.0.1:%d" % port


def brought_back(bridge):
    return len(re.findall("mail server brought back", bridge.log()))


# while nothing is under way

@pytest.mark.parametrize("scheme", ("imap+plain", "imap", "imaps"))
@pytest.mark.parametrize("keep", ("0", "120"))
def test_a_connection_lost_while_idle_is_replaced_unseen(
        scheme, keep, dovecot, new_account, start_cutter, start_bridge,
        connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    cutter = start_cutter((dovecot.address, dovecot.imaps_port
                           if scheme == "imaps" else dovecot.imap_port))
    bridge = start_bridge("%s://127.0.0.1:%d" % (scheme, cutter.port),
                          "--upstream-ca", dovecot.ca,
                          "--upstream-keep", keep)
    client = connect(bridge)
    client.login(user)
    listing = client.multi("UIDL")
    for number in (1, 2):
        cutter.cut_all()
        until(lambda: bridge.log().count("mail server lost") == number,
              "the loss")
        assert client.multi("RETR %d" % number) == MESSAGES[number - 1][1]
    assert client.multi("UIDL") == listing
    client.quit()
    assert brought_back(bridge) == 2
    assert "for=RETR" in bridge.log()
    assert cutter.made == 3


def test_the_connection_of_another_session_is_taken(
        dovecot, new_account, start_cutter, start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    cutter = start_cutter((dovecot.address, dovecot.imap_port))
    bridge = start_bridge(at(cutter.port))
    client = connect(bridge)
    client.login(user)
    cutter.cut_all()
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    other = connect(bridge)
    other.login(user)
    other.quit()
    assert client.multi("RETR 1") == MESSAGES[0][1]
    client.quit()
    assert 'over="a kept connection"' in bridge.log()
    assert cutter.made == 2


def test_messages_are_removed_after_it(dovecot, new_account, start_cutter,
                                       start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    cutter = start_cutter((dovecot.address, dovecot.imap_port))
    bridge = start_bridge(at(cutter.port))
    client = connect(bridge)
    client.login(user)
    client.ok("DELE 1")
    cutter.cut_all()
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    assert client.quit().startswith(b"+OK")
    with dovecot.imap(user) as imap:
        assert imap.select()[1] == [b"1"]


def test_the_maildrop_stays_as_it_was(dovecot, new_account, start_cutter,
                                      start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    cutter = start_cutter((dovecot.address, dovecot.imap_port))
    bridge = start_bridge(at(cutter.port))
    client = connect(bridge)
    client.login(user)
    before = client.multi("UIDL"), client.multi("LIST")
    cutter.cut_all()
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    with dovecot.imap(user) as imap:
        imap.select()
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
    dovecot.deliver(user, b"Subject: three\r\n\r\nthird\r\n")
    assert client.err("RETR 1").startswith(b"-ERR message is no longer")
    assert client.multi("RETR 2") == MESSAGES[1][1]
    client.err("RETR 3")
    assert (client.multi("UIDL"), client.multi("LIST")) == before
    client.quit()


def test_a_server_that_stays_away_is_told_and_may_come_later(
        dovecot, new_account, start_cutter, start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    cutter = start_cutter((dovecot.address, dovecot.imap_port))
    bridge = start_bridge(at(cutter.port))
    client = connect(bridge)
    client.login(user)
    cutter.refusing = True
    cutter.cut_all()
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    client.err("RETR 1", "SYS/TEMP")
    assert "mail server lost, and not brought back" in bridge.log()
    cutter.refusing = False
    assert client.multi("RETR 1") == MESSAGES[0][1]
    client.quit()


def test_without_the_option_it_stays_away(dovecot, new_account, start_cutter,
                                          start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    cutter = start_cutter((dovecot.address, dovecot.imap_port))
    bridge = start_bridge(at(cutter.port), "--revive", "no")
    client = connect(bridge)
    client.login(user)
    cutter.cut_all()
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    client.err("RETR 1", "SYS/TEMP")
    assert cutter.made == 1


def test_another_mailbox_in_its_place_ends_the_session(
        start_fake, start_bridge, connect):
    fake = start_fake(MESSAGES)
    fake.on = {"SIZES": says(b"".join(fake.listing()) + b"TAG OK\r\n",
                             close=True)}
    bridge = start_bridge(at(fake.port))
    client = connect(bridge)
    client.login(Person)
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    fake.on = {"SELECT": says(b"* 2 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\n"
                              b"TAG OK [READ-WRITE] open\r\n")}
    client.ok("DELE 1")
    client.err("RETR 2", "SYS/TEMP")
    assert client.rest() == b""
    assert "another UIDVALIDITY" in bridge.log()
    assert not [c for c in fake.commands if c[0] in ("STORE", "EXPUNGE")]


def test_a_password_that_was_changed_is_shown_once(
        start_fake, start_bridge, connect):
    fake = start_fake(MESSAGES)
    fake.on = {"SIZES": says(b"".join(fake.listing()) + b"TAG OK\r\n",
                             close=True)}
    bridge = start_bridge(at(fake.port))
    client = connect(bridge)
    client.login(Person)
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    fake.on = {"AUTHENTICATE": says(b"TAG NO [AUTHENTICATIONFAILED] no\r\n")}
    for _ in range(3):
        client.err("RETR 1", "SYS/TEMP")
    asked = [c for c, _ in fake.commands if c == "AUTHENTICATE"]
    assert len(asked) == 2


# within messages

def letter(rng):
    text = random_message(rng)
    if not text:
        text = TOP
    if rng.random() < 0.2:
        text += b"".join(b"%d%s\r\n" % (i, b"." * rng.randrange(60))
                         for i in range(rng.randrange(8000)))
    return text


def download(client, command, whole):
    """True when it came as it is, False when it was cut or refused."""
    client.send(command + b"\r\n")
    got = b""
    while not whole.startswith(got) or len(got) < len(whole):
        assert whole.startswith(got[:len(whole)]), (
            "another message: %r" % got[:200])
        data = client.stream.read1(1 << 20)
        if not data:
            return False
        got += data
        if got.startswith(b"-ERR"):
            assert got.endswith(b"\r\n")
            return False
    assert got == whole
    return True


def is_taken(server, user, message):
    """Some servers refuse what is no message, and one sends an octet more than
    it announces of one that ends with NUL."""
    if message.endswith(b"\0"):
        return False
    try:
        server.deliver(user, message)
    except ValueError:
        return False
    return True


def what_is_there(client, count):
    """The reply to each command that is going to be sent."""
    return {command: client.cmd(command) + b"\r\n" + client.payload() +
            b".\r\n" for i in range(1, count + 1)
            for command in (b"RETR %d" % i, b"TOP %d 7" % i)}


@pytest.fixture
def downloads_while_cut(new_account, start_cutter, start_bridge, connect):
    """So many downloads, and connections cut meanwhile."""
    def run(server, downloads, readahead):
        seed = int(os.environ.get("PB_TEST_SEED") or
                   random.randrange(1 << 32))
        print("PB_TEST_SEED=%d" % seed)
        rng = random.Random(seed)
        user = new_account(server)
        letters = [m for m in (letter(rng) for _ in range(30))
                   if is_taken(server, user, m)]
        client = connect(start_bridge(plain(server)))
        client.login(user)
        whole = what_is_there(client, len(letters))
        client.quit()

        # Of few and small letters not even a login may fit into the half.
        most = max(6000, sum(len(w) for w in whole.values()) // 4)
        cuts = (rng.choice((rng.randrange(2000, 6000),
                            rng.randrange(2000, most)))
                for _ in iter(int, 1))
        cutter = start_cutter((server.address, server.imap_port), cuts)
        bridge = start_bridge(at(cutter.port), "--readahead-memory",
                              readahead)
        count = {True: 0, False: 0}
        while sum(count.values()) < downloads:
            client = connect(bridge)
            client.greeting()
            client.ok("USER " + user.name)
            if client.cmd("PASS " + user.password).startswith(b"-ERR"):
                client.close()
                continue
            for i in range(1, len(letters) + 1):
                command = rng.choice((b"RETR %d", b"RETR %d",
                                      b"TOP %d 7")) % i
                result = download(client, command, whole[command])
                count[result] += 1
                if not result:
                    break
            client.close()
        print("whole %d, cut %d, connections %d, cut %d, brought back %d" % (
            count[True], count[False], cutter.made, cutter.cut,
            brought_back(bridge)))
        assert brought_back(bridge) > downloads // 25
        # A server that takes few of the letters has cuts in nearly each.
        assert count[True] > downloads // 5
    return run


@pytest.mark.parametrize("readahead", ("0", "64"))
def test_downloads_cut_at_random_octets_are_whole_or_end_without_a_dot(
        readahead, dovecot, downloads_while_cut):
    downloads_while_cut(dovecot, DOWNLOADS // 2, readahead)
