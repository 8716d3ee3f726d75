"""The manners of the large providers, as they are documented and have been
seen: what they announce, how they say it, and in which order."""

import re

from fake_imap import FakeImap, quoted, uids_of

OPEN = (b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
        b"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft "
        b"\\*)] Permanent flags\r\n")


class Provider(FakeImap):
    """Without lines of its own: RFC 3501.  Messages that are expunged go.

    unready  UIDs of messages that it does not hand out now
    flagged  UIDs of those with \\Deleted
    """

    greets = b"* OK [CAPABILITY %s] ready\r\n"
    words = b"IMAP4rev1 UIDPLUS SASL-IR AUTH=PLAIN"
    words_inside = None             # after the login, when others
    inside = b"TAG OK logged in\r\n"
    opened = b"TAG OK [READ-WRITE] open\r\n"
    before_opened = b""
    says_uidnext = True
    not_ready = b"TAG NO not now\r\n"
    fetched = b"TAG OK done\r\n"
    special = b""

    def __init__(self, messages):
        self.unready = set()
        self.flagged = set()
        self.uidnext = messages[-1][0] + 1
        self.known = set()
        super().__init__(messages, capabilities=self.words)
        self.trash = []
        self.handlers.update(STORE=self.store, EXPUNGE=self.expunge,
                             LIST=self.list, MOVE=self.move)

    def greeting(self, connection, *_):
        connection.send(self.greets % self.words if b"%s" in self.greets
                        else self.greets)

    def capability(self, connection, tag, _):
        words = self.words
        if connection in self.known and self.words_inside:
            words = self.words_inside
        connection.send(b"* CAPABILITY %s\r\n%s OK done\r\n" % (words, tag))

    def authenticate(self, connection, tag, args):
        super().authenticate(Muted(connection), tag, args)
        self.let_in(connection, tag)

    def login(self, connection, tag, args):
        super().login(Muted(connection), tag, args)
        self.let_in(connection, tag)

    def let_in(self, connection, tag):
        self.known.add(connection)
        connection.send(self.inside.replace(b"TAG", tag))

    def select(self, connection, tag, _):
        connection.send(
            OPEN + b"* OK [UIDVALIDITY %d] UIDs valid\r\n* %d EXISTS\r\n"
            b"* 0 RECENT\r\n" % (self.validity, len(self.messages)) + (
                b"* OK [UIDNEXT %d] Predicted\r\n" % self.uidnext
                if self.says_uidnext else b"") +
            self.before_opened + self.opened.replace(b"TAG", tag))

    def sizes(self, connection, tag, args):
        first = int(args.split(b":")[0])
        lines = [self.size_line(i, uid, text)
                 for i, (uid, text) in enumerate(self.messages, 1)
                 if uid >= first or i == len(self.messages)]
        connection.send(b"".join(lines) + self.fetched.replace(b"TAG", tag))

    def size_line(self, number, uid, text):
        return b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (
            number, uid, len(text))

    def body(self, connection, tag, args):
        for found in self.find_all(args):
            if found[1] in self.unready:
                return connection.send(self.not_ready.replace(b"TAG", tag))
            connection.send(self.body_line(*found))
        connection.send(self.fetched.replace(b"TAG", tag))

    def body_line(self, number, uid, text, part):
        return b"* %d FETCH (UID %d %s {%d}\r\n%s)\r\n" % (
            number, uid, part, len(text), text)

    def store(self, connection, tag, args):
        uids = uids_of(args.split(b" ")[0])
        if b"+FLAGS" in args and b"Deleted" in args:
            self.flagged |= uids
        connection.send(tag + b" OK stored\r\n")

    def remove(self, connection, uids):
        for number in range(len(self.messages), 0, -1):
            if self.messages[number - 1][0] in uids:
                del self.messages[number - 1]
                connection.send(b"* %d EXPUNGE\r\n" % number)
        self.flagged -= uids

    def expunge(self, connection, tag, args):
        uids = uids_of(args.split(b" ")[0]) if args else set(self.flagged)
        self.remove(connection, uids & self.flagged)
        connection.send(tag + b" OK expunged\r\n")

    def list(self, connection, tag, _):
        connection.send(b"* LIST (\\HasNoChildren) \"/\" INBOX\r\n" +
                        self.special + tag + b" OK listed\r\n")

    def move(self, connection, tag, args):
        uids = uids_of(args.split(b" ")[0])
        self.trash += [m for m in self.messages if m[0] in uids]
        connection.send(b"* OK [COPYUID 9 %s %s] \r\n" % (
            (args.split(b" ")[0],) * 2))
        self.remove(connection, uids)
        connection.send(tag + b" OK moved\r\n")

    def search(self, connection, tag, args):
        uids = [uid for uid, _ in self.messages
                if b"DELETED" not in args or uid in self.flagged]
        if args.startswith(b"RETURN"):
            found = b",".join(b"%d" % uid for uid in uids)
            connection.send(b"* ESEARCH (TAG %s) UID%s\r\n" % (
                quoted(tag), b" ALL " + found if found else b""))
        else:
            connection.send(b"* SEARCH" + b"".join(
                b" %d" % uid for uid in uids) + b"\r\n")
        connection.send(tag + b" OK searched\r\n")

    def named(self, name):
        return [args for command, args in self.commands if command == name]


