#include "popbridge/imap/writer.h"

#include <stdlib.h>

#include "etpan.h"
#include "popbridge/base/mem.h"

enum pb_status
pb_imap_write_login_literal(struct pb_buffer *out, const char *tag,
    unsigned piece, struct pb_slice user, struct pb_slice pass,
    bool synchronising)
{
	const char *plus = synchronising ? "" : "+";
	enum pb_status st = PB_OK;
	size_t before = out->len;

	switch (piece) {
	case 0:
		st = pb_buffer_printf(out, "%s LOGIN {%zu%s}\r\n", tag,
		    user.len, plus);
		break;
	case 1:
		st = pb_buffer_append(out, user.data, user.len);
		if (st == PB_OK)
			st = pb_buffer_printf(out, " {%zu%s}\r\n", pass.len,
			    plus);
		break;
	default:
		st = pb_buffer_append(out, pass.data, pass.len);
		if (st == PB_OK)
			st = pb_buffer_append(out, "\r\n", 2);
		break;
	}
	if (st != PB_OK)
		out->len = before;
	return st;
}

const char *
pb_imap_sasl_name(enum pb_imap_sasl mechanism)
{
	switch (mechanism) {
	case PB_IMAP_SASL_PLAIN:
		return "PLAIN";
	case PB_IMAP_SASL_XOAUTH2:
		return "XOAUTH2";
	case PB_IMAP_SASL_OAUTHBEARER:
		return "OAUTHBEARER";
	}
	return "";
}

/* Pieces of a message, one behind the other; the first failure stays. */
struct message {
	struct pb_buffer text;
	enum pb_status status;
};

static void
add(struct message *m, struct pb_slice piece)
{
	if (m->status == PB_OK)
		m->status = pb_buffer_append(&m->text, piece.data, piece.len);
}

/* A saslname (RFC 5801, section 4). */
static void
add_escaped(struct message *m, struct pb_slice name)
{
	size_t i;

	for (i = 0; i < name.len; i++) {
		if (name.data[i] == ',')
			add(m, pb_slice_str("=2C"));
		else if (name.data[i] == '=')
			add(m, pb_slice_str("=3D"));
		else
			add(m, pb_slice_sub(name, i, i + 1));
	}
}

static void
compose(struct message *m, const struct pb_imap_credential *c)
{
	switch (c->mechanism) {
	case PB_IMAP_SASL_PLAIN:
		add(m, c->authzid);
		add(m, pb_slice("\0", 1));
		add(m, c->user);
		add(m, pb_slice("\0", 1));
		add(m, c->secret);
		return;
	case PB_IMAP_SASL_XOAUTH2:
		add(m, pb_slice_str("user="));
		add(m, c->user);
		break;
	case PB_IMAP_SASL_OAUTHBEARER:
		add(m, pb_slice_str("n,a="));
		add_escaped(m, c->user);
		add(m, pb_slice_str(","));
		break;
	}
	add(m, pb_slice_str("\1auth=Bearer "));
	add(m, c->secret);
	add(m, pb_slice_str("\1\1"));
}

static enum pb_status
write_coded(struct pb_buffer *out, struct pb_slice text)
{
	char *coded = encode_base64(text.data, (int)text.len);
	size_t before = out->len;
	enum pb_status st;
	size_t len;

	if (coded == NULL)
		return PB_ENOMEM;
	len = strlen(coded);
	st = pb_buffer_append(out, coded, len);
	if (st == PB_OK)
		st = pb_buffer_append(out, "\r\n", 2);
	if (st != PB_OK)
		out->len = before;
	pb_wipe(coded, len);
	free(coded);
	return st;
}

enum pb_status
pb_imap_write_message(struct pb_buffer *out,
    const struct pb_imap_credential *credential)
{
	struct message m = { .status = PB_OK };
	enum pb_status st;

	/* What of it is too long for base64 is too long for out. */
	pb_buffer_init_secret(&m.text, out->max);
	compose(&m, credential);
	st = m.status;
	if (st == PB_OK)
		st = write_coded(out, pb_buffer_slice(&m.text));
	pb_buffer_fini(&m.text);
	return st;
}

enum pb_status
pb_imap_write_dismissal(struct pb_buffer *out, enum pb_imap_sasl mechanism)
{
	const char *line = mechanism == PB_IMAP_SASL_OAUTHBEARER ? "AQ==\r\n"
								 : "\r\n";

	return pb_buffer_append(out, line, strlen(line));
}
