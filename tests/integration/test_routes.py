"""Which IMAP server a login goes to, and by what name: routes, two Dovecots
behind one popbridge."""

import time

import pytest

from conftest import PASSWORD, until

LISTENER = 'listener "plain" { url = "pop3+plain://127.0.0.1:0" }\n'


def url(server):
    return "imap+plain://%s:%d" % (server.address, server.imap_port)


def message(text):
    return b"Subject: %s\r\n\r\nhello\r\n" % text.encode()


@pytest.fixture
def other(dovecot_with):
    return dovecot_with(failure_delay="0", pop3=False)


@pytest.fixture
def start(start_bridge):
    """popbridge with these routes behind one plain listener."""
    def run(routes, listeners=LISTENER, **keywords):
        return start_bridge(None, config=listeners + routes, **keywords)
    return run


def user_with(server, name, *texts):
    user = server.users.get(name) or server.add_user(name, PASSWORD)
    for text in texts:
        server.deliver(user, message(text))
    return user


def login(connect, where, name, password=PASSWORD):
    client = connect(where)
    client.greeting()
    client.ok("USER " + name)
    return client, client.cmd("PASS " + password)


def reads(connect, where, name, text):
    client, reply = login(connect, where, name)
    assert reply.startswith(b"+OK"), reply
    count = int(client.ok("STAT").split()[1])
    assert client.multi("RETR %d" % count) == message(text)
    client.quit()


def test_two_servers_behind_one_popbridge(dovecot, other, start, connect):
    user_with(dovecot, "anna@first.example", "first")
    user_with(other, "bert@second.example", "second")
    bridge = start("""
route "first" { match = {"*@first.example"} upstream = "%s" }
route "second" { match = {"*@Second.Example"} upstream = "%s" }
""" % (url(dovecot), url(other)))
    reads(connect, bridge, "anna@first.example", "first")
    reads(connect, bridge, "bert@second.example", "second")
    # The right password at the wrong server is a wrong password.
    _, reply = login(connect, bridge, "anna@second.example")
    assert reply.startswith(b"-ERR [AUTH] ")


def test_a_login_without_a_route_is_a_wrong_password(
        dovecot, start, connect):
    user_with(dovecot, "carl@first.example", "first")
    bridge = start("""
route "first" { match = {"*@first.example"} upstream = "%s" }
""" % url(dovecot))
    _, reply = login(connect, bridge, "carl")
    assert reply == (b"-ERR [AUTH] the mail server did not accept this "
                     b"user name and password")
    until(lambda: "no route" in bridge.log(), "the log line")


def test_the_global_upstream_is_the_last_route(
        dovecot, other, start, connect):
    user_with(dovecot, "dora@first.example", "first")
    user_with(other, "dora", "rest")
    bridge = start("""
upstream = "%s"
route "first" { match = {"*@first.example"} upstream = "%s" }
""" % (url(other), url(dovecot)))
    reads(connect, bridge, "dora@first.example", "first")
    reads(connect, bridge, "dora", "rest")


def test_a_map_file_names_server_and_login(
        dovecot, other, start, connect, tmp_path):
    user_with(dovecot, "emil", "first")
    user_with(other, "e.m.il@internal", "second")
    users = tmp_path / "users"
    users.write_text("# old names\nemil %s\nemil2 %s e.m.il@internal\n" % (
        url(dovecot), url(other)))
    bridge = start('route "map" { match-file = "%s" }\n' % users)
    reads(connect, bridge, "emil", "first")
    reads(connect, bridge, "emil2", "second")
    _, reply = login(connect, bridge, "emil3")
    assert reply.startswith(b"-ERR [AUTH] ")


@pytest.mark.parametrize("options, given, at_server", [
    ('login-separators = "%"', "fritz%first.example", "fritz@first.example"),
    ("login-windows-domain = yes", "FIRST\\fritz", "fritz"),
    ("strip-domain = yes", "fritz@first.example", "fritz"),
    ('add-domain = "first.example"', "fritz", "fritz@first.example"),
    ('add-domain = "other.example"', "fritz@first.example",
     "fritz@first.example"),
])
def test_logins_are_rewritten(
        dovecot, start, connect, options, given, at_server):
    user_with(dovecot, at_server, "rewritten")
    bridge = start('route "r" { upstream = "%s" %s }\n' % (
        url(dovecot), options))
    reads(connect, bridge, given, "rewritten")


