#include "popbridge/imap/grammar.h"

#include "etpan.h"
#include "popbridge/base/mem.h"

struct pb_imap_grammar {
	mailimap *session;	/* own; the context wants one to point at */
	struct mailimap_parser_context *ctx;	/* own */
	MMAPString *text;	/* own; the response being parsed */
	struct mailimap_response_data *last;	/* own; what *data points to */
	struct pb_imap_uid_set uids;	/* of the last SEARCH */
	struct pb_imap_mailbox_data mailbox;	/* of the last LIST ... */
};

struct row {
	const char *name;
	enum pb_imap_capability capability;
};

static const struct row capabilities[] = {
	{ "IMAP4rev1", PB_IMAP_CAP_IMAP4REV1 },
	{ "IMAP4rev2", PB_IMAP_CAP_IMAP4REV2 },
	{ "STARTTLS", PB_IMAP_CAP_STARTTLS },
	{ "LOGINDISABLED", PB_IMAP_CAP_LOGINDISABLED },
	{ "SASL-IR", PB_IMAP_CAP_SASL_IR },
	{ "UIDPLUS", PB_IMAP_CAP_UIDPLUS },
	{ "ID", PB_IMAP_CAP_ID },
	{ "LITERAL+", PB_IMAP_CAP_LITERAL_PLUS },
	{ "LITERAL-", PB_IMAP_CAP_LITERAL_MINUS },
	{ "ESEARCH", PB_IMAP_CAP_ESEARCH },
	{ "MOVE", PB_IMAP_CAP_MOVE },
	{ "ACL", PB_IMAP_CAP_ACL },
	{ "SPECIAL-USE", PB_IMAP_CAP_SPECIAL_USE },
	{ "LIST-EXTENDED", PB_IMAP_CAP_LIST_EXTENDED },
};

/* What stands behind AUTH=. */
static const struct row mechanisms[] = {
	{ "PLAIN", PB_IMAP_CAP_AUTH_PLAIN },
	{ "LOGIN", PB_IMAP_CAP_AUTH_LOGIN },
	{ "XOAUTH2", PB_IMAP_CAP_AUTH_XOAUTH2 },
	{ "OAUTHBEARER", PB_IMAP_CAP_AUTH_OAUTHBEARER },
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct pb_imap_grammar *
pb_imap_grammar_new(void)
{
	struct pb_imap_grammar *g = pb_alloc(sizeof(*g));

	if (g == NULL)
		return NULL;
	g->session = mailimap_new(0, NULL);
	if (g->session != NULL)
		g->ctx = mailimap_parser_context_new(g->session);
	g->text = mmap_string_new("");
	if (g->ctx == NULL || g->text == NULL)
		pb_imap_grammar_free(&g);
	return g;
}

static void
forget_last(struct pb_imap_grammar *g)
{
	if (g->last != NULL)
		mailimap_response_data_free(g->last);
	g->last = NULL;
	pb_imap_uid_set_clear(&g->uids);
}

void
pb_imap_grammar_free(struct pb_imap_grammar **gp)
{
	struct pb_imap_grammar *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	forget_last(g);
	if (g->ctx != NULL)
		mailimap_parser_context_free(g->ctx);
	if (g->session != NULL)
		mailimap_free(g->session);
	if (g->text != NULL)
		mmap_string_free(g->text);
	pb_free(g);
}

static unsigned
find(const struct row *rows, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (pb_slice_is(pb_slice_str(name), rows[i].name))
			return rows[i].capability;
	}
	return 0;
}

static unsigned
capability_of(const struct mailimap_capability *cap)
{
	if (cap->cap_type == MAILIMAP_CAPABILITY_AUTH_TYPE)
		return find(mechanisms, COUNT(mechanisms),
		    cap->cap_data.cap_auth_type);
	return find(capabilities, COUNT(capabilities), cap->cap_data.cap_name);
}

static void
read_capabilities(const struct mailimap_capability_data *list,
    struct pb_imap_data *data)
{
	clistiter *it;

	data->type = PB_IMAP_DATA_CAPABILITY;
	if (list == NULL || list->cap_list == NULL)
		return;
	for (it = clist_begin(list->cap_list); it != NULL; it = clist_next(it))
		data->capabilities |= capability_of(clist_content(it));
}

static void
read_body(const struct mailimap_msg_att_body_section *section,
    struct pb_imap_data *data)
{
	/* Only the whole message is asked for: BODY[], never a part of it. */
	if (section == NULL || (section->sec_section != NULL &&
	    section->sec_section->sec_spec != NULL))
		return;
	data->body_origin = section->sec_origin_octet;
	data->body = PB_IMAP_BODY_NIL;
	if (section->sec_body_part != NULL) {
		data->body = PB_IMAP_BODY_TEXT;
		data->body_text = pb_slice(section->sec_body_part,
		    section->sec_length);
	}
}

