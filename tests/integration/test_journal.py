"""What QUIT could not remove: the next login does, and popbridge journal tells."""

import hashlib
import json
import os
import sqlite3
import stat
import struct
import subprocess
import time

import pytest

from conftest import PASSWORD, plain, until
from fake_imap import FakeImap, closes, says

DATAERR, USAGE, IOERR, CONFIG = 65, 64, 74, 78

# Of SQLite, for one that waits; and more than there are threads.
BUSY_SECONDS, CROWD = 5, 40

MESSAGES = [(3, b"Subject: a\r\n\r\n1\r\n"), (7, b"Subject: b\r\n\r\n2\r\n"),
            (8, b"Subject: c\r\n\r\n3\r\n")]


class User:
    name, password = "max", PASSWORD


class Rig:
    """A fake server, popbridge with a state directory, and its journal."""

    def __init__(self, binary, start_bridge, connect, folder):
        self.binary = binary
        self.server = FakeImap(MESSAGES)
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.config = folder / "popbridge.conf"
        self.config.write_text('state-directory = "%s"\n' % self.state)
        self.start_bridge, self.connect = start_bridge, connect
        self.start()

    def start(self, *options):
        self.bridge = self.start_bridge(
            "imap+plain://127.0.0.1:%d" % self.server.port,
            "--state-directory", str(self.state), "--upstream-keep", "0",
            "--revive", "no", *options)

    def login(self, user=User):
        client = self.connect(self.bridge)
        client.login(user)
        return client

    def keep(self, login, *uids, user="max", uidvalidity=7):
        """Messages that stay at the server, hidden from one login."""
        maildrop = ("imap+plain://127.0.0.1:%d\0%s\0INBOX" % (
            self.server.port, user)).encode()
        login = login.encode()
        code, start = bytes([len(uids)]), 1
        for uid in uids:
            code += bytes([uid - start, 0])
            start = uid + 2
        assert max(code) < 128
        checksum = hashlib.sha256(
            struct.pack("<QII", uidvalidity, len(maildrop), len(login)) +
            maildrop + login + code + b"keep").digest()
        db = sqlite3.connect(self.state / "journal.db")
        with db:
            db.execute("INSERT INTO promise (maildrop, uidvalidity, uids,"
                       " checksum, messages, session, client, since, removal,"
                       " login) VALUES (?, ?, ?, ?, ?, '1.1', '127.0.0.1:1',"
                       " unixepoch(), 'keep', ?)", (
                           maildrop, uidvalidity, code, checksum, len(uids),
                           login))
        db.close()

    def run(self, *words, status=0):
        done = subprocess.run(
            [self.binary, "journal", words[0], "-c", str(self.config),
             *words[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    def entries(self):
        return json.loads(self.run("list", "--json"))

    def cut_off(self):
        """A session that loses the server between STORE and EXPUNGE."""
        before = self.tries()
        self.server.on = {"EXPUNGE": closes}
        client = self.login()
        client.ok("DELE 2")
        client.err("QUIT", "SYS/TEMP")
        self.server.on = {}
        until(lambda: self.tries() > before, "a note of it")

    def tries(self):
        return sum(e["tries"] for e in self.entries())

    def stored(self):
        return [args for name, args in self.server.commands
                if name in ("STORE", "EXPUNGE")]


@pytest.fixture
def rig(binary, start_bridge, connect, tmp_path):
    rig = Rig(binary, start_bridge, connect, tmp_path)
    yield rig
    rig.server.stop()
    assert not rig.server.failures


def test_the_next_login_removes_what_was_cut_off(rig):
    rig.cut_off()
    (entry,) = rig.entries()
    assert entry["user"] == "max" and entry["mailbox"] == "INBOX"
    assert entry["upstream"] == "imap+plain://127.0.0.1:%d" % rig.server.port
    assert entry["messages"] == 1 and entry["tries"] == 1
    assert entry["client"].startswith("127.0.0.1:")
    assert "closed" in entry["error"] or "lost" in entry["error"]
    del rig.server.commands[:]
    client = rig.login()
    assert rig.stored() == [rb"7 +FLAGS.SILENT (\Deleted)", b"7"]
    assert client.ok("STAT").startswith(b"+OK 2 ")
    until(lambda: not rig.entries(), "an empty journal")
    assert "messages of an earlier session removed" in rig.bridge.log()


def test_it_survives_a_restart_and_another_version_of_the_listing(rig):
    rig.cut_off()
    rig.bridge.stop()
    os.unlink(rig.state / "listings.db")
    rig.start()
    rig.server.messages = [m for m in MESSAGES if m[0] != 7]
    del rig.server.commands[:]
    client = rig.login()
    assert client.ok("STAT").startswith(b"+OK 2 ")
    assert not rig.stored()
    until(lambda: not rig.entries(), "an empty journal")
    assert "nothing is left of what an earlier session" in rig.bridge.log()


def test_a_refusal_hides_the_messages_and_is_tried_again(rig):
    rig.cut_off()
    rig.server.on = {"EXPUNGE": says(b"TAG NO not\x07 now\r\n")}
    for tries in range(2, 6):
        client = rig.login()
        assert client.ok("STAT").startswith(b"+OK 2 ")
        client.quit()
        until(lambda tries=tries: rig.tries() == tries, "another try")
    del rig.server.commands[:]
    # Five times are enough for a day,
    rig.login().quit()
    assert not rig.stored()
    (entry,) = rig.entries()
    said = rig.run("retry", str(entry["number"]))
    assert "1 message of max, INBOX" in said and "logs in next" in said
    # but not for an administrator.
    rig.server.on = {}
    rig.login().quit()
    assert len(rig.stored()) == 2
    until(lambda: not rig.entries(), "an empty journal")


def test_what_is_dropped_is_seen_again(rig):
    rig.cut_off()
    assert [e["messages"] for e in rig.entries()] == [1]
    said = rig.run("drop", "--user", "max")
    assert "1 message of max, INBOX: dropped" in said
    assert rig.entries() == []
    assert rig.login().ok("STAT").startswith(b"+OK 3 ")


def test_the_list_is_a_table(rig):
    assert rig.run("list").split("\n")[1:] == [""]
    rig.cut_off()
    head, line, end = rig.run("list").split("\n")
    assert head.startswith("NUMBER  USER ") and end == ""
    assert line.split()[1:4] == ["max", "INBOX", "1"]
    assert len(rig.run("list", "--user", "eve").split("\n")) == 2
    assert len(rig.run("list", "--user", "max").split("\n")) == 3


def test_what_is_kept_is_hidden_and_stays(rig):
    rig.keep("max", 3, 8)
    for _ in range(2):
        client = rig.login()
        assert client.ok("STAT").startswith(b"+OK 1 ")
        client.quit()
        (entry,) = rig.entries()
        assert entry["removal"] == "keep" and entry["login"] == "max"
        assert entry["messages"] == 2 and entry["tries"] == 0
    assert not rig.stored()


def test_what_is_kept_from_one_login_is_there_for_another(rig):
    """Two logins here, which are one user at the server."""
    rig.bridge.stop()
    rig.bridge = rig.start_bridge(None, config="""
state-directory = "%s"
listener "pop3" { url = "pop3+plain://127.0.0.1:0" }
route "all" { upstream = "imap+plain://127.0.0.1:%d" strip-domain = yes }
""" % (rig.state, rig.server.port))
    rig.keep("max@one.example", 3, 8)
    for domain, n in ("one", 1), ("two", 3), ("one", 1):
        class Login:
            name, password = "max@%s.example" % domain, PASSWORD
        client = rig.login(Login)
        assert client.ok("STAT").startswith(b"+OK %d " % n)
        client.quit()
    assert len(rig.entries()) == 1


def test_another_uidvalidity_ends_what_was_kept(rig):
    rig.keep("max", 3, 8, uidvalidity=6)
    assert rig.login().ok("STAT").startswith(b"+OK 3 ")
    until(lambda: not rig.entries(), "an empty journal")


def test_marks_of_messages_that_others_removed_go(rig):
    rig.keep("max", 3, *range(10, 200, 2))
    assert rig.login().ok("STAT").startswith(b"+OK 2 ")
    until(lambda: rig.entries()[0]["messages"] == 1, "a shorter entry")
    assert rig.login().ok("STAT").startswith(b"+OK 2 ")
    assert not rig.stored()


def test_what_is_kept_is_not_retried(rig):
    rig.cut_off()
    rig.keep("max", 3)
    failed, kept = rig.entries()
    for numbers in [kept], [failed, kept]:
        said = rig.run("retry", *(str(e["number"]) for e in numbers),
                       status=DATAERR)
        assert "nothing to try" in said and "journal drop" in said
    said = rig.run("retry", "--user", "max").splitlines()
    assert len(said) == 1 and said[0].startswith("%d: " % failed["number"])
    rig.run("drop", str(failed["number"]))
    assert "nothing to try" in rig.run("retry", "--user", "max",
                                       status=DATAERR)


def test_what_was_kept_is_seen_again_when_it_is_dropped(rig):
    rig.keep("max", 3, 8)
    (entry,) = rig.entries()
    said = rig.run("drop", str(entry["number"]))
    assert "2 messages of max, INBOX: dropped" in said and "once more" in said
    assert rig.login().ok("STAT").startswith(b"+OK 3 ")
    assert "seen again" in rig.run("--help")


def test_the_table_says_how_messages_go(rig):
    rig.cut_off()
    rig.keep("max", 3)
    head, one, two, _ = rig.run("list").split("\n")
    assert head.split()[3:6] == ["MESSAGES", "REMOVAL", "LOGIN"]
    assert one.split()[3:6] == ["1", "expunge", "-"]
    assert two.split()[3:6] == ["1", "keep", "max"]
    assert [e["login"] for e in rig.entries()] == [None, "max"]


def test_wrong_usage_says_what_would_be_right(rig):
    assert "which?" in rig.run("drop", status=USAGE)
    assert "no number" in rig.run("drop", "x", status=USAGE)
    assert "no such option" in rig.run("drop", "--json", "1", status=USAGE)
    assert "did you mean \"retry\"" in rig.run("rety", status=USAGE)
    assert "no such entry" in rig.run("drop", "77", status=DATAERR)
    rig.cut_off()
    (entry,) = rig.entries()
    assert "nothing was done" in rig.run(
        "drop", str(entry["number"]), "77", status=DATAERR)
    assert len(rig.entries()) == 1
    rig.config.write_text("workers = 1\n")
    assert "no state-directory" in rig.run("list", status=CONFIG)


def test_the_list_makes_no_file(binary, tmp_path):
    config = tmp_path / "popbridge.conf"
    config.write_text('state-directory = "%s"\n' % tmp_path)
    done = subprocess.run([binary, "journal", "list", "--json", "-c",
                           str(config)], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
    assert os.listdir(tmp_path) == ["popbridge.conf"]


def test_a_journal_that_cannot_be_read_is_told(binary, tmp_path):
    (tmp_path / "journal.db").mkdir()
    config = tmp_path / "popbridge.conf"
    config.write_text('state-directory = "%s"\n' % tmp_path)
    for words in (["list"], ["list", "--json"], ["drop", "1"]):
        done = subprocess.run([binary, "journal", *words, "-c", str(config)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == IOERR, words
        assert "journal.db: unable to open" in done.stderr


def hold(rig):
    """Another program that does not let go of the journal."""
    db = sqlite3.connect(rig.state / "journal.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return db


def test_best_effort_goes_on_without_the_journal(rig):
    client = rig.login()
    client.ok("DELE 2")
    db = hold(rig)
    assert client.ok("QUIT") == b"+OK goodbye, 1 messages removed"
    db.close()
    assert "cannot be written down" in rig.bridge.log()
    assert len(rig.stored()) == 2


def test_a_journal_that_is_held_keeps_nobody_from_logging_in(rig):
    """More of them say QUIT than there are threads for the disk."""
    rig.bridge.stop()
    rig.start("--max-upstream-connections", "1000")
    crowd = [rig.login() for _ in range(CROWD)]
    for client in crowd:
        client.ok("DELE 2")
    db = hold(rig)
    for client in crowd:
        client.send(b"QUIT\r\n")
    begun = time.monotonic()
    rig.login().ok("STAT")
    for client in crowd:
        assert client.line() == b"+OK goodbye, 1 messages removed"
    assert time.monotonic() - begun < BUSY_SECONDS * CROWD / 2
    db.close()


def test_required_removes_nothing_without_the_journal(rig):
    rig.bridge.stop()
    rig.start("--journal", "required")
    client = rig.login()
    client.ok("DELE 2")
    db = hold(rig)
    client.err("QUIT", "SYS/TEMP")
    db.close()
    assert not rig.stored()
    client = rig.login()
    client.ok("DELE 2")
    client.ok("QUIT")
    assert len(rig.stored()) == 2


def test_a_journal_that_is_required_must_be_there_at_the_start(
        binary, start_bridge, tmp_path):
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(RuntimeError, match="status 78"):
        start_bridge("imap+plain://127.0.0.1:1", "--journal", "required",
                     "--state-directory", str(tmp_path))
    bridge = start_bridge("imap+plain://127.0.0.1:1", "--state-directory",
                          str(tmp_path))
    assert "is not written down" in bridge.log()


def test_nobody_but_the_owner_reads_the_journal(rig):
    rig.cut_off()
    for name in os.listdir(rig.state):
        mode = os.stat(rig.state / name).st_mode
        assert stat.S_IMODE(mode) == 0o600, name


def test_another_user_is_not_concerned(dovecot, new_account, start_bridge,
                                       connect, tmp_path):
    """Only the maildrop that the promise is of loses messages."""
    bridge = start_bridge(plain(dovecot), "--state-directory", str(tmp_path))
    one, two = [new_account(dovecot, messages=[b"Subject: x\r\n\r\ny\r\n"] * 3)
                for _ in range(2)]
    client = connect(bridge)
    client.login(one)
    client.ok("DELE 1")
    client.ok("QUIT")
    client = connect(bridge)
    client.login(two)
    assert client.ok("STAT").split()[1] == b"3"
    client.quit()
