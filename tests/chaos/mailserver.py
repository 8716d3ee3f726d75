"""The IMAP server of a run: Dovecot, or another one that can UIDPLUS."""

import os
import random
import sys

import program
import sandbox

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "integration"))

import servers  # noqa: E402

NAMES = ("dovecot", "courier", "cyrus")

# The kernel takes the locks of dbox back from a process that is killed.  A
# Maildir would be locked for two minutes then.
MAIL = """
mail_location = sdbox:~/sdbox
namespace inbox {
  mailbox Trash {
    auto = create
    special_use = \\Trash
  }
  mailbox Archive {
    auto = create
    special_use = \\Archive
  }
}
"""
ROUTE = """
route "%(names)s" {
	match = {"%(names)s*"}
	upstream = "%(url)s:%(port)d"
%(more)s}
"""


def start(name, without=()):
    if name == "dovecot":
        return Dovecot(without)
    return {"courier": Courier, "cyrus": Cyrus}[name]()


class Dovecot(sandbox.Dovecot):
    names = ("clear", "clear", "tls")
    ends_lines = False
    kills = True

    def __init__(self, without):
        super().__init__(pop3=False, without=without, settings=MAIL)
        self.chance = random.Random()

    def ports(self):
        return {"clear": self.imap_port, "tls": self.imaps_port}

    def routes(self, ports):
        return ROUTE % {
            "names": "clear", "url": "imap+plain://127.0.0.1",
            "port": ports["clear"], "more": ""} + ROUTE % {
            "names": "tls", "url": "imaps://localhost",
            "port": ports["tls"],
            "more": '\tupstream-ca = "%s"\n' % self.ca}

    def kill_some(self):
        return program.kill_children(self.process.pid, "imap", self.chance,
                                     3)


class Other:
    """What the others need for it; their traffic is in the clear."""

    names = ("clear",)
    ends_lines = False
    kills = True

    def __init__(self):
        super().__init__()
        sandbox.make_certificates(self.directory)
        self.ca = self.path("ca.pem")
        self.chance = random.Random()

    def ports(self):
        return {"clear": self.imap_port}

    def routes(self, ports):
        return ROUTE % {
            "names": "clear", "url": "imap+plain://127.0.0.1",
            "port": ports["clear"], "more": ""}


class Courier(Other, servers.Courier):
    ends_lines = True

    def kill_some(self):
        return program.kill_children(os.getpid(), "imapd", self.chance, 3)


class Cyrus(Other, servers.Cyrus):
    # Its master takes seconds to make up for one that is killed.
    kills = False
