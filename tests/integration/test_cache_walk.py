"""A random walk: session after session on one mailbox that others use, too.
Each sees what IMAP says at its login, whatever it does and however it ends;
and in the end nothing is gone but what was deleted by somebody.

POPBRIDGE_TEST_SEED repeats one."""

import os
import random
import re

import pytest

import servers
from conftest import plain
from pop3client import Pop3, numbered

SESSIONS = 300
MOST = 14


class Message:
    def __init__(self, number, rng):
        self.number = number
        lines = rng.choice((0, 1, 2, 5, 20, 20, 2000))
        self.header = b"Subject: message %d\r\nX-Empty: \r\n\r\n" % number
        self.lines = [b"." * rng.randrange(3) +
                      b"x" * rng.randrange(70) + b"\r\n"
                      for _ in range(lines)]
        self.text = self.header + b"".join(self.lines)
        self.flagged = False

    def reply(self, lines=None):
        """The payload of RETR, or of TOP with so many lines."""
        return self.header + b"".join(
            b"." + line if line.startswith(b".") else line
            for line in self.lines[:lines])


class Others:
    """Everybody else who uses the mailbox, over IMAP."""

    def __init__(self, dovecot, user, rng):
        self.dovecot = dovecot
        self.user = user
        self.rng = rng
        self.imap = dovecot.imap(user)
        self.delivered = []
        self.expected = {}      # what must be there, by number
        self.uids = {}
        self.deliver(5)

    def deliver(self, count):
        for _ in range(count):
            message = Message(len(self.delivered), self.rng)
            self.delivered.append(message)
            self.expected[message.number] = message
            self.dovecot.deliver(self.user, message.text)

    def look(self):
        """What is there, as (UID, message), and the UIDVALIDITY."""
        self.imap.select()
        validity = int(self.imap.untagged_responses["UIDVALIDITY"][-1])
        _, data = self.imap.uid("FETCH", "1:*",
                                "(RFC822.SIZE FLAGS BODY.PEEK[])")
        found = []
        for part in data:
            if not isinstance(part, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
            number = int(re.match(rb"Subject: message (\d+)",
                                  part[1]).group(1))
            message = self.delivered[number]
            assert part[1] == message.text
            assert b"SIZE %d " % len(message.text) in part[0]
            self.compare(message, b"\\Deleted" in part[0])
            found.append((uid, message))
        found.sort(key=lambda pair: pair[0])
        assert {m.number for _, m in found} == set(self.expected)
        self.uids = {m.number: uid for uid, m in found}
        return found, validity

    def compare(self, message, flagged):
        assert flagged == message.flagged, message.number

    def some(self):
        known = [n for n in self.expected if n in self.uids]
        return self.rng.choice(known) if known else None

    def expunge(self, number):
        uid = str(self.uids[number])
        self.imap.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)")
        self.imap.uid("EXPUNGE", uid)
        del self.expected[number]

    def flag(self, number, how, flag):
        self.imap.uid("STORE", str(self.uids[number]), how, flag)
        if flag == "(\\Deleted)":
            self.delivered[number].flagged = how == "+FLAGS.SILENT"

    def do_something(self, in_session=False):
        what = self.rng.random()
        number = self.some()
        if number is None or (what < 0.4 and len(self.expected) < MOST):
            self.deliver(self.rng.choice((1, 1, 1, 4)))
        elif what < 0.65:
            self.expunge(number)
        elif what < 0.75:
            self.flag(number, "+FLAGS.SILENT", "(\\Seen)")
        elif what < 0.85:
            self.flag(number, "+FLAGS.SILENT", "(\\Deleted)")
        elif what < 0.97:
            # A server without UID EXPUNGE would be too late to say so.
            self.flag(number, "-FLAGS.SILENT",
                      "(\\Seen)" if in_session else "(\\Deleted)")
        else:
            for number in [n for n in self.expected if n in self.uids]:
                self.expunge(number)


class OthersOfMailutils(Others):
    """imap4d has no UID EXPUNGE, and each process writes at its end the flags
    that it knows, so that some are lost: docs/servers.md."""

    def compare(self, message, flagged):
        assert message.flagged or not flagged, message.number
        message.flagged = flagged

    def connect(self, alone=False):
        self.imap.shutdown()
        if alone:
            self.dovecot.settle()
        self.imap = self.dovecot.imap(self.user)
        self.imap.select()

    def look(self):
        self.connect(alone=True)
        return super().look()

    def expunge(self, number):
        self.connect()
        flagged = ",".join(str(self.uids[n]) for n in self.expected
                           if n in self.uids and n != number and
                           self.delivered[n].flagged)
        if flagged:
            self.imap.uid("STORE", flagged, "-FLAGS.SILENT", "(\\Deleted)")
        self.imap.uid("STORE", str(self.uids[number]), "+FLAGS.SILENT",
                      "(\\Deleted)")
        self.imap.expunge()
        del self.expected[number]
        if flagged:
            self.imap.uid("STORE", flagged, "+FLAGS.SILENT", "(\\Deleted)")

    def flag(self, number, how, flag):
        self.connect(alone=True)
        super().flag(number, how, flag)

    def do_something(self, in_session=False):
        if in_session:
            self.deliver(1)
        else:
            super().do_something()


