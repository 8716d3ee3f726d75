"""An IMAP server that lies about what its mailbox holds, to somebody who
remembers what it was: the client sees what is there, or no maildrop at all,
and when the lies end, nothing of them is left."""

import pytest

from fake_imap import CAPABILITIES, FakeImap
from pop3client import Pop3, numbered

WORDS = CAPABILITIES + b" ESEARCH"
PLAIN_WORDS = CAPABILITIES


def text(uid):
    return b"Subject: %d\r\n\r\n%s\r\n" % (uid, b"x" * (uid * 7 % 90))


class Mailbox(FakeImap):
    """Tells the truth, all of RFC 3501 and 4731 that is asked of it, unless
    one of `lies` stands in its place: {what: what is said instead, or a
    function that says it of the truth}."""

    def begin(self):
        self.messages = [(uid, text(uid)) for uid in (3, 5, 8, 9, 12)]
        self.lies = {}
        self.uidnext = 13

    # what others do

    def deliver(self):
        self.messages.append((self.uidnext, text(self.uidnext)))
        self.uidnext += 1

    def expunge(self, place):
        self.messages.pop(place)

    def truth(self):
        return [(uid, len(message)) for uid, message in self.messages]

    # what it says

    def said(self, what, truth):
        lie = self.lies.get(what, truth)
        return lie(truth) if callable(lie) else lie

    def select(self, connection, tag, _):
        lines = [b"FLAGS (\\Seen \\Deleted)",
                 b"%d EXISTS" % self.said("EXISTS", len(self.messages)),
                 b"OK [UIDVALIDITY 7] valid"]
        uidnext = self.said("UIDNEXT", self.uidnext)
        if uidnext is not None:
            lines.append(b"OK [UIDNEXT %d] next" % uidnext)
        connection.send(b"".join(b"* %s\r\n" % line for line in lines) +
                        tag + b" OK [READ-WRITE] open\r\n")

    def sizes(self, connection, tag, args):
        first = int(args.split(b":")[0])
        listing = [(seq, uid, size) for seq, (uid, size) in enumerate(
            self.said("SIZES", self.truth()), 1)]
        # n:* names the last message, whatever n is.
        connection.send(b"".join(
            b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % line
            for line in listing
            if line[1] >= first or line == listing[-1]) +
            tag + b" OK listed\r\n")

    def search(self, connection, tag, args):
        uids = self.said("SEARCH", [uid for uid, _ in self.messages])
        if args.startswith(b"RETURN"):
            found = b",".join(b"%d" % uid for uid in uids)
            connection.send(b"* ESEARCH (TAG %s) UID%s\r\n" % (
                quoted(tag), b" ALL " + found if found else b""))
        elif uids is not None:
            connection.send(b"* SEARCH %s\r\n" % b" ".join(
                b"%d" % uid for uid in uids))
        connection.send(tag + b" OK searched\r\n")


def quoted(tag):
    return b'"%s"' % tag


def but(place):
    return lambda truth: truth[:place] + truth[place:][1:]


# Lies that something contradicts.
LIES = {
    "no-lie": {},
    "uidnext-constant": {"UIDNEXT": 13},
    "uidnext-of-the-past": {"UIDNEXT": 5},
    "uidnext-of-the-future": {"UIDNEXT": 1000},
    "uidnext-one-too-high": {"UIDNEXT": lambda n: n + 1},
    "uidnext-far-too-high": {"UIDNEXT": lambda n: n + 1000},
    "uidnext-goes-down": {"UIDNEXT": lambda n: 100 - n},
    "uidnext-the-highest": {"UIDNEXT": 2 ** 32 - 1},
    "no-uidnext": {"UIDNEXT": None},
    "no-uidnext-exists-constant": {"UIDNEXT": None, "EXISTS": 5},
    "no-uidnext-exists-too-many":
        {"UIDNEXT": None, "EXISTS": lambda n: n + 1},
    "no-uidnext-exists-too-few":
        {"UIDNEXT": None, "EXISTS": lambda n: max(n - 1, 0)},
    "no-uidnext-uid-of-the-last-changed":
        {"UIDNEXT": None,
         "SIZES": lambda l: l[:-1] + [(u + 700, n) for u, n in l[-1:]]},
    "no-uidnext-one-not-listed": {"UIDNEXT": None, "SIZES": but(-1)},
    "no-uidnext-search-lacks-one": {"UIDNEXT": None, "SEARCH": but(2)},
    "no-uidnext-search-finds-strangers":
        {"UIDNEXT": None, "SEARCH": lambda uids: uids + [7, 11]},
    "no-uidnext-search-finds-others":
        {"UIDNEXT": None, "SEARCH": lambda uids: uids[:-1] + [7]},
    "exists-constant": {"EXISTS": 5},
    "exists-nothing": {"EXISTS": 0},
    "exists-one-too-many": {"EXISTS": lambda n: n + 1},
    "exists-one-too-few": {"EXISTS": lambda n: max(n - 1, 0)},
    "exists-many-too-many": {"EXISTS": 1999999},
    "uid-of-the-last-changed":
        {"SIZES": lambda l: l[:-1] + [(u + 700, n) for u, n in l[-1:]]},
    "one-not-listed": {"SIZES": but(-1)},
    "none-listed": {"SIZES": lambda _: [(1, 1)]},
    "search-lacks-the-first": {"SEARCH": but(0)},
    "search-lacks-one": {"SEARCH": but(2)},
    "search-lacks-the-last": {"SEARCH": but(-1)},
    "search-finds-strangers": {"SEARCH": lambda uids: uids + [7, 11]},
    "search-finds-others": {"SEARCH": lambda uids: uids[:-1] + [7]},
    "search-finds-nothing": {"SEARCH": []},
    "search-says-all": {"SEARCH": list(range(1, 40))},
    "exists-and-search":
        {"EXISTS": lambda n: max(n - 1, 0), "SEARCH": but(0)},
    "exists-and-uidnext": {"EXISTS": 5, "UIDNEXT": 13},
}
# What nothing contradicts: the mailbox is empty.  That a size changes is not
# among the lies: it never does (RFC 3501, section 2.3.4), so nobody asks twice.
BELIEVED = {("exists-constant", "all-go"), ("exists-and-uidnext", "all-go"),
            ("no-uidnext-exists-constant", "all-go")}
