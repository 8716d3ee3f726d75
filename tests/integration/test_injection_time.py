"""Name servers that fail or take their time, and clocks that jump."""

import socket
import ssl

import pytest

import sandbox
from conftest import PASSWORD, plain, until
from faults import Faults

DAY = 24 * 3600
MESSAGES = [b"Subject: %d\r\n\r\nhello\r\n" % n for n in range(3)]
# More than there are threads for names, and for all.
CROWD = 40
ROUTES = """
listener "l" { url = "pop3+plain://127.0.0.1:0" }
state-directory = "%s"
upstream-keep = 0
max-upstream-connections = 1000
workers = 1
max-unauthenticated = 1000
route "slow" { match = {"*@slow.test"}
  upstream = "imap+plain://localhost:%d" }
route "found" { match = {"*@found.test"} discover = yes }
upstream = "%s"
"""


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path)


@pytest.fixture
def account(dovecot, new_account):
    user = new_account(dovecot, messages=MESSAGES)
    dovecot.add_alias(user, user.name + "@slow.test")
    return user


@pytest.fixture
def routed(start_bridge, faults, dovecot, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    yield start_bridge(None, env=faults.env(), config=ROUTES % (
        state, dovecot.imap_port, plain(dovecot)))
    faults.clear()


def logging_in(bridge, connect, name):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + name)
    client.send(b"PASS " + PASSWORD.encode() + b"\r\n")
    return client


@pytest.mark.parametrize("error", ["EAI_AGAIN", "EAI_NONAME", "EAI_MEMORY",
                                   "EAI_FAIL"])
def test_a_name_that_cannot_be_resolved_is_a_refusal_for_now(
        error, faults, routed, account, connect):
    faults.set(NAME_ERROR=getattr(socket, error))
    client = logging_in(routed, connect, account.name + "@slow.test")
    assert client.line().startswith(b"-ERR [SYS/TEMP]")
    other = connect(routed)
    other.login(account)
    assert other.quit().startswith(b"+OK")
    assert "the name localhost cannot be resolved" in routed.log()
    faults.set(NAME_ERROR=0)
    client.ok("USER " + account.name + "@slow.test")
    client.ok("PASS " + PASSWORD)


def test_names_that_take_their_time_hold_nobody_else_up(
        faults, routed, dovecot, account, new_account, connect):
    faults.set(NAME_HOLD=1)
    waiting = [logging_in(routed, connect, account.name + "@slow.test")
               for _ in range(CROWD)]
    searching = [logging_in(routed, connect, "max@found.test")
                 for _ in range(8)]
    until(lambda: faults.get("NAME_HELD") >= 20, "names that are looked up")
    # Each of these needs threads for what it remembers and promises.
    for _ in range(3):
        neighbour = connect(routed)
        neighbour.socket.settimeout(10)
        neighbour.login(new_account(dovecot, messages=MESSAGES))
        neighbour.multi("RETR 1")
        neighbour.ok("DELE 1")
        assert b"1 messages removed" in neighbour.quit()
    assert faults.get("NAME_HELD") >= 20
    faults.set(NAME_HOLD=0)
    for client in waiting:
        assert client.line().startswith(b"+OK")
    for client in searching:
        assert client.line().startswith(b"-ERR")


def test_names_that_strangers_have_chosen_hold_nobody_else_up(
        faults, routed, account, connect):
    faults.set(NAME_STRANGE=1)
    strangers = [logging_in(routed, connect, "max@found.test")
                 for _ in range(CROWD)]
    until(lambda: faults.get("NAME_HELD") >= 8, "names that are looked up")
    for _ in range(3):
        client = logging_in(routed, connect, account.name + "@slow.test")
        client.socket.settimeout(10)
        assert client.line().startswith(b"+OK")
        client.ok("QUIT")
    assert faults.get("NAME_HELD") == 8
    faults.set(NAME_STRANGE=0)
    for client in strangers:
        assert client.line().startswith(b"-ERR")


def test_who_leaves_while_a_name_is_looked_up_leaves_nothing_behind(
        faults, routed, account, connect):
    faults.set(NAME_HOLD=1)
    for _ in range(CROWD):
        logging_in(routed, connect, account.name + "@slow.test").reset()
    until(lambda: routed.log().count("session ended") == CROWD, "the ends")
    faults.set(NAME_HOLD=0)
    client = logging_in(routed, connect, account.name + "@slow.test")
    assert client.line().startswith(b"+OK")


# clocks

@pytest.fixture
def certificates(tmp_path):
    sandbox.make_certificates(str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def bridge(start_bridge, faults, certificates, dovecot, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    return start_bridge(
        "imaps://localhost:%d" % dovecot.imaps_port, "--upstream-ca",
        dovecot.ca, "--tls-cert", certificates + "/server.pem", "--tls-key",
        certificates + "/server.key", "--state-directory", str(state),
        "--workers", "1", "--idle-timeout", "600",
        listen=["pop3s://127.0.0.1:0"], env=faults.env())


def secured(client, trusted, session=None):
    client.socket = trusted.wrap_socket(client.socket, session=session,
                                        server_hostname="localhost")
    client.stream = client.socket.makefile("rb")
    return client


@pytest.mark.parametrize("days", [1, -1, 20])
def test_a_clock_that_jumps_disturbs_no_session(
        days, faults, bridge, certificates, account, connect):
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    client = secured(connect(bridge), trusted)
    client.login(account)
    client.multi("RETR 1")
    ticket = client.socket.session
    faults.set(CLOCK_JUMP=days * DAY)
    client.multi("RETR 2")
    client.ok("DELE 1")
    assert b"1 messages removed" in client.quit()
    # What is remembered, promised and kept is used as before; a certificate
    # that is not valid yet is the clock's fault, and said to be.
    client = secured(connect(bridge), trusted, ticket)
    client.greeting()
    client.ok("USER " + account.name)
    reply = client.cmd("PASS " + PASSWORD)
    if days > 0:
        assert reply.startswith(b"+OK")
        assert client.ok("STAT").split()[1] == b"2"
        client.ok("DELE 1")
        assert b"1 messages removed" in client.quit()
    faults.set(CLOCK_JUMP=0)
    client = secured(connect(bridge), trusted)
    client.login(account)
    assert client.ok("STAT").startswith(b"+OK %d " % (1 if days > 0 else 2))
    assert client.quit().startswith(b"+OK")


def test_a_certificate_that_the_clock_has_made_old_is_not_trusted(
        faults, start_bridge, dovecot, account, connect):
    bridge = start_bridge("imaps://localhost:%d" % dovecot.imaps_port,
                          "--upstream-ca", dovecot.ca,
                          "--upstream-keep", "0", env=faults.env())
    faults.set(CLOCK_JUMP=60 * DAY)
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + account.name)
    client.err("PASS " + PASSWORD, "SYS/PERM")
    assert "expired" in bridge.log()
    faults.set(CLOCK_JUMP=0)
    client.ok("USER " + account.name)
    client.ok("PASS " + PASSWORD)
