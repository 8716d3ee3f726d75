"""What was delivered, asked for and promised, and what must be there for it.

Everybody who takes part in a run writes down here what he is about to do, and
what has become of it.  judge() then says what is wrong with a mailbox.
Nothing here talks to anybody.
"""

import collections
import hashlib
import re
import threading

# What a session deletes is gone from INBOX, is to be found elsewhere, or is
# only hidden from later sessions.
GONE, MOVED, HIDDEN = "gone", "moved", "hidden"
FATES = {"expunge": GONE, "trash": MOVED, "archive": MOVED,
         "flag": HIDDEN, "keep": HIDDEN, "refuse": GONE}

NAME = re.compile(rb"^X-Chaos: ([a-z]+\d+-\d+)\r\n", re.M)
UNIQUE_ID = re.compile(rb"([0-9a-f]{8})([0-9a-f]{8})")

LINES = (b"", b".", b"..", b".dot", b"+OK 1", b"-ERR", b"* 1 EXISTS",
         b"x" * 72, b")", b"a0001 OK done", b"{5}",
         b"\xc3\xa4\xff\x80", b" \t", b"From me")
SIZES = (0, 1, 3, 10, 40, 40, 400, 400, 4000)


def make_text(name, rng):
    """A message that is like no other."""
    lines = rng.choices(LINES, k=rng.choice(SIZES))
    if rng.random() < 0.05:
        lines.append(b"l" * rng.choice((1000, 9000, 66000)))
    body = b"".join(line + b"\r\n" for line in lines)
    if rng.random() < 0.1:
        body += b"no end of line"
    return b"From: a@example.org\r\nX-Chaos: %s\r\nX-Random: %x\r\n\r\n%s" % (
        name.encode(), rng.getrandbits(64), body)


def digest(text):
    return hashlib.sha256(text).hexdigest()


def as_sent(text):
    """What a POP3 client has when it has received the text."""
    return text if text.endswith(b"\r\n") else text + b"\r\n"


class Message:
    def __init__(self, name, text):
        self.name = name
        self.text = text
        self.digest = digest(text)
        self.uid = None     # None as well: nobody knows whether it is there


class Maildrop:
    """What is known of one user's mail; messages go by UID."""

    def __init__(self):
        self.messages = {}      # by name
        self.doomed = {}        # to a session that may have removed it
        self.removed = {}       # to a session that was told that it is gone
        self.put_off = {}       # to one that was told that it is not yet
        self.left_over = set()  # of these, in the end
        self.expunged = set()   # perhaps, by others
        self.flagged = set()    # by others, \Deleted, for certain
        self.touched = set()    # perhaps flagged by others
        self.unique = {}        # unique-id to (name, session)
        self.complete = 0


