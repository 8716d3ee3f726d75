"""The same sessions in front of every IMAP server that there is to try: what
a client gets is what IMAP itself says, and nothing but what it deleted is
gone.  docs/servers.md tells in what the servers differ."""

import os
import re
import sys

import pytest

import corpus
import servers
from conftest import plain, until
from pop3client import numbered
from test_session import left, names_left, set_flag, subjects


# In what they differ: docs/servers.md.
FORGETS_FLAGS = {"mailutils"}


@pytest.fixture(scope="module", params=sorted(servers.KINDS))
def server(request):
    instance = servers.KINDS[request.param]()
    instance.kind = request.param
    yield instance
    sys.stderr.write("--- the server wrote:\n" + instance.messages())
    instance.stop()


@pytest.fixture
def mailbox(server, new_account):
    """Makes an account with these messages."""
    def make(*messages):
        return new_account(server, messages=messages)
    return make


@pytest.fixture
def front(server, start_bridge):
    server.relay.forget()
    return start_bridge(plain(server))


@pytest.fixture
def login(front, connect):
    def session(user):
        client = connect(front)
        client.login(user)
        return client
    return session


def poll(login, user):
    """A session that only looks; the unique ids that it saw."""
    client = login(user)
    listing = client.multi("UIDL")
    assert client.quit().startswith(b"+OK")
    return listing.splitlines()


def names(login, user):
    """The subjects of what a session finds, in order."""
    client = login(user)
    count = int(client.ok("STAT").split()[1])
    found = [re.search(rb"(?m)^Subject: (.*)\r$", client.multi(
        "TOP %d 0" % n)).group(1).decode() for n in range(1, count + 1)]
    assert client.quit().startswith(b"+OK")
    return found


def asked(server):
    """The commands that concern messages, in short."""
    return [(name, args) for name, args in server.relay.commands()
            if name in ("UID FETCH", "UID SEARCH", "UID STORE", "EXPUNGE",
                        "UID EXPUNGE", "SELECT")]


def bodies(server):
    return [args for name, args in asked(server)
            if name == "UID FETCH" and b"BODY" in args]


def listings(server):
    """The FETCH commands that ask for all messages."""
    return [args for name, args in asked(server)
            if name == "UID FETCH" and args.startswith(b"1:*")]


def logins(server):
    return [name for name, _ in server.relay.commands()
            if name in ("LOGIN", "AUTHENTICATE")]


def imap_says(server, user):
    """Of each message: size and octets, by UID."""
    client = server.imap(user)
    client.select("INBOX", readonly=True)
    sizes, texts = [], []
    for line in client.uid("FETCH", "1:*", "(UID RFC822.SIZE)")[1]:
        sizes.append(int(re.search(rb"RFC822.SIZE (\d+)", line).group(1)))
    for uid in client.uid("SEARCH", "ALL")[1][0].split():
        data = client.uid("FETCH", uid.decode(), "(UID BODY.PEEK[])")[1]
        text = [part[1] for part in data if isinstance(part, tuple)]
        texts.append(text[0] if text else b"")
    client.logout()
    return list(zip(sizes, texts))


def reply(text, lines=None):
    """The payload of RETR, or of TOP with so many lines."""
    text = re.sub(rb"(?<!\r)\n", b"\r\n", text.replace(b"\0", b"\x80"))
    if not text.endswith(b"\r\n"):
        text += b"\r\n"
    every = text.split(b"\r\n")[:-1]
    if lines is not None:
        blank = [n for n, line in enumerate(every) if not line.strip(b"\r")]
        every = every[:blank[0] + 1 + lines] if blank else every
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n"
                    for line in every)


def containing(directory, mark):
    """The files below it with this in them."""
    found = []
    for folder, _, files in os.walk(directory):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                if mark in f.read():
                    found.append(path)
    return found


def hide(directory, mark, place):
    """Moves the files that begin so into an empty directory; returns
    [(what they were called, where they are)]."""
    found = []
    for where, _, names in os.walk(directory):
        for path in (where + "/" + name for name in names):
            with open(path, "rb") as f:
                if f.read(len(mark)) == mark:
                    found.append(path)
    moves = [(path, "%s/%d" % (place, n)) for n, path in enumerate(found)]
    for path, hidden in moves:
        os.rename(path, hidden)
    return moves


