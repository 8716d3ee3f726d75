"""The IMAP server behind all peers, and its mailboxes."""

import contextlib
import os

import sandbox

PASSWORD = "secret"

# As fast as it gets: processes are used again and wait for clients.
SETTINGS = """
default_client_limit = 20000
default_process_limit = 4096
default_vsz_limit = 2G
service imap-login {{
  service_count = 0
  client_limit = 4000
  process_min_avail = 2
}}
service pop3-login {{
  service_count = 0
  client_limit = 4000
  process_min_avail = 2
}}
service imap {{
  service_count = 0
  client_limit = {clients}
  process_min_avail = {waiting}
  process_limit = 4096
}}
service pop3 {{
  service_count = 0
  process_min_avail = {waiting}
  process_limit = 4096
}}
service auth {{
  client_limit = 30000
}}
service anvil {{
  client_limit = 30000
}}
"""

LINE = b"0123456789" * 7 + b"\r\n"


def message(number, octets):
    """One that has no line with a dot in front, and its number on top."""
    head = b"Subject: message %d\r\n\r\n" % number
    lines, rest = divmod(max(octets - len(head), 0), len(LINE))
    return head + LINE * lines + (
        b"x" * (rest - 2) + b"\r\n" if rest >= 2 else b"")


class Upstream(sandbox.Dovecot):
    """clients: how many sessions share a process; one does in real life, but
    ten thousand of them would need 7 GB."""

    def __init__(self, clients=1):
        super().__init__(settings=SETTINGS.format(
            clients=clients, waiting=8 if clients == 1 else 2))

    @contextlib.contextmanager
    def _as_owner(self):
        if os.geteuid() != 0:
            yield
            return
        group = os.getegid()
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)

    def mailbox(self, name, messages, octets):
        """A user with numbered messages.  As behind any delivery agent,
        their sizes are in the names of the files."""
        user = self.add_user(name, PASSWORD)
        with self._as_owner():
            for n in range(1, messages + 1):
                text = message(n, octets)
                path = "%s/cur/%d.M%dP1.bench,S=%d,W=%d:2," % (
                    user.maildir, 1600000000 + n, n, len(text), len(text))
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                             0o600)
                os.write(fd, text)
                os.close(fd)
        return user

    def aliases(self, user, name, n):
        """name1 ... nameN; they all have user's mail."""
        for i in range(1, n + 1):
            self.add_alias(user, name + str(i))