class Muted:
    """A connection on which only challenges are heard."""

    def __init__(self, connection):
        self.connection = connection
        self.line = connection.line

    def send(self, data):
        if data.startswith(b"+"):
            self.connection.send(data)


class Gmail(Provider):
    greets = b"* OK Gimap ready for requests from 192.0.2.1 k12mb1234567\r\n"
    words = (b"IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN "
             b"X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN "
             b"AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER")
    words_inside = (b"IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST "
                    b"CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE "
                    b"MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED "
                    b"LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584")
    inside = (b"* CAPABILITY " + words_inside + b"\r\n"
              b"TAG OK joe@example.org authenticated (Success)\r\n")
    # A code without a text behind it.
    before_opened = b"* OK [HIGHESTMODSEQ 1234567]\r\n"
    opened = b"TAG OK [READ-WRITE] INBOX selected. (Success)\r\n"
    fetched = b"TAG OK Success\r\n"
    special = (b"* LIST (\\All \\HasNoChildren) \"/\" "
               b"\"[Gmail]/Alle Nachrichten\"\r\n"
               b"* LIST (\\HasNoChildren \\Trash) \"/\" "
               b"\"[Gmail]/Papierkorb\"\r\n")
    not_ready = (b"TAG NO [OVERQUOTA] Account exceeded command or bandwidth "
                 b"limits. (Failure)\r\n")

    def body(self, connection, tag, args):
        # Flags of others, unasked for, with the UID.
        number, (uid, _) = len(self.messages), self.messages[-1]
        connection.send(b"* %d FETCH (UID %d FLAGS (\\Seen) MODSEQ (99))\r\n"
                        % (number, uid))
        super().body(connection, tag, args)


class GmailExpungingAtOnce(Gmail):
    """As an account is made: what is flagged \\Deleted goes at once."""

    def store(self, connection, tag, args):
        super().store(connection, tag, args)
        if self.flagged:
            self.remove(connection, set(self.flagged))


