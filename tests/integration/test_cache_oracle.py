"""What popbridge remembers of a mailbox must never show: whatever has happened
to the mailbox, or to the file of what is remembered, since the last session,
the same commands bring what Dovecot's own POP3 server sends."""

import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest

from conftest import bridges, plain
from pop3client import Pop3

TAKEN = ("ESEARCH", "UIDPLUS")
SERVERS = {
    "all": (),
    "no-esearch": ("ESEARCH",),
    "no-uidplus": ("UIDPLUS",),
    "none-of-it": TAKEN,
}
NO_MEMORY = ("--listing-memory", "0")
NONE_KEPT = ("--upstream-keep", "0")
NOT_AHEAD = ("--readahead-memory", "0")
STATE = ("--state-directory", "STATE")
# Options, and whether popbridge is begun anew after each change.
MEMORIES = {
    "memory": ((), False),
    "memory-none-kept": (NONE_KEPT, False),
    "memory-not-ahead": (NOT_AHEAD, False),
    "disk": (NO_MEMORY + STATE, False),
    "disk-restarted": (NO_MEMORY + STATE + NONE_KEPT, True),
    "both-not-ahead": (STATE + NOT_AHEAD, False),
    "both-restarted": (STATE, True),
    "nothing": (NO_MEMORY + NONE_KEPT + NOT_AHEAD, False),
}
CASES = [("all", memory) for memory in MEMORIES] + [
    (server, memory) for server in SERVERS if server != "all"
    for memory in ("memory", "both-not-ahead")] + [
    ("none-of-it", "disk-restarted")]


def message(n):
    """One of a size of its own, with something to stuff."""
    return (b"Subject: message %d\r\n\r\n.%d\r\n..\r\nbare\n%s\r\n" %
            (n, n, b"." * (n % 50) + b"x" * n))


def deliver(dovecot, user, count=1):
    for _ in range(count):
        dovecot.deliver(user, message(dovecot.delivered))


def look(address, user):
    """All that a client can learn in one session, as it came.  Commands go
    out together, so that they meet what is read ahead."""
    with Pop3(address) as client:
        client.login(user)
        stat = client.cmd("STAT")
        count = int(stat.split()[1])
        commands = ["LIST", "UIDL"]
        for n in range(1, count + 1):
            commands += ["RETR %d" % n]
        for n in range(count, 0, -1):
            commands += ["TOP %d 0" % n, "TOP %d 2" % n, "RETR %d" % n]
        client.send("".join(c + "\r\n" for c in commands).encode())
        seen = {"STAT": stat}
        for command in commands:
            assert client.line().startswith(b"+OK"), command
            payload = client.payload()
            assert seen.setdefault(command, payload) == payload, command
        client.quit()
        return seen


def native(dovecot, user):
    return look((dovecot.address, dovecot.pop3_port), user)


# what happens to the mailbox between two sessions

class Others:
    """They read, write and clean up the same mailbox."""

    def __init__(self, dovecot, bridge, user):
        self.dovecot = dovecot
        self.bridge = bridge
        self.user = user

    def expunge(self, numbers):
        with self.dovecot.imap(self.user) as imap:
            imap.select()
            imap.store(numbers, "+FLAGS.SILENT", "\\Deleted")
            imap.expunge()

    def deliver(self, count=1):
        deliver(self.dovecot, self.user, count)

    def doveadm(self, *args):
        subprocess.run(
            ["doveadm", "-c", self.dovecot.directory + "/dovecot.conf",
             "mailbox", "update", "-u", self.user.name, *args, "INBOX"],
            check=True, capture_output=True)

    def delete_over_pop3(self, address, numbers):
        with Pop3(address) as client:
            client.login(self.user)
            for n in numbers:
                client.ok("DELE %d" % n)
            assert client.quit().startswith(b"+OK")

    # the events, in this order

    def one_comes(self):
        self.deliver()

    def the_first_goes(self):
        self.expunge("1")

    def one_in_the_middle_goes(self):
        self.expunge("3")

    def the_last_goes(self):
        self.expunge("*")

    def one_goes_and_one_comes(self):
        self.expunge("2")
        self.deliver()

    def one_comes_and_goes(self):
        self.deliver()
        self.expunge("*")

    def the_last_goes_and_one_comes(self):
        self.expunge("*")
        self.deliver()

    def one_is_flagged(self):
        with self.dovecot.imap(self.user) as imap:
            imap.select()
            imap.store("2", "+FLAGS", "\\Seen \\Flagged")

    def our_client_deletes(self):
        self.deliver()
        self.delete_over_pop3((self.bridge().host, self.bridge().port),
                              (1, 4))

    def another_client_deletes(self):
        self.deliver(3)
        self.delete_over_pop3((self.dovecot.address, self.dovecot.pop3_port),
                              (2, 5))

    def unique_ids_are_skipped(self):
        self.doveadm("--min-next-uid", "5000")
        self.deliver()

    def validity_changes(self):
        self.doveadm("--uid-validity", "1234567890")

    def it_is_rebuilt(self):
        for name in os.listdir(self.user.maildir):
            if name.startswith("dovecot"):
                os.unlink(self.user.maildir + "/" + name)

    def it_is_rebuilt_with_one_less(self):
        self.expunge("1")
        self.it_is_rebuilt()

    def all_go_and_as_many_come(self):
        self.expunge("1:*")
        self.deliver(5)

    def all_go(self):
        self.expunge("1:*")

    def some_come(self):
        self.deliver(3)


