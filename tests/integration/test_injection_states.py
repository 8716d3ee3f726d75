"""SIGHUP, SIGTERM and a mail server that stops, in each state of a session.

STATES has a way into each state of the bridge; a test compares it with the
source."""

import os
import re
import signal
import socket
import threading
import time

import pytest

import sandbox
from conftest import PASSWORD, TOP, plain, until
from fake_imap import FakeImap, closes, says
from faults import Faults
from pop3client import Pop3

MESSAGES = [(uid, b"Subject: %d\r\n\r\n" % uid + b"x" * 100 + b"\r\n")
            for uid in (3, 7, 8)]
# More than all buffers on the way to a client hold.
MANY = [(uid, b"12345\r\n") for uid in range(1, 5001)]
LISTS = 300
DRAIN_SECONDS = 20
# What the process may take to end at once.
AT_ONCE_SECONDS = 8
CONFIG = """
listener "clear" { url = "pop3+plain://127.0.0.1:0" }
listener "door" { url = "pop3://127.0.0.1:0"
  tls-cert = "%(folder)s/server.pem" tls-key = "%(folder)s/server.key" }
state-directory = "%(folder)s/state"
log-level = debug
workers = 1
revive = yes
drain-timeout = %(drain)d
upstream-timeout = %(timeout)d
connect-timeout = %(timeout)d
upstream-keep = 0
route "named" { match = {"*@named.test"}
  upstream = "imap+plain://localhost:%(port)d" }
route "found" { match = {"*@found.test"} discover = yes }
upstream = "imap+plain://127.0.0.1:%(port)d"
"""


class Stage:
    """A fake server that waits where it is told to, and popbridge."""

    def __init__(self, start_bridge, folder, timeout=30,
                 drain=DRAIN_SECONDS):
        self.faults = Faults(folder)
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.waits = False
        self.server = FakeImap(MESSAGES)
        sandbox.make_certificates(str(folder))
        os.mkdir(str(folder) + "/state")
        self.bridge = start_bridge(
            None, env=self.faults.env(), config=CONFIG % {
                "folder": folder, "port": self.server.port,
                "timeout": timeout, "drain": drain})
        self.clients = []

    def client(self, door=0):
        client = Pop3(self.bridge.ports[door])
        self.clients.append(client)
        client.greeting()
        return client

    def login(self, name="max"):
        client = self.client()
        client.ok("USER " + name)
        client.ok("PASS " + PASSWORD)
        return client

    def begin_login(self, name="max", password=PASSWORD):
        client = self.client()
        client.ok("USER " + name)
        client.send(b"PASS %s\r\n" % password.encode())
        return client

    def wait_at(self, step, also=None):
        """The server does not go on there before the gate is open."""
        def handler(connection, tag, args):
            self.reached.set()
            self.gate.wait(60)
            self.server.handlers[step](connection, tag, args)
        self.waits = True
        self.server.on = dict(also or {}, **{step: handler})

    def release(self):
        self.faults.clear()
        self.gate.set()

    def state(self):
        """That of the session which has moved last."""
        found = re.findall(r" session state id=\S+ from=\w+ to=(\w+)",
                           self.bridge.log())
        return found[-1] if found else "COMMAND"

    def removed(self):
        return [c for c in self.server.commands
                if c[0] in ("STORE", "EXPUNGE")]

    def neighbour(self):
        """Somebody else, who must not notice."""
        if self.waits:
            assert self.reached.wait(60)
        on, self.server.on = self.server.on, {}
        client = self.login("neighbour")
        assert client.ok("STAT").startswith(b"+OK ")
        client.quit()
        self.server.on = on

    def stop(self):
        self.release()
        for client in self.clients:
            client.close()
        self.server.stop()
        assert not self.server.failures


# Into the states: each returns the client, and what it then hears.

def command(stage):
    return stage.login(), b""


def securing(stage):
    client = stage.client(door=1)
    client.ok("STLS")
    return client, b""


def identifying(stage):
    stage.faults.set(NAME_HOLD=1)
    return stage.begin_login("max@found.test"), b"-ERR ["


def connecting(stage):
    stage.faults.set(NAME_HOLD=1)
    return stage.begin_login("max@named.test"), b"+OK"


def login(stage):
    stage.wait_at("AUTHENTICATE")
    return stage.begin_login(), b"+OK"


def holding(stage):
    stage.server.on = {"AUTHENTICATE": says(b"TAG NO wrong\r\n")}
    client = stage.client()
    client.ok("USER max")
    client.err("PASS wrong1", "AUTH")
    client.err("PASS wrong2", "AUTH")
    client.send(b"PASS wrong3\r\n")
    return client, b"-ERR [AUTH]"


def opening(stage):
    stage.wait_at("SELECT")
    return stage.begin_login(), b"+OK"


