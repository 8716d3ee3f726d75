"""Sockets that give and take an octet at a time, no descriptors, a disk that
fails: sessions as without, or refused as documented, and well afterwards."""

import errno
import os
import random
import shutil
import signal
import sqlite3
import ssl

import pytest

import sandbox
from conftest import PASSWORD, plain, until
from faults import Faults

MESSAGES = [b"Subject: %d\r\n\r\n.dot\r\n" % n + os.urandom(n * 900).hex()
            .encode() + b"\r\n" for n in range(1, 5)]


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path)


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def account(dovecot, new_account):
    return new_account(dovecot, messages=MESSAGES)


def transcript(client, user):
    """All that a client hears of a session that removes message 2."""
    heard = [client.greeting(), client.ok("USER " + user.name)]
    heard.append(client.ok("PASS " + user.password))
    heard.append(client.multi("LIST"))
    heard.append(client.multi("UIDL"))
    for n in range(1, int(client.ok("STAT").split()[1]) + 1):
        heard.append(client.multi("RETR %d" % n))
        heard.append(client.multi("TOP %d 2" % n))
    heard.append(client.ok("DELE 2"))
    heard.append(client.quit())
    return heard


def secured(client, certificates):
    """The client behind TLS from the first octet."""
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    client.socket = trusted.wrap_socket(client.socket,
                                        server_hostname="localhost")
    client.stream = client.socket.makefile("rb")
    return client


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_a_session_is_the_same_where_octets_come_and_go_one_by_one(
        tls, faults, state, start_bridge, dovecot, new_account, connect,
        tmp_path):
    certificates = str(tmp_path)
    options = ["--state-directory", str(state)]
    listen = ["pop3+plain://127.0.0.1:0"]
    upstream = plain(dovecot)
    if tls:
        sandbox.make_certificates(certificates)
        options += ["--tls-cert", certificates + "/server.pem", "--tls-key",
                    certificates + "/server.key", "--upstream-ca", dovecot.ca]
        listen = ["pop3s://127.0.0.1:0"]
        upstream = "imaps://localhost:%d" % dovecot.imaps_port
    bridge = start_bridge(upstream, *options, listen=listen,
                          env=faults.env())
    heard = []
    for most, again in ((0, 0), (1, 0), (3, 300), (1000, 500), (1, 700)):
        user = new_account(dovecot, messages=MESSAGES)
        faults.set(SEED=random.randrange(1 << 30), SOCKET_MOST=most,
                   SOCKET_AGAIN=again, DISK_MOST=most)
        client = connect(bridge)
        if tls:
            secured(client, certificates)
        heard.append([line.replace(user.name.encode(), b"")
                      for line in transcript(client, user)])
        faults.set(SOCKET_MOST=0, SOCKET_AGAIN=0, DISK_MOST=0)
    assert faults.get("SOCKET_CALLS") > 1000
    assert faults.get("DISK_FAILED") > 10
    assert [uidless(h) for h in heard[1:]] == [uidless(heard[0])] * 4


def uidless(heard):
    """Without UIDL, which differs from mailbox to mailbox."""
    return heard[:4] + heard[5:]


# descriptors

@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM"])
def test_without_descriptors_who_is_there_stays_and_others_wait(
        error, faults, state, start_bridge, dovecot, account, new_account,
        connect):
    other = new_account(dovecot, messages=MESSAGES)
    bridge = start_bridge(plain(dovecot), "--state-directory", str(state),
                          "--workers", "1", env=faults.env())
    here, before = connect(bridge), connect(bridge)
    here.login(account)
    before.greeting()
    faults.set(OPEN_ERRNO=getattr(errno, error))
    late = connect(bridge)
    until(lambda: faults.get("OPEN_FAILED"), "a failure")
    assert here.multi("RETR 1")
    before.ok("USER " + other.name)
    before.err("PASS " + PASSWORD, "SYS/TEMP")
    here.ok("DELE 1")
    assert b"1 messages removed" in here.quit()
    faults.set(OPEN_ERRNO=0)
    late.login(other)
    before.ok("USER " + other.name)
    before.ok("PASS " + PASSWORD)


