#ifndef PBT_NET_INQUIRY_WORLD_H
#define PBT_NET_INQUIRY_WORLD_H

/* What the tests of inquiries share: a configuration, accounts and a loop. */

#include "support/test.h"
#include "support/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "popbridge/net/inquiry.h"
#include "popbridge/service/route.h"
#include "popbridge/store/manage.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct world {
	struct pbt_directory directory;
	char file[PBT_PATH_SIZE];
	struct pb_config *config;	/* a reference */
	struct pb_snapshot *snapshot;	/* a reference */
	uv_loop_t loop;
	struct pb_inquiry_question question;	/* as each test begins */
	struct pb_inquiry *inquiry;
	unsigned readies;
	/* A piece of work that has the only thread of the pool. */
	bool holds;
	uv_work_t holding;
	uv_sem_t held;
	uv_sem_t let_go;
};

#define SERVER(name) " upstream = \"imaps://imap." name "\"\n"
#define MASTER " master-user = \"master\"\n" \
	" master-password-file = \"%s/master\"\n"
#define ACCOUNTS " identity = accounts\n"

static inline void
write_config(struct world *w)
{
	static const char *const sections[] = {
		"accounts = \"%s/accounts.db\"\n",
		"accounts-key = \"%s/accounts.key\"\n",
		"listener \"hall\" { url = \"pop3+plain://127.0.0.1\" }\n",
		"listener \"gate\" { url = \"pop3s://127.0.0.1\"\n",
		" tls-cert = \"%s/cert\"\n",
		" tls-key = \"%s/key\"\n",
		" client-ca = \"%s/ca\" mechanisms = {\"PLAIN\", "
		    "\"EXTERNAL\"} }\n",
		"route \"pass\" { match = {\"*@pass.example\"}\n"
		    SERVER("pass.example")
		    " login-separators = \"%%\" strip-domain = yes }\n",
		"route \"plain\" { match = {\"*@plain.example\"}\n"
		    SERVER("plain.example") " upstream-auth = plain }\n",
		"route \"login\" { match = {\"*@login.example\"}\n"
		    SERVER("login.example") " upstream-auth = login }\n",
		"route \"xo\" { match = {\"*@xoauth2.example\"}\n"
		    SERVER("xoauth2.example") " upstream-auth = xoauth2 }\n",
		"route \"ob\" { match = {\"*@bearer.example\"}\n"
		    SERVER("bearer.example")
		    " upstream-auth = oauthbearer }\n",
		"route \"card\" { match = {\"*@card.example\"}\n"
		    " listeners = {\"gate\"} strip-domain = yes\n"
		    SERVER("card.example") MASTER "}\n",
		"route \"own\" { match = {\"*@own.example\"}\n"
		    " login-separators = \"%%\" strip-domain = yes\n"
		    SERVER("own.example") ACCOUNTS
		    " upstream-auth = login }\n",
		"route \"boss\" { match = {\"*@boss.example\"}\n"
		    " strip-domain = yes\n"
		    SERVER("boss.example") ACCOUNTS MASTER "}\n",
		"route \"mixed\" { match = {\"*@starttls.example\", "
		    "\"*@mute.example\"}\n"
		    " discover = yes\n" ACCOUNTS MASTER "}\n",
		"route \"found\" { match = {\"*@*.example\", \"nowhere\"}\n"
		    " discover = yes }\n",
	};
	struct pb_buffer text;
	size_t i;

	pb_buffer_init(&text, 64 * 1024);
	for (i = 0; i < COUNT(sections); i++) {
		char section[512];

		/* Each names the directory once, or not at all. */
		_Pragma("GCC diagnostic push")
		_Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")
		snprintf(section, sizeof(section), sections[i],
		    w->directory.path);
		_Pragma("GCC diagnostic pop")
		pbt_put(&text, pb_slice_str(section));
	}
	pbt_put(&text, pb_slice("", 1));
	pbt_write_text(&w->directory, "F", pb_buffer_slice(&text).data,
	    w->file);
	pb_buffer_fini(&text);
}

static inline void
write_files(struct world *w)
{
	struct pbt_identity ca = pbt_ca("a CA");
	struct pbt_identity id = pbt_identity(&ca, "gate", NULL);
	char path[PBT_PATH_SIZE];

	pbt_write_cert(&w->directory, "ca", &ca, path);
	pbt_write_cert(&w->directory, "cert", &id, path);
	pbt_write_key(&w->directory, "key", &id, NULL, path);
	pbt_write_text(&w->directory, "master", "master-geheim\n", path);
	pbt_write_text(&w->directory, "accounts.key", KEY "\n", path);
	assert_int_equal(chmod(path, 0600), 0);
	pbt_identity_drop(&id);
	pbt_identity_drop(&ca);
	write_config(w);
}

static inline void
note_problem(void *ctx, const struct pb_config_problem *problem)
{
	(void)ctx;
	if (problem->severity == PB_CONFIG_ERROR)
		fail_msg("%u: %s", problem->place.line, problem->text);
}

static inline struct pb_config *
load_config(const struct world *w)
{
	const struct pb_config_sink sink = { note_problem, NULL };
	const struct pb_config_source source = { .file = w->file };
	struct pb_config *config = NULL;

	assert_int_equal(pb_config_load(&source, &sink, &config), PB_OK);
	return config;
}

static inline struct pb_snapshot *
load_snapshot(struct pb_config *config)
{
	struct pb_snapshot *snapshot = NULL;
	struct pb_error err = { .text = "" };

	if (pb_snapshot_new(config, &snapshot, &err) != PB_OK)
		fail_msg("%s", err.text);
	return snapshot;
}

