"""What every scenario needs: the mail, the peers, the generator, medians."""

import json
import os
import resource
import statistics
import subprocess
import sys

import peers
import upstream

# What the full run measures, and what --quick does, to see that all works.
FULL = {
    "rounds": 5,
    "messages": 5000,           # of 8 KB
    "far_messages": 500,
    "polls": 2000,
    "concurrent": 8,
    "storm_users": 100,
    "storm_messages": 50,
    "huge_messages": 100000,
    "huge_polls": 5,
    "large_messages": 20,
    "large_octets": 25 * 1000 * 1000,
    "sessions": 10000,          # idle ones, of a process for all
    "process_sessions": 500,    # idle ones, of a process for each
    "handshakes": 1000,
    "crowd": 5000,
    "logins": 300,
    "ms": 25,
}
QUICK = dict(
    FULL, rounds=1, messages=60, far_messages=5, polls=40, storm_users=4,
    storm_messages=5, huge_messages=300, huge_polls=2, large_messages=2,
    large_octets=2000 * 1000, sessions=60, process_sessions=10,
    handshakes=20, crowd=50, logins=20)


class Results:
    """parameters: as FULL; machine: what the figures depend on."""

    def __init__(self, parameters, machine):
        self.p = parameters
        self.machine = machine
        # {scenario: {contender: [figures of a round, ...]}}
        self.results = {}
        self.notes = []

    def median(self, scenario, contender, figure):
        """None where it was not measured."""
        rounds = self.results.get(scenario, {}).get(contender, [])
        values = [r[figure] for r in rounds if figure in r]
        return statistics.median(values) if values else None


class Bench(Results):
    """binary: popbridge; before: another build of it, or nothing; tools:
    where pop3load is; only: beginnings of the contenders' names."""

    def __init__(self, parameters, machine, binary, before, tools, only):
        super().__init__(parameters, machine)
        self.binary = binary
        self.before = before
        self.tools = tools
        self.only = tuple(only)
        self._mailboxes = {}
        self._running = []
        self._unique = 0
        self.upstream = upstream.Upstream()

    def close(self):
        self.stop_peers()
        self.upstream.stop()

    def mailbox(self, name, messages, octets):
        """A user of the upstream, whose indexes have seen the mail."""
        if name not in self._mailboxes:
            user = self.upstream.mailbox(name, messages, octets)
            self._mailboxes[name] = user
            native = peers.native(self.upstream)
            self.load("poll", native, user.name, messages)
            self.load("imap-sizes", self.raw(), user.name, messages)
        return self._mailboxes[name]

    def stranger(self, user):
        """A new name for the same mail, which no peer has seen before."""
        self._unique += 1
        return self.upstream.add_alias(
            user, "%s-%d" % (user.name, self._unique)).name

    def raw(self):
        """The upstream's IMAP, as a peer."""
        u = self.upstream
        return peers.Peer({"plain": (u.address, u.imap_port),
                           "tls": (u.address, u.imaps_port)}, u.process)

    def start(self, kind, *args, **keywords):
        """Starts a peer; it runs until stop_peers()."""
        if kind is peers.Relay:
            args = (self.tools + "/delay",) + args
        peer = kind(*args, **keywords)
        self._running.append(peer)
        return peer

    def stop_peers(self):
        while self._running:
            self._running.pop().stop()

    def _command(self, scenario, peer, user, messages, tls, options):
        host, port = peer.ports["tls" if tls else "plain"]
        return [self.tools + "/pop3load", scenario, "--host", host,
                "--port", str(port), "--user", user, "--password",
                upstream.PASSWORD, "--messages", str(messages),
                *(["--tls", self.upstream.ca] if tls else []),
                *map(str, options)]

    def load(self, scenario, peer, user, messages, *options, tls=False):
        """Runs the generator.  What it says, and "cpu": the seconds of the
        peer's own processes."""
        before = peer.session.cpu()
        done = subprocess.run(
            self._command(scenario, peer, user, messages, tls, options),
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("%s of %s from %s: %s%s" % (
                scenario, user, type(peer).__name__, done.stderr,
                peer.log()))
        figures = json.loads(done.stdout)
        figures["cpu"] = peer.session.cpu() - before
        return figures

    def hold(self, peer, user, messages, *options, tls=False):
        """Logs idle sessions in.  The process that holds them until its
        stdin is closed, and what it has measured."""
        holder = subprocess.Popen(
            self._command("idle", peer, user, messages, tls, options),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = holder.stdout.readline()
        if not line:
            holder.wait()
            raise RuntimeError("not all sessions could be opened")
        return holder, json.loads(line)

    def rounds(self, scenario, contenders, rounds=None):
        """Each contender once, then each again ...  A contender is a
        function of the number of the round; it returns figures, or None when
        it sits this one out."""
        results = self.results.setdefault(scenario, {})
        for number in range(rounds or self.p["rounds"]):
            for name, run in contenders.items():
                if not name.startswith(self.only or ""):
                    continue
                progress("%s, round %d: %s" % (scenario, number + 1, name))
                figures = run(number)
                if figures is not None:
                    results.setdefault(name, []).append(figures)


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def tools_of(binary):
    return os.path.join(os.path.dirname(binary), "tests/bench")
