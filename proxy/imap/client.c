#include "client_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "popbridge/base/check.h"

/* All that can wait in `out` at a time: a full pipeline of the longest sets. */
#define OUT_MAX (64 * 1024)

void
pb_imap_client_init(struct pb_imap_client *c, struct pb_imap_grammar *grammar,
    struct pb_imap_writer *writer, enum pb_imap_tls tls)
{
	*c = (struct pb_imap_client){ .state = PB_IMAP_STATE_GREETING,
		.grammar = grammar, .writer = writer, .tls = tls };
	pb_imap_framer_init(&c->framer);
	pb_buffer_init_secret(&c->out, OUT_MAX);
}

void
pb_imap_client_fini(struct pb_imap_client *c)
{
	pb_secret_clear(&c->password);
	pb_secret_clear(&c->authzid);
	pb_imap_framer_fini(&c->framer);
	pb_buffer_fini(&c->out);
	pb_buffer_fini(&c->inline_body);
	pb_imap_uid_set_clear(&c->copied);
	pb_imap_uid_set_clear(&c->moved);
	c->state = PB_IMAP_STATE_BROKEN;
}

const char *
pb_imap_state_name(enum pb_imap_state state)
{
	switch (state) {
	case PB_IMAP_STATE_GREETING:
		return "GREETING";
	case PB_IMAP_STATE_CAPABILITY:
		return "CAPABILITY";
	case PB_IMAP_STATE_STARTTLS:
		return "STARTTLS";
	case PB_IMAP_STATE_HANDSHAKE:
		return "HANDSHAKE";
	case PB_IMAP_STATE_LOGIN:
		return "LOGIN";
	case PB_IMAP_STATE_READY:
		return "READY";
	case PB_IMAP_STATE_LOGOUT:
		return "LOGOUT";
	case PB_IMAP_STATE_BROKEN:
		return "BROKEN";
	}
	return "?";
}

void
pb_imap_enter(struct pb_imap_client *c, enum pb_imap_state state)
{
	pb_check(c->state != PB_IMAP_STATE_BROKEN);
	c->state = state;
}

enum pb_status
pb_imap_break(struct pb_imap_client *c)
{
	pb_imap_enter(c, PB_IMAP_STATE_BROKEN);
	pb_secret_clear(&c->password);
	pb_secret_clear(&c->authzid);
	pb_buffer_release(&c->out);
	return PB_EPROTO;
}

enum pb_status
pb_imap_break_protocol(struct pb_imap_client *c, const char *what)
{
	pb_error_set(&c->error, PB_ERROR_PROTOCOL, PB_SCOPE_CONNECTION,
	    "the IMAP server breaks the protocol: %s", what);
	return pb_imap_break(c);
}

enum pb_status
pb_imap_break_memory(struct pb_imap_client *c)
{
	pb_error_set(&c->error, PB_ERROR_INTERNAL, PB_SCOPE_CONNECTION,
	    "no memory for the IMAP connection");
	return pb_imap_break(c);
}

const char *
pb_imap_next_tag(struct pb_imap_client *c, char tag[PB_IMAP_TAG_SIZE])
{
	snprintf(tag, PB_IMAP_TAG_SIZE, "A%" PRIu32, c->last_id + 1);
	return tag;
}

enum pb_status
pb_imap_sent(struct pb_imap_client *c, enum pb_status st,
    enum pb_imap_command_kind kind, uint32_t *id)
{
	if (c->state == PB_IMAP_STATE_BROKEN)
		return PB_EPROTO;
	if (st != PB_OK)
		return pb_imap_break_memory(c);
	pb_check(c->n_queue < PB_IMAP_PIPELINE_MAX);
	c->last_id++;
	c->commands++;
	c->queue[c->n_queue++] = (struct pb_imap_command){ .id = c->last_id,
		.kind = kind };
	if (id != NULL)
		*id = c->last_id;
	return PB_OK;
}

