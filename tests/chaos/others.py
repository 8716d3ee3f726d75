"""Everybody else who uses a mailbox meanwhile, over plain IMAP."""

import collections
import imaplib
import re
import threading

DELETED = r"(\Deleted)"
FULL = 24       # messages, from which on more is expunged than delivered


class Others:
    def __init__(self, dovecot, ledger):
        self.dovecot = dovecot
        self.ledger = ledger
        self.locks = collections.defaultdict(threading.Lock)
        self.figures = collections.Counter()

    def act(self, user, rng):
        """Something that others do, one after the other for each user."""
        with self.locks[user.name]:
            try:
                client = self.dovecot.imap(user)
                client.select()
                self._choose(client, user.name, rng)
                client.logout()
            except (imaplib.IMAP4.error, OSError):
                # Its process was killed: what was written down before holds.
                self.figures["cut off"] += 1

    def _choose(self, client, user, rng):
        uids = [int(n) for n in
                client.uid("SEARCH", "ALL")[1][0].split()]
        what = rng.random()
        some = rng.sample(uids, min(len(uids), rng.choice((1, 1, 2, 5))))
        if len(uids) < 4 or (what < 0.55 and len(uids) < FULL):
            self._deliver(client, user, rng, rng.choice((1, 2, 3, 6)))
        elif what < 0.70:
            self._flag(client, user, some)
        elif what < 0.90:
            self._delete(client, user, some)
        else:
            self._expunge(client, user)

    def deliver(self, user, rng, count):
        with self.locks[user.name]:
            client = self.dovecot.imap(user)
            self._deliver(client, user.name, rng, count)
            client.logout()

    def _deliver(self, client, user, rng, count):
        for _ in range(count):
            message = self.ledger.new_message(user, rng)
            status, data = client.append("INBOX", None, None, message.text)
            if status == "OK":
                uid = re.search(rb"APPENDUID \d+ (\d+)", data[0])
                self.ledger.is_there(message, int(uid.group(1)))
                self.figures["deliveries"] += 1

    def _store(self, client, user, uids):
        self.ledger.about_to_flag(user, uids)
        status, _ = client.uid("STORE", ",".join(map(str, uids)),
                               "+FLAGS.SILENT", DELETED)
        return status == "OK"

    def _flag(self, client, user, uids):
        if self._store(client, user, uids):
            self.ledger.has_flagged(user, uids)
            self.figures["flags"] += 1

    def _delete(self, client, user, uids):
        self.ledger.about_to_expunge(user, uids)
        if self._store(client, user, uids):
            client.uid("EXPUNGE", ",".join(map(str, uids)))
            self.figures["deletions"] += 1

    def _expunge(self, client, user):
        self.ledger.about_to_expunge(user)
        client.expunge()
        self.figures["expunges"] += 1


def read_mailbox(client, name):
    """{UID: (whether it is flagged \\Deleted, octets)} and UIDVALIDITY."""
    client.select(name, readonly=True)
    validity = int(client.untagged_responses["UIDVALIDITY"][-1])
    _, data = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
    found = {}
    for part in data or ():
        if isinstance(part, tuple):
            uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
            found[uid] = (rb"\Deleted" in part[0], part[1])
    return found, validity