static inline int
start_all(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	/* One thread, so that one piece of work holds all others up. */
	assert_int_equal(setenv("UV_THREADPOOL_SIZE", "1", 1), 0);
	pbt_directory_make(&w->directory);
	write_files(w);
	w->config = load_config(w);
	w->snapshot = load_snapshot(w->config);
	*state = w;
	return 0;
}

static inline int
stop_all(void **state)
{
	struct world *w = *state;

	pb_snapshot_unref(&w->snapshot);
	pb_config_unref(&w->config);
	pbt_directory_drop(&w->directory);
	free(w);
	return 0;
}

static inline int
start(void **state)
{
	struct world *w = *state;

	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->question = (struct pb_inquiry_question){
		.snapshot = w->snapshot, .listener = "hall",
		.address = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 } };
	w->inquiry = NULL;
	w->readies = 0;
	return 0;
}

static inline void
hold(uv_work_t *req)
{
	struct world *w = req->data;

	uv_sem_post(&w->held);
	uv_sem_wait(&w->let_go);
}

/* Until let_go no thread does anything. */
static inline void
hold_threads(struct world *w)
{
	assert_int_equal(uv_sem_init(&w->held, 0), 0);
	assert_int_equal(uv_sem_init(&w->let_go, 0), 0);
	w->holding.data = w;
	assert_int_equal(uv_queue_work(&w->loop, &w->holding, hold, NULL), 0);
	uv_sem_wait(&w->held);
	w->holds = true;
}

static inline void
let_go(struct world *w)
{
	uv_sem_post(&w->let_go);
	w->holds = false;
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	uv_sem_destroy(&w->held);
	uv_sem_destroy(&w->let_go);
}

/* Nothing may be left of what a test has begun. */
static inline int
stop(void **state)
{
	struct world *w = *state;

	pb_inquiry_leave(&w->inquiry);
	/* A test that failed has not come to that. */
	if (w->holds)
		let_go(w);
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	assert_int_equal(w->snapshot->refs, 1);
	return 0;
}

static inline void
on_ready(void *owner)
{
	struct world *w = owner;

	w->readies++;
}

/* From memory that is gone when it returns. */
static inline struct pb_inquiry *
begin(struct world *w)
{
	struct pb_inquiry_question question = w->question;
	struct pb_slice *const slices[] = { &question.claim.user,
		&question.claim.authzid, &question.claim.secret,
		&question.claim.challenge, &question.certified };
	char *copies[COUNT(slices)];
	struct pb_inquiry *q;
	size_t i;

	for (i = 0; i < COUNT(slices); i++) {
		copies[i] = pbt_exact(*slices[i]);
		slices[i]->data = copies[i];
	}
	q = pb_inquiry_begin(&w->loop, &question, on_ready, w);
	for (i = 0; i < COUNT(slices); i++)
		free(copies[i]);
	return q;
}

static inline void
claim(struct world *w, enum pb_bridge_proof proof, const char *user,
    const char *secret)
{
	w->question.claim.proof = proof;
	w->question.claim.user = pb_slice_str(user);
	w->question.claim.secret = pb_slice_str(secret);
}

/* Answered when it begins: nothing waits, and nothing will be called. */
static inline struct pb_inquiry_answer *
ask_at_once(struct world *w)
{
	struct pb_inquiry_answer *answer;

	pb_inquiry_leave(&w->inquiry);
	w->inquiry = begin(w);
	assert_non_null(w->inquiry);
	answer = pb_inquiry_answer(w->inquiry);
	assert_non_null(answer);
	assert_false(uv_loop_alive(&w->loop));
	assert_int_equal(w->readies, 0);
	return answer;
}

/* Answered on a thread, and `ready` comes once. */
static inline struct pb_inquiry_answer *
ask(struct world *w)
{
	struct pb_inquiry_answer *answer;

	pb_inquiry_leave(&w->inquiry);
	w->readies = 0;
	w->inquiry = begin(w);
	assert_non_null(w->inquiry);
	answer = pb_inquiry_answer(w->inquiry);
	if (answer != NULL)
		fail_msg("answered at once: %s", answer->error.text);
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(w->readies, 1);
	answer = pb_inquiry_answer(w->inquiry);
	assert_non_null(answer);
	w->readies = 0;
	return answer;
}

static inline void
assert_good(const struct pb_inquiry_answer *a)
{
	if (!a->good)
		print_error("%s\n", a->error.text);
	assert_true(a->good);
}

static inline void
assert_refused(const struct pb_inquiry_answer *a, enum pb_error_kind kind,
    const char *why)
{
	assert_false(a->good);
	pbt_assert_says(&a->error, why);
	assert_int_equal(a->error.kind, kind);
	assert_int_equal(a->error.scope, PB_SCOPE_ACCOUNT);
	assert_null(strstr(a->error.text, "geheim"));
}

static inline void
assert_is(const struct pb_inquiry_answer *a, const char *user,
    const char *password, const char *authzid)
{
	const struct pb_bridge_identity *is = &a->identity;

	assert_good(a);
	ASSERT_OCTETS(pb_secret_reveal(&is->user), pb_slice_str(user));
	ASSERT_OCTETS(pb_secret_reveal(&is->password),
	    pb_slice_str(password));
	ASSERT_OCTETS(pb_secret_reveal(&is->authzid), pb_slice_str(authzid));
	assert_ptr_equal(is->options, &a->route->bridge);
}

static inline void
assert_server(const struct pb_inquiry_answer *a, size_t i, const char *want)
{
	char text[PB_URL_TEXT_SIZE];

	assert_true(i < a->servers.n);
	pb_url_format(&a->servers.url[i], text);
	assert_string_equal(text, want);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, start, stop)

#endif
