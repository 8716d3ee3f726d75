"""Many clients of every kind at a time, over four loops: what the loops share
(locks, notes, snapshots, the log) is used from all sides.  Worth most under
the thread sanitizer, which scripts/test runs it with."""

import os
import random
import re
import signal
import socket
import threading

import proxy

CLIENTS = 12
SESSIONS = 25
COMMANDS = (b"RETR %d\r\n", b"TOP %d 3\r\n", b"UIDL %d\r\n",
            b"DELE %d\r\nRSET\r\n")


def reports(log):
    """What the thread sanitizer has said, without the sessions around it."""
    return "\n".join(re.findall(r"^WARNING: ThreadSanitizer.*?^SUMMARY:[^\n]*",
                                log, re.DOTALL | re.MULTILINE))


def misbehave(bridge, user, rng):
    """One session that ends in one of the ways that sessions end."""
    # From many addresses and by many names, so that wrong passwords do not
    # slow them all down.
    source = "127.0.%d.%d" % (rng.randrange(1, 250), rng.randrange(1, 250))
    with socket.create_connection((bridge.host, bridge.port), 60,
                                  (source, 0)) as s:
        stream = s.makefile("rb")
        stream.readline()
        name = rng.choice((user.name, user.name,
                           "guess%d" % rng.randrange(10 ** 9)))
        s.sendall(b"USER %s\r\nPASS %s\r\n" % (
            name.encode(), user.password.encode()))
        stream.readline()
        if not stream.readline().startswith(b"+OK"):
            return
        script = b"".join(rng.choice(COMMANDS) % rng.randrange(1, 25)
                          for _ in range(rng.randrange(1, 40)))
        if rng.random() < 0.6:
            script += b"QUIT\r\n"
        s.sendall(script)
        if rng.random() < 0.6:
            s.shutdown(socket.SHUT_WR)
            while stream.read(65536):
                pass
        elif rng.random() < 0.5:
            stream.read1(rng.randrange(1, 5000))


def test_loops_share_nothing_unguarded(dovecot, binary):
    seed = int(os.environ.get("POPBRIDGE_TEST_SEED",
                              random.SystemRandom().randrange(10 ** 9)))
    print("POPBRIDGE_TEST_SEED=%d" % seed)
    users = [dovecot.add_user("threads%d" % i, "secret") for i in range(8)]
    for user in users:
        for i in range(20):
            dovecot.deliver(user, b"Subject: %d\r\n\r\n%s\r\n" % (
                i, b"x" * (i * 1000)))
    suppressions = os.path.join(os.path.dirname(__file__), "tsan.supp")
    bridge = proxy.Popbridge(
        binary, "imaps://%s:%d" % (dovecot.address, dovecot.imaps_port),
        "--upstream-ca", dovecot.ca, "--workers", "4", "--lock", "takeover",
        env={"TSAN_OPTIONS": "suppressions=" + suppressions})
    failures = []

    def client(number):
        rng = random.Random(seed + number)
        for _ in range(SESSIONS):
            try:
                misbehave(bridge, rng.choice(users), rng)
            except ConnectionError:
                pass    # taken over in the middle
            except OSError as e:
                failures.append(e)

    threads = [threading.Thread(target=client, args=(i,))
               for i in range(CLIENTS)]
    for i, thread in enumerate(threads):
        thread.start()
        if i % 4 == 3:
            bridge.process.send_signal(signal.SIGHUP)
    for thread in threads:
        thread.join()
    status = bridge.stop()
    log = bridge.log()
    print(log[-20000:])
    bridge.close()
    assert not failures
    assert (status, reports(log)) == (0, "")
    assert "Sanitizer" not in log and "runtime error" not in log
    assert log.count("session ended") == CLIENTS * SESSIONS
    assert log.count("configuration reloaded") >= 1
    for user in users:
        with dovecot.imap(user) as imap:
            imap.select(readonly=True)
            _, (found,) = imap.search(None, "DELETED")
            assert found == b""


def poll(bridge, user):
    """One mail program that looks for mail, and what it hears."""
    with socket.create_connection((bridge.host, bridge.port), 60) as s:
        stream = s.makefile("rb")
        stream.readline()
        s.sendall(b"USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % (
            user.name.encode(), user.password.encode()))
        return [stream.readline() for _ in range(5)]


def test_a_storm_of_polls_shares_what_is_kept(dovecot, binary):
    users = [dovecot.add_user("storm%d" % i, "secret") for i in range(5)]
    for user in users:
        dovecot.deliver(user, b"Subject: x\r\n\r\nx\r\n")
    suppressions = os.path.join(os.path.dirname(__file__), "tsan.supp")
    # Fewer may be kept, and fewer may be open, than would be.
    bridge = proxy.Popbridge(
        binary, "imaps://%s:%d" % (dovecot.address, dovecot.imaps_port),
        "--upstream-ca", dovecot.ca, "--workers", "4",
        "--max-kept-connections", "4", "--max-upstream-connections", "2",
        "--upstream-keep", "1", "--log-level", "debug",
        env={"TSAN_OPTIONS": "suppressions=" + suppressions})
    wrong = []

    def client(number):
        for i in range(SESSIONS):
            try:
                heard = poll(bridge, users[(number + i) % len(users)])
            except OSError as e:
                wrong.append(e)
                continue
            if heard[2] != b"+OK 1 17\r\n":
                wrong.append(heard)

    threads = [threading.Thread(target=client, args=(i,))
               for i in range(CLIENTS)]
    for i, thread in enumerate(threads):
        thread.start()
        if i % 4 == 3:
            bridge.process.send_signal(signal.SIGHUP)
    for thread in threads:
        thread.join()
    status = bridge.stop()
    log = bridge.log()
    print(log[-20000:])
    bridge.close()
    assert not wrong
    assert (status, reports(log)) == (0, "")
    assert "Sanitizer" not in log and "runtime error" not in log
    assert "kept connection taken up" in log
