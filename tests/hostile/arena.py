"""A popbridge process, servers and clients that play scenarios in it, and the
judgement after each.

A process has lanes: a fake server and a route each, so that what happens in a
lane is of one scenario.  In every process a neighbour is logged in at an
honest server, and is asked before, during and after each scenario.
"""

import itertools
import os
import queue
import re
import ssl
import threading
import time

from clients import Bad, Hostile, Ordinary, Wire
from fake_imap import FakeImap
from hostile_server import HostileServer
from pop3client import Pop3

OCTETS = b"Subject: neighbour\r\n\r\nundisturbed\r\n"
# What a connection may take to be closed after its session.
CLOSING_SECONDS = 15
NEIGHBOUR_SECONDS = 20
# Nothing has to wait for a deadline, where none is shorter than this.
TOO_LONG_SECONDS = 30
NEIGHBOUR_PAUSE = 0.1
# Many sessions at once, their stacks and ASan's: what does not grow further.
MANY_KB = 48 << 10
# ASan keeps what is freed; a bound on memory must not measure that.
ASAN = ":".join(filter(None, (
    os.environ.get("ASAN_OPTIONS"),
    "quarantine_size_mb=1:thread_local_quarantine_size_kb=16")))
SCHEMES = {"none": "imap+plain", "starttls": "imap", "implicit": "imaps"}
DOORS = {"plain": "pop3+plain", "stls": "pop3", "pop3s": "pop3s"}
# Where a scenario says nothing of it: else it would come to nothing.
LOGGED_IN = {"login": {"ok"}}
addresses = itertools.count(1)


