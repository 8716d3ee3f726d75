"""POP3 sessions in front of a real Dovecot: what a client sees, and what has
become of the mailbox afterwards."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

import sandbox
from conftest import PASSWORD, plain, until
from pop3client import numbered

HEAD = b"Subject: test\r\n\r\n"


def sized(octets, mark=b"x"):
    """A message of exactly so many octets."""
    return HEAD + mark * (octets - len(HEAD) - 2) + b"\r\n"


def subjects(*names):
    return [b"Subject: %s\r\n\r\nbody\r\n" % name.encode() for name in names]


def left(server, user):
    """Subjects and flags of the messages in the mailbox, in order."""
    client = server.imap(user)
    try:
        client.select("INBOX", readonly=True)
        _, data = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER])")
        found = []
        for part in data:
            if not isinstance(part, tuple):
                continue
            flags = re.search(rb"FLAGS \(([^)]*)\)", part[0]).group(1)
            name = re.search(rb"(?m)^Subject: (.*?)\r?$", part[1]).group(1)
            found.append((name.decode(),
                          set(flags.decode().split()) - {"\\Recent"}))
        return found
    finally:
        client.logout()


def names_left(server, user):
    return [name for name, _ in left(server, user)]


def set_flag(server, user, number, flag, expunge=False):
    client = server.imap(user)
    client.select("INBOX")
    client.store(str(number), "+FLAGS", flag)
    if expunge:
        client.expunge()
    client.logout()


def ended(bridge, user, count=1):
    """Waits for the summaries of this user's sessions."""
    def summaries():
        lines = [line for line in bridge.log().splitlines()
                 if "session ended" in line and "user=" + user.name in line]
        return lines if len(lines) >= count else None
    return until(summaries, "the end of the session")