static bool
can_be_sent(struct pb_slice s)
{
	return pb_slice_find(s, '\r') == s.len &&
	    pb_slice_find(s, '\n') == s.len &&
	    pb_slice_find(s, '\0') == s.len;
}

enum pb_status
pb_imap_client_login(struct pb_imap_client *c, struct pb_slice user,
    struct pb_secret *password)
{
	if (!can_be_sent(user) || !can_be_sent(pb_secret_reveal(password)) ||
	    user.len > PB_IMAP_USER_MAX)
		return PB_EINVAL;
	memcpy(c->user, user.data, user.len);
	c->user[user.len] = '\0';
	c->user_len = user.len;
	pb_secret_move(&c->password, password);
	return PB_OK;
}

void
pb_imap_client_authenticate_by(struct pb_imap_client *c,
    enum pb_imap_auth how)
{
	pb_check(c->state == PB_IMAP_STATE_GREETING);
	c->auth = how;
}

enum pb_status
pb_imap_client_authorize(struct pb_imap_client *c, struct pb_slice authzid)
{
	if (!can_be_sent(authzid) || authzid.len > PB_IMAP_USER_MAX)
		return PB_EINVAL;
	return pb_secret_set(&c->authzid, authzid);
}

enum pb_status
pb_imap_client_secured(struct pb_imap_client *c)
{
	char tag[PB_IMAP_TAG_SIZE];

	pb_check(c->state == PB_IMAP_STATE_HANDSHAKE);
	/* What was said before the handshake, anybody may have said. */
	c->secured = true;
	c->capabilities = 0;
	c->capabilities_known = false;
	pb_imap_enter(c, PB_IMAP_STATE_CAPABILITY);
	return pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), PB_IMAP_CAPABILITY),
	    PB_IMAP_COMMAND_CAPABILITY, NULL);
}

unsigned
pb_imap_client_room(const struct pb_imap_client *c)
{
	return c->state == PB_IMAP_STATE_READY
	    ? PB_IMAP_PIPELINE_MAX - c->n_queue : 0;
}

bool
pb_imap_client_is_busy(const struct pb_imap_client *c)
{
	return c->state < PB_IMAP_STATE_READY || c->n_queue > 0;
}

bool
pb_imap_client_has_uid_expunge(const struct pb_imap_client *c)
{
	return (c->capabilities & (PB_IMAP_CAP_UIDPLUS |
	    PB_IMAP_CAP_IMAP4REV2)) != 0;
}

enum pb_status
pb_imap_client_select(struct pb_imap_client *c, const char *mailbox)
{
	char tag[PB_IMAP_TAG_SIZE];

	c->has_uidvalidity = false;
	c->read_only = false;
	c->uidnext = 0;
	c->exists = 0;
	c->has_permanentflags = false;
	c->keeps_deleted = false;
	c->keeps_keywords = false;
	c->has_rights = false;
	c->may_flag_deleted = false;
	c->may_expunge = false;
	return pb_imap_sent(c, pb_imap_write_select(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), mailbox), PB_IMAP_COMMAND_SELECT, NULL);
}

enum pb_status
pb_imap_client_uids(struct pb_imap_client *c, uint32_t first)
{
	char tag[PB_IMAP_TAG_SIZE];

	return pb_imap_sent(c, pb_imap_write_fetch_uids(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), first), PB_IMAP_COMMAND_UIDS, NULL);
}

enum pb_status
pb_imap_client_sizes(struct pb_imap_client *c, uint32_t first)
{
	char tag[PB_IMAP_TAG_SIZE];

	c->has_read = true;
	return pb_imap_sent(c, pb_imap_write_fetch_sizes(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), first), PB_IMAP_COMMAND_SIZES, NULL);
}

/* SEARCH takes ten digits and a separator for a message. */
void
pb_imap_set_limit(struct pb_imap_client *c)
{
	uint64_t max = PB_IMAP_RESPONSE_MAX;

	if (pb_imap_find_kind(c, PB_IMAP_COMMAND_SEARCH) != NULL)
		max = PB_IMAP_RESPONSE_SEARCH_MAX + c->exists * UINT64_C(11);
	if (max > PB_IMAP_RESPONSE_NAMES_MAX)
		max = PB_IMAP_RESPONSE_NAMES_MAX;
	pb_imap_framer_limit(&c->framer, (size_t)max);
}