class Session:
    def __init__(self, bridge, others, rng):
        self.others = others
        self.rng = rng
        self.found, self.validity = others.look()
        self.deleted = set()
        self.client = Pop3((bridge.host, bridge.port))
        self.client.login(others.user)

    def listing(self):
        assert numbered(self.client.multi("LIST")) == [
            (n, b"%d" % len(message.text))
            for n, (_, message) in enumerate(self.found, 1)]
        assert numbered(self.client.multi("UIDL")) == [
            (n, b"%08x%08x" % (uid, self.validity))
            for n, (uid, _) in enumerate(self.found, 1)]

    def walk(self):
        """RETR or TOP of message after message, some of them at a time."""
        places = list(range(1, len(self.found) + 1))
        lines = self.rng.choice((None, None, 0, 2, 10))
        kind = self.rng.randrange(4)
        if kind == 1:
            places.reverse()
        elif kind == 2:
            self.rng.shuffle(places)
        places = places[self.rng.randrange(2) and 1:]
        verb = "RETR %d\r\n" if lines is None else "TOP %%d %d\r\n" % lines
        while places:
            some = places[:self.rng.choice((1, 1, 3, 20))]
            del places[:len(some)]
            self.client.send("".join(verb % n for n in some).encode())
            if self.rng.random() < 0.1:
                return False
            for n in some:
                self.take(n, lines)
            if self.rng.random() < 0.1:
                self.others.do_something(in_session=True)
        return True

    def take(self, n, lines):
        message = self.found[n - 1][1]
        if self.client.line().startswith(b"+OK"):
            assert self.client.payload() == message.reply(lines)
            assert n not in self.deleted
        else:
            assert n in self.deleted or \
                message.number not in self.others.expected

    def delete(self):
        for n in range(1, len(self.found) + 1):
            if n not in self.deleted and self.rng.random() < 0.2:
                self.client.ok("DELE %d" % n)
                self.deleted.add(n)
        if self.rng.random() < 0.3:
            self.client.ok("RSET")
            self.deleted.clear()

    def end(self):
        assert self.client.quit().startswith(b"+OK")
        for n in self.deleted:
            self.others.expected.pop(self.found[n - 1][1].number, None)

    def run(self):
        if self.rng.random() < 0.8:
            self.listing()
        for _ in range(self.rng.randrange(3)):
            if self.rng.random() < 0.4:
                self.delete()
            if not self.walk():
                self.client.reset()
                return
        if self.rng.random() < 0.4:
            self.delete()
        if self.rng.random() < 0.8:
            self.end()
        elif self.rng.random() < 0.5:
            self.client.reset()
        self.client.close()


def walk(server, others, bridge, rng, sessions):
    for number in range(sessions):
        try:
            Session(bridge, others, rng).run()
        except AssertionError as error:
            raise AssertionError("session %d: %s" % (number, error)) \
                from error
        for _ in range(rng.choice((0, 1, 1, 2))):
            others.do_something()
    others.look()
    others.imap.logout()


@pytest.fixture
def rng():
    seed = int(os.environ.get("POPBRIDGE_TEST_SEED",
                              random.SystemRandom().randrange(10 ** 9)))
    print("POPBRIDGE_TEST_SEED=%d" % seed)
    return random.Random(seed)


@pytest.mark.parametrize("without", ((), ("ESEARCH", "UIDPLUS")),
                         ids=("all", "without"))
def test_every_session_sees_what_imap_says(without, dovecot_with, new_account,
                                           start_bridge, tmp_path, rng):
    dovecot = dovecot_with(without=without) if without else dovecot_with()
    others = Others(dovecot, new_account(dovecot), rng)
    bridge = start_bridge(plain(dovecot), "--state-directory", str(tmp_path))
    walk(dovecot, others, bridge, rng, 300)


@pytest.mark.parametrize("name", ("courier", "cyrus", "mailutils"))
def test_every_session_sees_what_another_server_says(
        name, new_account, start_bridge, tmp_path, rng):
    server = servers.KINDS[name]()
    others = (OthersOfMailutils if name == "mailutils" else Others)(
        server, new_account(server), rng)
    bridge = start_bridge(plain(server), "--state-directory", str(tmp_path))
    walk(server, others, bridge, rng, 100)
    server.stop()