def closed_port():
    """A port on which nobody listens, held so that nobody will."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


# the session of every text book

def test_the_textbook_session(dovecot, bridge, connect):
    user = dovecot.add_user("max.mustermann", PASSWORD)
    dovecot.deliver(user, sized(120))
    dovecot.deliver(user, sized(200))
    client = connect(bridge)
    client.greeting()
    client.ok("USER max.mustermann")
    client.ok("PASS " + PASSWORD)
    assert client.cmd("STAT") == b"+OK 2 320"
    assert client.multi("LIST") == b"1 120\r\n2 200\r\n"
    assert client.cmd("RETR 1") == b"+OK 120 octets"
    assert client.payload() == sized(120)
    client.ok("DELE 1")
    assert client.quit().startswith(b"+OK")
    again = connect(bridge)
    again.login(user)
    assert again.cmd("STAT") == b"+OK 1 200"
    assert again.multi("LIST") == b"1 200\r\n"
    again.quit()


# logging in

ODD = ["with space", "  blanks around  ", 'quo"te', "back\\slash", "per%cent",
       "bra{ce", "{5}", "{5+}", "umläut-ß", "*%()]", "~{3}", "'",
       '"quoted"', "NIL", "\\", '"', "ends with\\"]


@pytest.fixture(scope="session")
def odd_users():
    """Accounts with such names and such passwords, once for each server."""
    made = {}

    def add(server, name, password):
        # Dovecot escapes these three octets before it looks a name up.
        user = server.add_user(name, password)
        path = "%s/users/%s" % (server.directory,
                                hashlib.md5(name.encode()).hexdigest())
        with open(path) as f:
            entry = f.read()
        with open(path, "w") as f:
            f.write(re.sub(r"(['\"\\])", r"\\\1", name) + entry[len(name):])
        return user

    def of(server):
        if server not in made:
            made[server] = [add(server, odd, odd) for odd in ODD]
            made[server].append(add(server, "n" * 200, "p" * 248))
        return made[server]
    return of


@pytest.mark.parametrize("without", [(), ("SASL-IR",)],
                         ids=["sasl-ir", "no-sasl-ir"])
def test_odd_names_and_passwords_arrive_exactly(
        without, dovecot_with, odd_users, start_bridge, connect):
    server = dovecot_with(without=without)
    bridge = start_bridge(plain(server), "--log-level", "debug")
    for user in odd_users(server):
        connect(bridge).login(user)


def test_a_wrong_password_can_be_corrected(dovecot, bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + account.name)
    client.err("PASS wrong", "AUTH")
    client.ok("CAPA")
    client.payload()
    client.err("STAT")
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)
    client.ok("STAT")


def test_a_password_before_the_name_is_refused(bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    client.err("PASS " + PASSWORD)
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)


@pytest.mark.parametrize("bad", [b"a\0b", b"a\rb"], ids=["nul", "cr"])
def test_octets_that_no_server_takes_are_refused(
        bad, dovecot, bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    client.err(b"USER " + bad)
    client.ok("USER " + account.name)
    client.err(b"PASS " + bad)
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)


def test_a_closed_port_upstream_is_a_temporary_error(
        start_bridge, account, connect):
    holder, port = closed_port()
    with holder:
        bridge = start_bridge("imap+plain://127.0.0.1:%d" % port)
        client = connect(bridge)
        client.greeting()
        for _ in range(2):
            client.ok("USER " + account.name)
            client.err("PASS " + PASSWORD, "SYS/TEMP")
        client.ok("CAPA")
        client.payload()
        assert client.quit().startswith(b"+OK")


def test_a_server_that_takes_no_password_in_the_clear(
        dovecot_with, new_account, start_bridge, connect):
    server = dovecot_with(cleartext=False)
    user = new_account(server)
    client = connect(start_bridge(plain(server)))
    client.greeting()
    client.ok("USER " + user.name)
    client.err("PASS " + PASSWORD, "SYS/PERM")
    client.ok("CAPA")
    client.payload()
    until(lambda: "no auth attempts" in server.messages(),
          "Dovecot's record of the connection")
    assert user.name not in server.messages()


# commands

COMMON_CAPA = {b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"AUTH-RESP-CODE",
               b"PIPELINING"}


def test_capabilities_are_true_in_both_states(bridge, account, connect):
    def capabilities():
        words = client.multi("CAPA").split(b"\r\n")[:-1]
        assert re.fullmatch(rb"IMPLEMENTATION popbridge-\S+", words.pop())
        return set(words)

    client = connect(bridge)
    client.greeting()
    assert capabilities() == COMMON_CAPA | {
        b"SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER"}
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)
    assert capabilities() == COMMON_CAPA
    for command in ("STLS", "AUTH PLAIN", "AUTH", "UTF8", "LANG"):
        client.err(command)


def test_commands_of_the_other_state_are_refused(bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    for command in ("STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 1",
                    "DELE 1", "RSET", "NOOP", "LAST"):
        client.err(command)
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)
    for command in ("USER somebody", "PASS x", "USER " + account.name):
        client.err(command)
    client.ok("STAT")


BAD_NUMBERS = ("0", "2", "00", "4294967295", "4294967296", "4294967297",
               "18446744073709551615", "18446744073709551617", "9" * 100,
               "-1", "+1", "0x1", "1.0", "1,1", "1 1", "one", "1x")


@pytest.mark.parametrize("verb", ["LIST", "UIDL", "RETR", "DELE", "TOP"])
def test_numbers_that_name_no_message(verb, dovecot, bridge, account,
                                      connect):
    dovecot.deliver(account, sized(100))
    client = connect(bridge)
    client.login(account)
    tail = " 1" if verb == "TOP" else ""
    for number in BAD_NUMBERS:
        if verb == "TOP" and number == "1 1":
            continue
        client.err("%s %s%s" % (verb, number, tail))
    assert client.cmd("STAT") == b"+OK 1 100"


def test_commands_with_wrong_arguments(dovecot, bridge, account, connect):
    dovecot.deliver(account, sized(100))
    client = connect(bridge)
    client.login(account)
    for command in ("RETR", "DELE", "TOP", "TOP 1", "TOP 1 -1", "TOP 1 1 1",
                    "STAT 1", "NOOP x", "RSET 1", "QUIT now", "FOO", "",
                    "RETR1", "RETR\t1"):
        client.err(command)
        client.ok("NOOP")
    lines = client.multi("TOP 1 " + "9" * 40)
    assert lines == sized(100)


def test_twenty_errors_in_a_row_end_the_session(bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    for _ in range(19):
        client.err("FOO")
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)
    for _ in range(19):
        client.err("RETR 99")
    client.ok("NOOP")
    for _ in range(20):
        client.err("FOO")
    assert client.rest() == b""


def test_twenty_errors_in_one_write_end_the_session(bridge, connect):
    client = connect(bridge)
    client.greeting()
    client.send(b"FOO\r\n" * 30 + b"QUIT\r\n")
    replies = client.rest().split(b"\r\n")
    assert len(replies) == 21 and replies[-1] == b""
    assert all(r.startswith(b"-ERR") for r in replies[:-1])


def test_wrong_passwords_are_among_the_errors_that_end_a_session(
        bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + account.name)
    for _ in range(18):
        client.err("FOO")
    client.err("PASS wrong", "AUTH")
    client.err("PASS wrong", "AUTH")
    assert client.rest() == b""


def test_thousands_of_commands_in_one_write_are_answered_in_order(
        dovecot, bridge, account, connect):
    messages = [sized(100 + i) for i in range(3)]
    for message in messages:
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    script = b"".join(b"LIST %d\r\nNOOP\r\nRETR %d\r\nFOO\r\nUIDL\r\n"
                      % (i % 3 + 1, i % 3 + 1) for i in range(2000))
    sender = threading.Thread(target=client.send, args=(script + b"QUIT\r\n",))
    sender.start()
    for i in range(2000):
        n = i % 3
        assert client.line() == b"+OK %d %d" % (n + 1, 100 + n)
        assert client.line().startswith(b"+OK")
        assert client.line() == b"+OK %d octets" % (100 + n)
        assert client.payload() == messages[n]
        assert client.line().startswith(b"-ERR")
        assert client.line().startswith(b"+OK")
        assert [n for n, _ in numbered(client.payload())] == [1, 2, 3]
    assert client.line().startswith(b"+OK")
    assert client.rest() == b""
    sender.join()


def test_bare_line_feeds_and_lower_case(dovecot, bridge, account, connect):
    dovecot.deliver(account, sized(100))
    client = connect(bridge)
    client.greeting()
    client.send(b"user %s\npass %s\nstat\nList 1\nuIdL 1\nretr 1\nquit\n" % (
        account.name.encode(), PASSWORD.encode()))
    assert client.line().startswith(b"+OK")
    assert client.line().startswith(b"+OK")
    assert client.line() == b"+OK 1 100"
    assert client.line() == b"+OK 1 100"
    assert re.fullmatch(rb"\+OK 1 [0-9a-f]{16}", client.line())
    assert client.line() == b"+OK 100 octets"
    assert client.payload() == sized(100)
    assert client.line().startswith(b"+OK")
    assert client.rest() == b""


def test_a_command_octet_by_octet(dovecot, bridge, account, connect):
    client = connect(bridge)
    client.login(account)
    for octet in b"STAT\r\nNOOP\r\n":
        client.send(bytes([octet]))
    assert client.line() == b"+OK 0 0"
    assert client.line().startswith(b"+OK")


def test_line_length(bridge, account, connect):
    client = connect(bridge)
    client.login(account)
    client.ok(b"NOOP".ljust(253))
    client.err(b"NOOP".ljust(254))
    client.err(b"NOOP".ljust(10000))
    client.ok("NOOP")
    client.send(b"NOOP".ljust(254) + b"\n")
    assert client.line().startswith(b"+OK")
    client.send(b"NOOP".ljust(255) + b"\n")
    assert client.line().startswith(b"-ERR")
    client.ok("NOOP")


def test_a_line_without_end_ends_the_session(bridge, connect):
    client = connect(bridge)
    client.greeting()
    try:
        client.send(b"x" * 1000000)
    except ConnectionError:
        pass
    assert client.rest().count(b"\r\n") <= 1
    other = connect(bridge)
    other.greeting()


# what becomes of the mailbox

def test_quit_without_deletions_changes_nothing(dovecot, bridge, account,
                                                connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    for n in (1, 2):
        client.multi("RETR %d" % n)
        client.multi("TOP %d 1" % n)
    assert client.quit().startswith(b"+OK")
    assert left(dovecot, account) == [("a", set()), ("b", set())]


def test_quit_removes_exactly_the_deleted_ones(dovecot, bridge, account,
                                               connect):
    for message in subjects("a", "b", "c", "d", "e"):
        dovecot.deliver(account, message)
    set_flag(dovecot, account, 1, "\\Deleted")
    set_flag(dovecot, account, 3, "\\Flagged")
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 2")
    client.ok("DELE 5")
    assert names_left(dovecot, account) == ["a", "b", "c", "d", "e"]
    assert client.quit().startswith(b"+OK")
    assert left(dovecot, account) == [
        ("a", {"\\Deleted"}), ("c", {"\\Flagged"}), ("d", set())]


def test_many_scattered_deletions(dovecot, bridge, account, connect):
    count = 700
    for message in subjects(*("%d" % i for i in range(1, count + 1))):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    for n in range(1, count + 1, 2):
        client.ok("DELE %d" % n)
    assert b"%d" % (count // 2) in client.quit()
    assert names_left(dovecot, account) == [
        "%d" % i for i in range(2, count + 1, 2)]


def test_a_deleted_message_is_out_of_sight(dovecot, bridge, account, connect):
    for i in range(3):
        dovecot.deliver(account, sized(100 + i))
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 2")
    for command in ("LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"):
        client.err(command)
    assert client.cmd("STAT") == b"+OK 2 202"
    assert client.multi("LIST") == b"1 100\r\n3 102\r\n"
    assert [n for n, _ in numbered(client.multi("UIDL"))] == [1, 3]


def test_reset_takes_all_marks_back(dovecot, bridge, account, connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    client.ok("DELE 2")
    assert client.cmd("STAT") == b"+OK 0 0"
    assert client.multi("LIST") == b""
    client.ok("RSET")
    assert client.ok("STAT").startswith(b"+OK 2 ")
    client.multi("RETR 1")
    assert client.quit().startswith(b"+OK")
    assert names_left(dovecot, account) == ["a", "b"]


def test_last_is_the_highest_message_retrieved(dovecot, bridge, account,
                                               connect):
    for message in subjects("a", "b", "c"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    assert client.cmd("LAST") == b"+OK 0"
    client.multi("RETR 2")
    client.multi("RETR 1")
    client.multi("TOP 3 1")
    assert client.cmd("LAST") == b"+OK 2"
    client.ok("RSET")
    assert client.cmd("LAST") == b"+OK 0"


@pytest.mark.parametrize("how", ["reset", "close", "half close"])
def test_a_lost_client_deletes_nothing(how, dovecot, bridge, account,
                                       connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    if how == "reset":
        client.reset()
    elif how == "close":
        client.close()
    else:
        client.half_close()
        assert client.rest() == b""
    assert "removed=0" in ended(bridge, account)[0]
    assert left(dovecot, account) == [("a", set()), ("b", set())]


def test_a_client_lost_in_the_middle_of_quit_deletes_nothing(
        dovecot, bridge, account, connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    client.send(b"QUIT")
    client.half_close()
    assert client.rest() == b""
    ended(bridge, account)
    assert names_left(dovecot, account) == ["a", "b"]


def test_a_half_closed_client_is_answered_and_its_quit_commits(
        dovecot, bridge, account, connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.greeting()
    client.send(b"USER %s\r\nPASS %s\r\nSTAT\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n"
                % (account.name.encode(), PASSWORD.encode()))
    client.half_close()
    for _ in range(4):
        assert client.line().startswith(b"+OK")
    assert client.payload() == subjects("b")[0]
    for _ in range(2):
        assert client.line().startswith(b"+OK")
    assert client.rest() == b""
    assert names_left(dovecot, account) == ["b"]


def test_without_uid_expunge_others_deletions_survive(
        dovecot_with, new_account, start_bridge, connect):
    server = dovecot_with(without=("UIDPLUS",))
    user = new_account(server, messages=subjects("a", "b", "c", "d"))
    set_flag(server, user, 1, "\\Deleted")
    set_flag(server, user, 4, "(\\Deleted \\Seen)")
    client = connect(start_bridge(plain(server)))
    client.login(user)
    client.ok("DELE 2")
    assert client.quit().startswith(b"+OK")
    assert left(server, user) == [("a", {"\\Deleted"}), ("c", set()),
                                  ("d", {"\\Deleted", "\\Seen"})]


def test_without_uid_expunge_and_nobody_elses_deletions(
        dovecot_with, new_account, start_bridge, connect):
    server = dovecot_with(without=("UIDPLUS",))
    user = new_account(server, messages=subjects("a", "b", "c"))
    client = connect(start_bridge(plain(server)))
    client.login(user)
    client.ok("DELE 1")
    client.ok("DELE 3")
    assert client.quit().startswith(b"+OK")
    assert left(server, user) == [("b", set())]


def test_a_message_that_another_client_expunged_keeps_its_number(
        dovecot, bridge, account, connect):
    messages = subjects("a", "b", "c")
    for message in messages:
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    listing, ids = client.multi("LIST"), client.multi("UIDL")
    set_flag(dovecot, account, 2, "\\Deleted", expunge=True)
    assert b"[" not in client.err("RETR 2")
    client.err("TOP 2 1")
    assert client.multi("RETR 1") == messages[0]
    assert client.multi("RETR 3") == messages[2]
    assert client.multi("LIST") == listing
    assert client.multi("UIDL") == ids
    client.ok("DELE 2")
    client.ok("DELE 3")
    assert client.quit().startswith(b"+OK")
    assert names_left(dovecot, account) == ["a"]


def test_new_mail_waits_for_the_next_session(dovecot, bridge, account,
                                             connect):
    first, second = sized(100), sized(222)
    dovecot.deliver(account, first)
    client = connect(bridge)
    client.login(account)
    dovecot.deliver(account, second)
    assert names_left(dovecot, account) == ["test", "test"]
    assert client.multi("RETR 1") == first
    assert client.cmd("STAT") == b"+OK 1 100"
    client.err("RETR 2")
    client.ok("RSET")
    assert client.multi("LIST") == b"1 100\r\n"
    client.quit()
    again = connect(bridge)
    again.login(account)
    assert again.cmd("STAT") == b"+OK 2 322"


def test_seen_is_not_set_unless_asked_for(dovecot, bridge, account, connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    client = connect(bridge)
    client.login(account)
    client.multi("RETR 1")
    client.multi("TOP 2 9999")
    client.quit()
    assert left(dovecot, account) == [("a", set()), ("b", set())]


def test_seen_is_set_at_quit_on_what_was_retrieved(
        dovecot, start_bridge, account, connect):
    for message in subjects("a", "b", "c", "d"):
        dovecot.deliver(account, message)
    bridge = start_bridge(plain(dovecot), "--mark-seen", "quit")
    unseen = [(name, set()) for name in "abcd"]
    lost = connect(bridge)
    lost.login(account)
    lost.multi("RETR 1")
    assert left(dovecot, account) == unseen
    lost.close()
    ended(bridge, account)
    assert left(dovecot, account) == unseen
    client = connect(bridge)
    client.login(account)
    client.multi("RETR 1")
    client.multi("TOP 2 9")
    client.multi("RETR 3")
    client.ok("DELE 3")
    client.quit()
    assert left(dovecot, account) == [("a", {"\\Seen"}), ("b", set()),
                                      ("d", set())]


def test_an_idle_client_is_closed_and_nothing_deleted(
        dovecot, start_bridge, account, connect):
    for message in subjects("a"):
        dovecot.deliver(account, message)
    bridge = start_bridge(plain(dovecot), "--idle-timeout", "1")
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    assert client.rest() == b""
    assert "autologout" in ended(bridge, account)[0]
    assert left(dovecot, account) == [("a", set())]
    quiet = connect(bridge)
    quiet.greeting()
    assert quiet.rest() == b""


# TLS upstream

@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_sessions_over_tls(scheme, host, dovecot, start_bridge, account,
                           connect):
    messages = [sized(120), b"Subject: large\r\n\r\n" + b".dots\r\n" * 50000]
    for message in messages:
        dovecot.deliver(account, message)
    port = dovecot.imaps_port if scheme == "imaps" else dovecot.imap_port
    bridge = start_bridge("%s://%s:%d" % (scheme, host, port),
                          "--upstream-ca", dovecot.ca)
    client = connect(bridge)
    client.login(account)
    assert client.multi("RETR 1") == messages[0]
    assert client.multi("RETR 2") == messages[1].replace(b".dots", b"..dots")
    client.ok("DELE 1")
    assert client.quit().startswith(b"+OK")
    assert names_left(dovecot, account) == ["large"]


@pytest.fixture
def refused(start_bridge, new_account, connect):
    """Dovecot must see this bridge's connection, but never a credential."""
    def check(server, scheme, *options):
        user = new_account(server, name="unseen")
        port = server.imaps_port if scheme == "imaps" else server.imap_port
        bridge = start_bridge("%s://%s:%d" % (scheme, server.address, port),
                              *options)
        before = server.messages().count("no auth attempts")
        client = connect(bridge)
        client.greeting()
        client.ok("USER " + user.name)
        client.err("PASS " + PASSWORD, "SYS/PERM")
        client.ok("CAPA")
        client.payload()
        until(lambda: server.messages().count("no auth attempts") > before,
              "Dovecot's record of the connection")
        assert user.name not in server.messages()
        assert "certificate is not trusted" in bridge.log()
    return check


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_certificate_of_a_stranger_gets_no_password(
        scheme, dovecot, refused, tmp_path):
    sandbox.make_certificates(str(tmp_path))
    refused(dovecot, scheme, "--upstream-ca", str(tmp_path / "ca.pem"))


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_the_systems_authorities_do_not_know_the_sandbox(
        scheme, dovecot, refused):
    refused(dovecot, scheme)


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_certificate_for_another_host_gets_no_password(
        scheme, dovecot_with, refused):
    server = dovecot_with(cert_names=("DNS:imap.example.org", "IP:127.0.0.9"))
    refused(server, scheme, "--upstream-ca", server.ca)


