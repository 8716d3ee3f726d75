"""popbridge killed at any step of a commit, in front of a real IMAP server.

A relay between the two counts what passes from QUIT on, and ends popbridge by
SIGKILL at a chosen line or octet of either direction.  Then popbridge is started
again, the user logs in again, and everything is counted.
"""

import collections
import itertools
import os
import random
import re
import selectors
import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
import time

import proxy
import servers
from pop3client import Pop3

DEADLINE = 60

HAVE_UIDPLUS = ("dovecot", "cyrus", "courier", "dovecot-without-move")
SERVERS = HAVE_UIDPLUS + ("dovecot-without-uidplus", "mailutils")
# Where messages can go to a folder: by MOVE, and by COPY.
MOVE, COPY = ("dovecot", "cyrus", "courier"), ("dovecot-without-move",)
TRASH = "Bin"

# One set of UIDs, and three of them.
FEW, MANY = 12, 330

# What a run kills by: a direction and a unit, or the clock.
TO_SERVER, TO_BRIDGE = "to server", "to popbridge"
LINES, OCTETS = "lines", "octets"

Point = collections.namedtuple("Point", "direction unit n rest_passes")
After = collections.namedtuple("After", "seconds")
Plan = collections.namedtuple("Plan", "messages how again")

CHANGES = re.compile(rb" (STORE|EXPUNGE|COPY|MOVE)\b")


def until(met, what):
    deadline = time.monotonic() + DEADLINE
    while not met():
        assert time.monotonic() < deadline, "not in time: " + what
        time.sleep(0.002)


