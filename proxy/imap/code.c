#include "client_priv.h"

#include <inttypes.h>
#include <stdio.h>

/* The words behind CAPABILITY, wherever they stood. */
static enum pb_status
take_capabilities(struct pb_imap_client *c, struct pb_slice code)
{
	char text[4096];
	struct pb_imap_gated line;
	struct pb_imap_data data;
	int len = snprintf(text, sizeof(text), "* %.*s", (int)code.len,
	    code.data);

	if ((size_t)len >= sizeof(text) || pb_imap_gate(pb_slice(text,
	    (size_t)len), &line) != PB_OK || line.kind != PB_IMAP_DATA) {
		c->dropped++;
		return PB_OK;
	}
	switch (pb_imap_grammar_parse(c->grammar, pb_slice(text, (size_t)len),
	    &data)) {
	case PB_OK:
		c->capabilities = data.capabilities;
		c->capabilities_known = true;
		return PB_OK;
	case PB_ENOMEM:
		return pb_imap_break_memory(c);
	case PB_AGAIN:
	case PB_EOF:
	case PB_EPROTO:
	case PB_ETOOBIG:
	case PB_EINVAL:
	case PB_EIO:
		break;
	}
	c->refused++;
	return PB_OK;
}

static enum pb_status
take_uidvalidity(struct pb_imap_client *c, uint32_t uidvalidity)
{
	if (c->has_uidvalidity && c->uidvalidity != uidvalidity) {
		pb_error_set(&c->error, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
		    "UIDVALIDITY changed from %" PRIu32 " to %" PRIu32
		    " while the mailbox was open", c->uidvalidity,
		    uidvalidity);
		return pb_imap_break(c);
	}
	c->has_uidvalidity = true;
	c->uidvalidity = uidvalidity;
	return PB_OK;
}

/*
 * PERMANENTFLAGS (flag flag ...): one look at each word.  A list that does not
 * close, or with other syntax in it, is as if nothing had been said.
 */
static void
take_permanentflags(struct pb_imap_client *c, struct pb_slice list)
{
	bool deleted = false;
	bool keywords = false;

	if (list.len < 2 || list.data[0] != '(' ||
	    list.data[list.len - 1] != ')')
		return;
	list = pb_slice_sub(list, 1, list.len - 1);
	if (pb_slice_find(list, '(') < list.len ||
	    pb_slice_find(list, ')') < list.len)
		return;
	while (list.len > 0) {
		struct pb_slice flag = pb_slice_word(&list);

		deleted = deleted || pb_slice_is(flag, "\\Deleted");
		keywords = keywords || pb_slice_is(flag, "\\*") ||
		    pb_slice_is(flag, PB_IMAP_POP3_DELETED);
	}
	c->has_permanentflags = true;
	c->keeps_deleted = deleted;
	c->keeps_keywords = keywords;
}

/* 0 when it is no such number, as if nothing had been said. */
static uint32_t
number_of(struct pb_slice value)
{
	uint64_t n;

	return pb_slice_number(value, UINT32_MAX, &n) == PB_OK
	    ? (uint32_t)n : 0;
}

enum pb_status
pb_imap_take_code(struct pb_imap_client *c, struct pb_slice code)
{
	struct pb_slice value = code;
	struct pb_slice name = pb_slice_word(&value);
	uint64_t n;

	if (code.len == 0)
		return PB_OK;
	if (pb_slice_is(name, "CAPABILITY"))
		return take_capabilities(c, code);
	if (pb_slice_is(name, "UIDVALIDITY") &&
	    pb_slice_number(value, UINT32_MAX, &n) == PB_OK)
		return take_uidvalidity(c, (uint32_t)n);
	if (pb_slice_is(name, "READ-ONLY"))
		c->read_only = true;
	if (pb_slice_is(name, "PERMANENTFLAGS"))
		take_permanentflags(c, value);
	if (pb_slice_is(name, "THROTTLED"))
		c->throttled = true;
	if (pb_slice_is(name, "UIDNEXT"))
		c->uidnext = number_of(value);
	return PB_OK;
}
