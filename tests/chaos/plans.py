"""What is going to happen: all of it drawn from the seed, and from what it
happens to."""

import collections
import random

import relay
import session

Guest = collections.namedtuple("Guest", "user door manner plan others rng")

LOCKS = ("none", "none", "exclusive", "takeover")
# Commands behind which something happens where they can be read.
WORDS = (b"STORE", b"STORE", b"EXPUNGE", b"SELECT", b"FETCH", b"AUTHENTICATE",
         b"MOVE", b"COPY")
FATAL_WORDS = (b"STORE", b"STORE", b"EXPUNGE", b"FETCH")


def source(seed, *what):
    """Random numbers that depend on nothing else."""
    return random.Random("/".join(map(str, (seed,) + what)))


def _octets(rng, most):
    """As often a few as many."""
    return int(most ** rng.random())


def client_plan(rng):
    kind = rng.choices((relay.CALM, relay.CUT, relay.RESET, relay.STALL,
                        relay.SPLIT, relay.DELAY),
                       (62, 7, 7, 6, 11, 7))[0]
    direction = rng.choice((relay.TO_SERVER, relay.TO_CLIENT))
    most = 400 if direction == relay.TO_SERVER else 60000
    seconds = 0.002 if kind == relay.DELAY else rng.uniform(0.05, 0.6)
    at = 1 if kind in (relay.SPLIT, relay.DELAY) else _octets(rng, most)
    return relay.Plan(kind, direction, at, b"", seconds)


def upstream_plan(rng):
    kind = rng.choices((relay.CALM, relay.CUT, relay.RESET, relay.STALL,
                        relay.SPLIT, relay.DELAY, relay.KILL),
                       (45, 14, 14, 8, 7, 7, 5))[0]
    direction = rng.choice((relay.TO_SERVER, relay.TO_CLIENT))
    most = 2000 if direction == relay.TO_SERVER else 100000
    word = b""
    if kind in (relay.CUT, relay.RESET, relay.STALL, relay.KILL):
        if kind == relay.KILL or rng.random() < 0.5:
            word = rng.choice(FATAL_WORDS if kind == relay.KILL else WORDS)
            most = 400
    seconds = 0.002 if kind == relay.DELAY else rng.uniform(0.05, 1.5)
    at = 1 if kind in (relay.SPLIT, relay.DELAY) else _octets(rng, most)
    return relay.Plan(kind, direction, at, word, seconds)


def guest(seed, number, users):
    """One session: who, how, and what happens on the way."""
    rng = source(seed, "session", number)
    manners, weights = zip(*session.MANNERS)
    return Guest(
        rng.choice(users),
        rng.choices((session.PLAIN, session.IMPLICIT, session.STLS),
                    (60, 25, 15))[0],
        rng.choices(manners, weights)[0], client_plan(rng),
        rng.choice((0, 1, 1, 1, 2)), rng)


# What befalls the programs, and how often.
CRASH, RESTART, RELOAD, IMAP_DIES = (
    "SIGKILL", "SIGTERM", "SIGHUP", "IMAP processes")


def troubles(seed):
    """Without end: after how many more sessions, what, and how much later."""
    rng = source(seed, "troubles")
    while True:
        yield (rng.randint(4, 18),
               rng.choices((CRASH, RESTART, RELOAD, IMAP_DIES),
                           (20, 9, 18, 53))[0], rng.uniform(0, 0.05))


def settings(seed, number):
    """What changes in the configuration, at each start and each SIGHUP."""
    rng = source(seed, "settings", number)
    return {"lock": rng.choice(LOCKS), "revive": rng.choice(("yes", "no")),
            "upstream-keep": rng.choice((0, 2, 120, 120)),
            "mark-seen": rng.choice(("no", "quit"))}
