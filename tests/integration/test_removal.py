"""What becomes of deleted messages: in front of every IMAP server that there
is to try, each way of `delete` does what it says, or says that it cannot."""

import re
import sys

import pytest

import servers
from conftest import plain

FOLDER = {"courier": "INBOX.Bin", "cyrus": "INBOX.Bin"}
# Neither MOVE, nor UIDPLUS, nor keywords.
CANNOT = {"mailutils"}
TEXTS = [b"Subject: %s\r\n\r\n%s\r\n" % (name, name * 9)
         for name in (b"one", b"two", b"three", b"four")]


@pytest.fixture(scope="module", params=sorted(servers.KINDS))
def server(request):
    instance = servers.KINDS[request.param]()
    instance.kind = request.param
    yield instance
    sys.stderr.write("--- the server wrote:\n" + instance.messages())
    instance.stop()


@pytest.fixture
def session(server, start_bridge, connect, new_account):
    """A user with four messages, and a function that begins a session."""
    user = new_account(server, messages=TEXTS)

    def front(*options):
        bridge = start_bridge(plain(server), *options)

        def login():
            client = connect(bridge)
            client.login(user)
            return client
        return login

    front.user = user
    return front


def held(server, user, folder="INBOX"):
    """What is there: the octets of each message, and its flags."""
    client = server.imap(user)
    status, _ = client.select('"%s"' % folder, readonly=True)
    if status != "OK":
        return {}
    found = {}
    for uid in client.uid("SEARCH", "ALL")[1][0].split():
        data = client.uid("FETCH", uid.decode(), "(FLAGS BODY.PEEK[])")[1]
        octets = next(part[1] for part in data if isinstance(part, tuple))
        heads = b"".join(part[0] if isinstance(part, tuple) else part
                         for part in data)
        found[octets] = heads
    client.logout()
    return found


def delete(login, *numbers):
    client = login()
    for number in numbers:
        client.ok("DELE %d" % number)
    reply = client.quit()
    client.close()
    return reply


def seen(login):
    client = login()
    count = int(client.ok("STAT").split()[1])
    names = [re.search(rb"(?m)^Subject: (.*)\r$", client.multi(
        "TOP %d 0" % n)).group(1) for n in range(1, count + 1)]
    client.quit()
    client.close()
    return names


@pytest.mark.parametrize("how", ["trash", "archive"])
def test_they_are_in_the_folder_and_nowhere_else(server, session, how):
    folder = FOLDER.get(server.kind, "Bin")
    login = session("--delete", how, "--delete-folder", folder)
    if server.kind in CANNOT:
        client = login()
        client.err("DELE 1", "SYS/PERM")
        assert client.quit().startswith(b"+OK")
        assert set(held(server, session.user)) == set(TEXTS)
        return
    assert delete(login, 1, 3).startswith(b"+OK")
    assert set(held(server, session.user)) == {TEXTS[1], TEXTS[3]}
    assert set(held(server, session.user, folder)) == {TEXTS[0], TEXTS[2]}
    # The folder is there now.
    assert delete(login, 1).startswith(b"+OK")
    assert set(held(server, session.user)) == {TEXTS[3]}
    assert set(held(server, session.user, folder)) == set(TEXTS[:3])
    assert seen(login) == [b"four"]


def test_they_are_flagged_and_hidden(server, session):
    login = session("--delete", "flag")
    if server.kind in CANNOT:
        client = login()
        client.err("DELE 1", "SYS/PERM")
        assert client.quit().startswith(b"+OK")
        assert seen(login) == [b"one", b"two", b"three", b"four"]
        return
    assert delete(login, 1, 3).startswith(b"+OK")
    there = held(server, session.user)
    assert set(there) == set(TEXTS)
    assert {t for t, flags in there.items()
            if b"$pop3deleted" in flags.lower()} == {TEXTS[0], TEXTS[2]}
    assert seen(login) == [b"two", b"four"]
    assert delete(login, 1).startswith(b"+OK")
    assert seen(login) == [b"four"]
    # Without the option they are seen again: they were never gone.
    assert len(seen(session())) == 4


def test_they_are_kept_and_hidden(server, session, tmp_path):
    login = session("--delete", "keep", "--state-directory", str(tmp_path))
    assert delete(login, 1, 3).startswith(b"+OK")
    there = held(server, session.user)
    assert set(there) == set(TEXTS)
    assert not [flags for flags in there.values() if b"eleted" in flags]
    assert seen(login) == [b"two", b"four"]
    assert delete(login, 2).startswith(b"+OK")
    assert seen(login) == [b"two"]


def test_nothing_is_deleted_where_that_is_refused(server, session):
    login = session("--delete", "refuse")
    client = login()
    client.err("DELE 1", "SYS/PERM")
    assert client.ok("STAT").split()[1] == b"4"
    assert client.quit().startswith(b"+OK")
    assert set(held(server, session.user)) == set(TEXTS)
