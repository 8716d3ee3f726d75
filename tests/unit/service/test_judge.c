#include "service/world.h"

#define UPSTREAM "upstream = \"imaps://h\"\n"

static const struct judged {
	const char *text;
	enum pb_status status;
	const char *said;
} judgeds[] = {
	{ UPSTREAM, PB_OK, "" },
	{ "", PB_EINVAL,
	    "F: error: upstream: there is no IMAP server to fetch mail from: "
	    "name one, as in upstream = \"imaps://imap.example.com\"\n" },
	{ UPSTREAM "tls-cert = \"c\"\ntls-key = \"k\"\n", PB_OK, "" },
	{ UPSTREAM "listen = {\"pop3+plain://127.0.0.1:0\", "
	    "\"pop3+plain://127.0.0.1:0\", \"pop3+plain://[::1]:1\", "
	    "\"pop3+plain://127.0.0.1:1\"}\n", PB_OK, "" },
	{ UPSTREAM "tls-cert = \"c\"\n", PB_EINVAL,
	    "F:2: error: tls-cert: a certificate is of no use without its "
	    "private key: give tls-key, too\n" },
	{ UPSTREAM "\ntls-key = \"k\"\n", PB_EINVAL,
	    "F:3: error: tls-key: a private key is of no use without its "
	    "certificate: give tls-cert, too\n" },
	{ UPSTREAM "listen = {\"pop3s://[::]\"}\n", PB_EINVAL,
	    "F:2: error: listen: pop3s://[::]:995 needs a certificate: give "
	    "tls-cert and tls-key\n" },
	{ UPSTREAM "listen = {\"pop3://127.0.0.1\"}\n", PB_EINVAL,
	    "F:2: error: listen: pop3://127.0.0.1:110 needs a certificate: "
	    "give tls-cert and tls-key\n" },
	{ UPSTREAM "listen = {\"pop3+plain://127.0.0.1:1\", "
	    "\"pop3+plain://127.0.0.1:1\"}\n", PB_EINVAL,
	    "F:2: error: listen: two listeners have the address 127.0.0.1 "
	    "and the port 1: give one of them another port\n" },
	{ "tls-cert = \"c\"\ntls-key = \"k\"\nlisten = {\"pop3s://[::]:1\", "
	    "\"pop3://[0::0]:1\"}\n" UPSTREAM, PB_EINVAL,
	    "F:3: error: listen: two listeners have the address :: and the "
	    "port 1: give one of them another port\n" },
	{ UPSTREAM "listen = {\"pop3+plain://0.0.0.0\"}\n", PB_OK,
	    "F:2: warning: listen: pop3+plain://0.0.0.0:110 takes passwords "
	    "in clear text from other machines: use pop3s:// or pop3://, or "
	    "an address of this machine only\n" },
	{ "upstream = \"imap+plain://192.0.2.1\"\n", PB_OK,
	    "F:1: warning: upstream: passwords and mail go to "
	    "imap+plain://192.0.2.1:143 in clear text, and anybody on the way "
	    "can read and change them: use imaps:// or imap:// if the server "
	    "can\n" },
	{ "upstream = \"imap+plain://127.0.0.1\"\n", PB_OK, "" },
	{ "upstream = \"imap+plain://[::1]\"\n", PB_OK, "" },
	{ "upstream = \"imap://192.0.2.1\"\n", PB_OK, "" },
	{ UPSTREAM "idle-timeout = 599\n", PB_OK,
	    "F:2: warning: idle-timeout: RFC 1939 asks for at least 10 "
	    "minutes (600); clients may lose their session while their user "
	    "reads\n" },
	{ UPSTREAM "idle-timeout = 600\n", PB_OK, "" },
	{ UPSTREAM "tls-cert = {a, b}\ntls-key = {a}\n", PB_EINVAL,
	    "F:3: error: tls-key: there are 2 certificates and 1 private "
	    "keys: give each certificate its key, in the same order\n" },
	{ UPSTREAM "accounts-key = k\n", PB_EINVAL,
	    "F:2: error: accounts-key: a key for accounts is of no use "
	    "without them: give accounts, too\n" },
	{ UPSTREAM "journal = required\n", PB_EINVAL,
	    "F:2: error: journal: it is required, and has no place: give "
	    "state-directory, too\n" },
	{ UPSTREAM "journal = required state-directory = s\n", PB_OK, "" },
	{ UPSTREAM "user = u\ngroup = g\n", PB_OK, "" },
	{ UPSTREAM "group = g\n", PB_EINVAL,
	    "F:2: error: group: a group without a user leaves everything to "
	    "root: give user, too\n" },
	{ UPSTREAM "memory-soft = 9\nmemory-hard = 8\n", PB_EINVAL,
	    "F:2: error: memory-soft: sessions would be ended (memory-hard) "
	    "before new ones are refused: give less than memory-hard\n" },
	{ UPSTREAM "memory-soft = 8\nmemory-hard = 8\n", PB_OK, "" },
	{ UPSTREAM "memory-soft = 9\nmemory-hard = 0\n", PB_OK, "" },
};