def an_address():
    """A client's address that no other has: some are slowed down."""
    n = next(addresses)
    return ("127.1.%d.%d" % (n // 250, n % 250 + 1), 0)


class Neighbour:
    """Who has done nothing, and must not notice anything."""

    def __init__(self, where, password):
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.trouble = None
        self.polls = 0
        self.client = Pop3(where, "127.0.0.9")
        self.client.socket.settimeout(NEIGHBOUR_SECONDS)
        self.client.greeting()
        self.client.ok("USER neighbour@honest.test")
        self.client.ok("PASS " + password)
        self.thread = threading.Thread(target=self.live)
        self.thread.start()

    def live(self):
        while not self.ending.wait(NEIGHBOUR_PAUSE):
            self.look()

    def look(self):
        with self.lock:
            try:
                assert self.client.cmd("STAT") == b"+OK 1 %d" % len(OCTETS)
                assert self.client.multi("RETR 1") == OCTETS
                self.polls += 1
            except (AssertionError, OSError) as error:
                self.trouble = self.trouble or repr(error)
                self.ending.set()
        return self.trouble

    def leave(self):
        self.ending.set()
        self.thread.join()
        if self.trouble is None:
            self.client.ok("DELE 1")
            assert self.client.quit().startswith(b"+OK")
        self.client.close()


class Lane:
    def __init__(self, number, kind, certificates):
        self.number = number
        self.kind = kind
        self.server = HostileServer(
            tls=None if kind == "none" else certificates,
            implicit_tls=kind == "implicit")

    def route(self, certificates):
        return (
            'route "lane%d" { match = {"*@lane%d.test"} '
            'upstream = "%s://localhost:%d" upstream-ca = "%s/ca.pem" }\n' % (
                self.number, self.number, SCHEMES[self.kind],
                self.server.port, certificates))


def listener(name, scheme, certificates):
    tls = "" if name == "plain" else (
        'tls-cert = "%s/server.pem" tls-key = "%s/server.key" ' % (
            certificates, certificates))
    return 'listener "%s" { url = "%s://127.0.0.1:0" %s}\n' % (
        name, scheme, tls)


class Arena:
    """options are popbridge's, lanes {kind of TLS: how many}, kept is how
    many connections it may keep."""

    def __init__(self, start_bridge, password, certificates, options=(),
                 lanes=None, alone=False, kept=0):
        self.kept = kept
        self.password = password
        self.alone = alone
        self.users = itertools.count(1)
        self.queues = {kind: queue.Queue() for kind in SCHEMES}
        kinds = [k for k, n in (lanes or {"none": 4}).items()
                 for _ in range(n)]
        self.lanes = [Lane(i, kind, certificates)
                      for i, kind in enumerate(kinds)]
        self.honest = FakeImap([(5, OCTETS)])
        config = "".join(listener(*door, certificates)
                         for door in DOORS.items()) + (
            'route "honest" { match = {"*@honest.test"} '
            'upstream = "imap+plain://127.0.0.1:%d" }\n' % self.honest.port
            ) + "".join(lane.route(certificates) for lane in self.lanes)
        self.trusted = ssl.create_default_context(
            cafile=certificates + "/ca.pem")
        self.bridge = start_bridge(None, "--workers", "1", *options,
                                   config=config, env={"ASAN_OPTIONS": ASAN})
        self.doors = dict(zip(DOORS, self.bridge.ports))
        self.neighbour = Neighbour(self.doors["plain"], password)
        # What the first session of all makes, it keeps.
        self.descriptors = self.count_descriptors()
        self.memory = self.status("VmRSS")

    # what the process is like

    def status(self, name):
        with open("/proc/%d/status" % self.bridge.process.pid) as f:
            return int(re.search(name + r":\s+(\d+) kB", f.read()).group(1))

    def forget_peak(self):
        with open("/proc/%d/clear_refs" % self.bridge.process.pid, "w") as f:
            f.write("5")

    def count_descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.bridge.process.pid))

    def descriptors_back(self):
        deadline = time.monotonic() + CLOSING_SECONDS
        while self.count_descriptors() > self.descriptors + self.kept:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    # playing

    def play_all(self, variants, report):
        """report(variant, trouble) for each; trouble is None when well."""
        for variant in variants:
            self.queues[variant.get("tls", "none")].put(variant)
        threads = [threading.Thread(target=self.run_lane,
                                    args=(lane, report))
                   for lane in self.lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def run_lane(self, lane, report):
        while True:
            try:
                variant = self.queues[lane.kind].get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            try:
                trouble = self.play(lane, variant)
            except Exception as error:
                trouble = repr(error)
            took = time.monotonic() - began
            if took > TOO_LONG_SECONDS:
                trouble = trouble or "it took %.0f s" % took
            report(variant, trouble)

    def play(self, lane, variant):
        lane.server.begin()
        if self.alone:
            self.forget_peak()
            before = self.status("VmRSS")
        if self.neighbour.look():
            return "the neighbour before: " + self.neighbour.trouble
        user = "u%d@lane%d.test" % (next(self.users), lane.number)
        trouble = None
        lane.server.prepare(variant)
        for session in variant.sessions:
            lane.server.on.session = session
            trouble = trouble or self.session(variant, lane, user)
        return trouble or self.judge(lane, variant) or (
            self.judge_memory(variant, before) if self.alone else None)

    def session(self, variant, lane, user):
        wire = Wire(self.doors[variant.get("door", "plain")], an_address())
        try:
            if variant.scenario.kind == "client":
                client = Hostile(variant, wire, user, self.password,
                                 self.trusted)
                client.play()
                return None
            if variant.get("door") == "pop3s":
                wire.secure(self.trusted)
            client = Ordinary(variant, wire, user, self.password)
            client.play()
            return judge_session(variant, client, lane.server)
        except Bad as bad:
            return str(bad)
        finally:
            wire.close()

    def judge(self, lane, variant):
        server = lane.server
        if self.bridge.process.poll() is not None:
            return "popbridge ended"
        left = 0 if variant.has("remembers") else (
            server.leftovers(CLOSING_SECONDS))
        if left:
            return "%d connections to the server are left" % left
        if server.failures:
            return "the server was told what it does not know: %s" % (
                server.failures[0])
        for step, count in variant.heard.items():
            got = len([c for c in server.commands if c[0] == step])
            if got != count:
                return "the server heard %s %d times" % (step, got)
        if self.neighbour.look():
            return "the neighbour: " + self.neighbour.trouble
        return None

    def judge_memory(self, variant, before):
        if not self.descriptors_back():
            return "descriptors are left"
        grown = self.status("VmHWM") - before
        if grown > int(variant.get("memory")):
            return "%d kB more memory than before" % grown
        return None

    def finish(self):
        """What is wrong in the end, or None."""
        trouble = self.neighbour.trouble
        try:
            self.neighbour.leave()
        except (AssertionError, OSError) as error:
            trouble = trouble or repr(error)
        self.descriptors -= 2   # the neighbour's
        if not self.descriptors_back():
            return "descriptors are left: %d" % self.count_descriptors()
        if self.status("VmRSS") - self.memory > MANY_KB:
            return "memory is left: %d kB" % self.status("VmRSS")
        log = self.bridge.log()
        if not log.isascii() or not log.replace("\n", "").isprintable():
            return "there are octets in the log that do not belong there"
        return trouble and "the neighbour: " + trouble

    def stop(self):
        for lane in self.lanes:
            lane.server.stop()
        self.honest.stop()


def judge_session(variant, client, server):
    """What an ordinary session must not see, and the scenario's own words."""
    removed = [args for name, args in server.commands if name == "EXPUNGE"]
    asked = client.quit_said and client.deleted
    if removed and not asked:
        return "expunged what nobody deleted"
    if any(args not in (b"", b"3") for args in removed):
        return "expunged others: %s" % removed
    if ("quit", "ok") in client.seen and asked and not removed:
        return "promised, and nothing expunged"
    for event, outcome in client.seen:
        expected = variant.see.get(event, LOGGED_IN.get(event))
        if expected and outcome not in expected:
            return "%s: %s instead of %s" % (event, outcome,
                                             "|".join(sorted(expected)))
    missing = set(variant.see) - {event for event, _ in client.seen}
    if missing and ("login", "ok") in client.seen and (
            "cut" not in [o for _, o in client.seen]):
        return "did not come to " + ", ".join(missing)
    return None
