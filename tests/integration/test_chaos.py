"""Sessions with chaos between, as scripts/chaos has thousands of them; and
that the ledger, which judges them, sees what is wrong.

POPBRIDGE_TEST_SEED repeats one."""

import contextlib
import os
import random
import sys

import pytest

from conftest import HERE

sys.path.insert(1, os.path.join(os.path.dirname(HERE), "chaos"))

import chaos  # noqa: E402
import ledger as ledgers  # noqa: E402

SESSIONS = 150
CALM_SESSIONS = 40
VALIDITY = 1234


def any_seed():
    return int(os.environ.get("POPBRIDGE_TEST_SEED",
                              random.SystemRandom().randrange(10 ** 9)))


@contextlib.contextmanager
def played(binary, *args, late=0, **keywords):
    """late: so many messages come to each user behind all that he does."""
    run = chaos.Chaos(binary, *args, **keywords)
    with contextlib.ExitStack() as stack:
        stack.callback(run.close)
        run.run()
        for user in run.users:
            run.others.deliver(user, random.Random(user.name), late)
        yield run, run.settle()


@pytest.mark.parametrize("server, seed", (
    ("dovecot", 5), ("dovecot", None), ("courier", None), ("cyrus", None)))
def test_nothing_is_lost_in_chaos(binary, server, seed):
    seed = any_seed() if seed is None else seed
    print("POPBRIDGE_TEST_SEED=%d" % seed)
    with played(binary, SESSIONS, seed, server=server) as (run, seen):
        complaints = run.judge(seen)
        found = run.summary()
        print("\n".join("%s: %d" % item for item in found.items()))
        assert not complaints, "\n".join(complaints)
        assert found["sessions: QUIT confirmed"] >= 15
        assert found["popbridge: killed"] >= 1
        assert sum(n for name, n in found.items()
                   if name.endswith((": cut", ": reset"))) >= 5


class Rig:
    """What somebody does to the mail of a user, when a calm run is over."""

    def __init__(self, run, seen, user):
        self.run, self.seen, self.user = run, seen, user
        self.drop = run.ledger.maildrops[user.name]
        self.imap = run.server.imap(user)
        self.imap.select()

    def untouched(self):
        touched = self.drop.touched | self.drop.expunged | set(
            self.drop.doomed)
        return next(m for m in self.drop.messages.values()
                    if m.uid not in touched)

    def expunge(self, message):
        self.imap.uid("STORE", str(message.uid), "+FLAGS", r"(\Deleted)")
        self.imap.uid("EXPUNGE", str(message.uid))

    def finds(self, what):
        """What the ledger must say of this user."""
        del self.run.ledger.complaints[:]
        found = self.run.judge(self.seen)
        assert any(c.startswith(self.user.name) and what in c
                   for c in found), found
        self.imap.logout()


@pytest.fixture(scope="module")
def calm(binary):
    """A run in which all is well, and users of whom some messages are left
    and some removed."""
    with played(binary, CALM_SESSIONS, 7, late=2, calm=True) as (run, seen):
        assert run.judge(seen) == []
        users = [u for u in run.users if run.ledger.maildrops[u.name].removed
                 and len(seen[u.name]) > 1]
        yield run, seen, users


@pytest.fixture
def rig(calm):
    """Another user for each test."""
    run, seen, users = calm
    return Rig(run, seen, users.pop())


def test_a_message_that_is_removed_behind_its_back_is_noticed(rig):
    message = rig.untouched()
    rig.expunge(message)
    rig.finds("%s (UID %d) is lost" % (message.name, message.uid))


def test_an_octet_that_is_altered_is_noticed(rig):
    message = rig.untouched()
    rig.expunge(message)
    rig.imap.append("INBOX", None, None, message.text.replace(
        b"example", b"exbmple"))
    rig.finds("has other octets than were delivered")


def test_a_message_that_comes_back_is_noticed(rig):
    gone = next(m for m in rig.drop.messages.values()
                if m.uid in rig.drop.removed)
    rig.imap.append("INBOX", None, None, gone.text)
    rig.finds("%s was UID" % gone.name)


def test_a_flag_of_others_that_is_lost_is_noticed(rig):
    message = rig.untouched()
    rig.run.ledger.about_to_flag(rig.user.name, [message.uid])
    rig.run.ledger.has_flagged(rig.user.name, [message.uid])
    rig.finds("has lost the flag")