EVENTS = [name for name in vars(Others)
          if name not in ("expunge", "deliver", "doveadm", "delete_over_pop3")
          and not name.startswith("_")]


@pytest.mark.parametrize("server,memory", CASES)
def test_whatever_others_do_between_sessions_the_replies_are_dovecots(
        server, memory, dovecot_with, new_account, start_bridge, tmp_path):
    without = SERVERS[server]
    dovecot = dovecot_with(without=without) if without else dovecot_with()
    user = new_account(dovecot)
    deliver(dovecot, user, 6)
    options, restarted = MEMORIES[memory]
    options = [str(tmp_path) if o == "STATE" else o for o in options]
    running = [start_bridge(plain(dovecot), *options)]
    others = Others(dovecot, lambda: running[-1], user)

    def ours():
        return look((running[-1].host, running[-1].port), user)

    assert ours() == native(dovecot, user), "the first session"
    for event in EVENTS:
        getattr(others, event)()
        if restarted:
            assert running[-1].stop() == 0
            running.append(start_bridge(plain(dovecot), *options))
        expected = native(dovecot, user)
        assert ours() == expected, event
        assert ours() == expected, event + ", once more"


# what happens to the file of what is remembered

class Twins:
    """Two users whose mailboxes differ in the sizes only, and files that
    remember them."""

    def __init__(self, dovecot, users, directory, start):
        self.start = start
        self.dovecot = dovecot
        self.user, self.other = users
        self.directory = directory
        for number, user in enumerate(users):
            self.begin_mailbox(user)
            for n in range(6):
                dovecot.deliver(user, message(n + 60 * number))
            native(dovecot, user)
        self.old = self.remember(self.user)
        with dovecot.imap(self.user) as imap:
            imap.select()
            imap.store("2", "+FLAGS.SILENT", "\\Deleted")
            imap.expunge()
        dovecot.deliver(self.user, message(200))
        self.current = self.remember(self.user)
        self.theirs = self.remember(self.other)
        self.mixed = self.mix()
        self.expected = native(dovecot, self.user)

    def begin_mailbox(self, user):
        with open(user.maildir + "/dovecot-uidlist", "w") as f:
            f.write("3 V1700000000 N1 G%032x\n" % len(user.name))
        if os.geteuid() == 0:
            os.chown(f.name, self.dovecot.uid, self.dovecot.gid)

    def remember(self, user):
        """The file after a session of this user, and nothing else."""
        os.mkdir(self.directory)
        bridge = self.start(plain(self.dovecot),
                            "--state-directory", self.directory)
        look((bridge.host, bridge.port), user)
        assert bridge.stop() == 0
        with open(self.directory + "/listings.db", "rb") as f:
            content = f.read()
        shutil.rmtree(self.directory)
        return content

    def mix(self):
        """The other's row in the place of the user's."""
        names = [self.directory + name for name in (".a", ".b")]
        for name, content in zip(names, (self.current, self.theirs)):
            with open(name, "wb") as f:
                f.write(content)
        # Closed, so that all is in the file itself.
        with contextlib.closing(sqlite3.connect(names[1])) as db:
            row = db.execute("SELECT octets, checksum, value FROM listing")
            row = row.fetchall()
        with contextlib.closing(sqlite3.connect(names[0])) as db:
            assert len(row) == 1 and db.execute(
                "UPDATE listing SET octets = ?, checksum = ?, value = ?",
                row[0]).rowcount == 1
            db.commit()
        with open(names[0], "rb") as f:
            return f.read()


