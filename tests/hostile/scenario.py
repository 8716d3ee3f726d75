"""Reads scenarios; README.md has the language.

A file is one or many variants: each combination of the values of its `each`
lines is one.
"""

import base64
import glob
import itertools
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "scenarios")

# What a variant may say once; the rest are steps.
SETTINGS = {"capabilities", "tls", "impatient", "memory", "messages",
            "dialogue", "see", "may", "foreign", "wire", "door", "heard",
            "remembers"}
SERVER_STEPS = {"send", "octets", "forever", "honest", "stall", "close",
                "reset", "drip", "split", "wait", "secure", "body", "group"}
CLIENT_STEPS = {"greeting", "login", "send", "octets", "drip", "split",
                "hear", "rest", "gone", "half-close", "reset", "close",
                "deaf", "secure", "junk", "count"}

FIRST = b"Subject: first\r\n\r\n.\r\n..dots\r\n" + b"one line\r\n" * 4
SECOND = b"Subject: second\r\n\r\n" + b"two\r\n" * 9
LARGE = b"Subject: second\r\n\r\n" + b"0123456789abcdef\r\n" * 20000
THIRD = b"Subject: third\r\n\r\nx\r\n"
UIDS = (3, 7, 8)
WORDS = {b"B1": FIRST, b"L1": b"%d" % len(FIRST),
         b"B2": SECOND, b"L2": b"%d" % len(SECOND),
         b"B3": THIRD, b"L3": b"%d" % len(THIRD),
         b"LISTING": b"".join(
             b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (n, uid, len(m))
             for n, (uid, m) in enumerate(
                 zip(UIDS, (FIRST, SECOND, THIRD)), 1))}


class Wrong(Exception):
    """The scenario itself is not well written."""


def octets(text):
    """The octets that a text stands for."""
    data = re.sub(rb"%\{(\d+):([^}]*)\}",
                  lambda m: m.group(2) * int(m.group(1)), text.encode())
    data = re.sub(
        rb"\\x([0-9a-fA-F]{2})|\\(.)", lambda m: bytes.fromhex(
            m.group(1).decode()) if m.group(1) else {
                b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}.get(
                    m.group(2), m.group(2)), data)
    for word, value in WORDS.items():
        data = data.replace(b"$" + word, value)
    return re.sub(rb"\$64\((.*?)\)", lambda m: base64.b64encode(m.group(1)),
                  data, flags=re.S)


def line_of(text):
    """The same with CR LF, unless it ends in \\-."""
    if text.endswith("\\-"):
        return octets(text[:-2])
    return octets(text) + b"\r\n"


def values(text):
    """The values of an `each` line."""
    if text.startswith("|"):
        return [part.strip(" ") for part in text[1:].split("|")]
    found = []
    for word in text.split():
        span = re.fullmatch(r"(\d+)\.\.(\d+)(?:/(\d+))?", word)
        if span:
            first, last, step = (int(n or 1) for n in span.groups())
            found += [str(n) for n in range(first, last + 1, step)]
        else:
            found.append(word)
    return found


class Session:
    """What a server does in one POP3 session: {step: its actions}.

    played   the steps that were come to
    """

    def __init__(self):
        self.on = {}
        self.played = set()


class Variant:
    """One way to play a scenario.

    settings   {name: argument}, see: {event: set of outcomes}
    sessions   of a server's scenario
    steps      of a client's, as (verb, argument)
    """

    def __init__(self, scenario, lines, chosen):
        self.scenario = scenario
        self.name = " ".join([scenario.name] + [
            "%s=%s" % (k, v[:40]) for k, v in chosen.items()])
        self.settings = {}
        self.see = {}
        self.may = []
        self.heard = {}
        self.sessions = [Session()]
        self.steps = []
        actions = None
        for line in lines:
            for key, value in sorted(chosen.items(), reverse=True):
                line = line.replace("$" + key, value)
            verb, _, rest = line.strip("\t").partition(" ")
            if line.startswith("\t") or (scenario.kind == "client" and
                                         verb in CLIENT_STEPS):
                if verb not in (SERVER_STEPS if scenario.kind == "server"
                                else CLIENT_STEPS):
                    raise Wrong("%s: no such step: %s" % (self.name, line))
                target = (self.steps if scenario.kind == "client"
                          else actions)
                target.append((verb, rest))
            elif verb == "on":
                actions = []
                for step in rest.split():
                    self.sessions[-1].on[step] = actions
            elif verb == "session":
                self.sessions.append(Session())
            elif verb == "see":
                event, _, outcome = rest.partition(" ")
                self.see[event] = set(outcome.split("|"))
            elif verb == "heard":
                step, count = rest.split()
                self.heard[step] = int(count)
            elif verb == "may":
                self.may.append(line_of(rest))
            elif verb in SETTINGS:
                self.settings[verb] = rest
            else:
                raise Wrong("%s: no such line: %s" % (self.name, line))

    def get(self, name, default=None):
        return self.settings.get(name, default)

    def has(self, name):
        return name in self.settings

    @property
    def messages(self):
        second = LARGE if self.get("messages") == "large" else SECOND
        return list(zip(UIDS, (FIRST, second, THIRD)))


class Scenario:
    """kind is "server" or "client", name that of the file."""

    def __init__(self, path):
        self.kind = os.path.basename(os.path.dirname(path))
        self.name = self.kind + "/" + os.path.basename(path)[:-4]
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
        self.title = lines[0].lstrip("# ")
        lines = [line for line in lines
                 if line.strip() and not line.startswith("#")]
        each = [line.split(" ", 2)[1:] for line in lines
                if line.startswith("each ")]
        lines = [line for line in lines if not line.startswith("each ")]
        self.variants = [
            Variant(self, lines, dict(zip([name for name, _ in each], picks)))
            for picks in itertools.product(*[values(v) for _, v in each])]

    def unplayed(self):
        """The steps of sessions that no variant has come to."""
        def all_of(name):
            return {(n, step) for variant in self.variants
                    for n, session in enumerate(variant.sessions, 1)
                    for step in getattr(session, name)}
        return all_of("on") - all_of("played")


def load():
    """All scenarios there are, by name."""
    paths = sorted(glob.glob(os.path.join(FOLDER, "*", "*.txt")))
    return {s.name: s for s in map(Scenario, paths)}


def rows():
    """The table rows.txt: [(list, row, scenarios)]."""
    found = []
    part = None
    with open(os.path.join(HERE, "rows.txt"), encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("["):
                part = line.strip("[]")
            elif line and not line.startswith("#"):
                row, _, names = line.partition(": ")
                found.append((part, row, names.split()))
    return found