class Book:
    """A ledger with three messages of one user, and what is there of them."""

    def __init__(self, fate):
        self.ledger = ledgers.Ledger(fate)
        self.messages = []
        for uid in (1, 2, 3):
            message = self.ledger.new_message("max0", random.Random(uid))
            self.ledger.is_there(message, uid)
            self.messages.append(message)
        self.inbox = {m.uid: (False, m.text) for m in self.messages}
        self.uniques = [self.unique(m.uid) for m in self.messages]

    @staticmethod
    def unique(uid):
        return b"%08x%08x" % (uid, VALIDITY)

    def quit(self, uid, confirmed=True):
        self.ledger.about_to_quit("max0", "session 1", [uid])
        if confirmed:
            self.ledger.has_quit("max0", "session 1", [uid])

    def remove(self, uid):
        del self.inbox[uid]
        self.uniques.remove(self.unique(uid))

    def judged(self, elsewhere=(), beyond=0):
        self.ledger.judge("max0", self.inbox, elsewhere, self.uniques,
                          VALIDITY, beyond)
        return self.ledger.complaints


@pytest.fixture
def book():
    return Book(ledgers.GONE)


def test_what_was_confirmed_must_be_gone(book):
    book.quit(2)
    assert "UID 2 is there" in book.judged()[0]


def test_what_went_with_an_expunge_of_all_is_told_and_was_flagged(book):
    book.ledger.about_to_flag("max0", [2])
    book.remove(2)
    assert book.judged(beyond=1) == []
    book.remove(3)
    assert "UID 3) is lost" in book.judged(beyond=2)[0]


def test_what_was_flagged_and_went_untold_is_lost(book):
    book.ledger.about_to_flag("max0", [2, 3])
    book.remove(2)
    book.remove(3)
    assert len(book.judged(beyond=1)) == 1


@pytest.mark.parametrize("confirmed", (True, False))
def test_what_a_client_deleted_may_be_gone(book, confirmed):
    book.quit(2, confirmed)
    book.remove(2)
    assert book.judged() == []


def test_what_nobody_knows_of_a_quit_may_be_there(book):
    book.quit(2, confirmed=False)
    assert book.judged() == []


def test_a_message_that_is_there_twice_is_noticed(book):
    book.inbox[4] = book.inbox[1]
    assert "is there twice" in book.judged()[0]


def test_a_last_session_that_does_not_see_all_is_noticed(book):
    del book.uniques[1]
    assert "something else than IMAP" in book.judged()[0]


def test_a_download_of_other_octets_is_noticed(book):
    text = ledgers.as_sent(book.messages[0].text)
    book.ledger.has_seen("max0", "session 1", book.unique(1), text)
    assert book.judged() == []
    book.ledger.has_seen("max0", "session 2", book.unique(1), text + b"\r\n")
    assert "is complete, and has other octets" in book.judged()[0]


def test_a_unique_id_that_names_another_message_is_noticed(book):
    for n in (0, 1):
        book.ledger.has_named("max0", "session %d" % n, book.unique(1),
                              book.messages[n])
    assert "was the unique-id of max0-0" in book.judged()[0]


def test_a_unique_id_that_is_not_the_messages_uid_is_noticed(book):
    book.ledger.has_named("max0", "session 1", book.unique(3),
                          book.messages[1])
    assert "was shown as unique-id of max0-1" in book.judged()[0]


def test_what_is_moved_must_be_in_the_other_folder():
    book = Book(ledgers.MOVED)
    book.quit(2)
    book.remove(2)
    assert book.judged([book.messages[1].text]) == []
    assert "neither in INBOX nor" in book.judged()[0]


def test_what_nobody_deleted_must_not_be_in_the_other_folder():
    book = Book(ledgers.MOVED)
    assert "nobody asked for that" in book.judged([book.messages[1].text])[0]


def test_what_is_hidden_must_still_be_there():
    book = Book(ledgers.HIDDEN)
    book.quit(2)
    book.uniques.remove(book.unique(2))
    assert book.judged() == []
    del book.inbox[2]
    assert "is lost" in book.judged()[0]


def test_what_nobody_deleted_must_not_be_hidden():
    book = Book(ledgers.HIDDEN)
    del book.uniques[1]
    assert "nobody asked for that" in book.judged()[0]