# the process

def test_terminating_while_a_client_is_idle(dovecot, start_bridge, account,
                                            connect):
    for message in subjects("a"):
        dovecot.deliver(account, message)
    bridge = start_bridge(plain(dovecot))
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    waiting = connect(bridge)
    waiting.greeting()
    bridge.process.send_signal(signal.SIGTERM)
    assert client.rest() == b"" and waiting.rest() == b""
    client.close()
    waiting.close()
    assert bridge.process.wait(30) == 0
    assert names_left(dovecot, account) == ["a"]
    with pytest.raises(OSError):
        connect(bridge)


def test_terminating_lets_a_running_command_finish(
        dovecot, start_bridge, account, connect):
    large = b"Subject: a\r\n\r\n" + (b"x" * 70 + b"\r\n") * 300000
    dovecot.deliver(account, large)
    bridge = start_bridge(plain(dovecot))
    client = connect(bridge)
    client.login(account)
    client.ok("RETR 1")
    bridge.process.send_signal(signal.SIGTERM)
    until(lambda: "SIGTERM" in bridge.log(), "the record of the signal")
    assert client.payload() == large
    assert client.rest() == b""
    client.close()
    assert bridge.process.wait(30) == 0


def test_a_second_signal_ends_it_at_once(dovecot, start_bridge, account,
                                         connect):
    dovecot.deliver(account, HEAD + (b"x" * 70 + b"\r\n") * 300000)
    bridge = start_bridge(plain(dovecot))
    client = connect(bridge)
    client.login(account)
    client.ok("RETR 1")
    bridge.process.send_signal(signal.SIGINT)
    until(lambda: "SIGINT" in bridge.log(), "the record of the signal")
    bridge.process.send_signal(signal.SIGINT)
    bridge.process.wait(10)
    assert not client.rest().endswith(b"\r\n.\r\n")


