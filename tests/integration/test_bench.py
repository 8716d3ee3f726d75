"""The benchmark works, and takes no error for a success."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

import pytest

from conftest import PASSWORD, TOP

MESSAGE = b"Subject: message %d\r\n\r\n" + b"x" * 70 + b"\r\n"


@pytest.fixture(scope="session")
def tools(binary):
    return os.path.join(os.path.dirname(binary), "tests/bench")


def load(tools, scenario, port, name, messages, *options):
    return subprocess.run(
        [tools + "/pop3load", scenario, "--port", str(port), "--user", name,
         "--password", PASSWORD, "--messages", str(messages), *options],
        capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL)


@pytest.fixture
def relay(tools):
    with contextlib.ExitStack() as stack:
        def start(where, ms):
            process = stack.enter_context(subprocess.Popen(
                [tools + "/delay", "--to", "%s:%d" % where, "--ms", str(ms)],
                stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            return process, json.loads(process.stdout.readline())["port"]
        yield start


def test_a_quick_run_measures_every_scenario(binary, tmp_path):
    shutil.copy(TOP + "/docs/performance.md", tmp_path)
    with open(tmp_path / "performance.md", "a") as f:
        f.write("\nWritten by hand.\n")
    done = subprocess.run(
        [sys.executable, TOP + "/scripts/bench", "--quick", "--binary",
         binary, "--json", tmp_path / "json", "--publish", "--docs",
         tmp_path], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(tmp_path / "json") as f:
        results = json.load(f)["results"]
    assert {"download", "download-tls", "download-far", "poll-far", "poll",
            "poll-huge", "large", "large-tls", "idle", "idle-tls", "top",
            "dele", "counts", "growth"} == set(results)
    for scenario, contenders in results.items():
        assert contenders and all(contenders.values()), scenario
    text = (tmp_path / "performance.md").read_text()
    assert "| cold download" in text
    assert text.endswith("\nWritten by hand.\n")
    xml.etree.ElementTree.parse(tmp_path / "performance.svg")


@pytest.mark.parametrize("scenario", [
    "download", "poll", "top", "imap-bulk", "imap-sizes", "imap-each"])
def test_a_mailbox_of_another_size_ends_the_load(
        tools, dovecot, new_account, scenario):
    user = new_account(dovecot, messages=[MESSAGE % n for n in (1, 2, 3)])
    port = (dovecot.imap_port if scenario.startswith("imap")
            else dovecot.pop3_port)
    done = load(tools, scenario, port, user.name, 3)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sessions"] == 1
    for wrong in (2, 4):
        assert load(tools, scenario, port, user.name,
                    wrong).returncode == 1


def test_a_wrong_password_ends_the_load(tools, dovecot, new_account):
    user = new_account(dovecot, password="another")
    assert load(tools, "poll", dovecot.pop3_port, user.name,
                0).returncode == 1


# What a server says after the greeting, command by command.
HONEST = [b"+OK\r\n", b"+OK\r\n", b"+OK\r\n1 a\r\n.\r\n",
          b"+OK\r\n1 %d\r\n.\r\n" % len(MESSAGE % 1),
          b"+OK\r\n" + MESSAGE % 1 + b".\r\n", b"+OK\r\n"]


def dialogue(number, answer):
    answers = list(HONEST)
    answers[number] = answer
    return answers


LIES = {
    "a size that LIST did not say": dialogue(
        4, b"+OK\r\n" + (MESSAGE % 1).replace(b"xx", b"x") + b".\r\n"),
    "another message": dialogue(4, b"+OK\r\n" + MESSAGE % 2 + b".\r\n"),
    "no end": HONEST[:4] + [b"+OK\r\n" + MESSAGE % 1],
    "octets behind the end": HONEST[:4] + [
        b"+OK\r\n" + MESSAGE % 1 + b".\r\n+OK\r\n"],
    "a refusal": dialogue(4, b"-ERR\r\n"),
    "no such line of UIDL": dialogue(2, b"+OK\r\n2 a\r\n.\r\n"),
    "QUIT fails": dialogue(5, b"-ERR\r\n"),
}


@contextlib.contextmanager
def serving(answers):
    """A POP3 server that gives these answers to one client, then leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"+OK\r\n")
                for answer in answers:
                    if not connection.recv(1000):
                        return
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_an_honest_dialogue_is_measured(tools):
    with serving(HONEST) as port:
        done = load(tools, "download", port, "user", 1, "--numbered")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["octets"] == len(MESSAGE % 1)


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_ends_the_load(tools, lie):
    with serving(LIES[lie]) as port:
        done = load(tools, "download", port, "user", 1, "--numbered")
    assert done.returncode == 1
    assert done.stdout == ""


def test_the_relay_counts_commands_octets_and_turns(
        tools, relay, dovecot, new_account):
    user = new_account(dovecot, messages=[MESSAGE % 1])
    process, port = relay((dovecot.address, dovecot.imap_port), 0)
    sent = [b"a LOGIN {%d}\r\n" % len(user.name),
            user.name.encode() + b" {%d+}\r\n%s\r\n" % (
                len(PASSWORD), PASSWORD.encode()),
            b"b SELECT INBOX\r\nc UID FETCH 1:* (UID)\r\n",
            b"d IDLE\r\n", b"DONE\r\n", b"e LOGOUT\r\n"]
    received = 0
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        for part, answer in zip([b""] + sent, (
                b"* OK", b"+ ", b"a OK", b"c OK", b"+ ", b"d OK", b"e OK")):
            s.sendall(part)
            octets = b""
            while answer not in octets or not octets.endswith(b"\r\n"):
                more = s.recv(65536)
                assert more, octets
                octets += more
            received += len(octets)
    process.send_signal(signal.SIGUSR1)
    counts = json.loads(process.stdout.readline())
    assert (counts["connections"], counts["commands"], counts["turns"]) == (
        1, 5, 6)
    assert counts["up"] == len(b"".join(sent))
    assert counts["down"] == received
    process.send_signal(signal.SIGUSR1)
    assert json.loads(process.stdout.readline())["up"] == 0


def test_the_relay_holds_octets_back(tools, relay, dovecot):
    _, port = relay((dovecot.address, dovecot.imap_port), 20)
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.recv(1000)
        assert time.monotonic() - started >= 4 * 0.020
        started = time.monotonic()
        s.sendall(b"a NOOP\r\n")
        s.recv(1000)
        assert time.monotonic() - started >= 2 * 0.020