@pytest.mark.parametrize("error", ["EMFILE", "EIO"])
def test_a_reload_that_cannot_open_its_files_leaves_the_old_configuration(
        error, faults, start_bridge, dovecot, account, connect, tmp_path):
    certificates = str(tmp_path)
    sandbox.make_certificates(certificates)
    bridge = start_bridge(
        None, env=faults.env(), config="""
listener "l" { url = "pop3s://127.0.0.1:0"
  tls-cert = "%s/server.pem" tls-key = "%s/server.key" }
upstream = "%s"
""" % (certificates, certificates, plain(dovecot)))
    faults.set(OPEN_ERRNO=getattr(errno, error))
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: "not reloaded" in bridge.log(), "the word about it")
    faults.set(OPEN_ERRNO=0)
    secured(connect(bridge), certificates).login(account)
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in bridge.log(), "a reload")
    secured(connect(bridge), certificates).login(account)


# the disk

FULL = ["ENOSPC", "EIO", "EDQUOT"]


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_costs_the_journal_and_no_session(
        error, faults, state, start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--state-directory", str(state),
                          env=faults.env())
    faults.set(DISK_ERRNO=getattr(errno, error))
    for left in (3, 2):
        client = connect(bridge)
        client.login(account)
        client.ok("DELE 1")
        assert b"1 messages removed" in client.quit()
        client = connect(bridge)
        client.login(account)
        assert client.ok("STAT").split()[1] == b"%d" % left
        client.quit()
    assert faults.get("DISK_FAILED")
    assert "cannot be written down" in bridge.log()
    faults.set(DISK_ERRNO=0)
    complaints = bridge.log().count("cannot be written down")
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    client.quit()
    assert bridge.log().count("cannot be written down") == complaints


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_keeps_deletions_back_where_the_journal_is_required(
        error, faults, state, start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--state-directory", str(state),
                          "--journal", "required", env=faults.env())
    faults.set(DISK_ERRNO=getattr(errno, error))
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    client.err("QUIT", "SYS/TEMP")
    # Who removes nothing needs no journal.
    client = connect(bridge)
    client.login(account)
    assert client.ok("STAT").split()[1] == b"4"
    client.multi("RETR 2")
    assert client.quit().startswith(b"+OK")
    faults.set(DISK_ERRNO=0)
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    assert b"1 messages removed" in client.quit()


def promises(state):
    """So many were ever written down, and so many are left."""
    db = sqlite3.connect(state / "journal.db")
    made, = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
                       " WHERE name = 'promise'").fetchone()
    left, = db.execute("SELECT count(*) FROM promise").fetchone()
    db.close()
    return made, left


@pytest.mark.parametrize("journal, left", [("required", b"4"),
                                           ("best-effort", b"3")])
def test_what_a_disk_takes_too_late_does_not_count(
        journal, left, faults, state, start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--state-directory", str(state),
                          "--journal", journal, "--upstream-timeout", "1",
                          env=faults.env())
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    faults.set(DISK_HOLD=1)
    if journal == "required":
        client.err("QUIT", "SYS/TEMP")
    else:
        assert b"1 messages removed" in client.ok("QUIT")
    client.close()
    faults.set(DISK_HOLD=0)
    until(lambda: promises(state) == (1, 0), "the end of the promise")
    client = connect(bridge)
    client.login(account)
    assert client.ok("STAT").split()[1] == left
    client.quit()


def gone(state):
    shutil.rmtree(state)


def closed(state):
    """Nobody may; root does not ask, so a file stands in the way."""
    shutil.rmtree(state)
    state.write_text("")


@pytest.mark.parametrize("vanish", [gone, closed])
@pytest.mark.parametrize("journal", ["best-effort", "required"])
def test_a_state_directory_that_vanishes_ends_no_session(
        vanish, journal, state, start_bridge, dovecot, account, connect):
    bridge = start_bridge(plain(dovecot), "--state-directory", str(state),
                          "--journal", journal)
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    vanish(state)
    if journal == "required":
        client.err("QUIT", "SYS/TEMP")
    else:
        assert b"1 messages removed" in client.quit()
    client = connect(bridge)
    client.login(account)
    client.multi("RETR 1")
    client.quit()
    if state.exists():
        state.unlink()
    state.mkdir()
    # Back again, it is used at the latest after a restart.
    assert bridge.stop() == 0
    bridge = start_bridge(plain(dovecot), "--state-directory", str(state),
                          "--journal", journal)
    client = connect(bridge)
    client.login(account)
    client.ok("DELE 1")
    assert b"1 messages removed" in client.quit()