@pytest.fixture
def config(tmp_path):
    """Writes a configuration file and returns its name."""
    path = tmp_path / "popbridge.conf"

    def write(text):
        path.write_text(text)
        return str(path)
    return write


def seen_after_a_session(server, new_account, bridge, connect):
    user = new_account(server, messages=subjects("a"))
    client = connect(bridge)
    client.login(user)
    client.multi("RETR 1")
    client.quit()
    return left(server, user) == [("a", {"\\Seen"})]


def test_a_reload_is_for_new_sessions(dovecot, start_bridge, new_account,
                                      connect, config):
    file = config('mark-seen = no\nupstream = "%s"\n' % plain(dovecot))
    bridge = start_bridge(None, "-c", file)
    old_user = new_account(dovecot, messages=subjects("a"))
    old = connect(bridge)
    old.login(old_user)
    old.multi("RETR 1")
    config('mark-seen = quit\nupstream = "%s"\n' % plain(dovecot))
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in bridge.log(), "the reload")
    assert seen_after_a_session(dovecot, new_account, bridge, connect)
    assert old.quit().startswith(b"+OK")
    assert left(dovecot, old_user) == [("a", set())]


@pytest.mark.parametrize("bad", [
    "\nmark-seen = sometimes\n", "\nno-such-option = 1\n", "\nlisten = {\n",
    "\nupstream-ca = \"/nonexistent\"\n"])