#define TLS "url = \"pop3s://[::]\"\n"
#define CERT "tls-cert = c tls-key = k\n"
#define PLAIN "url = \"pop3+plain://127.0.0.1:1\"\n"
#define ACCOUNTS "accounts = a accounts-key = b identity = accounts "

/* Each text begins with the line of UPSTREAM; listener a is in line 2. */
static const struct judged listeners[] = {
	{ "listener a {\n" TLS CERT "}\n", PB_OK, "" },
	{ "listener a { }\n", PB_EINVAL,
	    "F:2: error: listener \"a\": url: it has none: say where to "
	    "listen, as in url = \"pop3s://0.0.0.0\"\n" },
	{ "listener a {\n" TLS "}\n", PB_EINVAL,
	    "F:3: error: listener \"a\": url: pop3s://[::]:995 needs a "
	    "certificate: give tls-cert and tls-key\n" },
	{ "listener a {\n" TLS "tls-cert = c\n}\n" CERT, PB_EINVAL,
	    "F:4: error: listener \"a\": tls-cert: certificates and private "
	    "keys belong together: give tls-key in this section, too\n" },
	{ "listener a {\n" TLS "tls-key = k\n}\n" CERT, PB_EINVAL,
	    "F:4: error: listener \"a\": tls-key: certificates and private "
	    "keys belong together: give tls-cert in this section, too\n" },
	{ "listener a {\n" TLS "tls-cert = {c, d}\ntls-key = k }\n",
	    PB_EINVAL,
	    "F:5: error: listener \"a\": tls-key: there are 2 certificates "
	    "and 1 private keys: give each certificate its key, in the same "
	    "order\n" },
	{ "listener a {\n" TLS CERT "mechanisms = EXTERNAL }\n", PB_EINVAL,
	    "F:5: error: listener \"a\": mechanisms: EXTERNAL needs "
	    "certificates of the clients: give client-ca, too\n" },
	{ "listener a {\n" TLS CERT "mechanisms = EXTERNAL client-ca = x }\n",
	    PB_OK, "" },
	{ "listener a {\n" PLAIN "mechanisms = EXTERNAL\nclient-ca = x }\n",
	    PB_EINVAL,
	    "F:5: error: listener \"a\": client-ca: clients show "
	    "certificates in TLS only: give tls-cert and tls-key, too\n" },
	{ "listener a {\n" TLS CERT "client-ca = x }\n", PB_OK,
	    "F:5: warning: listener \"a\": client-ca: clients are asked for "
	    "certificates and cannot log in by them: add EXTERNAL to "
	    "mechanisms\n" },
	{ "listener a {\n" PLAIN "mechanisms = SCRAM-SHA-256 }\n", PB_EINVAL,
	    "F:4: error: listener \"a\": mechanisms: SCRAM-SHA-256 does not "
	    "show the password, so that accounts must know it: give "
	    "accounts, too\n" },
	{ "listener a {\n" PLAIN "mechanisms = SCRAM-SHA-256 }\n"
	    "accounts = a\n", PB_EINVAL,
	    "F:4: error: listener \"a\": mechanisms: SCRAM-SHA-256 does not "
	    "show the password, and no route of this listener has identity = "
	    "accounts: nobody could log in by it\n" },
	{ "listener a {\n" PLAIN "mechanisms = SCRAM-SHA-256 }\n"
	    "accounts = a identity = accounts\n", PB_OK, "" },
	{ "listener a {\n" PLAIN "mechanisms = CRAM-MD5 }\n"
	    "accounts = a identity = accounts\n", PB_EINVAL,
	    "F:4: error: listener \"a\": mechanisms: CRAM-MD5 needs the "
	    "password itself, which accounts keep with a key: give "
	    "accounts-key, too\n" },
	{ "listener a {\n" PLAIN "mechanisms = CRAM-MD5 }\n" ACCOUNTS,
	    PB_OK, "" },
	{ "listener a {\n" PLAIN "\napop = yes }\n", PB_EINVAL,
	    "F:5: error: listener \"a\": apop: APOP does not show the "
	    "password, so that accounts must know it: give accounts, too\n" },
	{ "listener a {\n" PLAIN "apop = yes }\naccounts = a identity = "
	    "accounts\n", PB_EINVAL,
	    "F:4: error: listener \"a\": apop: APOP needs the password "
	    "itself, which accounts keep with a key: give accounts-key, "
	    "too\n" },
	{ "listener a {\n" PLAIN "apop = yes }\n" ACCOUNTS, PB_OK, "" },
	{ "listener a {\n" PLAIN "}\nlistener b {\n" PLAIN "}\n", PB_EINVAL,
	    "F:6: error: listener \"b\": url: two listeners have the address "
	    "127.0.0.1 and the port 1: give one of them another port\n" },
	{ "listener \"pop3+plain://127.0.0.1:2\" {\n" PLAIN "}\n"
	    "listen = \"pop3+plain://127.0.0.1:2\"\n", PB_EINVAL,
	    "F:3: error: listener \"pop3+plain://127.0.0.1:2\": url: another "
	    "listener has this name: give each its own\n" },
	{ "listener a {\n" TLS CERT "tls-profile = legacy }\n", PB_OK,
	    "F:5: warning: listener \"a\": tls-profile: legacy lets "
	    "pop3s://[::]:995 speak versions of TLS that are broken: keep it "
	    "for devices that cannot do better, and allow only their "
	    "networks\n" },
	{ "listener a {\n" TLS CERT "tls-profile = modern }\n", PB_OK, "" },
	{ "listener a {\nurl = \"pop3+plain://0.0.0.0\" }\n", PB_OK,
	    "F:3: warning: listener \"a\": url: pop3+plain://0.0.0.0:110 "
	    "takes passwords in clear text from other machines: use pop3s:// "
	    "or pop3://, or an address of this machine only, or allow only "
	    "the networks that need it\n" },
	{ "listener a {\nurl = \"pop3+plain://0.0.0.0\"\n"
	    "allow = \"0.0.0.0/0\" }\n", PB_OK,
	    "F:3: warning: listener \"a\": url: pop3+plain://0.0.0.0:110 "
	    "takes passwords in clear text from other machines: use pop3s:// "
	    "or pop3://, or an address of this machine only, or allow only "
	    "the networks that need it\n" },
	{ "listener a {\nurl = \"pop3+plain://0.0.0.0\"\n"
	    "allow = \"10.0.0.0/8\" }\n", PB_OK,
	    "F:3: warning: listener \"a\": url: pop3+plain://0.0.0.0:110 "
	    "takes passwords in clear text: whoever listens on the way from "
	    "the networks in allow can read them; use pop3s:// or pop3:// if "
	    "the clients can\n" },
	{ "listener a {\n" PLAIN "proxy-protocol = \"::/0\" }\n", PB_OK,
	    "F:4: warning: listener \"a\": proxy-protocol: everybody may "
	    "claim to be any address: name the proxies only\n" },
	{ "listener a {\n" PLAIN "xclient = {\"::1\", \"0.0.0.0/0\"} }\n",
	    PB_OK,
	    "F:4: warning: listener \"a\": xclient: everybody may claim to "
	    "be any address: name the proxies only\n" },
	{ "listener a {\n" PLAIN "xclient = \"2001:db8::/96\" }\n", PB_OK,
	    "" },
};

