"""What a program and its children have used: processor time and memory."""

import os
import threading

TICK = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        with open(path) as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Session:
    """The processes that a program has started, itself among them.

    They are found by their session: who starts the program gives it one.
    """

    def __init__(self, leader):
        self.leader = leader

    def _stat(self, pid):
        """The fields behind the name, so that [0] is the state."""
        return _read("/proc/%s/stat" % pid).rpartition(")")[2].split()

    def pids(self):
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                fields = self._stat(pid)
                if fields and int(fields[3]) == self.leader:
                    found.append(int(pid))
        return found

    def cpu(self):
        """Seconds, user and system, of all, and of those that have ended.

        schedstat counts nanoseconds; of processes that have ended the kernel
        remembers ticks.
        """
        total = 0.0
        for pid in self.pids():
            try:
                tasks = os.listdir("/proc/%d/task" % pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
            for task in tasks:
                text = _read("/proc/%d/task/%s/schedstat" % (pid, task))
                total += int(text.split()[0]) / 1e9 if text else 0
            fields = self._stat(pid)
            if fields:
                total += (int(fields[13]) + int(fields[14])) / TICK
        return total

    def pss(self):
        """Octets of memory, what is shared divided by who shares it."""
        total = 0
        for pid in self.pids():
            for line in _read("/proc/%d/smaps_rollup" % pid).splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total


class Peak:
    """The most memory that was seen meanwhile; of one process the kernel's
    own mark, else what looking at it often has found."""

    INTERVAL = 0.05

    def __init__(self, session):
        self.session = session
        self.octets = 0

    def __enter__(self):
        self.over = threading.Event()
        self.alone = len(self.session.pids()) == 1
        if self.alone:
            with open("/proc/%d/clear_refs" % self.session.leader, "w") as f:
                f.write("5")
        self.octets = self.session.pss()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self):
        while not self.over.wait(self.INTERVAL):
            self.octets = max(self.octets, self.session.pss())

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.octets = max(self.octets, self.session.pss())
        if not self.alone:
            return
        for line in _read("/proc/%d/status" % self.session.leader
                          ).splitlines():
            if line.startswith("VmHWM:"):
                self.octets = max(self.octets, int(line.split()[1]) * 1024)
