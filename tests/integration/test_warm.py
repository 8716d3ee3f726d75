"""Connections to the IMAP server that wait for the user's next session, and
mercy with the server: who gets one, who does not, and what is seen of it."""

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import until
from fake_imap import FakeImap, closes, says

# What docs/limits.md has.
KEEPALIVE_S = 120
MESSAGES = [(10, b"Subject: one\r\n\r\nfirst\r\n"),
            (20, b"Subject: two\r\n\r\nsecond\r\n")]


class Person:
    """A user of the fake server."""

    def __init__(self, name="joe", password="secret"):
        self.name = name
        self.password = password


JOE = Person()


@pytest.fixture
def fake(start_fake):
    return start_fake(MESSAGES)


def at(server):
    return "imap+plain://127.0.0.1:%d" % server.port


def only(*passwords):
    """Takes these passwords and no other."""
    def authenticate(connection, tag, args):
        kept = connection.server.logins
        FakeImap.authenticate(connection.server, Answer(connection, passwords),
                              tag, args)
        assert kept
    return authenticate


class Answer:
    """A connection whose OK depends on the password."""

    def __init__(self, connection, passwords):
        self.connection = connection
        self.passwords = passwords

    def line(self):
        return self.connection.line()

    def send(self, data):
        password = self.connection.server.logins[-1][1]
        if b" OK " in data and password.decode() not in self.passwords:
            data = data.split(b" ")[0] + b" NO [AUTHENTICATIONFAILED] no\r\n"
        self.connection.send(data)


def poll(connect, bridge, user):
    """One session; the UIDLs that it saw."""
    client = connect(bridge)
    client.login(user)
    listing = client.multi("UIDL")
    client.ok("QUIT")
    assert client.rest() == b""
    return listing


def refused(connect, bridge, user, code):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + user.name)
    client.err("PASS " + user.password, code)
    return client


def logins_at(dovecot, user, n):
    """Dovecot has seen so many logins, and no more.  It writes of them when
    the client has its answer already."""
    def logins():
        return len(re.findall("imap-login: .*Login: user=<%s>" % user.name,
                              dovecot.messages()))
    until(lambda: logins() >= n, "%d logins" % n)
    return logins() == n


def commands(server, name):
    return [args for command, args in server.commands if command == name]


def ended(server, n=1):
    """The server has been told goodbye so often."""
    until(lambda: len(commands(server, "LOGOUT")) >= n, "LOGOUT")


# who gets one

