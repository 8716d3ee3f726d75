"""Where EXPUNGE takes all that is \\Deleted: what others have flagged stays, and
is told where it cannot."""

import threading

import pytest

from conftest import until
from fake_imap import FakeImap, ok, uids_of
from pop3client import Pop3


class Mailbox(FakeImap):
    def __init__(self):
        super().__init__([(uid, b"Subject: %d\r\n\r\nx\r\n" % uid)
                          for uid in (3, 5, 8)],
                         capabilities=b"IMAP4rev1 AUTH=PLAIN SASL-IR")
        self.deleted = {3}
        self.lock = threading.RLock()
        self.reflagging = threading.Event()
        self.proven = threading.Event()
        self.reflagged = threading.Event()
        self.handlers.update({"STORE": self.store, "EXPUNGE": self.expunge,
                              "SEARCH": self.find_flags})

    def store(self, connection, tag, args):
        uids = uids_of(args.split(b" ")[0])
        if uids == {3} and b"+FLAGS" in args:
            self.reflagging.set()
            self.proven.wait(2)
        with self.lock:
            if b"+FLAGS" in args:
                self.deleted |= uids
            else:
                self.deleted -= uids
        if uids == {3} and b"+FLAGS" in args:
            self.reflagged.set()
        ok(connection, tag, args)

    def find_flags(self, connection, tag, args):
        with self.lock:
            uids = sorted(self.deleted if b"DELETED" in args else
                          [uid for uid, _ in self.messages])
        connection.send(b"* SEARCH" + b"".join(b" %d" % u for u in uids) +
                        b"\r\n" + tag + b" OK\r\n")

    def expunge(self, connection, tag, args):
        if 8 in self.deleted:
            self.proven.set()
            self.reflagged.wait(20)
        with self.lock:
            self.messages = [m for m in self.messages
                             if m[0] not in self.deleted]
            self.deleted = set()
        ok(connection, tag, args)


def who_deletes(bridge, number):
    client = Pop3((bridge.host, bridge.port))
    client.greeting()
    client.ok("USER max")
    client.ok("PASS secret")
    client.ok("DELE %d" % number)
    return client


def test_what_a_third_has_flagged_stays(start_bridge):
    server = Mailbox()
    bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port)
    clients = [who_deletes(bridge, number) for number in (2, 3)]
    first = threading.Thread(target=clients[0].cmd, args=("QUIT",))
    first.start()
    assert server.reflagging.wait(20)
    clients[1].cmd("QUIT")
    first.join()
    left = [uid for uid, _ in server.messages]
    server.stop()
    assert left == [3]


class Busy(Mailbox):
    """Somebody flags so many messages when EXPUNGE is already on its way."""

    def __init__(self, flags):
        super().__init__()
        self.flags = flags
        self.proven.set()
        self.reflagged.set()

    def expunge(self, connection, tag, args):
        self.deleted |= self.flags
        for n in sorted((n for n, (uid, _) in enumerate(self.messages, 1)
                         if uid in self.deleted), reverse=True):
            connection.send(b"* %d EXPUNGE\r\n" % n)
        super().expunge(connection, tag, args)


@pytest.mark.parametrize("flags", (set(), {8}))
def test_what_is_flagged_too_late_to_be_spared_is_told(flags, start_bridge):
    server = Busy(flags)
    bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port)
    who_deletes(bridge, 2).ok("QUIT")
    until(lambda: "session ended" in bridge.log(), "the end")
    told = [line for line in bridge.log().splitlines()
            if "more messages were expunged" in line]
    assert len(told) == len(flags)
    assert all("user=max messages=1 " in line for line in told)
    left = {uid for uid, _ in server.messages}
    server.stop()
    assert left == {3, 8} - flags