def test_a_bad_file_changes_nothing_and_says_why(
        bad, dovecot, start_bridge, new_account, connect, config):
    good = 'mark-seen = quit\nupstream = "%s"\n' % plain(dovecot)
    file = config(good)
    bridge = start_bridge(None, "-c", file)
    config('upstream = "imap+plain://127.0.0.1:1"' + bad)
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: "not reloaded" in bridge.log(), "the refusal")
    log = bridge.log()
    if "nonexistent" in bad:
        assert "/nonexistent" in log
    else:
        assert re.search(re.escape(file) + r":[23]\b", log)
    assert seen_after_a_session(dovecot, new_account, bridge, connect)


def test_a_vanished_file_changes_nothing(dovecot, start_bridge, new_account,
                                         connect, config):
    file = config('mark-seen = quit\nupstream = "%s"\n' % plain(dovecot))
    bridge = start_bridge(None, "-c", file)
    os.unlink(file)
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: "not reloaded" in bridge.log(), "the refusal")
    assert seen_after_a_session(dovecot, new_account, bridge, connect)


def test_the_command_line_wins(dovecot, start_bridge, new_account, connect,
                               config):
    file = config('mark-seen = quit\nupstream = "imap+plain://127.0.0.1:1"\n')
    bridge = start_bridge(plain(dovecot), "-c", file, "--mark-seen", "no")
    assert not seen_after_a_session(dovecot, new_account, bridge, connect)


