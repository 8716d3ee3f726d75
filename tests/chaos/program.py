"""popbridge in a run: ended by us, again and again, and by nobody else."""

import collections
import os
import re
import signal
import threading
import time

import proxy

DEADLINE = 60

# Dovecot starts no others for two seconds when one is killed at its start.
SECONDS_MIN = 0.1
TICKS = os.sysconf("SC_CLK_TCK")

# What no log of ours may have.
NEVER = ("Sanitizer", "runtime error:", "is damaged", "Z error ", "assert",
         "internal", "check failed")

# What the log says that belongs into the figures.
TOLD = ("messages of an earlier session removed",
        "nothing is left of what an earlier session",
        "messages of an earlier session not removed",
        "mail server lost while removing messages",
        "mail server brought back", "maildrop taken over",
        "configuration reloaded")

BEYOND = re.compile(r'warn "?more messages were expunged .*? user=(\S+)'
                    r' messages=(\d+)')


class Program:
    """start() and watch() are for one thread, with which popbridge dies."""

    def __init__(self, binary, directory, config, secret, complain, count):
        """config() is the text of the configuration, another one each time.
        secret: what is never to be in a log."""
        self.binary = binary
        self.directory = directory
        self.config = config
        self.never = NEVER + (secret,)
        self.complain = complain
        self.count = count
        self.lock = threading.Lock()
        self.up = threading.Event()
        self.bridge = None
        self.signals = set()    # what we have sent it
        self.since = None       # when it was told to end
        # Messages by user that it has expunged, and could not help.
        self.beyond = collections.Counter()

    def start(self):
        bridge = proxy.Popbridge(self.binary, None, config=self.config())
        with self.lock:
            self.bridge = bridge
            self.signals = set()
            self.since = None
        self.up.set()

    def _send(self, number):
        """Under the lock; whether it was still up."""
        if not self.up.is_set():
            return False
        if number != signal.SIGHUP:
            self.up.clear()
            self.since = time.monotonic()
        self.signals.add(number)
        self.bridge.process.send_signal(number)
        return True

    def kill(self):
        with self.lock:
            self._send(signal.SIGKILL)

    def end(self):
        with self.lock:
            self._send(signal.SIGTERM)

    def reload(self):
        with self.lock:
            if self.up.is_set():
                self.bridge.configure(self.config())
                self._send(signal.SIGHUP)

    def watch(self):
        """To be called often: starts it again when it has ended."""
        if self.bridge.process.poll() is not None:
            self.up.clear()
            self._look_back()
            self.start()
        elif self.since and time.monotonic() - self.since > DEADLINE:
            self.since = None
            self.complain("does not end for %d seconds", DEADLINE)
            self.bridge.process.kill()

    def stop(self):
        self.end()
        try:
            self.bridge.process.wait(DEADLINE)
        except TimeoutError:
            self.complain("does not end")
        self._look_back()

    def _look_back(self):
        status = self.bridge.process.wait(DEADLINE)
        expected = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
        if status not in {expected.get(n) for n in self.signals}:
            self.complain("ended with status %s", status)
        self.count("popbridge: killed" if status else "popbridge: ended")
        log = self.bridge.log()
        with open(self.directory + "/popbridge.log", "a") as f:
            f.write("%s--- ended with status %s\n" % (log, status))
        for line in log.splitlines():
            if any(word in line for word in self.never):
                self.complain("wrote %r", line)
        for match in BEYOND.finditer(log):
            self.beyond[match.group(1)] += int(match.group(2))
        for text in TOLD:
            self.count("log: " + text, log.count(text))
        self.bridge.close()

    def close(self):
        if self.bridge is not None:
            self.bridge.close()


def kill_children(parent, name, rng, most):
    """By SIGKILL, at most so many processes of this name; how many."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                head, _, rest = f.read().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - \
            int(fields[19]) / TICKS
        if (head.endswith("(" + name) and int(fields[1]) == parent and
                age > SECONDS_MIN):
            found.append(int(pid))
    some = rng.sample(found, min(len(found), most))
    for pid in some:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(some)
