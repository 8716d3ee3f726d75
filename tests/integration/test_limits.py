"""Who may knock: an abusive client costs next to nothing, and nobody else
notices it."""

import os
import re
import resource
import socket
import time

import pytest

from conftest import PASSWORD, TOP, plain, until

FILTER = os.path.join(TOP, "config", "fail2ban-popbridge.conf")


def closed_at_once(client):
    """Not a word, and the end."""
    assert client.rest() == b""


def works(connect, bridge, user, source=None):
    client = connect(bridge, source)
    client.login(user)
    client.ok("STAT")
    client.quit()


# how many

def test_connections_over_the_limit_are_closed_and_others_undisturbed(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--max-connections", "3",
                          "--workers", "2")
    inside = [connect(bridge) for _ in range(3)]
    for client in inside:
        client.login(account)
    for _ in range(40):
        closed_at_once(connect(bridge))
    for client in inside:
        client.ok("STAT")
    inside.pop().quit()
    until(lambda: "session ended" in bridge.log(), "the end of a session")
    works_again(connect, bridge, account)
    assert bridge.log().count("connections refused") == 1
    assert "limit=max-connections " in bridge.log()
    for client in inside:
        client.quit()


def works_again(connect, bridge, user):
    """The place of an ended session is free as soon as its socket is."""
    def came_in():
        client = connect(bridge)
        line = client.stream.readline()
        if line == b"":
            return False
        client.ok("USER " + user.name)
        client.ok("PASS " + user.password)
        client.quit()
        return True
    until(came_in, "a place")


def test_a_crowded_address_does_not_keep_others_out(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot),
                          "--max-connections-per-address", "2")
    crowd = [connect(bridge, "127.0.0.9") for _ in range(2)]
    for client in crowd:
        client.greeting()
    closed_at_once(connect(bridge, "127.0.0.9"))
    works(connect, bridge, account, "127.0.0.8")
    assert re.search(r"connections refused limit=max-connections-per-address "
                     r"last_client=127\.0\.0\.9 times=1\n", bridge.log())
    for client in crowd:
        client.ok("QUIT")
    until(lambda: connect(bridge, "127.0.0.9").stream.readline(),
          "a place for the address")


def test_who_has_logged_in_does_not_count_as_unauthenticated(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--max-unauthenticated", "2",
                          "--workers", "2")
    for _ in range(5):
        connect(bridge).login(account)
    waiting = [connect(bridge) for _ in range(2)]
    for client in waiting:
        client.greeting()
    closed_at_once(connect(bridge))
    assert "limit=max-unauthenticated " in bridge.log()
    waiting[0].ok("USER " + account.name)
    waiting[0].ok("PASS " + PASSWORD)
    connect(bridge).greeting()


def test_five_hundred_idle_clients_do_not_disturb_a_login(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot),
                          "--max-connections-per-address", "1000")
    for _ in range(500):
        connect(bridge).greeting()
    begun = time.monotonic()
    works(connect, bridge, account)
    assert time.monotonic() - begun < 5