class Relay:
    """Passes octets between popbridge and a server, until it is to kill."""

    def __init__(self, where):
        self.where = where
        self.lock = threading.Lock()
        self.point = None
        self.pid = None
        self.count = collections.Counter()
        self.said = b""                 # to the server, since arm()
        self.fired = threading.Event()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.wake, self.waker = socket.socketpair()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.selector.register(self.wake, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def arm(self, point, pid):
        """Count from now on."""
        with self.lock:
            self.point, self.pid = point, pid
            self.count.clear()
            self.said = b""
            self.fired.clear()

    def disarm(self):
        """Whether popbridge has begun to change the mailbox."""
        with self.lock:
            self.point = None
            return bool(CHANGES.search(self.said))

    def close(self):
        self.waker.close()
        self.thread.join(DEADLINE)
        self.listener.close()

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.wake:
                    return
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj.fileno() >= 0:
                    self._pass(key.fileobj, *key.data)

    def _accept(self):
        near, _ = self.listener.accept()
        far = socket.create_connection(self.where)
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(near, selectors.EVENT_READ, (far, TO_SERVER))
        self.selector.register(far, selectors.EVENT_READ, (near, TO_BRIDGE))

    def _pass(self, source, sink, direction):
        try:
            data = source.recv(65536)
            if data:
                with self.lock:
                    passing = self._look(data, direction)
                sink.sendall(passing)
        except OSError:
            data = b""
        if not data:
            for s in (source, sink):
                self.selector.unregister(s)
                s.close()

    def _look(self, data, direction):
        """What passes of it; popbridge may be dead then."""
        before = dict(self.count)
        if direction == TO_SERVER:
            self.said += data
        self.count[direction, OCTETS] += len(data)
        self.count[direction, LINES] += data.count(b"\n")
        p = self.point
        if p is None or p.direction != direction or self.fired.is_set():
            return data
        n = p.n - before.get((direction, p.unit), 0)
        if p.unit == LINES:
            at = 0
            for _ in range(n):
                at = data.find(b"\n", at) + 1
                if at == 0:
                    return data
        elif n > len(data):
            return data
        else:
            at = n
        os.kill(self.pid, signal.SIGKILL)
        self.fired.set()
        return data if p.rest_passes else data[:at]


def start_server(name):
    """One of SERVERS."""
    if name.startswith("dovecot"):
        _, _, lacks = name.partition("-without-")
        without = (lacks.upper(),) if lacks else ()
        return servers.Dovecot(without=without, tls=False, pop3=False)
    return servers.KINDS[name]()


class Killer:
    """A server, a relay, and one popbridge after the other.  trash is whether
    messages go there."""

    def __init__(self, binary, name, trash=False):
        self.binary = binary
        self.name = name
        self.trash = trash
        # Below INBOX is where each of them has folders.
        self.folder = TRASH if name.startswith("dovecot") else (
            "INBOX." + TRASH)
        self.has_uidplus = name in HAVE_UIDPLUS
        self.state = tempfile.mkdtemp(prefix="popbridge-kill-")
        self.server = start_server(name)
        self.relay = Relay((self.server.address, self.server.imap_port))
        self.bridge = None
        self.users = 0
        self.figures = collections.Counter()
        self.problems = []

    def close(self):
        if self.bridge is not None:
            self._check(self.bridge.stop() == 0, "no clean end")
            self._look_at_log()
            self.bridge.close()
        self.relay.close()
        self.server.stop()
        shutil.rmtree(self.state, ignore_errors=True)

    def _check(self, good, what):
        if not good:
            self.problems.append(what)

    def _look_at_log(self):
        log = self.bridge.log()
        for word in ("Sanitizer", "runtime error:", "is damaged"):
            self._check(word not in log, "popbridge wrote:\n" + log)

    def _start(self):
        if self.bridge is not None and self.bridge.process.poll() is None:
            return
        if self.bridge is not None:
            self._look_at_log()
            self.bridge.close()
        self.bridge = proxy.Popbridge(
            self.binary, "imap+plain://127.0.0.1:%d" % self.relay.port,
            "--state-directory", self.state, "--workers", "1",
            *(("--delete", "trash", "--delete-folder", self.folder)
              if self.trash else ()))

    def promised(self):
        """Users of whom the journal has something, with how many messages."""
        db = sqlite3.connect(self.state + "/journal.db", timeout=DEADLINE)
        rows = db.execute("SELECT maildrop, messages FROM promise").fetchall()
        db.close()
        return [(key.split(b"\0")[1].decode(), n) for key, n in rows]

    def _new_user(self, messages):
        self.users += 1
        self.server.relay.forget()
        user = self.server.add_user("user%d" % self.users, "geheim")
        for i in range(messages):
            self.server.deliver(user, b"Subject: %d\r\n\r\n%s\r\n" % (
                i, b"x" * (i * 7)))
        return user

    def _others_flag(self, user, number):
        client = self.server.imap(user)
        client.select()
        client.store(str(number + 1), "+FLAGS.SILENT", r"(\Deleted)")
        client.logout()

    def mailbox(self, user, folder="INBOX"):
        """{number: whether it is flagged \\Deleted} of what is there."""
        client = self.server.imap(user)
        status, _ = client.select(folder, readonly=True)
        data = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER])")[1] if (
            status == "OK") else ()
        client.logout()
        found = {}
        for part in data or ():
            if not isinstance(part, tuple):
                continue
            number = part[1].split(b":")[1].split()[0]
            # What Courier sends of one that is being removed.
            if number.isdigit():
                found[int(number)] = rb"\Deleted" in part[0]
        return found

    def _login(self, user):
        client = Pop3((self.bridge.host, self.bridge.port))
        client.login(user)
        return client

    def _kill_at(self, how, act):
        """Do it, and kill meanwhile.  What it returns, or None: cut off.
        self.heard is whether the server has heard of a change."""
        pid = self.bridge.process.pid
        timer = None
        if isinstance(how, Point):
            self.relay.arm(how, pid)
        else:
            self.relay.arm(None, pid)
            timer = threading.Timer(how.seconds, os.kill,
                                    (pid, signal.SIGKILL))
            timer.start()
        try:
            result = act()
        except (AssertionError, OSError):
            result = None
        if timer is not None:
            timer.join()
        self.heard = self.relay.disarm()
        if timer is not None or self.relay.fired.is_set():
            self.bridge.process.wait(DEADLINE)
        return result

    def run(self, plan):
        """One commit, killed; the login behind it perhaps, too."""
        how, again = plan.how, plan.again
        self.text = str(plan)
        self._start()
        user = self._new_user(plan.messages)
        everything = set(range(plan.messages))
        doomed = {i for i in everything if i % 3 != 1}
        foreign = 4
        self._others_flag(user, foreign)
        client = self._login(user)
        for i in doomed:
            client.ok("DELE %d" % (i + 1))
        reply = self._kill_at(how, lambda: client.cmd("QUIT"))
        client.close()
        self._judge(user, everything, doomed, reply, self.heard)
        if again is not None:
            self._start()
            self._kill_at(again, lambda: self._login(user).close())
        self._judge_next(user, everything, doomed, foreign, reply)

    def _say(self, good, what):
        self._check(good, "%s: %s (%s)" % (self.name, what, self.text))

    def _judge_trash(self, user, everything, doomed, found):
        """What is gone is there, and nothing else."""
        if self.trash:
            there = set(self.mailbox(user, self.folder))
            self._say(everything <= found | there, "lost on its way")
            self._say(there <= doomed, "others are in the trash")

    def _judge(self, user, everything, doomed, reply, heard):
        f = self.figures
        self.server.settle()
        dead = self.bridge.process.poll() is not None
        found = set(self.mailbox(user))
        promised = user.name in dict(self.promised())
        f["runs"] += 1
        f["killed"] += dead
        f["client told that all is gone"] += bool(
            reply and reply.startswith(b"+OK"))
        f["killed with a promise open"] += dead and promised
        f["of these with some messages gone"] += (
            dead and promised and bool(doomed - found) and
            bool(doomed & found))
        f["killed before the promise"] += dead and doomed <= found and (
            not promised)
        self._say(everything - doomed <= found, "others are gone")
        self._judge_trash(user, everything, doomed, found)
        if reply and reply.startswith(b"+OK"):
            self._say(not doomed & found, "told to be gone, and there")
        if heard and doomed & found:
            self._say(promised, "the server has heard of it, and there is no "
                      "promise")

    def _judge_next(self, user, everything, doomed, foreign, reply):
        self.server.settle()
        promised = user.name in dict(self.promised())
        before = set(self.mailbox(user))
        self._start()
        client = self._login(user)
        rest = everything - doomed if promised or not doomed & before \
            else everything
        self._say(int(client.cmd("STAT").split()[1]) == len(rest),
                  "the next session sees other messages")
        client.quit()
        client.close()
        self.server.settle()
        found = self.mailbox(user)
        self._say(set(found) == rest, "other messages are there then: %s" %
                  sorted(found))
        self._judge_trash(user, everything, doomed, set(found))
        self.figures["flags of others lost"] += not found.get(foreign)
        if self.has_uidplus:
            self._say(found.get(foreign), "another's flag is lost")
        until(lambda: user.name not in dict(self.promised()),
              "an empty journal")