def keeping(stage):
    stage.server.on = {"EXPUNGE": closes}
    client = stage.login()
    client.ok("DELE 2")
    client.cmd("QUIT")
    until(lambda: "session ended" in stage.bridge.log(), "its end")
    del stage.server.commands[:]
    stage.wait_at("STORE")
    return stage.begin_login(), b"+OK"


def listing(stage):
    stage.server.messages = MANY
    client = stage.login()
    client.send(b"LIST\r\n" * LISTS)
    return client, None


def retrieving(stage):
    stage.wait_at("BODY")
    client = stage.login()
    client.send(b"RETR 1\r\n")
    return client, b"+OK"


def reopening(stage):
    client = stage.login()
    stage.server.on = {}
    for sock in list(stage.server.sockets):
        sock.shutdown(socket.SHUT_RDWR)
    stage.wait_at("SELECT")
    client.send(b"RETR 1\r\n")
    return client, b"+OK"


def promising(stage):
    client = stage.login()
    client.ok("DELE 2")
    stage.faults.set(DISK_HOLD=1)
    client.send(b"QUIT\r\n")
    return client, b"+OK"


def committing(stage):
    stage.wait_at("EXPUNGE")
    client = stage.login()
    client.ok("DELE 2")
    client.send(b"QUIT\r\n")
    return client, b"+OK"


def ended(stage):
    """The end of what it has to hear waits in popbridge."""
    client, _ = listing(stage)
    client.send(b"QUIT\r\n")
    until(lambda: stage.state() == "LISTING", "a listing")
    client.got = b""
    while stage.state() != "ENDED":
        part = client.socket.recv(16384)
        assert part
        client.got += part
    return client, None


# Between the wish for a lock and its answer nothing else can happen.
STATES = {"COMMAND": command, "SECURING": securing,
          "IDENTIFYING": identifying, "CONNECTING": connecting,
          "LOGIN": login, "HOLDING": holding, "LOCKING": None,
          "OPENING": opening, "KEEPING": keeping, "LISTING": listing,
          "RETRIEVING": retrieving, "REOPENING": reopening,
          "PROMISING": promising, "COMMITTING": committing, "ENDED": ended}
DRIVEN = [name for name, way in STATES.items() if way]
# Their threads wait for a name server or the disk.
ON_THREADS = ("IDENTIFYING", "CONNECTING", "PROMISING")
# Those that end differently.
ENDED_AT_ONCE = ON_THREADS + ("COMMAND", "OPENING", "KEEPING", "LISTING",
                              "RETRIEVING", "COMMITTING")
# The mail server's turn.
PAUSED = ("LOGIN", "OPENING", "KEEPING", "RETRIEVING", "REOPENING",
          "COMMITTING")


def test_there_is_a_way_into_each_state():
    with open(TOP + "/include/popbridge/bridge/bridge.h") as f:
        body = re.search(r"enum pb_bridge_state \{(.*?)\};", f.read(),
                         re.S).group(1)
    assert re.findall(r"^\tPB_BRIDGE_(\w+)", body, re.M) == list(STATES)


@pytest.fixture
def stage(start_bridge, tmp_path):
    stage = Stage(start_bridge, tmp_path)
    yield stage
    stage.stop()


def enter(stage, name):
    client, then = STATES[name](stage)
    until(lambda: stage.state() == name, "the state " + name)
    return client, then


def ask_to_end(stage):
    said = stage.bridge.log().count("signal, ")
    stage.bridge.process.send_signal(signal.SIGTERM)
    until(lambda: stage.bridge.log().count("signal, ") > said
          or stage.bridge.process.poll() is not None, "a word about it")


@pytest.mark.parametrize("name", DRIVEN)
def test_a_reload_leaves_a_session_in_this_state_untouched(name, stage):
    client, then = enter(stage, name)
    stage.bridge.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in stage.bridge.log(), "a reload")
    if name != "HOLDING":
        assert stage.state() == name
    if name not in ON_THREADS:
        stage.neighbour()
    stage.release()
    if then:
        assert client.line().startswith(then)
    elif then is None:
        if name == "ENDED":
            lines = client.got + client.rest()
            assert b"+OK goodbye" in lines.splitlines()[-1]
        else:
            lines = client.payload()
        assert lines.count(b"\r\n") > 2
    elif name == "COMMAND":
        assert client.multi("RETR 1")


@pytest.mark.parametrize("name", DRIVEN)
def test_the_end_waits_for_what_is_under_way_in_this_state(name, stage):
    client, then = enter(stage, name)
    ask_to_end(stage)
    stage.release()
    reader = threading.Thread(target=client.rest)
    if then:
        assert client.line().startswith(then)
    reader.start()
    assert stage.bridge.process.wait(DRAIN_SECONDS + 5) == 0
    reader.join()
    removed = [step for step, _ in stage.removed()]
    whole = name in ("KEEPING", "PROMISING", "COMMITTING")
    assert removed == (["STORE", "EXPUNGE"] if whole else [])