def test_an_exclusive_lock_refuses_the_second_session(
        dovecot, start_bridge, account, new_account, connect):
    bridge = start_bridge(plain(dovecot), "--lock", "exclusive")
    first = connect(bridge)
    first.login(account)
    seconds = [connect(bridge) for _ in range(4)]
    for second in seconds:
        second.greeting()
        second.ok("USER " + account.name)
        second.err("PASS " + PASSWORD, "IN-USE")
        second.err("STAT")
    connect(bridge).login(new_account(dovecot))
    first.ok("NOOP")
    assert first.quit().startswith(b"+OK")
    seconds[0].ok("USER " + account.name)
    seconds[0].ok("PASS " + PASSWORD)
    seconds[0].reset()
    ended(bridge, account, 2)
    seconds[1].ok("USER " + account.name)
    seconds[1].ok("PASS " + PASSWORD)


def test_two_sessions_share_a_maildrop_by_default(dovecot, bridge, account,
                                                  connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    clients = [connect(bridge) for _ in range(4)]
    for client in clients:
        client.login(account)
    clients[0].ok("DELE 1")
    assert clients[0].quit().startswith(b"+OK")
    for client in clients[1:]:
        assert client.multi("RETR 2") == subjects("b")[0]
        client.err("RETR 1")


def test_a_takeover_ends_the_older_session(dovecot, start_bridge, account,
                                           connect):
    for message in subjects("a", "b"):
        dovecot.deliver(account, message)
    bridge = start_bridge(plain(dovecot), "--lock", "takeover")
    for _ in range(4):
        first = connect(bridge)
        first.login(account)
        first.ok("DELE 1")
        second = connect(bridge)
        second.login(account)
        assert first.rest() == b""
        assert second.ok("STAT").startswith(b"+OK 2 ")
        second.multi("RETR 1")
    assert names_left(dovecot, account) == ["a", "b"]
    second.ok("DELE 2")
    assert second.quit().startswith(b"+OK")
    assert names_left(dovecot, account) == ["a"]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_two_listeners_and_some_workers(workers, dovecot, start_bridge,
                                        account, connect):
    dovecot.deliver(account, sized(100))
    bridge = start_bridge(plain(dovecot), "--workers", workers,
                          "--max-upstream-connections", "0",
                          listen=("pop3+plain://127.0.0.1:0",
                                  "pop3+plain://[::1]:0"))
    with open(bridge.ports_file) as f:
        lines = f.read().splitlines()
    assert [re.sub(r"\d+$", "N", line) for line in lines] == [
        "pop3+plain://127.0.0.1:N", "pop3+plain://[::1]:N"]
    clients = [connect(port) for port in bridge.ports for _ in range(10)]
    for client in clients:
        client.login(account)
    for client in clients:
        assert client.multi("RETR 1") == sized(100)


# the log

def a_whole_session(server, bridge, user, connect):
    server.deliver(user, sized(120))
    server.deliver(user, sized(200))
    client = connect(bridge)
    client.login(user)
    client.multi("RETR 1")
    client.multi("RETR 2")
    client.multi("TOP 1 0")
    client.ok("DELE 2")
    client.quit()


def test_the_summary_of_a_session(dovecot, bridge, account, connect):
    a_whole_session(dovecot, bridge, account, connect)
    line, = ended(bridge, account)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info session ended "
        r"id=\S+ user=%s client=127\.0\.0\.1:\d+ retr=2 top=1 dele=1 "
        r"removed=1 octets=337 ms=\d+ (tls=none )?reason=quit" % account.name, line)