class Microsoft365(Provider):
    greets = (b"* OK The Microsoft Exchange IMAP4 service is ready. "
              b"[TABBIAGQAFIAMAA5AEMAQQAwADAAMQA2AC4AZQB1AHIAcAA=]\r\n")
    words = (b"IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID "
             b"UNSELECT CHILDREN IDLE NAMESPACE LITERAL+")
    inside = b"TAG OK AUTHENTICATE completed.\r\n"
    opened = b"TAG OK [READ-WRITE] SELECT completed.\r\n"
    fetched = b"TAG OK FETCH completed.\r\n"
    not_ready = b"* 2 FETCH (BODY[] NIL UID 20)\r\nTAG OK FETCH completed.\r\n"
    validity = 14

    def size_line(self, number, uid, text):
        """An estimate."""
        return b"* %d FETCH (RFC822.SIZE %d UID %d)\r\n" % (
            number, len(text) + 17, uid)

    def body_line(self, number, uid, text, part):
        """The UID comes behind the body."""
        return b"* %d FETCH (%s {%d}\r\n%s FLAGS (\\Seen) UID %d)\r\n" % (
            number, part, len(text), text, uid)


class Exchange(Microsoft365):
    greets = b"* OK The Microsoft Exchange IMAP4 service is ready.\r\n"
    words = (b"IMAP4 IMAP4rev1 AUTH=NTLM AUTH=GSSAPI AUTH=PLAIN UIDPLUS "
             b"CHILDREN IDLE NAMESPACE LITERAL+")
    not_ready = b"TAG NO The requested message could not be converted.\r\n"


class Yahoo(Provider):
    greets = (b"* OK [CAPABILITY %s] IMAP4rev1 imapgate-1.9.1_20 "
              b"imap-external.mail.example.org\r\n")
    words = (b"IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER ID "
             b"MOVE NAMESPACE XYMHIGHESTMODSEQ UIDPLUS LITERAL+ CHILDREN "
             b"X-MSG-EXT UNSELECT OBJECTID")
    inside = (b"TAG OK [CAPABILITY " + words +
              b"] AUTHENTICATE completed - Mailbox is ready\r\n")
    before_opened = (b"* OK [MAILBOXID (1)] Ok\r\n"
                     b"* OK [XYMHIGHESTMODSEQ 42]\r\n")
    opened = b"TAG OK [READ-WRITE] SELECT completed; now in selected state\r\n"
    not_ready = (b"TAG NO [UNAVAILABLE] UID FETCH Server error while fetching "
                 b"messages\r\n")
    validity = 1

    def sizes(self, connection, tag, args):
        """Not in order."""
        first = int(args.split(b":")[0])
        lines = [self.size_line(i, uid, text)
                 for i, (uid, text) in enumerate(self.messages, 1)
                 if uid >= first or i == len(self.messages)]
        connection.send(b"".join(reversed(lines)) + tag + b" OK listed\r\n")


class Icloud(Provider):
    greets = (b"* OK [CAPABILITY %s] (2407B21-f1e3d2c1b0a9) "
              b"p00-imapmail-6f7d.example.org\r\n")
    words = (b"XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 SASL-IR AUTH=ATOKEN "
             b"AUTH=PTOKEN AUTH=ATOKEN2 AUTH=XOAUTH2 AUTH=PLAIN")
    words_inside = (b"XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 ACL QUOTA LITERAL+ "
                    b"NAMESPACE UIDPLUS CHILDREN BINARY UNSELECT SORT CATENATE "
                    b"URLAUTH LANGUAGE ESEARCH ESORT THREAD=ORDEREDSUBJECT "
                    b"THREAD=REFERENCES CONTEXT=SORT WITHIN SASL-IR SEARCHRES "
                    b"METADATA XSENDER X-NETSCAPE IDLE")
    inside = b"TAG OK [CAPABILITY " + words_inside + b"] Welcome\r\n"
    says_uidnext = False            # not its own, but somebody must
    not_ready = b"TAG OK FETCH completed\r\n"
    validity = 1357000001

    def body(self, connection, tag, args):
        """Without PEEK it has nothing to say."""
        if not re.search(rb"BODY\.PEEK\[\]", args):
            return connection.send(tag + b" OK FETCH completed\r\n")
        return super().body(connection, tag, args)


PROVIDERS = [Gmail, GmailExpungingAtOnce, Microsoft365, Exchange, Yahoo,
             Icloud]