def test_a_corpus_is_what_imap_returns(server, mailbox, login):
    user = mailbox()
    refused = []
    for name, message in corpus.awkward():
        try:
            server.deliver(user, message)
        except ValueError as error:
            refused.append((name, error))
    print("not taken by the server:", refused)
    truth = imap_says(server, user)
    client = login(user)
    assert client.ok("STAT").split()[1:3] == [
        b"%d" % len(truth), b"%d" % sum(size for size, _ in truth)]
    assert [size for _, size in numbered(client.multi("LIST"))] == [
        b"%d" % size for size, _ in truth]
    ids = [name for _, name in numbered(client.multi("UIDL"))]
    assert len(set(ids)) == len(truth)
    wrong = []
    for n, (size, text) in enumerate(truth, 1):
        print("message %d, %d octets, said to be %d" % (n, len(text), size))
        for command, lines in (("RETR %d" % n, None), ("TOP %d 0" % n, 0),
                               ("TOP %d 3" % n, 3)):
            got = client.multi(command)
            if got != reply(text, lines):
                wrong.append((command, text[:60], got[:60]))
    assert not wrong
    assert client.quit().startswith(b"+OK")
    assert imap_says(server, user) == truth


def test_a_wrong_password_is_refused_as_such(server, mailbox, front, connect):
    user = mailbox(*subjects("one"))
    client = connect(front)
    client.greeting()
    client.ok("USER " + user.name)
    client.err("PASS wrong", "AUTH")
    client.ok("USER " + user.name)
    client.ok("PASS " + user.password)
    assert client.ok("STAT").split()[1] == b"1"
    assert client.quit().startswith(b"+OK")


def test_a_second_poll_fetches_nothing(server, mailbox, login):
    user = mailbox(*subjects("one", "two", "three"))
    first = poll(login, user)
    assert len(listings(server)) == 1
    server.relay.forget()
    for _ in range(3):
        assert poll(login, user) == first
    print(asked(server))
    assert not bodies(server)
    assert not listings(server)


def test_polls_share_one_login(server, mailbox, login):
    user = mailbox(*subjects("one", "two"))
    for _ in range(4):
        assert names(login, user) == ["one", "two"]
    assert len(logins(server)) == 1


def test_new_mail_is_in_the_next_session(server, mailbox, login):
    user = mailbox(*subjects("one", "two"))
    before = poll(login, user)
    server.relay.forget()
    for name in ("three", "four"):
        server.deliver(user, *subjects(name))
        after = poll(login, user)
        assert after[:len(before)] == before
        assert len(after) == len(before) + 1
        before = after
    assert not bodies(server)
    assert not listings(server)
    assert names(login, user) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("gone", ((1,), (2,), (4,), (1, 4), (1, 2, 3, 4)))