#define ROUTE "route a {\nupstream = \"imaps://a\"\n"
#define LOCAL "listener l {\n" TLS CERT "client-ca = x mechanisms = " \
	"EXTERNAL }\n"

static const struct judged routes[] = {
	{ ROUTE "}\n", PB_OK, "" },
	{ "route a { }\n", PB_EINVAL,
	    "F:1: error: route \"a\": upstream: there is no IMAP server for "
	    "this route: give upstream, a preset or discover = yes\n" },
	{ "route a { preset = gmail }\n", PB_OK, "" },
	{ "route a {\npreset = cyrus }\n", PB_EINVAL,
	    "F:2: error: route \"a\": preset: cyrus is a server that sites "
	    "have of their own: say where yours is, as in upstream = "
	    "\"imaps://imap.example.com\"\n" },
	{ "preset = cyrus\n", PB_EINVAL,
	    "F:1: error: preset: cyrus is a server that sites have of their "
	    "own: say where yours is, as in upstream = "
	    "\"imaps://imap.example.com\"\n" },
	{ "preset = cyrus " UPSTREAM, PB_OK, "" },
	{ "route a { match = \"*@x\" discover = yes }\n", PB_OK, "" },
	{ ROUTE "delete = keep }\n", PB_EINVAL,
	    "F:3: error: route \"a\": delete: keep remembers what each client "
	    "has deleted, and has no place for it: give state-directory, "
	    "too\n" },
	{ ROUTE "delete = keep }\nstate-directory = \"/s\"\n", PB_OK, "" },
	{ ROUTE "delete = trash delete-folder = Bin }\n", PB_OK, "" },
	{ ROUTE "delete-folder = Bin }\n", PB_OK,
	    "F:3: warning: route \"a\": delete-folder: nothing goes there with "
	    "delete = expunge: that takes trash or archive\n" },
	{ ROUTE "delete = archive\ndelete-folder = inbox }\n", PB_EINVAL,
	    "F:4: error: route \"a\": delete-folder: it is the mailbox that is "
	    "served, so messages would stay in it\n" },
	{ "route a {\ndiscover = yes }\n", PB_OK,
	    "F:2: warning: route \"a\": discover: every login names the "
	    "server to connect to by its domain: name the domains that are "
	    "yours in match\n" },
	{ ROUTE "discover = yes }\n", PB_EINVAL,
	    "F:3: error: route \"a\": discover: the server is to be "
	    "discovered, and named by upstream: keep one of the two\n" },
	{ "route a {\npreset = gmail\ndiscover = yes }\n", PB_EINVAL,
	    "F:3: error: route \"a\": discover: the server is to be "
	    "discovered, and named by the preset: keep one of the two\n" },
	{ ROUTE "listeners = {\"exact\", \"inside\"} }\n"
	    "listener insides {\n" PLAIN "}\n", PB_EINVAL,
	    "F:3: error: route \"a\": listeners: there is no listener "
	    "\"exact\"\n"
	    "F:3: error: route \"a\": listeners: there is no listener "
	    "\"inside\": did you mean \"insides\"?\n" },
	/* A word of this length is no slip of another one. */
	{ ROUTE "listeners = inside }\n"
	    "listener a-listener-by-another-name-than-that {\n" PLAIN "}\n",
	    PB_EINVAL,
	    "F:3: error: route \"a\": listeners: there is no listener "
	    "\"inside\"\n" },
	{ ROUTE "listeners = \"pop3+plain://127.0.0.1:1110\" }\n", PB_OK,
	    "" },
	{ ROUTE "identity = accounts }\n", PB_EINVAL,
	    "F:3: error: route \"a\": identity: there are no accounts: give "
	    "accounts, too\n" },
	{ "accounts = x\n" ROUTE "identity = accounts\n"
	    "upstream-auth = xoauth2 }\n", PB_EINVAL,
	    "F:5: error: route \"a\": upstream-auth: the server wants a "
	    "token, and one that accounts keep does not last: let clients "
	    "bring theirs, by identity = pass-through\n" },
	{ "accounts = x\nroute a {\npreset = outlook.com\nidentity = "
	    "accounts }\n", PB_EINVAL,
	    "F:3: error: route \"a\": preset: the server wants a token, and "
	    "one that accounts keep does not last: let clients bring theirs, "
	    "by identity = pass-through\n" },
	{ "accounts = x\n" ROUTE "identity = accounts upstream-auth = plain "
	    "}\n", PB_OK, "" },
	{ "accounts = x\n" ROUTE "identity = accounts\nmaster-user = m }\n",
	    PB_EINVAL,
	    "F:5: error: route \"a\": master-user: it needs a password: "
	    "give master-password-file, too\n" },
	{ ROUTE "master-password-file = p }\n", PB_EINVAL,
	    "F:3: error: route \"a\": master-password-file: it is of no use "
	    "without master-user\n" },
	{ "accounts = x\n" ROUTE "identity = accounts master-user = m "
	    "master-password-file = p }\n", PB_OK, "" },
	{ ROUTE "master-user = m\nmaster-password-file = p }\n", PB_EINVAL,
	    "F:3: error: route \"a\": master-user: the IMAP server checks "
	    "only the master user, so that nobody would check the clients: "
	    "give identity = accounts, or let the route have only listeners "
	    "with client-ca\n" },
	{ ROUTE "master-user = m master-password-file = p }\n" LOCAL, PB_OK,
	    "" },
	{ ROUTE "master-user = m master-password-file = p }\n" LOCAL
	    "listener k {\n" PLAIN "}\n", PB_EINVAL,
	    "F:3: error: route \"a\": master-user: the IMAP server checks "
	    "only the master user, so that nobody would check the clients: "
	    "give identity = accounts, or let the route have only listeners "
	    "with client-ca\n" },
	{ ROUTE "master-user = m master-password-file = p listeners = l }\n"
	    LOCAL "listener k {\n" PLAIN "}\n", PB_OK, "" },
	{ "accounts = x\n" ROUTE "identity = accounts master-user = m "
	    "master-password-file = p upstream-auth = login }\n", PB_EINVAL,
	    "F:4: error: route \"a\": master-user: it logs in on behalf of "
	    "others, which only upstream-auth = plain (or auto) can say\n" },
	{ ROUTE "upstream-tls-profile = legacy }\n", PB_OK,
	    "F:3: warning: route \"a\": upstream-tls-profile: legacy speaks "
	    "versions of TLS that are broken: keep it for a server that "
	    "cannot do better, on a network of your own\n" },
	{ "route a {\npreset = gmail\nmax-connections-per-user = 16 }\n",
	    PB_OK,
	    "F:3: warning: route \"a\": max-connections-per-user: gmail "
	    "allows 15 connections of one user, other clients of his "
	    "included\n" },
	{ "route a {\nupstream = \"imap+plain://192.0.2.1\" }\n", PB_OK,
	    "F:2: warning: route \"a\": upstream: passwords and mail go to "
	    "imap+plain://192.0.2.1:143 in clear text, and anybody on the way "
	    "can read and change them: use imaps:// or imap:// if the server "
	    "can\n" },
	{ ROUTE "}\nroute b {\nupstream = \"imaps://b\"\nmatch = x }\n",
	    PB_OK,
	    "F:6: warning: route \"b\": match: no login comes here: the "
	    "route \"a\" before it takes every one\n" },
	{ ROUTE "match = {\"x\", \"**\"} }\n" UPSTREAM, PB_OK,
	    "F:4: warning: upstream: no login comes here: the route \"a\" "
	    "before it takes every one\n" },
	{ ROUTE "match = \"*@*\" }\n" UPSTREAM, PB_OK, "" },
	{ ROUTE "listeners = k }\n" UPSTREAM LOCAL "listener k {\n" PLAIN
	    "}\n", PB_OK, "" },
	{ ROUTE "listeners = {k, l} }\n" UPSTREAM LOCAL "listener k {\n"
	    PLAIN "}\n", PB_OK,
	    "F:4: warning: upstream: no login comes here: the route \"a\" "
	    "before it takes every one\n" },
};