@pytest.mark.parametrize("name", ENDED_AT_ONCE)
def test_a_second_signal_ends_this_state_at_once(name, stage):
    enter(stage, name)
    ask_to_end(stage)
    begun = time.monotonic()
    if stage.bridge.process.poll() is None:
        stage.bridge.process.send_signal(signal.SIGTERM)
    assert stage.bridge.process.wait(AT_ONCE_SECONDS) == 0
    assert time.monotonic() - begun < AT_ONCE_SECONDS
    if name not in ("KEEPING", "COMMITTING"):
        assert not stage.removed()


# a mail server that stops

@pytest.fixture
def hasty(start_bridge, tmp_path):
    stage = Stage(start_bridge, tmp_path, timeout=1)
    yield stage
    stage.stop()


@pytest.mark.parametrize("name", PAUSED)
def test_a_server_that_stops_in_this_state_is_a_refusal_for_now(name, hasty):
    client, _ = enter(hasty, name)
    hasty.neighbour()
    heard = client.rest() if name == "COMMITTING" else client.line()
    assert heard.startswith(b"-ERR [SYS/TEMP]"), heard
    hasty.neighbour()
    hasty.release()
    hasty.server.on = {}
    again = hasty.login()
    assert again.ok("STAT").startswith(b"+OK ")
    assert again.multi("RETR 1")
    again.quit()


def stopped(server, stop):
    """All processes of a Dovecot, which has a process group of its own."""
    os.killpg(server.process.pid, signal.SIGSTOP if stop else signal.SIGCONT)


def test_a_dovecot_that_is_stopped_disturbs_its_own_users_only(
        start_bridge, dovecot, new_account, connect):
    message = b"Subject: x\r\n\r\n" + b"y" * 70000 + b"\r\n"
    with sandbox.Dovecot(tls=False, pop3=False) as other:
        bridge = start_bridge(None, config="""
listener "l" { url = "pop3+plain://127.0.0.1:0" }
workers = 1
upstream-timeout = 1
connect-timeout = 1
route "other" { match = {"other*"} upstream = "imap+plain://%s:%d" }
upstream = "imap+plain://%s:%d"
""" % (other.address, other.imap_port, dovecot.address, dovecot.imap_port))
        user = other.add_user("other", PASSWORD)
        for _ in range(3):
            other.deliver(user, message)
        near = new_account(dovecot, messages=[message])
        client, neighbour = connect(bridge), connect(bridge)
        client.login(user)
        neighbour.login(near)
        stopped(other, True)
        try:
            client.ok("DELE 1")
            client.err("QUIT", "SYS/TEMP")
            assert neighbour.multi("RETR 1")
            client = connect(bridge)
            client.greeting()
            client.ok("USER other")
            client.err("PASS " + PASSWORD, "SYS/TEMP")
        finally:
            stopped(other, False)
        until(lambda: works(connect(bridge), user), "a login")
        assert neighbour.quit().startswith(b"+OK")


def works(client, user):
    client.greeting()
    client.ok("USER " + user.name)
    return client.cmd("PASS " + user.password).startswith(b"+OK")


def test_a_dovecot_that_pauses_is_waited_for(start_bridge, connect):
    """By those who wait for it, in whatever they do, and unseen.  docs/proof.md
    has longer pauses than POPBRIDGE_TEST_PAUSE's default, in seconds."""
    pause = float(os.environ.get("POPBRIDGE_TEST_PAUSE", "3"))
    message = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 40000
    with sandbox.Dovecot(tls=False, pop3=False) as server:
        bridge = start_bridge(plain(server))
        users = {}
        clients = {}
        for name in ("asks", "reads", "quits", "idles", "comes"):
            users[name] = server.add_user(name, PASSWORD)
            for _ in range(2):
                server.deliver(users[name], message)
            clients[name] = connect(bridge)
            if name != "comes":
                clients[name].login(users[name])
        clients["comes"].greeting()
        clients["comes"].ok("USER comes")
        clients["quits"].ok("DELE 1")
        clients["reads"].send(b"RETR 1\r\n")
        assert clients["reads"].line().startswith(b"+OK")
        stopped(server, True)
        try:
            clients["asks"].send(b"RETR 1\r\n")
            clients["quits"].send(b"QUIT\r\n")
            clients["comes"].send(b"PASS %s\r\n" % PASSWORD.encode())
            time.sleep(pause)
        finally:
            stopped(server, False)
        assert clients["asks"].line().startswith(b"+OK")
        assert clients["asks"].payload() == message
        assert clients["reads"].payload() == message
        assert clients["quits"].line() == \
            b"+OK goodbye, 1 messages removed"
        assert clients["comes"].line().startswith(b"+OK")
        assert clients["idles"].multi("RETR 1") == message
        left = server.imap(users["quits"])
        assert left.select(readonly=True) == ("OK", [b"1"])
        left.logout()
        assert "lost" not in bridge.log()
