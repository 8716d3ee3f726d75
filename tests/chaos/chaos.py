"""A run of sessions with chaos between, in front of a real IMAP server; and
what is wrong in the end, which must be nothing.

A relay stands on either side of popbridge.  Programs are killed and started
again, others use the same mailboxes, and everybody writes into the ledger.
"""

import collections
import json
import os
import random
import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import threading
import time

import ledger as ledgers
import mailserver
import plans
import program
import relay
import session
from others import Others, read_mailbox

PASSWORD = "geheim-" + secrets.token_hex(8)
USERS = 12
AT_A_TIME = 8
DEADLINE = 60

CONFIG = """
listen = {{"pop3+plain://127.0.0.1:0", "pop3s://127.0.0.1:0",
	"pop3://127.0.0.1:0"}}
tls-cert = "{server.directory}/server.pem"
tls-key = "{server.directory}/server.key"
state-directory = "{state}"
workers = 2
upstream-timeout = 6
connect-timeout = 6
login-timeout = 40
drain-timeout = 3
{settings}
{routes}"""

# How often a thing must have happened at least, for each session: a third of
# what is usual.  A short run is left to chance.
MINIMA = {
    "sessions: QUIT confirmed": 0.2, "sessions: no QUIT": 0.03,
    "sessions: QUIT unanswered": 0.01, "sessions: cut, no QUIT": 0.1,
    "messages received completely": 1.0, "popbridge: killed": 0.01,
    "popbridge: ended": 0.002, "log: configuration reloaded": 0.004,
    "IMAP processes killed": 0.04, "client side: cut": 0.015,
    "client side: reset": 0.015, "client side: stall": 0.015,
    "client side: split": 0.03, "client side: delay": 0.02,
    "server side: cut": 0.015, "server side: reset": 0.015,
    "server side: stall": 0.008, "server side: split": 0.015,
    "server side: delay": 0.015, "server side: kill": 0.001,
    "others: deliveries": 0.6, "others: deletions": 0.04,
    "others: flags": 0.04, "others: expunges": 0.02,
}
# These only if the configuration is not told otherwise, by this option.
MINIMA_OF = {
    "lock": {"log: maildrop taken over": 0.006,
             "sessions: refused, IN-USE": 0.01},
    "revive": {"log: mail server brought back": 0.004},
    "delete": {"deletions confirmed to clients": 0.4,
               "sessions: QUIT refused": 0.005,
               "log: mail server lost while removing messages": 0.002,
               "log: messages of an earlier session removed": 0.004},
}
SHORT = 1000    # sessions