def test_what_others_expunge_is_gone_from_the_next_session(
        gone, server, mailbox, login):
    kept = ["one", "two", "three", "four"]
    user = mailbox(*subjects(*kept))
    before = [line.split()[1] for line in poll(login, user)]
    client = server.imap(user)
    client.select("INBOX")
    client.store(",".join(map(str, gone)), "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()
    after = [line.split()[1] for line in poll(login, user)]
    assert after == [u for n, u in enumerate(before, 1) if n not in gone]
    server.deliver(user, *subjects("new"))
    assert names(login, user) == [
        name for n, name in enumerate(kept, 1) if n not in gone] + ["new"]


def test_a_message_expunged_during_the_session_keeps_its_number(
        server, mailbox, login):
    user = mailbox(*subjects("one", "two", "three"))
    client = login(user)
    set_flag(server, user, 2, "\\Deleted", expunge=True)
    for n, name in ((1, b"one"), (3, b"three")):
        assert b"Subject: " + name in client.multi("RETR %d" % n)
    # A server that has the file open still sends it.
    if client.cmd("RETR 2").startswith(b"+OK"):
        assert b"Subject: two" in client.payload()
    client.ok("DELE 1")
    assert client.quit().startswith(b"+OK")
    server.settle()
    assert names_left(server, user) == ["three"]


def test_a_message_that_cannot_be_read_is_not_replaced(
        server, mailbox, login, tmp_path):
    user = mailbox(*subjects("one", "two"))
    client = login(user)
    moves = hide(server.directory + "/mail", b"Subject: two", tmp_path)
    assert moves
    try:
        reply = client.cmd("RETR 2")
        if reply.startswith(b"+OK"):
            assert b"Subject: two" in client.payload()
        assert b"Subject: one" in client.multi("RETR 1")
        client.reset()
    finally:
        for path, hidden in moves:
            os.rename(hidden, path)
    assert names(login, user) == ["one", "two"]


def test_a_message_that_could_never_be_read_is_not_replaced(
        server, mailbox, front, connect):
    user = mailbox(*subjects("one", "two"))
    for path in containing(server.directory + "/mail", b"Subject: two"):
        os.chmod(path, 0)
    client = connect(front)
    client.greeting()
    client.ok("USER " + user.name)
    # Dovecot refuses the listing; imap4d may read it as root.
    if client.cmd("PASS " + user.password).startswith(b"+OK"):
        assert b"Subject: one" in client.multi("RETR 1")
        if client.cmd("RETR 2").startswith(b"+OK"):
            assert b"Subject: two" in client.payload()
    client.reset()


def test_quit_removes_exactly_what_was_deleted(server, mailbox, login):
    everything = ["m%d" % n for n in range(1, 41)]
    user = mailbox(*subjects(*everything))
    client = login(user)
    gone = (1, 2, 7, 8, 9, 20, 40)
    for n in gone:
        client.ok("DELE %d" % n)
    assert client.quit().startswith(b"+OK")
    kept = [name for n, name in enumerate(everything, 1) if n not in gone]
    assert names_left(server, user) == kept
    assert names(login, user) == kept


def test_after_quit_what_is_left_is_not_asked_for(server, mailbox, login):
    user = mailbox(*(b"Subject: %d\r\n\r\nx\r\n" % n for n in range(8)))
    client = login(user)
    for number in (1, 3, 4, 8):
        client.ok("DELE %d" % number)
    assert b"4 messages removed" in client.quit()
    server.relay.forget()
    assert names(login, user) == ["1", "4", "5", "6"]
    assert not listings(server)
    assert "UID SEARCH" not in [name for name, _ in asked(server)]


def test_without_quit_nothing_is_removed(server, mailbox, login):
    user = mailbox(*subjects("one", "two"))
    client = login(user)
    client.ok("DELE 1")
    client.reset()
    assert names(login, user) == ["one", "two"]
    assert left(server, user) == [("one", set()), ("two", set())]


def test_what_others_flagged_is_not_removed(server, mailbox, login):
    user = mailbox(*subjects("one", "two", "three"))
    set_flag(server, user, 1, "\\Deleted")
    client = login(user)
    client.ok("DELE 3")
    assert client.quit().startswith(b"+OK")
    server.settle()
    after = left(server, user)
    if server.kind in FORGETS_FLAGS:
        assert [name for name, _ in after] == ["one", "two"]
    else:
        assert after == [("one", {"\\Deleted"}), ("two", set())]


def test_a_walk_gets_ahead_and_every_message_once(server, mailbox, login):
    texts = [b"Subject: %d\r\n\r\n" % n + b"." * (n % 3) + b"x\r\n" * (n * 7)
             for n in range(1, 61)]
    user = mailbox(*texts)
    client = login(user)
    for n, text in enumerate(texts, 1):
        assert client.multi("RETR %d" % n) == reply(text)
    assert len(bodies(server)) < len(texts)
    client.send(b"".join(b"TOP %d 1\r\nRETR %d\r\n" % (n, n)
                         for n in range(1, 61)))
    for text in texts:
        for expected in (reply(text, 1), reply(text)):
            assert client.line().startswith(b"+OK")
            assert client.payload() == expected
    assert client.quit().startswith(b"+OK")


def test_connections_that_are_cut_lose_nothing(server, mailbox, login):
    user = mailbox(*subjects("one", "two"))
    client = login(user)
    server.relay.cut()
    assert client.multi("RETR 1")
    client.ok("DELE 1")
    server.relay.cut()
    # It is lost before the removal, and comes back, or within it.
    removed = client.cmd("QUIT").startswith(b"+OK")
    rest = ["two"] if removed else ["one", "two"]
    assert names(login, user) == rest
    server.relay.cut()
    until(lambda: not server.relay.pairs, "the end of the connections")
    assert names(login, user) == rest
    assert left(server, user) == [(name, set()) for name in rest]