static enum pb_status
judge(struct world *w)
{
	const struct pb_config_sink sink = { note, w };

	return pb_config_judge(w->config, &sink);
}

static void
judge_all(struct world *w, const char *before, const struct judged *rows,
    size_t n)
{
	char text[1024];
	size_t i;

	for (i = 0; i < n; i++) {
		enum pb_status st;

		print_message("row %zu of %zu\n", i + 1, n);
		snprintf(text, sizeof(text), "%s%s", before, rows[i].text);
		assert_loads(w, text);
		st = judge(w);
		assert_said(w, rows[i].said);
		assert_int_equal(st, rows[i].status);
	}
}

static void
values_are_judged_together(void **state)
{
	judge_all(*state, "", judgeds, COUNT(judgeds));
}

static void
listeners_are_judged_with_what_they_inherit(void **state)
{
	judge_all(*state, UPSTREAM, listeners, COUNT(listeners));
}

static void
routes_are_judged_with_what_they_inherit(void **state)
{
	judge_all(*state, "", routes, COUNT(routes));
}

static void
what_a_match_file_lacks_is_judged(void **state)
{
	struct world *w = *state;
	char text[200];

	snprintf(text, sizeof(text), "route a {\nmatch-file = \"%s\" }\n",
	    w->map);
	write_map(w, "a imaps://a\n\nb\nc\n");
	assert_loads(w, text);
	assert_int_equal(judge(w), PB_EINVAL);
	assert_said(w, "F:2: error: route \"a\": match-file: its line 3 names "
	    "no server, and neither does the route: give one of them a "
	    "URL\n");
	write_map(w, "a imaps://a\nb imap+plain://127.0.0.1\n"
	    "c imap+plain://c\n");
	assert_loads(w, text);
	assert_int_equal(judge(w), PB_OK);
	assert_said(w, "M:3: warning: passwords and mail go to this server in "
	    "clear text, and anybody on the way can read and change them: use "
	    "imaps:// or imap:// if it can\n");
	snprintf(text, sizeof(text), "route a {\nmatch-file = \"%s\"\n"
	    "match = x }\n", w->map);
	write_map(w, "a imaps://a\n");
	assert_loads(w, text);
	assert_int_equal(judge(w), PB_EINVAL);
	assert_said(w, "F:1: error: route \"a\": upstream: there is no IMAP "
	    "server for the logins of match: give upstream, a preset or "
	    "discover = yes\n");
}