def test_the_log_as_json(dovecot, start_bridge, account, connect):
    odd = dovecot.add_user('o"d\\d \u00fc {1}', "wrong one")
    bridge = start_bridge(plain(dovecot), "--log-format", "json",
                          "--log-level", "debug")
    a_whole_session(dovecot, bridge, account, connect)
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + odd.name + "\x1b[1m\x7f")
    client.err("PASS x", "AUTH")
    client.quit()
    until(lambda: bridge.log().count("session ended") == 2, "the summaries")
    assert bridge.stop() == 0
    records = [json.loads(line) for line in bridge.log().splitlines()]
    summary, = (r for r in records if r["event"] == "session ended" and
                r["user"] == account.name)
    assert summary["level"] == "info"
    assert summary["reason"] == "quit"
    assert {name: summary[name] for name in (
        "retr", "top", "dele", "removed", "octets")} == {
            "retr": 2, "top": 1, "dele": 1, "removed": 1, "octets": 337}
    assert summary["ms"] >= 0 and summary["id"] and summary["client"]
    assert re.match(r"\d{4}-\d\d-\d\dT", summary["time"])
    assert "\x1b" not in bridge.log() and "\x7f" not in bridge.log()


def test_a_password_is_in_no_log_whatever_happens(
        dovecot, start_bridge, new_account, connect):
    password = "unspeakable Word 7"
    user = new_account(dovecot, password)
    bridge = start_bridge(plain(dovecot), "--log-level", "debug")
    client = connect(bridge)
    client.greeting()
    client.err("PASS " + password)
    client.err("PASSWORD " + password)
    client.ok("USER " + user.name)
    client.err("PASS " + password + "x" * 300)
    client.err("PASS " + password + "x", "AUTH")
    client.ok("USER " + user.name)
    client.ok("pass " + password)
    client.err("PASS " + password)
    client.quit()
    ended(bridge, user)
    log = bridge.log()
    for form in (password, password.split()[0],
                 base64.b64encode(password.encode()).decode(),
                 base64.b64encode("\0{}\0{}".format(
                     user.name, password).encode()).decode()):
        assert form not in log