CHANGES = {
    "nothing": lambda m: None,
    "one-comes": lambda m: m.deliver(),
    "the-first-goes": lambda m: m.expunge(0),
    "one-goes": lambda m: m.expunge(2),
    "the-last-goes": lambda m: m.expunge(-1),
    "one-goes-one-comes": lambda m: (m.expunge(1), m.deliver()),
    "the-last-goes-one-comes": lambda m: (m.expunge(-1), m.deliver()),
    "one-comes-and-goes": lambda m: (m.deliver(), m.expunge(-1)),
    "all-go": lambda m: [m.expunge(0) for _ in range(5)],
}


def see(bridge, user):
    """What a client sees; None when it does not get in."""
    with Pop3((bridge.host, bridge.port)) as client:
        client.greeting()
        client.ok("USER " + user)
        if client.cmd("PASS secret").startswith(b"-ERR [SYS"):
            return None
        sizes = numbered(client.multi("LIST"))
        uids = numbered(client.multi("UIDL"))
        client.quit()
    return [(int(uid[:8], 16), int(size))
            for (_, uid), (_, size) in zip(uids, sizes)]


@pytest.fixture(params=(WORDS, PLAIN_WORDS), ids=("esearch", "plain"))
def mailbox(request):
    server = Mailbox(request.param)
    yield server
    server.stop()
    assert not server.failures


def sessions(mailbox, bridge, change, lies, begins_with_lies):
    """What was seen wrong: before the change, after it, and when the lies
    have ended.  Each time somebody new comes, of whom nothing is known."""
    user = "%s-%s" % (change, begins_with_lies)
    mailbox.begin()
    if begins_with_lies:
        mailbox.lies = lies
    wrong = []
    for moment in ("at first", "after it", "in the end"):
        if moment == "after it":
            CHANGES[change](mailbox)
            mailbox.lies = lies
        elif moment == "in the end":
            mailbox.lies = {}
        seen = see(bridge, user)
        truth = mailbox.truth()
        # Of what it says of all messages nothing else is known.
        right = [truth, mailbox.said("SIZES", truth)]
        if seen not in right + [None] * bool(mailbox.lies):
            wrong.append("%s, %s: %s instead of %s" % (
                user, moment, seen, truth))
    return wrong


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out_or_nobody_gets_in(lie, mailbox, start_bridge):
    bridge = start_bridge("imap+plain://127.0.0.1:%d" % mailbox.port)
    wrong = [w for change in CHANGES if (lie, change) not in BELIEVED
             for begins_with_lies in (False, True)
             for w in sessions(mailbox, bridge, change, LIES[lie],
                               begins_with_lies)]
    assert not wrong, "\n".join(wrong)


def test_what_somebody_unflags_in_quit_is_seen_again(mailbox, start_bridge):
    mailbox.begin()
    bridge = start_bridge("imap+plain://127.0.0.1:%d" % mailbox.port)
    with Pop3((bridge.host, bridge.port)) as client:
        client.greeting()
        client.ok("USER max")
        client.ok("PASS secret")
        client.ok("DELE 2")
        # There is nothing for UID EXPUNGE to do any more.
        client.ok("QUIT")
    mailbox.expunge(2)
    assert see(bridge, "max") == mailbox.truth()