def test_who_guesses_waits_however_the_login_is_written(
        dovecot, start, connect, account):
    bridge = start('''route "r" { upstream = "%s" login-windows-domain = yes }
''' % url(dovecot))
    times = []
    for i, written in enumerate(("A\\%s", "B\\%s", "%s")):
        client = connect(bridge, "127.0.5.%d" % (i + 1))
        client.greeting()
        client.ok("USER " + written % account.name)
        begun = time.monotonic()
        client.err("PASS wrong%d" % i, "AUTH")
        times.append(time.monotonic() - begun)
    assert times[0] < 1 <= times[1] and times[2] >= 2


@pytest.mark.parametrize("name", [
    "%n%s%n", "../../etc/passwd", "a/b", "*", "*)(uid=*", "x;--", "${HOME}",
    "%{user}", "?", "a@b@c"])
def test_a_login_is_only_text(dovecot, start, connect, name):
    user_with(dovecot, name, "odd")
    bridge = start('route "r" { match = {"*"} upstream = "%s" }\n' %
                   url(dovecot))
    reads(connect, bridge, name, "odd")


def test_a_route_has_its_own_mailbox_and_lock(
        dovecot, start, connect, new_account):
    user = new_account(dovecot)
    with dovecot.imap(user) as imap:
        assert imap.create("Scans")[0] == "OK"
        assert imap.append("Scans", None, None, message("scan"))[0] == "OK"
    bridge = start("""
route "scans" { upstream = "%s" mailbox = "Scans" lock = exclusive }
""" % url(dovecot))
    first, reply = login(connect, bridge, user.name)
    assert reply.startswith(b"+OK")
    assert first.multi("RETR 1") == message("scan")
    _, reply = login(connect, bridge, user.name)
    assert reply.startswith(b"-ERR [IN-USE] ")
    first.quit()


def test_a_route_is_for_its_listeners_only(
        dovecot, other, start, connect):
    user_with(dovecot, "gina", "inside")
    user_with(other, "gina", "outside")
    bridge = start("""
route "inside" { listeners = {"inside"} upstream = "%s" }
route "outside" { listeners = {"outside"} upstream = "%s" }
""" % (url(dovecot), url(other)), """
listener "inside" { url = "pop3+plain://127.0.0.1:0" }
listener "outside" { url = "pop3+plain://127.0.0.1:0" }
""")
    reads(connect, bridge.ports[0], "gina", "inside")
    reads(connect, bridge.ports[1], "gina", "outside")


def test_a_user_has_only_so_many_sessions(
        dovecot, start, connect, new_account):
    user, neighbour = new_account(dovecot), new_account(dovecot)
    bridge = start("""
route "r" { upstream = "%s" max-connections-per-user = 2 }
""" % url(dovecot))
    first, reply = login(connect, bridge, user.name)
    assert reply.startswith(b"+OK")
    _, reply = login(connect, bridge, user.name)
    assert reply.startswith(b"+OK")
    third, reply = login(connect, bridge, user.name)
    assert reply.startswith(b"-ERR [IN-USE] ")
    _, reply = login(connect, bridge, neighbour.name)
    assert reply.startswith(b"+OK")
    first.quit()
    third.ok("USER " + user.name)
    third.ok("PASS " + PASSWORD)


def test_wrong_passwords_take_no_session_from_the_user(
        dovecot, start, connect, new_account):
    user = new_account(dovecot)
    bridge = start("""
route "r" { upstream = "%s" max-connections-per-user = 1 }
""" % url(dovecot))
    _, reply = login(connect, bridge, user.name, "wrong")
    assert reply.startswith(b"-ERR [AUTH] ")
    _, reply = login(connect, bridge, user.name)
    assert reply.startswith(b"+OK")