# the command line

def run(binary, *args):
    return subprocess.run([binary, *args], capture_output=True, text=True,
                          timeout=60)


def test_check_judges_a_file(binary, config):
    good = run(binary, "check", "-c", config(
        'upstream = "imaps://imap.example.com"\n'))
    assert good.returncode == 0 and "no errors" in good.stdout
    file = config('upstream = "imaps://imap.example.com"\n\nworkers = many\n')
    bad = run(binary, "check", "-c", file)
    assert bad.returncode == 78
    assert file + ":3:" in bad.stderr
    bad = run(binary, "check", "-c", config("# nothing\n"))
    assert bad.returncode == 78 and "upstream" in bad.stderr
    bad = run(binary, "check", "-c", "/nonexistent/file")
    assert bad.returncode == 78 and "/nonexistent/file" in bad.stderr


def test_check_gives_hints_of_the_presets_that_are_used(binary, config):
    file = config('route "apple" {\n\tpreset = icloud\n}\n')
    done = run(binary, "check", "-c", file)
    assert done.returncode == 0 and not done.stderr
    assert file + ":2: hint: preset icloud: " in done.stdout


def test_check_warns_of_secrets_that_everybody_can_read(binary, config,
                                                        tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    file = config('accounts = "/a"\naccounts-key = "%s"\n'
                  'route r {\nidentity = accounts\nupstream = "imaps://h"\n'
                  'master-user = m\nmaster-password-file = "%s"\n}\n'
                  % (secret, secret))
    for mode, warned in (0o600, False), (0o644, True):
        secret.chmod(mode)
        done = run(binary, "check", "-c", file)
        for place in ":2: warning: accounts-key", ":7: warning: master-pass":
            assert (file + place in done.stderr) == warned


def test_check_judges_the_state_directory(binary, config, tmp_path):
    state = tmp_path / "state"
    file = config('upstream = "imaps://imap.example.com"\n'
                  'state-directory = "%s"\n' % state)
    bad = run(binary, "check", "-c", file)
    assert bad.returncode == 78 and "no errors" not in bad.stdout
    assert file + ":2: error: state-directory: %s: there is no such " \
        "directory" % state in bad.stderr
    state.write_text("")
    bad = run(binary, "check", "-c", file)
    assert bad.returncode == 78 and "it is no directory" in bad.stderr
    state.unlink()
    state.mkdir()
    good = run(binary, "check", "-c", file)
    assert good.returncode == 0 and not good.stderr
    # It is looked at, and left as it is.
    assert not list(state.iterdir())


def test_an_option_of_sections_is_not_one_of_the_command_line(binary):
    done = run(binary, "serve", "--allow", "::/0")
    assert done.returncode == 64
    assert "--allow: it belongs into a listener" in done.stderr


def test_presets_are_shown(binary):
    done = run(binary, "presets")
    assert done.returncode == 0
    assert '\ngmail\n\tupstream = "imaps://imap.gmail.com"\n' in \
        "\n" + done.stdout


@pytest.mark.parametrize("args", [
    (), ("nonsense",), ("serve", "--nonsense"), ("serve", "--workers"),
    ("check",), ("serve", "stray"), ("check", "-c"), ("presets", "stray")])
def test_wrong_usage(args, binary):
    done = run(binary, *args)
    assert done.returncode == 64
    assert done.stderr and not done.stdout


@pytest.mark.parametrize("args", [
    ("--upstream", "http://example.com"), ("--workers", "-1"), (),
    ("--upstream", "imaps://h", "--lock", "sometimes"),
    ("--upstream", "imaps://h", "--listen", "pop3s://127.0.0.1:0"),
    ("--upstream", "imaps://h", "--listen", "pop3+plain://no host"),
    ("--upstream", "imaps://h", "--idle-timeout", "1x"),
    ("--upstream", "imaps://h", "--upstream-ca", "/nonexistent")])
def test_wrong_configuration(args, binary, config):
    done = run(binary, "serve", "-c", config(""), *args)
    assert done.returncode == 78
    assert done.stderr


def test_a_port_in_use(binary, config):
    holder, port = closed_port()
    with holder:
        holder.listen()
        done = run(binary, "serve", "-c", config(""), "--upstream",
                   "imaps://h", "--listen", "pop3+plain://127.0.0.1:%d" % port)
    assert done.returncode == 69
    assert str(port) in done.stderr


@pytest.mark.parametrize("args", [("--version",), ("--help",),
                                  ("serve", "--help"), ("check", "--help"),
                                  ("presets", "--help")])
def test_help_and_version(args, binary):
    done = run(binary, *args)
    assert done.returncode == 0
    assert "popbridge" in done.stdout and not done.stderr