static void
every_mistake_is_judged_and_warned_of_at_once(void **state)
{
	struct world *w = *state;

	assert_loads(w, "tls-key = \"k\"\nidle-timeout = 1\n"
	    "listen = {\"pop3s://[::]\", \"pop3+plain://[::]\"}\n");
	assert_int_equal(judge(w), PB_EINVAL);
	assert_says(w, "F: error: upstream: ");
	assert_says(w, "F:1: error: tls-key: ");
	assert_says(w, "F:2: warning: idle-timeout: ");
	assert_says(w, "F:3: error: listen: pop3s://[::]:995 needs");
	assert_says(w, "F:3: warning: listen: pop3+plain://[::]:110 takes");
}

static void
a_judgement_names_the_place_of_the_command_line(void **state)
{
	const struct pb_config_setting settings[] = {
		{ "upstream", "imaps://h" }, { "tls-cert", "c" } };
	struct world *w = *state;

	assert_int_equal(load(w, NULL, settings, COUNT(settings)), PB_OK);
	assert_int_equal(judge(w), PB_EINVAL);
	assert_said(w, "-- error: tls-cert: a certificate is of no use "
	    "without its private key: give tls-key, too\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_are_judged_together),
		TEST(listeners_are_judged_with_what_they_inherit),
		TEST(routes_are_judged_with_what_they_inherit),
		TEST(what_a_match_file_lacks_is_judged),
		TEST(every_mistake_is_judged_and_warned_of_at_once),
		TEST(a_judgement_names_the_place_of_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