static void
read_item(const struct mailimap_msg_att_static *item,
    struct pb_imap_data *data)
{
	switch (item->att_type) {
	case MAILIMAP_MSG_ATT_UID:
		data->uid = item->att_data.att_uid;
		break;
	case MAILIMAP_MSG_ATT_RFC822_SIZE:
		data->has_size = true;
		data->size = item->att_data.att_rfc822_size;
		break;
	case MAILIMAP_MSG_ATT_BODY_SECTION:
		read_body(item->att_data.att_body_section, data);
		break;
	case MAILIMAP_MSG_ATT_RFC822:
		data->body = PB_IMAP_BODY_NIL;
		if (item->att_data.att_rfc822.att_content != NULL) {
			data->body = PB_IMAP_BODY_TEXT;
			data->body_text = pb_slice(
			    item->att_data.att_rfc822.att_content,
			    item->att_data.att_rfc822.att_length);
		}
		break;
	default:
		break;
	}
}

static void
read_fetch(const struct mailimap_msg_att *att, struct pb_imap_data *data)
{
	clistiter *it;

	data->type = PB_IMAP_DATA_FETCH;
	if (att == NULL || att->att_list == NULL)
		return;
	for (it = clist_begin(att->att_list); it != NULL; it = clist_next(it)) {
		const struct mailimap_msg_att_item *item = clist_content(it);

		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC)
			read_item(item->att_data.att_static, data);
	}
}

static void
read_mailbox_data(const struct mailimap_mailbox_data *mailbox,
    struct pb_imap_data *data)
{
	if (mailbox->mbd_type == MAILIMAP_MAILBOX_DATA_EXISTS) {
		data->type = PB_IMAP_DATA_EXISTS;
		data->number = mailbox->mbd_data.mbd_exists;
	}
}

static void
read_response(const struct pb_imap_grammar *g, struct pb_imap_data *data)
{
	const struct mailimap_message_data *message;

	switch (g->last->rsp_type) {
	case MAILIMAP_RESP_DATA_TYPE_CAPABILITY_DATA:
		read_capabilities(g->last->rsp_data.rsp_capability_data, data);
		break;
	case MAILIMAP_RESP_DATA_TYPE_MAILBOX_DATA:
		read_mailbox_data(g->last->rsp_data.rsp_mailbox_data, data);
		break;
	case MAILIMAP_RESP_DATA_TYPE_MESSAGE_DATA:
		message = g->last->rsp_data.rsp_message_data;
		data->number = message->mdt_number;
		if (message->mdt_type == MAILIMAP_MESSAGE_DATA_EXPUNGE)
			data->type = PB_IMAP_DATA_EXPUNGE;
		else
			read_fetch(message->mdt_msg_att, data);
		break;
	default:
		break;
	}
}

static enum pb_status
read_names(struct pb_imap_grammar *g, const struct pb_imap_names *names,
    struct pb_imap_data *data)
{
	enum pb_status st = pb_imap_uid_set_read(&g->uids, names->set,
	    names->separator);

	if (st != PB_OK)
		return st;
	data->type = PB_IMAP_DATA_SEARCH;
	data->ranges = g->uids.ranges;
	data->n_ranges = g->uids.n;
	data->tag = names->tag;
	return PB_OK;
}

/* Without "* " in front and blanks at the end. */
static struct pb_slice
content_of(struct pb_slice response)
{
	pb_slice_skip(&response, response.len < 2 ? response.len : 2);
	while (response.len > 0 && response.data[response.len - 1] == ' ')
		response.len--;
	return response;
}

enum pb_status
pb_imap_grammar_parse(struct pb_imap_grammar *g, struct pb_slice response,
    struct pb_imap_data *data)
{
	struct pb_imap_names names;
	size_t at = 0;
	int r;

	*data = (struct pb_imap_data){ .type = PB_IMAP_DATA_OTHER };
	forget_last(g);
	if (pb_imap_names_parse(content_of(response), &names))
		return read_names(g, &names, data);
	if (pb_imap_mailbox_data_parse(content_of(response), &g->mailbox)) {
		data->type = PB_IMAP_DATA_MAILBOX;
		data->mailbox = &g->mailbox;
		return PB_OK;
	}
	if (mmap_string_truncate(g->text, 0) == NULL ||
	    mmap_string_append_len(g->text, response.data, response.len) ==
		NULL ||
	    mmap_string_append_len(g->text, "\r\n", 2) == NULL)
		return PB_ENOMEM;
	r = mailimap_response_data_parse(NULL, g->text, g->ctx, &at, &g->last,
	    0, NULL);
	if (r == MAILIMAP_ERROR_MEMORY)
		return PB_ENOMEM;
	if (r != MAILIMAP_NO_ERROR) {
		g->last = NULL;
		return PB_EPROTO;
	}
	read_response(g, data);
	return PB_OK;
}