class Ledger:
    """flags_stay: whether a flag of others must be there in the end.  Without
    UID EXPUNGE it is taken off for a moment, in which anything may die.
    ends_lines: the server ends the last line of each message."""

    def __init__(self, fate=GONE, flags_stay=True, ends_lines=False):
        self.fate = fate
        self.flags_stay = flags_stay
        self.ends_lines = ends_lines
        self.flags_lost = 0
        self.swept = 0          # flagged just before an EXPUNGE of all
        self.lock = threading.Lock()
        self.maildrops = collections.defaultdict(Maildrop)
        self.complaints = []

    def complain(self, who, text, *args):
        with self.lock:
            self.complaints.append("%s: %s" % (who, text % args))

    # by those who use IMAP

    def new_message(self, user, rng):
        """One that is going to be delivered."""
        with self.lock:
            known = self.maildrops[user].messages
            name = "%s-%d" % (user, len(known))
            text = make_text(name, rng)
            known[name] = Message(
                name, as_sent(text) if self.ends_lines else text)
            return known[name]

    def is_there(self, message, uid):
        with self.lock:
            message.uid = uid

    def about_to_flag(self, user, uids):
        with self.lock:
            self.maildrops[user].touched.update(uids)

    def has_flagged(self, user, uids):
        with self.lock:
            self.maildrops[user].flagged.update(uids)

    def about_to_expunge(self, user, uids=None):
        """These, or whatever is flagged."""
        with self.lock:
            drop = self.maildrops[user]
            drop.expunged.update(drop.touched if uids is None else uids)

    # by POP3 clients

    def has_seen(self, user, who, unique, text):
        """All that a client has of a message, by its unique-id."""
        found = NAME.search(text)
        with self.lock:
            drop = self.maildrops[user]
            message = found and drop.messages.get(found.group(1).decode())
            drop.complete += 1
        if not message:
            self.complain(who, "a message that was never delivered: %r",
                          text[:200])
            return
        if text != as_sent(message.text):
            self.complain(who, "%s is complete, and has other octets: %d "
                          "instead of %d", message.name, len(text),
                          len(as_sent(message.text)))
        self.has_named(user, who, unique, message)

    def has_named(self, user, who, unique, message):
        with self.lock:
            drop = self.maildrops[user]
            before, first = drop.unique.setdefault(unique,
                                                   (message.name, who))
        if before != message.name:
            self.complain(who, "%s was the unique-id of %s (%s), and is the "
                          "one of %s", unique, before, first, message.name)

    def message_of(self, user, head):
        found = NAME.search(head)
        with self.lock:
            return found and self.maildrops[user].messages.get(
                found.group(1).decode())

    def about_to_quit(self, user, who, uids):
        with self.lock:
            for uid in uids:
                self.maildrops[user].doomed.setdefault(uid, who)

    def has_quit(self, user, who, uids):
        """It was told that they are removed."""
        with self.lock:
            for uid in uids:
                self.maildrops[user].removed.setdefault(uid, who)

    def could_not_quit(self, user, who, uids):
        """It was told that not all of them are removed."""
        with self.lock:
            self.maildrops[user].put_off.update(dict.fromkeys(uids, who))

    # in the end

    def judge(self, user, inbox, elsewhere=(), uniques=None, validity=None,
              beyond=0):
        """Writes down what is wrong with the mail of a user.

        inbox      {UID: (whether it is flagged \\Deleted, octets)}
        elsewhere  octets of each message in the other folder
        uniques    the unique-ids that a last POP3 session has seen
        beyond     so many that others had flagged went with an EXPUNGE, as
                   popbridge says: there was no UID EXPUNGE
        """
        drop = self.maildrops[user]
        self._judge_inbox(user, drop, inbox)
        self._judge_removed(user, drop, inbox, uniques)
        self._judge_missing(user, drop, inbox, beyond)
        self._judge_elsewhere(user, drop, inbox, elsewhere)
        if validity is not None:
            self._judge_names(user, drop, validity)

    def _judge_inbox(self, user, drop, inbox):
        places = {}
        for uid, (_, text) in inbox.items():
            message = self.message_of(user, text)
            if message is None:
                self.complain(user, "UID %d was never delivered", uid)
                continue
            if message.name in places:
                self.complain(user, "%s is there twice, UIDs %d and %d",
                              message.name, places[message.name], uid)
            places[message.name] = uid
            if digest(text) != message.digest:
                self.complain(user, "%s has other octets than were delivered",
                              message.name)
            if message.uid not in (None, uid):
                self.complain(user, "%s was UID %d, and is %d", message.name,
                              message.uid, uid)
            message.uid = uid

    def _judge_removed(self, user, drop, inbox, uniques):
        if self.fate == HIDDEN:
            if uniques is None:
                return
            left = {int(unique[:8], 16) for unique in uniques}
            for uid in set(inbox) - left - set(drop.doomed) - drop.touched:
                self.complain(user, "UID %d is hidden, and nobody asked for "
                              "that", uid)
        else:
            left = set(inbox)
            if uniques is not None and left != {
                    int(unique[:8], 16) for unique in uniques}:
                self.complain(user, "the last session sees something else "
                              "than IMAP: %s", uniques)
        drop.left_over = left & set(drop.put_off)
        for uid in left & set(drop.removed):
            self.complain(user, "UID %d is there: the client of %s was told "
                          "that it is removed", uid, drop.removed[uid])

    def _judge_missing(self, user, drop, inbox, beyond):
        allowed = set(drop.expunged)
        if self.fate != HIDDEN:
            allowed |= set(drop.doomed)
        missing = [m for m in drop.messages.values()
                   if m.uid not in allowed | set(inbox) | {None}]
        swept = [m for m in missing if m.uid in drop.touched][:beyond]
        self.swept += len(swept)
        for message in missing:
            if message not in swept:
                self.complain(user, "%s (UID %d) is lost", message.name,
                              message.uid)
        for uid in drop.flagged & set(inbox):
            self.flags_lost += not inbox[uid][0]
            if self.flags_stay and not inbox[uid][0]:
                self.complain(user, "UID %d has lost the flag that another "
                              "client has set", uid)

    def _judge_elsewhere(self, user, drop, inbox, elsewhere):
        found = set()
        for text in elsewhere:
            message = self.message_of(user, text)
            if message is None or digest(text) != message.digest:
                self.complain(user, "the other folder has what was never "
                              "delivered: %r", text[:200])
            elif message.uid is not None and message.uid not in drop.doomed:
                self.complain(user, "%s is in the other folder, and nobody "
                              "asked for that", message.name)
            else:
                found.add(message.name)
        if self.fate != MOVED:
            return
        for message in drop.messages.values():
            uid = message.uid
            if (uid in drop.doomed and uid not in inbox and
                    uid not in drop.expunged and message.name not in found):
                self.complain(user, "%s is neither in INBOX nor in the other "
                              "folder", message.name)

    def _judge_names(self, user, drop, validity):
        for unique, (name, who) in drop.unique.items():
            found = UNIQUE_ID.fullmatch(unique)
            uid = drop.messages[name].uid
            if not found or int(found.group(2), 16) != validity or uid not in (
                    None, int(found.group(1), 16)):
                self.complain(who, "%s was shown as unique-id of %s, UID %s "
                              "of %d", unique, name, uid, validity)

    def totals(self):
        """Figures of all users."""
        drops = self.maildrops.values()
        total = collections.OrderedDict()
        total["messages delivered"] = sum(
            m.uid is not None for d in drops for m in d.messages.values())
        total["messages received completely"] = sum(d.complete for d in drops)
        total["deletions that clients asked for"] = sum(
            len(d.doomed) for d in drops)
        total["deletions confirmed to clients"] = sum(
            len(d.removed) for d in drops)
        total["deletions put off at QUIT"] = sum(
            len(d.put_off) for d in drops)
        total["of these, there in the end"] = sum(
            len(d.left_over) for d in drops)
        total["messages expunged by others"] = sum(
            len(d.expunged - set(d.doomed)) for d in drops)
        total["messages flagged \\Deleted by others"] = sum(
            len(d.flagged) for d in drops)
        total["of these flags, lost"] = self.flags_lost
        total["of these messages, gone with EXPUNGE"] = self.swept
        return total

    def write(self, file):
        """All of it, for a person who looks for the reason."""
        for user, drop in sorted(self.maildrops.items()):
            for m in drop.messages.values():
                file.write("%s uid=%s sha256=%s octets=%d doomed=%s "
                           "removed=%s put-off=%s left-over=%s expunged=%s "
                           "flagged=%s\n" % (
                               m.name, m.uid, m.digest, len(m.text),
                               drop.doomed.get(m.uid),
                               drop.removed.get(m.uid),
                               drop.put_off.get(m.uid),
                               m.uid in drop.left_over,
                               m.uid in drop.expunged,
                               m.uid in drop.flagged))
            for unique, (name, who) in drop.unique.items():
                file.write("%s unique-id=%s first-seen-by=%s\n" % (
                    name, unique.decode(), who))
