#include <stdio.h>
#include <sysexits.h>

#include "account.h"

#define PASSWORD "the password"
#define UPSTREAM "the password at the IMAP server"

struct secrets {
	struct pb_secret password;	/* own; empty: none */
	struct pb_secret upstream;	/* own; empty: none */
};

static void
secrets_clear(struct secrets *s)
{
	pb_secret_clear(&s->password);
	pb_secret_clear(&s->upstream);
}

/* The device's first, so that one descriptor can have both. */
static int
collect(const struct pb_account_request *r, bool wants_password,
    struct secrets *s)
{
	int status = EX_OK;

	if (r->generate)
		status = pb_account_generate(r, &s->password);
	else if (wants_password)
		status = pb_account_secret(r, &r->password, PASSWORD,
		    &s->password);
	if (status == EX_OK && (r->upstream.ask || r->upstream.fd >= 0))
		status = pb_account_secret(r, &r->upstream, UPSTREAM,
		    &s->upstream);
	return status;
}

static struct pb_slice
given(const struct pb_secret *secret)
{
	struct pb_slice value = pb_secret_reveal(secret);

	return value.len > 0 ? value : pb_slice(NULL, 0);
}

static struct pb_account_secrets
reveal(const struct pb_account_request *r, const struct secrets *s)
{
	return (struct pb_account_secrets){ .password = given(&s->password),
		.recoverable = r->recoverable,
		.upstream_password = given(&s->upstream) };
}

static int
tell(const struct pb_account_request *r, const struct secrets *s, bool scram)
{
	struct pb_slice password = pb_secret_reveal(&s->password);

	if (password.len > 0 && !scram)
		pb_account_complain(r, "%s: SCRAM-SHA-256 cannot be used with "
		    "this password, because SASLprep (RFC 4013) refuses it; "
		    "the other ways to log in can", r->account.name);
	if (!r->generate)
		return EX_OK;
	if (printf("%.*s\n", (int)password.len, password.data) > 0 &&
	    fflush(stdout) == 0)
		return EX_OK;
	pb_account_complain(r, "%s: the password could not be printed: make "
	    "another one by popbridge account passwd --generate",
	    r->account.name);
	return EX_IOERR;
}

/* Before anybody is asked for a password. */
static int
judge_new(const struct pb_account_request *r, struct pb_accounts *accounts)
{
	struct pb_error err = { .text = "" };
	struct pb_account account;

	if (pb_account_get(accounts, pb_slice_str(r->account.name), &account,
	    &err) != PB_OK)
		return EX_OK;
	pb_account_complain(r, "%s: there is an account of this name already",
	    r->account.name);
	return EX_DATAERR;
}

static int
add(struct pb_account_request *r, struct pb_accounts *accounts,
    struct secrets *s)
{
	struct pb_account_secrets revealed;
	struct pb_error err = { .text = "" };
	bool scram = false;
	int status = judge_new(r, accounts);

	if (status == EX_OK)
		status = collect(r, !r->no_password, s);
	if (status != EX_OK)
		return status;
	revealed = reveal(r, s);
	status = pb_account_outcome(r, pb_account_add(accounts, &r->account,
	    &revealed, &scram, &err), &err);
	return status == EX_OK ? tell(r, s, scram) : status;
}

int
pb_account_cmd_add(struct pb_account_request *r)
{
	struct pb_accounts *accounts = NULL;
	struct secrets s = { .password = { NULL, 0 } };
	int status = pb_account_open(r, PB_ACCOUNT_NEW, &accounts);

	if (status == EX_OK)
		status = add(r, accounts, &s);
	pb_accounts_unref(&accounts);
	secrets_clear(&s);
	return status;
}

/* Asked for nothing, it asks for the password; else it takes what is given. */
static bool
wants_password(const struct pb_account_request *r)
{
	return r->password.fd >= 0 || r->recoverable ||
	    (!r->upstream.ask && r->upstream.fd < 0);
}

static int
set(struct pb_account_request *r, struct pb_accounts *accounts,
    struct secrets *s)
{
	struct pb_account_secrets revealed;
	struct pb_error err = { .text = "" };
	struct pb_account account;
	bool scram = false;
	int status;

	/* Nobody is asked for the password of who is not there. */
	status = pb_account_outcome(r, pb_account_get(accounts,
	    pb_slice_str(r->account.name), &account, &err), &err);
	if (status == EX_OK)
		status = collect(r, wants_password(r), s);
	if (status != EX_OK)
		return status;
	revealed = reveal(r, s);
	status = pb_account_outcome(r, pb_account_set_secrets(accounts,
	    pb_slice_str(r->account.name), &revealed, &scram, &err), &err);
	return status == EX_OK ? tell(r, s, scram) : status;
}

int
pb_account_cmd_passwd(struct pb_account_request *r)
{
	struct pb_accounts *accounts = NULL;
	struct secrets s = { .password = { NULL, 0 } };
	int status = pb_account_open(r, PB_ACCOUNT_KEYS, &accounts);

	if (status == EX_OK)
		status = set(r, accounts, &s);
	pb_accounts_unref(&accounts);
	secrets_clear(&s);
	return status;
}