@pytest.mark.parametrize("scheme", ("imap+plain", "imap", "imaps"))
def test_the_second_poll_makes_no_second_login(scheme, dovecot, new_account,
                                               start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    port = dovecot.imaps_port if scheme == "imaps" else dovecot.imap_port
    bridge = start_bridge("%s://%s:%d" % (scheme, dovecot.address, port),
                          "--upstream-ca", dovecot.ca)
    first = poll(connect, bridge, user)
    assert len(first.splitlines()) == 2
    for _ in range(5):
        assert poll(connect, bridge, user) == first
    assert logins_at(dovecot, user, 1)


def test_messages_are_read_and_removed_over_a_kept_connection(
        dovecot, new_account, start_bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    bridge = start_bridge("imaps://%s:%d" % (dovecot.address,
                                             dovecot.imaps_port),
                          "--upstream-ca", dovecot.ca)
    for _, message in MESSAGES:
        client = connect(bridge)
        client.login(user)
        assert client.multi("RETR 1") == message
        client.ok("DELE 1")
        client.ok("QUIT")
    assert poll(connect, bridge, user) == b""
    assert logins_at(dovecot, user, 1)


def test_what_happens_to_the_mailbox_meanwhile_is_seen(
        dovecot, new_account, bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    before = poll(connect, bridge, user).splitlines()
    dovecot.deliver(user, b"Subject: three\r\n\r\nthird\r\n")
    more = poll(connect, bridge, user).splitlines()
    assert more[:2] == before and len(more) == 3
    with dovecot.imap(user) as imap:
        imap.select()
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
    after = poll(connect, bridge, user).splitlines()
    assert [line.split()[1] for line in after] == [
        line.split()[1] for line in more[1:]]
    # One of them is this test's own.
    assert logins_at(dovecot, user, 2)


def test_loops_share_what_is_kept(dovecot, new_account, start_bridge,
                                  connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    bridge = start_bridge("imaps://%s:%d" % (dovecot.address,
                                             dovecot.imaps_port),
                          "--upstream-ca", dovecot.ca, "--workers", "2",
                          "--log-level", "debug")
    for _ in range(30):
        poll(connect, bridge, user)
    assert logins_at(dovecot, user, 1)
    # The kernel spreads clients over the loops.
    assert set(re.findall(r"kept connection taken up id=(\d)\.",
                          bridge.log())) == {"1", "2"}


# who does not

def test_another_password_goes_to_the_server(fake, start_bridge, connect):
    fake.on = {"AUTHENTICATE": only("secret")}
    bridge = start_bridge(at(fake))
    poll(connect, bridge, JOE)
    refused(connect, bridge, Person(password="guess"), "AUTH")
    assert [p for _, p in fake.logins] == [b"secret", b"guess"]
    # That has done no harm to the right one.
    poll(connect, bridge, JOE)
    assert len(fake.logins) == 2


def test_a_password_that_was_changed_counts_as_soon_as_it_is_used(
        fake, start_bridge, connect):
    fake.on = {"AUTHENTICATE": only("secret")}
    bridge = start_bridge(at(fake))
    poll(connect, bridge, JOE)
    fake.on = {"AUTHENTICATE": only("changed")}
    poll(connect, bridge, Person(password="changed"))
    # What was kept for the old one has been closed.
    ended(fake)
    refused(connect, bridge, JOE, "AUTH")
    poll(connect, bridge, Person(password="changed"))
    assert [p for _, p in fake.logins] == [b"secret", b"changed", b"secret"]


def test_two_passwords_that_take_turns_keep_a_connection_each(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake))
    people = [JOE, Person(password="of another device")]
    for _ in range(2):
        for person in people:
            poll(connect, bridge, person)
    learnt = len(fake.logins)
    for person in people * 3:
        poll(connect, bridge, person)
    # The one that was closed when the other was new.
    assert len(fake.logins) == learnt + 1
    fake.on = {"AUTHENTICATE": only("new")}
    poll(connect, bridge, Person(password="new"))
    for person in people:
        refused(connect, bridge, person, "AUTH")


def test_a_password_that_is_refused_anew_keeps_nothing(
        fake, start_bridge, connect):
    fake.on = {"AUTHENTICATE": only("secret")}
    bridge = start_bridge(at(fake))
    clients = [connect(bridge) for _ in range(2)]
    for client in clients:
        client.login(JOE)
    fake.on = {"AUTHENTICATE": only("changed")}
    for client in clients:
        client.ok("QUIT")
    # One that is kept dies, so the password is shown again.
    fake.sockets[1].shutdown(2)
    third, fourth = connect(bridge), connect(bridge)
    third.login(JOE)
    fourth.greeting()
    fourth.ok("USER joe")
    fourth.err("PASS secret", "AUTH")
    assert len(fake.logins) == 3


def test_a_password_refused_while_the_server_is_brought_back_keeps_nothing(
        fake, start_bridge, connect):
    changed = []

    def select(connection, tag, args):
        if changed:
            closes(connection, tag, args)
        fake.select(connection, tag, args)

    fake.on = {"AUTHENTICATE": only("secret"), "SELECT": select}
    bridge = start_bridge(at(fake))
    clients = [connect(bridge) for _ in range(3)]
    for client in clients:
        client.login(JOE)
    fake.sockets[0].shutdown(2)
    until(lambda: "mail server lost" in bridge.log(), "the loss")
    for client in clients[1:]:
        client.ok("QUIT")
    changed.append(True)
    fake.on = {"AUTHENTICATE": only("changed")}
    # One that is kept dies of it, so the password is shown again.
    clients[0].err("RETR 1", "SYS/TEMP")
    assert len(fake.logins) == 4
    # The other one that is kept goes, too.
    ended(fake)
    assert "login failed" not in bridge.log()
    refused(connect, bridge, JOE, "AUTH")
    assert len(fake.logins) == 4


def test_another_user_has_nothing_of_it(fake, start_bridge, connect):
    bridge = start_bridge(at(fake))
    poll(connect, bridge, JOE)
    poll(connect, bridge, Person("jim"))
    assert [u for u, _ in fake.logins] == [b"joe", b"jim"]


# what is kept, and how long

def test_nothing_is_kept_when_nothing_shall_be(fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--upstream-keep", "0")
    for n in range(1, 4):
        poll(connect, bridge, JOE)
        assert len(fake.logins) == n
        ended(fake, n)


def test_its_time_ends_with_a_logout(fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--upstream-keep", "1")
    poll(connect, bridge, JOE)
    assert not commands(fake, "LOGOUT")
    ended(fake)
    poll(connect, bridge, JOE)
    assert len(fake.logins) == 2


def test_the_one_that_waited_longest_goes_first(fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--max-kept-connections", "2")
    for name in ("one", "two", "three"):
        poll(connect, bridge, Person(name))
    ended(fake)
    for name in ("three", "two"):
        poll(connect, bridge, Person(name))
    assert len(fake.logins) == 3
    poll(connect, bridge, Person("one"))
    assert len(fake.logins) == 4


def test_of_one_user_two_are_kept(fake, start_bridge, connect):
    bridge = start_bridge(at(fake))
    clients = [connect(bridge) for _ in range(3)]
    for client in clients:
        client.login(JOE)
    for client in clients:
        client.ok("QUIT")
    ended(fake)
    assert len(commands(fake, "LOGOUT")) == 1


@pytest.mark.parametrize("preset", ("gmail", "google-workspace"))
def test_of_one_user_of_gmail_one_is_kept(preset, fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--preset", preset)
    clients = [connect(bridge) for _ in range(3)]
    for client in clients:
        client.login(JOE)
    for client in clients:
        client.ok("QUIT")
    ended(fake, 2)
    poll(connect, bridge, JOE)
    assert len(fake.logins) == 3
    assert len(commands(fake, "LOGOUT")) == 2


def keepalive(port):
    """In how many seconds the kernel asks the peer at this port whether it is
    still there; None while something else comes first."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    timers = [row[5].split(":") for row in rows
              if row[2] == "0100007F:%04X" % port and row[3] == "01"]
    assert len(timers) == 1
    which, left = timers[0]
    return int(left, 16) / os.sysconf("SC_CLK_TCK") if which == "02" else None


def test_a_kept_connection_is_asked_whether_its_server_is_still_there(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake))
    poll(connect, bridge, JOE)
    until(lambda: keepalive(fake.port) is not None, "a quiet connection")
    assert KEEPALIVE_S - 60 < keepalive(fake.port) <= KEEPALIVE_S


def test_a_new_configuration_keeps_nothing(fake, start_bridge, connect):
    text = 'upstream = "%s"\nlisten = "pop3+plain://127.0.0.1:0"\n' % at(fake)
    bridge = start_bridge(None, config=text)
    poll(connect, bridge, JOE)
    bridge.process.send_signal(signal.SIGHUP)
    ended(fake)
    poll(connect, bridge, JOE)
    assert len(fake.logins) == 2


def test_the_end_of_the_program_is_the_end_of_what_is_kept(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake))
    poll(connect, bridge, JOE)
    assert bridge.stop() == 0
    ended(fake)


# what dies meanwhile

def dies_by_reset(server):
    for sock in server.sockets:
        sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")   # SO_LINGER
        sock.shutdown(2)


def dies_by_end(server):
    for sock in server.sockets:
        sock.shutdown(2)


def dies_by_bye(server):
    for sock in server.sockets:
        sock.sendall(b"* BYE you were silent for too long\r\n")
        sock.shutdown(2)


def says_bye_only(server):
    for sock in server.sockets:
        sock.sendall(b"* BYE you were silent for too long\r\n")


@pytest.mark.parametrize("death", (dies_by_reset, dies_by_end, dies_by_bye,
                                   says_bye_only))
def test_a_kept_connection_that_died_is_replaced_unseen(
        death, fake, start_bridge, connect):
    bridge = start_bridge(at(fake))
    first = poll(connect, bridge, JOE)
    death(fake)
    assert poll(connect, bridge, JOE) == first
    assert len(fake.logins) == 2
    assert "login failed" not in bridge.log()


def test_one_that_dies_of_the_question_is_replaced_unseen(
        fake, start_bridge, connect):
    asked = []

    def select(connection, tag, args):
        asked.append(tag)
        if len(asked) == 2:
            closes(connection, tag, args)
        fake.select(connection, tag, args)

    fake.on = {"SELECT": select}
    bridge = start_bridge(at(fake))
    first = poll(connect, bridge, JOE)
    assert poll(connect, bridge, JOE) == first
    assert len(fake.logins) == 2
    assert len(asked) == 3


def test_a_server_that_ends_the_sessions_is_logged_in_to_again(
        dovecot, new_account, bridge, connect):
    user = new_account(dovecot, messages=[m for _, m in MESSAGES])
    first = poll(connect, bridge, user)
    subprocess.run(["doveadm", "-c", dovecot.directory + "/dovecot.conf",
                    "kick", user.name], check=True, capture_output=True)
    # A process that was told to end may still answer what has come already.
    until(lambda: re.search(r"imap\(%s\).* Disconnected" % user.name,
                            dovecot.messages()), "the end of the session")
    assert poll(connect, bridge, user) == first
    assert logins_at(dovecot, user, 2)


def test_a_lock_is_taken_before_a_kept_connection_is_used(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--lock", "exclusive")
    poll(connect, bridge, JOE)
    client = connect(bridge)
    client.login(JOE)
    refused(connect, bridge, JOE, "IN-USE")
    client.ok("QUIT")
    poll(connect, bridge, JOE)


# mercy

def test_who_comes_to_a_full_account_waits_for_his_turn(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--max-upstream-connections", "2",
                          "--upstream-keep", "0")
    inside = [connect(bridge) for _ in range(2)]
    for client in inside:
        client.login(JOE)
    waiting = [connect(bridge) for _ in range(6)]
    with ThreadPoolExecutor(len(waiting)) as pool:
        logins = [pool.submit(poll, lambda _, c=client: c, bridge, JOE)
                  for client in waiting]
        until(lambda: len(fake.sockets) == 2, "two connections")
        # Another user need not wait.
        poll(connect, bridge, Person("jim"))
        assert not any(login.done() for login in logins)
        for client in inside:
            client.ok("QUIT")
        for login in logins:
            assert login.result()
    assert len(fake.logins) == 9


def test_who_waits_too_long_is_told_and_the_log_names_the_limit(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--max-upstream-connections", "1",
                          "--connect-timeout", "1")
    client = connect(bridge)
    client.login(JOE)
    refused(connect, bridge, JOE, "SYS/TEMP")
    assert "max-upstream-connections" in bridge.log()
    assert len(fake.sockets) == 1
    client.ok("STAT")


def test_who_gives_up_leaves_the_queue(fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--max-upstream-connections", "1")
    client = connect(bridge)
    client.login(JOE)
    hasty = connect(bridge)
    hasty.greeting()
    hasty.send(b"USER joe\r\nPASS secret\r\n")
    hasty.close()
    client.ok("QUIT")
    poll(connect, bridge, JOE)


def test_what_is_kept_for_another_password_gives_way(
        fake, start_bridge, connect):
    bridge = start_bridge(at(fake), "--max-upstream-connections", "1",
                          "--connect-timeout", "2")
    poll(connect, bridge, JOE)
    poll(connect, bridge, Person(password="other"))
    assert len(fake.logins) == 2


@pytest.mark.parametrize("answer", (
    b"TAG NO [THROTTLED] slow down\r\n", b"TAG NO [LIMIT] too many\r\n",
    b"* BYE [THROTTLED] come again later\r\n"))
def test_a_server_that_asks_for_less_is_left_alone(answer, fake, start_bridge,
                                                   connect):
    fake.on = {"SELECT": says(answer)}
    bridge = start_bridge(at(fake))
    refused(connect, bridge, JOE, "SYS/TEMP")
    asked = len(fake.sockets)
    began = time.monotonic()
    client = refused(connect, bridge, JOE, "SYS/TEMP")
    # Where this machine was asleep for a second, that proves nothing.
    if time.monotonic() - began < 0.5:
        assert len(fake.sockets) == asked
        assert "asks for less" in bridge.log()
        assert "is not asked for another 1 s" in bridge.log()
    # Another user of the server has nothing to do with it.
    fake.on = {}
    poll(connect, bridge, Person("jim"))

    def in_again():
        client.ok("USER joe")
        return client.cmd("PASS secret").startswith(b"+OK")

    until(in_again, "the end of the delay")
