#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "account.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/verifier.h"

/* Longer than any password that is stored, so that too long is noticed. */
#define LINE_SIZE 1024

_Static_assert(LINE_SIZE > PB_VERIFIER_SECRET_MAX + 2, "it is noticed");

/*
 * Sixteen of 32 letters and digits, 80 bits: more than anybody can try, and as
 * long as the shortest fields of devices.  None is mistaken for another.
 */
static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
#define GENERATED 16

_Static_assert(sizeof(letters) == 32 + 1, "five bits each");

static int
keep(const struct pb_account_request *r, const char *what,
    struct pb_slice line, struct pb_secret *secret)
{
	if (line.len == 0) {
		pb_account_complain(r, "%s is empty", what);
		return EX_DATAERR;
	}
	if (line.len > PB_VERIFIER_SECRET_MAX) {
		pb_account_complain(r, "%s has more than %d octets", what,
		    PB_VERIFIER_SECRET_MAX);
		return EX_DATAERR;
	}
	if (pb_secret_set(secret, line) == PB_OK)
		return EX_OK;
	pb_account_complain(r, "no memory");
	return EX_TEMPFAIL;
}

/* Octet by octet: what is behind the line belongs to somebody else. */
static int
read_line(const struct pb_account_request *r, int fd, const char *what,
    struct pb_secret *secret)
{
	char line[LINE_SIZE];
	char reason[128];
	size_t len = 0;
	ssize_t n = 1;
	int status;

	while (len < sizeof(line)) {
		n = read(fd, line + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || line[len] == '\n')
			break;
		len++;
	}
	if (n < 0) {
		pb_account_complain(r, "%s cannot be read from descriptor %d: "
		    "%s", what, fd, strerror_r(errno, reason,
		    sizeof(reason)));
		status = EX_IOERR;
	} else {
		status = keep(r, what, pb_slice(line, len), secret);
	}
	pb_wipe(line, sizeof(line));
	return status;
}

static bool
has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* OpenSSL's prompt: no echo, and signals find the terminal as it was. */
static bool
prompt(const char *what, const char *name, char one[LINE_SIZE],
    char two[LINE_SIZE])
{
	char first[PB_ACCOUNT_NAME_MAX + 64];
	UI *ui = UI_new();
	bool ok;

	snprintf(first, sizeof(first), "%s of %s: ", what, name);
	ok = ui != NULL &&
	    UI_add_input_string(ui, first, 0, one, 0, LINE_SIZE - 1) >= 0 &&
	    UI_add_input_string(ui, "The same again: ", 0, two, 0,
		LINE_SIZE - 1) >= 0 &&
	    UI_process(ui) == 0;
	UI_free(ui);
	return ok;
}

static int
ask(const struct pb_account_request *r, const char *what,
    struct pb_secret *secret)
{
	char one[LINE_SIZE] = "";
	char two[LINE_SIZE] = "";
	int status;

	if (!has_terminal()) {
		pb_account_complain(r, "there is no terminal to ask for %s: "
		    "give it by a file descriptor", what);
		return EX_USAGE;
	}
	if (!prompt(what, r->account.name, one, two)) {
		pb_account_complain(r, "%s was not given", what);
		status = EX_TEMPFAIL;
	} else if (strcmp(one, two) != 0) {
		pb_account_complain(r, "%s was not the same twice", what);
		status = EX_DATAERR;
	} else {
		status = keep(r, what, pb_slice_str(one), secret);
	}
	pb_wipe(one, sizeof(one));
	pb_wipe(two, sizeof(two));
	return status;
}

int
pb_account_secret(const struct pb_account_request *r,
    const struct pb_account_source *source, const char *what,
    struct pb_secret *secret)
{
	if (source->fd >= 0)
		return read_line(r, source->fd, what, secret);
	return ask(r, what, secret);
}

int
pb_account_generate(const struct pb_account_request *r,
    struct pb_secret *secret)
{
	unsigned char random[GENERATED];
	char text[GENERATED];
	int status;
	size_t i;

	if (RAND_priv_bytes(random, sizeof(random)) != 1) {
		pb_account_complain(r, "there is no randomness");
		return EX_UNAVAILABLE;
	}
	for (i = 0; i < GENERATED; i++)
		text[i] = letters[random[i] % 32];
	status = keep(r, "the password", pb_slice(text, sizeof(text)),
	    secret);
	pb_wipe(random, sizeof(random));
	pb_wipe(text, sizeof(text));
	return status;
}