class Chaos:
    """One run.

    options   lines of popbridge's configuration
    server    one of mailserver.NAMES
    without   what Dovecot does not say that it can
    calm      nothing but the sessions themselves happens
    """

    def __init__(self, binary, sessions, seed, options=(), without=(),
                 calm=False, server="dovecot"):
        self.binary = binary
        self.sessions = sessions
        self.seed = seed
        self.options = options
        self.calm = calm
        self.policy = next((
            m.group(1) for o in reversed(options)
            for m in [re.match(r'delete\s*=\s*"?(\w+)', o)] if m), "expunge")
        self.figures = collections.Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.next = self.done = self.configured = self.connections = 0
        self.moved = threading.Condition()
        self.client_plans = {}
        self.directory = tempfile.mkdtemp(prefix="popbridge-chaos-")
        self.state = self.directory + "/state"
        os.mkdir(self.state)
        self.server = mailserver.start(server, without)
        self.ledger = ledgers.Ledger(
            ledgers.FATES[self.policy], "UIDPLUS" not in without,
            self.server.ends_lines)
        self.tls = ssl.create_default_context(cafile=self.server.ca)
        self.others = Others(self.server, self.ledger)
        names = self.server.names
        self.users = [self.server.add_user("%s%d" % (
            names[n % len(names)], n), PASSWORD) for n in range(USERS)]
        self._make_relays()
        self.program = program.Program(
            binary, self.directory, self._config, PASSWORD, self.complain,
            self.count)

    def _make_relays(self):
        def client_plan(port):
            return self.client_plans.pop(port, relay.UNTOUCHED)

        def front(n):
            return relay.Relay(lambda: self.program.bridge.ports[n],
                               client_plan)

        def back(port):
            return relay.Relay(lambda: (self.server.address, port),
                               self._upstream_plan, self._kill)

        self.fronts = dict(zip((session.PLAIN, session.IMPLICIT, session.STLS),
                               (front(0), front(1), front(2))))
        self.backs = {name: back(port)
                      for name, port in self.server.ports().items()}

    def _upstream_plan(self, _):
        if self.calm:
            return relay.UNTOUCHED
        with self.lock:
            self.connections += 1
            n = self.connections
        return plans.upstream_plan(plans.source(self.seed, "upstream", n))

    def _kill(self):
        if not self.calm:
            self.program.kill()

    def complain(self, text, *args):
        self.ledger.complain("popbridge", text, *args)

    def count(self, what, n=1):
        with self.lock:
            self.figures[what] += n

    def _given(self):
        """The options that stay as they were given."""
        return {o.split("=")[0].strip() for o in self.options}

    def _config(self):
        self.configured += 1
        chosen = plans.settings(self.seed, self.configured)
        lines = ["%s = %s" % item for item in chosen.items()
                 if item[0] not in self._given()]
        return CONFIG.format(
            server=self.server, state=self.state,
            routes=self.server.routes({
                name: r.port for name, r in self.backs.items()}),
            settings="\n".join(lines + list(self.options)))

    def _trouble(self):
        at = 0
        for gap, what, later in plans.troubles(self.seed):
            at += gap
            with self.moved:
                while self.done < at and not self.over.is_set():
                    self.moved.wait(1)
            if self.over.is_set():
                return
            time.sleep(later)
            self._make(what)

    def _make(self, what):
        if what == plans.IMAP_DIES:
            if self.server.kills:
                self.count("IMAP processes killed", self.server.kill_some())
            return
        if not self.program.up.wait(DEADLINE):
            return
        if what == plans.CRASH:
            self.program.kill()
        elif what == plans.RESTART:
            self.program.end()
        else:
            self.program.reload()

    # sessions

    def _work(self):
        while True:
            with self.lock:
                number = self.next
                self.next += 1
            if number >= self.sessions:
                return
            guest = plans.guest(self.seed, number, self.users)
            beside = threading.Thread(target=self._beside, args=(
                guest, number))
            beside.start()
            try:
                self._visit(guest, "session %d" % number)
            finally:
                beside.join()
                with self.moved:
                    self.done += 1
                    self.moved.notify_all()

    def _beside(self, guest, number):
        rng = plans.source(self.seed, "others", number)
        for _ in range(guest.others):
            self.others.act(guest.user, rng)

    def _visit(self, guest, who):
        if not self.program.up.wait(DEADLINE):
            self.complain("is not up for %d seconds", DEADLINE)
        wire = visit = None
        begun = time.monotonic()
        try:
            front = self.fronts[guest.door]
            wire = session.Wire(front.port, self.client_plans, relay.UNTOUCHED
                                if self.calm else guest.plan)
            visit = session.Session(wire, guest.user, self.ledger, who,
                                    guest.rng)
            self._play(visit, guest)
            outcome = visit.outcome
        except session.Cut:
            outcome = "cut, " + (visit.outcome if visit else "no connection")
        except session.Refused as why:
            outcome = "refused, %s" % why
        except session.Wrong as what:
            outcome = "wrong"
            self.ledger.complain(who, "%s (%s, %s, %s)", what, guest.user.name,
                                 guest.door, guest.manner.__name__)
        finally:
            if wire is not None:
                wire.close()
        self.count("sessions: " + outcome)
        with self.lock, open(self.directory + "/sessions.log", "a") as f:
            f.write("%s: %s, %s, %s, %s: %s, %.3f s\n" % (
                who, guest.user.name, guest.door, guest.manner.__name__,
                guest.plan, outcome, time.monotonic() - begun))

    def _play(self, visit, guest):
        if guest.door == session.IMPLICIT:
            visit.wire.begin_tls(self.tls)
        if not visit.wire.first_line().startswith(b"+OK"):
            raise session.Wrong("no greeting")
        if guest.door == session.STLS:
            visit.ok("STLS")
            visit.wire.begin_tls(self.tls)
        visit.log_in()
        visit.look()
        guest.manner(visit)

    def run(self):
        for user in self.users:
            self.others.deliver(user, plans.source(self.seed, user.name), 8)
        self.program.start()
        workers = [threading.Thread(target=self._work)
                   for _ in range(AT_A_TIME)]
        trouble = threading.Thread(target=self._trouble)
        begun = time.monotonic()
        for t in workers + [trouble] * (not self.calm):
            t.start()
        while any(t.is_alive() for t in workers):
            self.program.watch()
            time.sleep(0.01)
        self.over.set()
        if not self.calm:
            trouble.join()
        self.seconds = time.monotonic() - begun
        self.calm = True
        self.program.stop()

    # in the end

    def settle(self):
        """Each user logs in once more, so that every promise is kept.  What
        the sessions see, as unique-ids by user."""
        self.program.start()
        try:
            if any(self.promised()):
                self.count("promises that were open in the end",
                           len(self.promised()))
                self._retry()
            seen = {user.name: self._last_visit(user) for user in self.users}
            deadline = time.monotonic() + DEADLINE
            while self.promised() and time.monotonic() < deadline:
                time.sleep(0.05)
            for entry in self.promised():
                self.complain("still promises %s", json.dumps(entry))
        finally:
            self.program.stop()
        return seen

    def _journal(self, *words):
        return subprocess.run(
            [self.binary, "journal", words[0], "-c",
             self.program.bridge.config_file, *words[1:]],
            capture_output=True, text=True, check=True).stdout

    def promised(self):
        """What the journal has, but for the marks of what is kept."""
        return [e for e in json.loads(self._journal("list", "--json"))
                if e.get("removal") != "keep"]

    def _retry(self):
        """Those that have failed too often, too."""
        self._journal("retry", *[str(e["number"]) for e in self.promised()])

    def _last_visit(self, user):
        wire = session.Wire(self.fronts[session.PLAIN].port,
                            self.client_plans, relay.UNTOUCHED)
        visit = session.Session(wire, user, self.ledger, "last " + user.name,
                                random.Random(0))
        try:
            wire.first_line()
            visit.log_in()
            visit.look()
            visit.retrieve(list(visit.uniques))
            visit.quit()
        except (session.Cut, session.Refused, session.Wrong) as error:
            self.ledger.complain(visit.who, "%r", error)
        finally:
            wire.close()
        return list(visit.uniques.values())

    def judge(self, seen):
        folder = {"trash": "Trash", "archive": "Archive"}.get(self.policy)
        for user in self.users:
            client = self.server.imap(user)
            inbox, validity = read_mailbox(client, "INBOX")
            elsewhere = {}
            if folder is not None:
                elsewhere, _ = read_mailbox(client, folder)
            client.logout()
            self.ledger.judge(
                user.name, inbox, [text for _, text in elsewhere.values()],
                seen.get(user.name), validity,
                self.program.beyond[user.name])
        return self.ledger.complaints

    def summary(self):
        """Every figure of the run."""
        found = collections.OrderedDict(self.ledger.totals())
        for name, hits in (
                ("client", sum((f.hits for f in self.fronts.values()),
                               collections.Counter())),
                ("server", sum((r.hits for r in self.backs.values()),
                               collections.Counter()))):
            for kind, n in sorted(hits.items()):
                found["%s side: %s" % (name, kind)] = n
        for name, n in sorted(self.others.figures.items()):
            found["others: " + name] = n
        found.update(sorted(self.figures.items()))
        found["connections to the IMAP server"] = self.connections
        return found

    def too_calm(self):
        """What should have happened more often, as complaints."""
        if self.sessions < SHORT:
            return []
        minima = dict(MINIMA)
        for option, more in MINIMA_OF.items():
            if option not in self._given():
                minima.update(more)
        if not self.server.kills:
            del minima["IMAP processes killed"]
            minima.pop("sessions: QUIT refused", None)
        found = self.summary()
        return ["%s: only %d times" % (name, found.get(name, 0))
                for name, share in minima.items()
                if found.get(name, 0) < share * self.sessions]

    def keep_evidence(self):
        with open(self.directory + "/ledger.txt", "w") as f:
            self.ledger.write(f)
        with open(self.directory + "/complaints.txt", "w") as f:
            f.write("seed %s\n" % self.seed)
            f.writelines(c + "\n" for c in self.ledger.complaints)
        with open(self.directory + "/server.log", "w") as f:
            f.write(self.server.messages())
        return self.directory

    def close(self, keep=False):
        self.over.set()
        for r in (*self.fronts.values(), *self.backs.values()):
            r.close()
        self.program.close()
        self.server.stop()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
