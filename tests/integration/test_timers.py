"""What waits has an end, also behind the last word."""

import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import PASSWORD, until
from fake_imap import FakeImap
from faults import Faults

# What docs/limits.md has.
CLOSE_SECONDS = 5
USER = "max"


@pytest.fixture
def server():
    server = FakeImap([(1, b"one\r\n"), (2, b"two\r\n")])
    yield server
    server.stop()
    assert server.failures == []


def log_in(connect, bridge):
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + USER)
    client.ok("PASS " + PASSWORD)
    return client


def upstream(server):
    return "imap+plain://127.0.0.1:%d" % server.port


def test_who_does_not_hang_up_after_the_last_reply_is_hung_up_on(
        start_bridge, server, connect):
    bridge = start_bridge(upstream(server), "--max-connections", "1")
    client = log_in(connect, bridge)
    client.ok("QUIT")
    assert client.rest() == b""
    # It does not close its end, and its place is free all the same.
    until(lambda: connect(bridge).stream.readline().startswith(b"+OK"),
          "a place")


def test_a_server_that_does_not_answer_logout_is_left(
        start_bridge, server, connect):
    left = threading.Event()

    def logout(connection, _, __):
        try:
            connection.wait_for_end()
        finally:
            left.set()

    server.on = {"LOGOUT": logout}
    bridge = start_bridge(upstream(server), "--upstream-keep", "0")
    client = log_in(connect, bridge)
    client.ok("QUIT")
    begun = time.monotonic()
    assert left.wait(60)
    assert time.monotonic() - begun < 30


def test_a_server_that_says_too_much_before_a_message_does_not_deliver_it(
        start_bridge, server, connect):
    def body(connection, tag, args):
        connection.send(b"* 1 FETCH (UID 1 FLAGS (%s) BODY[] {5}\r\none\r\n"
                        b")\r\n%s OK\r\n" % (b"keyword " * 600, tag))

    server.on = {"BODY": body}
    bridge = start_bridge(upstream(server), "--revive", "no")
    log_in(connect, bridge).err("RETR 1", "SYS/TEMP")
    assert "it says too much before a message" in bridge.log()


def test_a_disk_that_is_held_up_does_not_hold_up_the_end(
        start_bridge, server, connect, tmp_path):
    bridge = start_bridge(upstream(server), "--state-directory",
                          str(tmp_path))
    log_in(connect, bridge).ok("QUIT")
    until(lambda: (tmp_path / "listings.db").exists(), "the file")
    db = sqlite3.connect(tmp_path / "listings.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    server.messages.append((3, b"three\r\n"))
    server.handlers["SELECT"] = known_uidnext(server)
    log_in(connect, bridge).ok("QUIT")
    begun = time.monotonic()
    bridge.process.send_signal(signal.SIGTERM)
    assert bridge.process.wait(60) == 0
    assert time.monotonic() - begun < 30
    db.close()
    assert "listings cannot be saved on the disk" in bridge.log()


def look(connect, bridge):
    client = log_in(connect, bridge)
    client.ok("QUIT")
    client.close()


@pytest.fixture
def held(start_bridge, server, connect, tmp_path):
    """Starts popbridge, with a listing that waits for a disk which does not
    answer."""
    faults = Faults(tmp_path)
    state = tmp_path / "state"
    state.mkdir()

    def start(*options):
        bridge = start_bridge(upstream(server), "--state-directory",
                              str(state), *options, env=faults.env())
        server.handlers["SELECT"] = known_uidnext(server)
        look(connect, bridge)
        faults.set(DISK_HOLD=1)
        until(lambda: faults.get("DISK_HELD"), "a write")
        return bridge

    start.faults = faults
    yield start
    faults.clear()


def test_what_a_slow_disk_has_not_begun_to_save_by_the_end_is_not_saved(
        held, server, connect):
    bridge = held()
    server.messages.append((3, b"three\r\n"))
    look(connect, bridge)
    bridge.process.send_signal(signal.SIGTERM)
    # It is the time that counts.
    time.sleep(CLOSE_SECONDS + 4)
    held.faults.set(DISK_HOLD=0)
    assert bridge.process.wait(30) == 0
    assert "popbridge ends, and the disk took too long" in bridge.log()


@pytest.mark.parametrize("signals", (1, 2))
def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(signals, held):
    bridge = held("--drain-timeout", "1" if signals == 1 else "300")
    for number in range(signals):
        bridge.process.send_signal(signal.SIGTERM)
        until(lambda n=number: bridge.log().count("signal, ") > n, "the word")
    assert bridge.process.wait(20) == 0
    assert "ending without them" in bridge.log()


def known_uidnext(server):
    def select(connection, tag, _):
        n = len(server.messages)
        connection.send(
            b"* FLAGS (\\Seen \\Deleted)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
            b"* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT %d] next\r\n"
            b"%s OK [READ-WRITE] open\r\n" % (n, n + 1, tag))
    return select


def test_an_address_that_does_not_answer_leaves_time_for_others(
        start_bridge, connect):
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        bridge = start_bridge("imap+plain://127.0.0.1:%d"
                              % full.getsockname()[1])
        client = connect(bridge)
        client.greeting()
        client.ok("USER " + USER)
        begun = time.monotonic()
        client.err("PASS " + PASSWORD, "SYS/TEMP")
        # Of thirty, which all of them have together.
        assert 8 < time.monotonic() - begun < 25
    assert "no answer in 10000 ms" in bridge.log()


@pytest.mark.parametrize("days, warns", [(13, True), (15, False)])
def test_two_weeks_before_a_certificate_ends_the_log_says_so(
        days, warns, start_bridge, server, tmp_path):
    key, cert = str(tmp_path / "key"), str(tmp_path / "cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048",
                    "-nodes", "-keyout", key, "-out", cert, "-days",
                    str(days), "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    bridge = start_bridge(upstream(server), "--tls-cert", cert, "--tls-key",
                          key, listen=("pop3s://127.0.0.1:0",))
    assert ("certificate expires soon" in bridge.log()) == warns


def test_a_reload_that_takes_long_takes_nothing_off_the_drain_timeout(
        start_bridge, server, connect, tmp_path):
    """Its file of a CA is slow, and behind two of them it is told to end."""
    authority = tmp_path / "ca.pem"
    config = ('listener "l" { url = "pop3+plain://127.0.0.1:0" }\n'
              'upstream = "%s"\ndrain-timeout = 2\nsandbox = no\n' %
              upstream(server))
    told = threading.Event()

    def body(connection, tag, args):
        assert told.wait(60)
        server.body(connection, tag, args)

    server.on = {"BODY": body}
    bridge = start_bridge(None, config=config)
    client = log_in(connect, bridge)
    client.send(b"RETR 1\r\n")
    until(lambda: server.commands[-1][0] == "BODY", "the question")
    os.mkfifo(authority)
    bridge.configure(config + 'upstream-ca = "%s"\n' % authority)
    bridge.process.send_signal(signal.SIGHUP)
    with open(authority, "w"):
        bridge.process.send_signal(signal.SIGHUP)
        bridge.process.terminate()
    until(lambda: "configuration not reloaded" in bridge.log(), "the first")
    with open(authority, "w"):
        time.sleep(3)
    until(lambda: "finishing what is under way" in bridge.log(), "the signal")
    told.set()
    assert client.line().startswith(b"+OK")
    assert client.payload() == b"one\r\n"
    assert bridge.process.wait(60) == 0