def _points(chance):
    """How to kill a commit, without end: at each line and octet of either
    direction, and at any time."""
    for n in range(1, 13):
        for direction in (TO_SERVER, TO_BRIDGE):
            if n <= 6 or direction == TO_BRIDGE:
                yield FEW, Point(direction, LINES, n, n % 2 == 0)
    for n in itertools.count():
        yield FEW, After(chance.random() ** 2 * 0.004)
        yield FEW, Point(TO_SERVER, OCTETS, 1 + (n * 7) % 120,
                         chance.random() < 0.5)
        yield FEW, Point(TO_BRIDGE, OCTETS, 1 + (n * 7) % 200,
                         chance.random() < 0.5)
        yield MANY, Point(TO_SERVER, OCTETS, 1 + (n * 37) % 1500,
                          chance.random() < 0.5)
        yield MANY, Point(TO_BRIDGE, LINES, 1 + (n * 7) % 230,
                          chance.random() < 0.5)


def plans(seed=1):
    """The runs, without end, always the same.  One login in four is killed, too,
    by a line behind its SELECT."""
    chance = random.Random(seed)
    for messages, how in _points(chance):
        again = None
        if chance.random() < 0.25:
            again = Point(chance.choice((TO_SERVER, TO_BRIDGE)), LINES,
                          chance.randint(3, 16), chance.random() < 0.5)
        yield Plan(messages, how, again)