struct pb_imap_command *
pb_imap_find_kind(struct pb_imap_client *c, enum pb_imap_command_kind kind)
{
	unsigned i;

	for (i = 0; i < c->n_queue; i++) {
		if (c->queue[i].kind == kind)
			return &c->queue[i];
	}
	return NULL;
}

enum pb_status
pb_imap_client_bodies(struct pb_imap_client *c, const uint32_t *uids, size_t n,
    uint32_t count, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];
	enum pb_status st = pb_imap_sent(c, pb_imap_write_fetch_bodies(
	    c->writer, &c->out, pb_imap_next_tag(c, tag), uids, n, count),
	    PB_IMAP_COMMAND_BODIES, id);

	c->has_read = true;
	if (st == PB_OK)
		pb_imap_framer_want_bodies(&c->framer, true);
	return st;
}

void
pb_imap_client_reject(struct pb_imap_client *c, const char *what)
{
	if (c->state != PB_IMAP_STATE_BROKEN)
		(void)pb_imap_break_protocol(c, what);
}

enum pb_status
pb_imap_client_store(struct pb_imap_client *c, const uint32_t *uids, size_t n,
    bool add, enum pb_imap_flag flag, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];

	return pb_imap_sent(c, pb_imap_write_store(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), uids, n, add, flag),
	    PB_IMAP_COMMAND_STORE, id);
}

enum pb_status
pb_imap_client_uid_expunge(struct pb_imap_client *c, const uint32_t *uids,
    size_t n, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];

	return pb_imap_sent(c, pb_imap_write_uid_expunge(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), uids, n), PB_IMAP_COMMAND_EXPUNGE, id);
}

enum pb_status
pb_imap_client_expunge(struct pb_imap_client *c, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];

	return pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), PB_IMAP_EXPUNGE),
	    PB_IMAP_COMMAND_EXPUNGE, id);
}

enum pb_status
pb_imap_client_noop(struct pb_imap_client *c, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];

	return pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), PB_IMAP_NOOP), PB_IMAP_COMMAND_NOOP, id);
}

static enum pb_status
search(struct pb_imap_client *c, enum pb_imap_search what, uint32_t *id)
{
	bool extended = (c->capabilities & (PB_IMAP_CAP_ESEARCH |
	    PB_IMAP_CAP_IMAP4REV2)) != 0;
	char tag[PB_IMAP_TAG_SIZE];
	enum pb_status st = pb_imap_sent(c, pb_imap_write_search(&c->out,
	    pb_imap_next_tag(c, tag), what, extended),
	    PB_IMAP_COMMAND_SEARCH, id);

	pb_imap_set_limit(c);
	return st;
}

enum pb_status
pb_imap_client_search_all(struct pb_imap_client *c, uint32_t *id)
{
	return search(c, PB_IMAP_SEARCH_ALL, id);
}

enum pb_status
pb_imap_client_search_deleted(struct pb_imap_client *c, uint32_t *id)
{
	return search(c, PB_IMAP_SEARCH_DELETED, id);
}

enum pb_status
pb_imap_client_search_pop3_deleted(struct pb_imap_client *c, uint32_t *id)
{
	return search(c, PB_IMAP_SEARCH_POP3_DELETED, id);
}

void
pb_imap_client_logout(struct pb_imap_client *c)
{
	char tag[PB_IMAP_TAG_SIZE];

	if (c->state != PB_IMAP_STATE_READY || pb_imap_client_room(c) == 0)
		return;
	if (pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), PB_IMAP_LOGOUT),
	    PB_IMAP_COMMAND_INTERNAL, NULL) == PB_OK)
		pb_imap_enter(c, PB_IMAP_STATE_LOGOUT);
}
