"""Fixtures: sandbox servers, accounts of one's own, popbridge processes.

POPBRIDGE names the binary under test (default: build/asan/popbridge).
"""

import base64
import contextlib
import itertools
import os
import secrets
import sys
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "scripts")]

import proxy  # noqa: E402
import sandbox  # noqa: E402
from fake_imap import FakeImap  # noqa: E402
from pop3client import Pop3  # noqa: E402

# Another one in each run: where it turns up, it has leaked.
PASSWORD = "geheim-" + secrets.token_hex(8)
SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                   "WARNING: ThreadSanitizer", "runtime error:")


# As it is, in base64 behind any number of octets, and in hexadecimal.
FORMS = [PASSWORD.encode(), PASSWORD.encode().hex().encode()] + [
    base64.b64encode(b"x" * n + PASSWORD.encode())[4:-4] for n in range(3)]

DEADLINE = 60


def until(met, what):
    """Waits until met() is true, and returns what it says."""
    deadline = time.monotonic() + DEADLINE
    while True:
        result = met()
        if result:
            return result
        assert time.monotonic() < deadline, "not in time: " + what
        time.sleep(0.01)


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("POPBRIDGE",
                          os.path.join(TOP, "build/asan/popbridge"))
    assert os.access(path, os.X_OK), "no popbridge to test: " + path
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def dovecot_with():
    """Returns a sandbox Dovecot with these options, one for each set."""
    servers = {}

    def get(**options):
        key = repr(sorted(options.items()))
        if key not in servers:
            servers[key] = sandbox.Dovecot(**options)
        return servers[key]

    yield get
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def dovecot(dovecot_with):
    return dovecot_with()


@pytest.fixture(scope="session")
def new_account():
    """Makes an account that no other test knows."""
    numbers = itertools.count(1)

    def make(server, password=PASSWORD, messages=(), name="user"):
        user = server.add_user("%s%d" % (name, next(numbers)), password)
        for message in messages:
            server.deliver(user, message)
        return user

    return make


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with a CA, and with what it has signed for a server."""
    directory = str(tmp_path_factory.mktemp("certificates"))
    sandbox.make_certificates(directory)
    return directory


@pytest.fixture
def start_fake():
    """Starts servers that do as they are told; see fake_imap."""
    servers = []

    def start(*args, **keywords):
        servers.append(FakeImap(*args, **keywords))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
        assert not server.failures


@pytest.fixture
def account(dovecot, new_account):
    return new_account(dovecot)


def proc(pid, name):
    """What /proc says of a process, as octets; nothing when it has ended, or
    hides it from all but root."""
    try:
        with open("/proc/%d/%s" % (pid, name), "rb") as f:
            return f.read()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return b""


@contextlib.contextmanager
def bridges(binary):
    """Starts popbridge processes that must end well, with a clean log."""
    started = []

    def start(upstream, *options, **keywords):
        bridge = proxy.Popbridge(binary, upstream, *options, **keywords)
        started.append(bridge)
        return bridge

    yield start
    problems = []
    for bridge in started:
        seen = [proc(bridge.process.pid, name)
                for name in ("cmdline", "environ")]
        status = bridge.stop()
        log = bridge.log()
        for name in os.listdir(bridge.directory):
            with open(os.path.join(bridge.directory, name), "rb") as f:
                seen.append(f.read())
        sys.stderr.write("--- popbridge wrote:\n" + log)
        if status != 0:
            problems.append("popbridge ended with status %s" % status)
        problems += [word for word in SANITIZER_WORDS if word in log]
        if any(form in text for form in FORMS for text in seen):
            problems.append("there is a password where none should be")
        bridge.close()
    assert not problems


@pytest.fixture
def start_bridge(binary):
    with bridges(binary) as start:
        yield start


@pytest.fixture
def bridge(start_bridge, dovecot):
    """popbridge in front of the standard Dovecot."""
    return start_bridge(plain(dovecot))


@pytest.fixture
def start_front():
    """Starts programs that stand in front of a server (fronts.py)."""
    started = []

    def start(kind, where, *args, **keywords):
        front = kind(where, *args, **keywords)
        started.append(front)
        return front

    yield start
    for front in started:
        sys.stderr.write("--- %s wrote:\n%s" % (
            type(front).__name__, front.log()))
        front.stop()


@pytest.fixture
def connect():
    """Opens POP3 connections, closed before any server ends."""
    clients = []

    def open_one(where, source=None):
        address = (where if isinstance(where, tuple)
                   else (where.host, where.port))
        client = Pop3(address, source)
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        client.close()


def plain(server):
    """The upstream URL of a sandbox's clear-text port."""
    return "imap+plain://%s:%d" % (server.address, server.imap_port)