@pytest.fixture(scope="module")
def twins(dovecot, new_account, binary, tmp_path_factory):
    users = [new_account(dovecot) for _ in range(2)]
    with bridges(binary) as start:
        return Twins(dovecot, users,
                     str(tmp_path_factory.mktemp("twins") / "state"), start)


def put(twins, content):
    """A file in the place of the one that is there, as mv does it."""
    os.makedirs(twins.directory, exist_ok=True)
    new = twins.directory + "/new"
    with open(new, "wb") as f:
        f.write(content)
    for name in ("-wal", "-shm"):
        if os.path.exists(twins.directory + "/listings.db" + name):
            os.unlink(twins.directory + "/listings.db" + name)
    os.rename(new, twins.directory + "/listings.db")


def over(twins, change):
    """A file that is changed where it is."""
    path = twins.directory + "/listings.db"
    if os.path.exists(path):
        with open(path, "r+b") as f:
            change(f)


def noise(f):
    size = f.seek(0, os.SEEK_END)
    f.seek(0)
    f.write(bytes(i * 181 % 251 for i in range(size)))


def noise_behind_the_header(f):
    f.seek(100)
    f.write(b"\xa5" * 12000)


def one_bit(f):
    """In the last row, which is what somebody's mailbox holds."""
    at = f.seek(0, os.SEEK_END) - 3
    f.seek(at)
    octet = f.read(1)[0]
    f.seek(at)
    f.write(bytes([octet ^ 1]))


def locked_away(twins):
    over(twins, lambda f: os.fchmod(f.fileno(), 0))


DAMAGE = {
    "removed": lambda t: over(t, lambda f: os.unlink(f.name)),
    "truncated-to-nothing": lambda t: over(t, lambda f: f.truncate(0)),
    "truncated": lambda t: over(t, lambda f: f.truncate(5000)),
    "noise": lambda t: over(t, noise),
    "noise-behind-the-header":
        lambda t: over(t, noise_behind_the_header),
    "one-bit": lambda t: over(t, one_bit),
    "no-permission": locked_away,
    "directory-gone":
        lambda t: shutil.rmtree(t.directory, ignore_errors=True),
    "an-older-copy": lambda t: put(t, t.old),
    "an-older-copy-over-it":
        lambda t: over(t, lambda f: f.write(t.old)),
    "another-users": lambda t: put(t, t.theirs),
    "another-users-row": lambda t: put(t, t.mixed),
    "no-database": lambda t: put(t, b"Dear diary,\n"),
    "nothing": lambda t: None,
}
SCRIPT = ("greeting", "USER", "PASS", "STAT", "LIST", "UIDL", "RETR 1",
          "RETR 2", "TOP 3 2", "TOP 2 0", "RETR 6", "QUIT")


def step(client, user, command, expected):
    if command == "greeting":
        client.greeting()
    elif command == "USER":
        client.ok("USER " + user.name)
    elif command == "PASS":
        client.ok("PASS " + user.password)
    elif command == "STAT":
        assert client.cmd(command) == expected[command]
    elif command == "QUIT":
        assert client.quit().startswith(b"+OK")
    else:
        assert client.multi(command) == expected[command]


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_whatever_becomes_of_the_file_the_replies_are_dovecots(
        damage, twins, start_bridge):
    def begin():
        return start_bridge(plain(twins.dovecot), "--state-directory",
                            twins.directory, *NO_MEMORY)

    put(twins, twins.current)
    bridge = begin()
    for position, where in enumerate(("the beginning",) + SCRIPT):
        put(twins, twins.old if position % 2 else twins.current)
        # What it has seen lately it need not read.
        if where == "USER":
            assert bridge.stop() == 0
            put(twins, twins.old)
            bridge = begin()
        with Pop3((bridge.host, bridge.port)) as client:
            for number, command in enumerate(SCRIPT):
                if number == position:
                    DAMAGE[damage](twins)
                step(client, twins.user, command, twins.expected)
        DAMAGE[damage](twins)
        assert look((bridge.host, bridge.port), twins.user) == \
            twins.expected, where
    assert bridge.stop() == 0
    put(twins, twins.current)
    DAMAGE[damage](twins)
    os.makedirs(twins.directory, exist_ok=True)
    bridge = begin()
    for _ in range(2):
        assert look((bridge.host, bridge.port), twins.user) == twins.expected
