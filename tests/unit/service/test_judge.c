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
};

static enum pb_status
judge(struct world *w)
{
	const struct pb_config_sink sink = { note, w };

	return pb_config_judge(w->config, &sink);
}

static void
values_are_judged_together(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(judgeds); i++) {
		enum pb_status st;

		ROW(judgeds, i);
		assert_loads(w, judgeds[i].text);
		st = judge(w);
		assert_said(w, judgeds[i].said);
		assert_int_equal(st, judgeds[i].status);
	}
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
		TEST(every_mistake_is_judged_and_warned_of_at_once),
		TEST(a_judgement_names_the_place_of_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
