"""delete = keep: what is popped stays at the server, hidden from its popper."""

import pytest

from conftest import PASSWORD, until
from test_journal import Rig, hold

KEEPS = """
state-directory = "%s"
delete = keep
listener "pop3" { url = "pop3+plain://127.0.0.1:0" }
route "all" { upstream = "imap+plain://127.0.0.1:%d" strip-domain = yes }
"""


class Keeps(Rig):
    def start(self, *options):
        self.config.write_text(KEEPS % (self.state, self.server.port))
        self.bridge = self.start_bridge(None, config=self.config.read_text())

    def session(self, name, *deleted):
        class User:
            password = PASSWORD
        User.name = name
        client = self.login(User)
        there = int(client.ok("STAT").split()[1])
        for number in deleted:
            client.ok("DELE %d" % number)
        client.ok("QUIT")
        return there


@pytest.fixture
def rig(binary, start_bridge, connect, tmp_path):
    rig = Keeps(binary, start_bridge, connect, tmp_path)
    yield rig
    rig.server.stop()
    assert not rig.server.failures


def test_what_is_popped_is_hidden_from_its_popper_alone(rig):
    assert rig.session("max@one.example", 2) == 3
    assert rig.session("max@one.example", 1) == 2
    assert rig.session("max@two.example", 3) == 3
    assert rig.session("max@one.example") == 1
    assert rig.session("max@two.example") == 2
    assert not rig.stored()
    assert [(e["removal"], e["login"], e["messages"], e["tries"])
            for e in rig.entries()] == [
                ("keep", "max@one.example", 2, 0),
                ("keep", "max@two.example", 1, 0)]


def test_what_is_popped_stays_so_after_a_restart(rig):
    rig.session("max", 1, 3)
    rig.bridge.stop()
    rig.start()
    assert rig.session("max") == 1
    until(lambda: len(rig.entries()) == 1, "one entry")


def test_all_of_a_mailbox_may_be_popped(rig):
    rig.session("max", 1, 2, 3)
    rig.server.messages = rig.server.messages + [(20, b"A: d\r\n\r\n4\r\n")]
    assert rig.session("max") == 1


def test_what_cannot_be_written_down_is_not_hidden(rig):
    client = rig.login()
    client.ok("DELE 2")
    db = hold(rig)
    client.err("QUIT", "SYS/TEMP")
    db.close()
    assert "so it is not hidden (delete = keep)" in rig.bridge.log()
    assert rig.session("max") == 3


def test_what_is_dropped_is_popped_again(rig):
    assert rig.session("max", 1, 2) == 3
    rig.run("drop", "--user", "max")
    assert rig.session("max", 1, 2) == 3
    assert rig.session("max") == 1