def test_without_descriptors_accepting_pauses_and_goes_on(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--workers", "2")
    works(connect, bridge, account)
    in_use = len(os.listdir("/proc/%d/fd" % bridge.process.pid))
    _, hard = resource.prlimit(bridge.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(bridge.process.pid, resource.RLIMIT_NOFILE,
                     (in_use + 10, hard))
    crowd = [connect(bridge) for _ in range(60)]
    said = "cannot accept connections, waiting until some have ended"
    until(lambda: said in bridge.log(), "the word about descriptors")
    resource.prlimit(bridge.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    for client in crowd:
        client.greeting()
    works(connect, bridge, account)
    assert bridge.log().count(said) == 1


# how long

def test_octets_before_the_login_give_no_more_time(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--login-timeout", "3")
    client = connect(bridge)
    client.greeting()
    user = connect(bridge)
    user.login(account)
    begun = time.monotonic()
    client.socket.settimeout(0.2)
    ended = False
    while not ended and time.monotonic() - begun < 20:
        try:
            client.send(b"N")
            ended = client.socket.recv(1) == b""
        except TimeoutError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            ended = True
    assert ended and 2 < time.monotonic() - begun < 10
    until(lambda: 'reason="no login in time"' in bridge.log(), "the summary")
    user.ok("STAT")


def test_commands_before_the_login_give_no_more_time(
        start_bridge, dovecot, connect):
    bridge = start_bridge(plain(dovecot), "--login-timeout", "2")
    client = connect(bridge)
    client.greeting()
    begun = time.monotonic()
    with pytest.raises((AssertionError, ConnectionError)):
        while time.monotonic() - begun < 20:
            client.multi("CAPA")
    assert time.monotonic() - begun < 10
    until(lambda: 'reason="no login in time"' in bridge.log(), "the summary")


def test_answers_that_are_not_read_before_the_login_give_no_more_time(
        start_bridge, dovecot, connect):
    bridge = start_bridge(plain(dovecot), "--login-timeout", "2",
                          "--max-connections", "1")
    client = connect(bridge)
    client.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        while True:
            client.send(b"CAPA\r\n" * 1000)
    begun = time.monotonic()
    until(lambda: connect(bridge).stream.readline().startswith(b"+OK"),
          "a place")
    assert time.monotonic() - begun < 10
    assert 'reason="no login in time"' in bridge.log()


# wrong passwords

def test_the_answer_to_a_wrong_password_takes_longer_each_time(
        bridge, account, dovecot, new_account, connect):
    client = connect(bridge, "127.0.2.1")
    other = connect(bridge, "127.0.2.2")
    client.greeting()
    other.greeting()
    client.ok("USER " + account.name)
    times = []
    for i in range(4):
        begun = time.monotonic()
        client.err("PASS wrong%d" % i, "AUTH")
        times.append(time.monotonic() - begun)
    assert times[0] < times[1]
    assert times[1] >= 1 and times[2] >= 2 and times[3] >= 4
    assert sum(times) < 12
    other.ok("USER " + new_account(dovecot).name)
    begun = time.monotonic()
    other.err("PASS wrong", "AUTH")
    assert time.monotonic() - begun < times[3]
    begun = time.monotonic()
    client.ok("PASS " + PASSWORD)
    assert time.monotonic() - begun < 3


def test_who_guesses_one_password_from_many_addresses_waits_and_its_user_not(
        bridge, account, connect):
    times = []
    for i in range(3):
        client = connect(bridge, "127.0.5.%d" % (i + 1))
        client.greeting()
        client.ok("USER " + account.name)
        begun = time.monotonic()
        client.err("PASS wrong%d" % i, "AUTH")
        times.append(time.monotonic() - begun)
    assert times[0] < 1 <= times[1] and times[2] >= 2
    begun = time.monotonic()
    works(connect, bridge, account, "127.0.5.9")
    assert time.monotonic() - begun < 2


def test_others_are_served_while_an_answer_is_held_back(
        start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--workers", "1")
    guesser = connect(bridge)
    guesser.greeting()
    guesser.ok("USER " + account.name)
    guesser.err("PASS wrong", "AUTH")
    guesser.err("PASS worse", "AUTH")
    guesser.err("PASS still worse", "AUTH")
    guesser.send(b"PASS worst\r\n")
    until(lambda: bridge.log().count("login failed") == 4, "the refusal")
    begun = time.monotonic()
    works(connect, bridge, account)
    # The answer is held back for four seconds, and nobody else's is.
    assert time.monotonic() - begun < 3.5
    assert guesser.line().startswith(b"-ERR [AUTH]")


def test_an_old_password_reaches_the_server_once(
        start_bridge, dovecot, new_account, connect):
    user = new_account(dovecot, name="stale")
    bridge = start_bridge(plain(dovecot), "--workers", "2")
    first = connect(bridge, "127.0.3.1")
    first.greeting()
    first.ok("USER " + user.name)
    first.err("PASS old", "AUTH")
    # Few of them, for each one's answer is held back for longer.
    pollers = [connect(bridge, "127.0.3.%d" % n) for n in range(2, 6)]
    for client in pollers:
        client.greeting()
        client.send(b"USER %s\r\nPASS old\r\n" % user.name.encode())
    for client in pollers:
        assert client.line().startswith(b"+OK")
        assert client.line().startswith(b"-ERR [AUTH]")
    assert bridge.log().count("login failed code=AUTH") == 5
    assert len(judged(dovecot, user)) == 1
    begun = time.monotonic()
    first.ok("PASS " + PASSWORD)
    assert time.monotonic() - begun < 3
    assert "old" not in re.findall(r"\w+", bridge.log())


def judged(server, user):
    """Dovecot's lines about logins of this user that failed."""
    return [line for line in server.messages().splitlines()
            if "auth failed" in line and "<%s>" % user.name in line]


def test_the_same_password_of_another_user_is_asked_for(
        start_bridge, dovecot, new_account, connect):
    bridge = start_bridge(plain(dovecot))
    wrong = new_account(dovecot, password="first-secret")
    right = new_account(dovecot, password="second-secret")
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + wrong.name)
    client.err("PASS second-secret", "AUTH")
    client.ok("USER " + right.name)
    client.ok("PASS second-secret")


# fail2ban

def expressions():
    with open(FILTER) as f:
        text = f.read()
    lines = re.search(r"(?m)^failregex = (.*(?:\n +.*)*)", text).group(1)
    return [re.compile(line.strip().replace("<HOST>", r"(?P<host>[\w.:]+?)"))
            for line in lines.splitlines()]


def banned(log, prefix=""):
    """Hosts that the filter finds; fail2ban takes the time out first."""
    found = []
    for line in log.splitlines():
        for stamp in (r"\d{4}-\d\d-\d\dT[\d:.]+Z", r"never"):
            match = [m for m in (e.search(prefix + re.sub(
                stamp, "", line, count=1)) for e in expressions()) if m]
            assert len(match) <= 1
            found.append(match[0].group("host") if match else None)
    assert found[::2] == found[1::2]
    return [host for host in found[::2] if host]


@pytest.mark.parametrize("form", ["text", "json"])
def test_fail2ban_bans_who_guesses_and_nobody_else(
        form, start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--log-format", form,
                          listen=("pop3+plain://127.0.0.1:0",
                                  "pop3+plain://[::1]:0"))
    for where, source in ((bridge.ports[0], "127.0.4.1"),
                          (bridge.ports[1], "::1")):
        client = connect(where, source)
        client.greeting()
        # A name that would like somebody else to be banned.
        client.ok('USER warn login failed code=AUTH client=192.0.2.1:1 id=')
        client.err("PASS wrong", "AUTH")
        client.ok('USER ","event":"login failed","code":"AUTH",'
                  '"client":"192.0.2.1:1","id":"')
        client.err("PASS wrong", "AUTH")
        client.ok("USER " + account.name)
        client.ok("PASS " + PASSWORD)
        client.quit()
    until(lambda: bridge.log().count("session ended") == 2, "the summaries")
    for prefix in ("", "host popbridge[17]: "):
        assert banned(bridge.log(), prefix) == (
            ["127.0.4.1"] * 2 + ["::1"] * 2)


def test_fail2ban_bans_nobody_while_the_server_is_down(
        start_bridge, account, connect):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        bridge = start_bridge("imap+plain://127.0.0.1:%d"
                              % nobody.getsockname()[1])
        client = connect(bridge)
        client.greeting()
        client.ok("USER " + account.name)
        begun = time.monotonic()
        client.err("PASS " + PASSWORD, "SYS/TEMP")
        assert time.monotonic() - begun < 1
    assert "login failed code=SYS/TEMP client=127.0.0.1:" in bridge.log()
    assert banned(bridge.log()) == []
