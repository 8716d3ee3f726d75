#include "popbridge/imap/writer.h"

#include <stdio.h>
#include <stdlib.h>

#include "etpan.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/version.h"

/* What libetpan may hold back before it calls our write; wiped each time. */
#define STREAM_BUFFER 1024

struct pb_imap_writer {
	mailstream *stream;	/* own, and through it the low stream */
	struct pb_buffer *out;	/* borrowed while a command is written */
	enum pb_status status;	/* first failure of the command */
};

static ssize_t
memory_write(mailstream_low *low, const void *data, size_t len)
{
	struct pb_imap_writer *w = low->data;

	if (w->status == PB_OK)
		w->status = pb_buffer_append(w->out, data, len);
	return w->status == PB_OK ? (ssize_t)len : -1;
}

static ssize_t
memory_read(mailstream_low *low, void *data, size_t len)
{
	(void)low;
	(void)data;
	(void)len;
	return -1;
}

static int
memory_close(mailstream_low *low)
{
	(void)low;
	return 0;
}

static int
memory_get_fd(mailstream_low *low)
{
	(void)low;
	return -1;
}

static void
memory_free(mailstream_low *low)
{
	free(low);
}

static void
memory_cancel(mailstream_low *low)
{
	(void)low;
}

static mailstream_low_driver memory_driver = {
	.mailstream_read = memory_read,
	.mailstream_write = memory_write,
	.mailstream_close = memory_close,
	.mailstream_get_fd = memory_get_fd,
	.mailstream_free = memory_free,
	.mailstream_cancel = memory_cancel,
};

struct pb_imap_writer *
pb_imap_writer_new(void)
{
	struct pb_imap_writer *w = pb_alloc(sizeof(*w));
	mailstream_low *low;

	if (w == NULL)
		return NULL;
	low = mailstream_low_new(w, &memory_driver);
	if (low != NULL)
		w->stream = mailstream_new(low, STREAM_BUFFER);
	if (w->stream == NULL) {
		if (low != NULL)
			mailstream_low_free(low);
		pb_free(w);
		return NULL;
	}
	return w;
}

void
pb_imap_writer_free(struct pb_imap_writer **wp)
{
	struct pb_imap_writer *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	mailstream_close(w->stream);
	pb_free(w);
}

static void
begin(struct pb_imap_writer *w, struct pb_buffer *out, const char *tag)
{
	pb_check(w->out == NULL);
	w->out = out;
	w->status = PB_OK;
	mailimap_tag_send(w->stream, tag);
	mailimap_space_send(w->stream);
}

/*
 * The stream's own buffer is emptied and wiped in any case: one command's
 * octets must not turn up in the next one, which may be another user's.
 */
static enum pb_status
end(struct pb_imap_writer *w, size_t len_before)
{
	struct pb_buffer *out = w->out;

	mailimap_crlf_send(w->stream);
	mailstream_flush(w->stream);
	w->stream->write_buffer_len = 0;
	pb_wipe(w->stream->write_buffer, w->stream->buffer_max_size);
	w->out = NULL;
	if (w->status != PB_OK)
		out->len = len_before;
	return w->status;
}

/* libetpan could not build what it was to send. */
static enum pb_status
no_memory(struct pb_imap_writer *w, size_t len_before)
{
	struct pb_buffer *out = w->out;

	w->status = PB_ENOMEM;
	(void)end(w, len_before);
	out->len = len_before;
	return PB_ENOMEM;
}

enum pb_status
pb_imap_write_simple(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, enum pb_imap_simple command)
{
	size_t before = out->len;

	begin(w, out, tag);
	switch (command) {
	case PB_IMAP_CAPABILITY:
		mailimap_capability_send(w->stream);
		break;
	case PB_IMAP_STARTTLS:
		mailimap_starttls_send(w->stream);
		break;
	case PB_IMAP_NOOP:
		mailimap_noop_send(w->stream);
		break;
	case PB_IMAP_EXPUNGE:
		mailimap_expunge_send(w->stream);
		break;
	case PB_IMAP_LOGOUT:
		mailimap_logout_send(w->stream);
		break;
	}
	return end(w, before);
}

/*
 * libetpan's parameter list takes strings that only its own parser can make,
 * and leaks all others; this command is the same every time.
 */
enum pb_status
pb_imap_write_id(struct pb_buffer *out, const char *tag)
{
	return pb_buffer_printf(out, "%s ID (\"name\" \"popbridge\" "
	    "\"version\" \"%s\")\r\n", tag, PB_VERSION);
}

static bool
is_plain(struct pb_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			return false;
	}
	return true;
}

bool
pb_imap_login_is_plain(struct pb_slice user, struct pb_slice pass)
{
	return is_plain(user) && is_plain(pass);
}

enum pb_status
pb_imap_write_login(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, struct pb_slice user, struct pb_slice pass)
{
	size_t before = out->len;

	pb_check(pb_imap_login_is_plain(user, pass));
	/* Both end in NUL where they come from: secret and session. */
	begin(w, out, tag);
	mailimap_login_send(w->stream, user.data, pass.data);
	return end(w, before);
}

enum pb_status
pb_imap_write_authenticate(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, bool initial, const struct pb_imap_credential *credential)
{
	size_t before = out->len;
	enum pb_status st;

	begin(w, out, tag);
	mailimap_authenticate_send(w->stream,
	    pb_imap_sasl_name(credential->mechanism));
	st = end(w, before);
	if (st != PB_OK || !initial)
		return st;
	/* The initial response stands where the line has just ended. */
	out->len -= 2;
	st = pb_buffer_append(out, " ", 1);
	if (st == PB_OK)
		st = pb_imap_write_message(out, credential);
	if (st != PB_OK)
		out->len = before;
	return st;
}

enum pb_status
pb_imap_write_select(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, const char *mailbox)
{
	size_t before = out->len;

	begin(w, out, tag);
	mailimap_select_send(w->stream, mailbox, 0);
	return end(w, before);
}

/*
 * libetpan's own makers of an empty set or list lose a list when there is no
 * memory for what is around it.
 */
static struct mailimap_set *
new_set(void)
{
	clist *list = clist_new();
	struct mailimap_set *set = list != NULL ? mailimap_set_new(list) : NULL;

	if (list != NULL && set == NULL)
		clist_free(list);
	return set;
}

static struct mailimap_fetch_type *
new_fetch_type(void)
{
	clist *list = clist_new();
	struct mailimap_fetch_type *type = list != NULL
	    ? mailimap_fetch_type_new_fetch_att_list(list) : NULL;

	if (list != NULL && type == NULL)
		clist_free(list);
	return type;
}

static struct mailimap_flag_list *
new_flag_list(void)
{
	clist *list = clist_new();
	struct mailimap_flag_list *flags = list != NULL
	    ? mailimap_flag_list_new(list) : NULL;

	if (list != NULL && flags == NULL)
		clist_free(list);
	return flags;
}

/* UID FETCH set (one other); `other` is NULL for none, and both are ours. */
static enum pb_status
write_fetch(struct pb_imap_writer *w, struct pb_buffer *out, const char *tag,
    struct mailimap_set *set, struct mailimap_fetch_att *one,
    struct mailimap_fetch_att *other)
{
	struct mailimap_fetch_att *atts[] = { one, other };
	struct mailimap_fetch_type *type = new_fetch_type();
	size_t before = out->len;
	bool built = set != NULL && type != NULL && one != NULL;
	size_t i;

	begin(w, out, tag);
	for (i = 0; i < 2; i++) {
		if (atts[i] == NULL)
			continue;
		built = built && mailimap_fetch_type_new_fetch_att_list_add(
		    type, atts[i]) == MAILIMAP_NO_ERROR;
		if (!built)
			mailimap_fetch_att_free(atts[i]);
	}
	if (built)
		mailimap_uid_fetch_send(w->stream, set, type);
	if (set != NULL)
		mailimap_set_free(set);
	if (type != NULL)
		mailimap_fetch_type_free(type);
	return built ? end(w, before) : no_memory(w, before);
}

/* UID FETCH set (UID what); without `what` there was no memory for it. */
static enum pb_status
write_fetch_with(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, struct mailimap_set *set, struct mailimap_fetch_att *what)
{
	struct mailimap_fetch_att *uid = what != NULL
	    ? mailimap_fetch_att_new_uid() : NULL;

	if (uid == NULL && what != NULL)
		mailimap_fetch_att_free(what);
	return write_fetch(w, out, tag, set, uid, uid != NULL ? what : NULL);
}

enum pb_status
pb_imap_write_fetch_sizes(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, uint32_t first)
{
	/* To libetpan, 0 as the end of a range is "*". */
	return write_fetch_with(w, out, tag, mailimap_set_new_interval(first, 0),
	    mailimap_fetch_att_new_rfc822_size());
}

enum pb_status
pb_imap_write_fetch_uids(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, uint32_t first)
{
	return write_fetch(w, out, tag, mailimap_set_new_interval(first, 0),
	    mailimap_fetch_att_new_uid(), NULL);
}

size_t
pb_imap_set_take(const uint32_t *uids, size_t n)
{
	size_t ranges = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i == 0 || uids[i] != uids[i - 1] + 1)
			ranges++;
		if (ranges > PB_IMAP_SET_RANGES_MAX)
			break;
	}
	return i;
}

static struct mailimap_set *
build_set(const uint32_t *uids, size_t n)
{
	struct mailimap_set *set = new_set();
	size_t first = 0;
	size_t i;

	if (set == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (i + 1 < n && uids[i + 1] == uids[i] + 1)
			continue;
		if (mailimap_set_add_interval(set, uids[first], uids[i]) !=
		    MAILIMAP_NO_ERROR) {
			mailimap_set_free(set);
			return NULL;
		}
		first = i + 1;
	}
	return set;
}

enum pb_status
pb_imap_write_fetch_bodies(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, const uint32_t *uids, size_t n, uint32_t count)
{
	struct mailimap_section *whole = mailimap_section_new(NULL);
	struct mailimap_fetch_att *what = NULL;

	if (whole != NULL && count == 0)
		what = mailimap_fetch_att_new_body_peek_section(whole);
	if (whole != NULL && count > 0)
		what = mailimap_fetch_att_new_body_peek_section_partial(whole,
		    0, count);
	if (whole != NULL && what == NULL)
		mailimap_section_free(whole);
	return write_fetch_with(w, out, tag, build_set(uids, n), what);
}

static struct mailimap_flag *
build_keyword(const char *keyword)
{
	char *own = strdup(keyword);
	struct mailimap_flag *flag = own != NULL
	    ? mailimap_flag_new_flag_keyword(own) : NULL;

	if (flag == NULL)
		free(own);
	return flag;
}

static struct mailimap_flag *
build_flag(enum pb_imap_flag flag)
{
	switch (flag) {
	case PB_IMAP_FLAG_DELETED:
		return mailimap_flag_new_deleted();
	case PB_IMAP_FLAG_SEEN:
		return mailimap_flag_new_seen();
	case PB_IMAP_FLAG_POP3_DELETED:
		return build_keyword(PB_IMAP_POP3_DELETED);
	}
	return NULL;
}

static struct mailimap_flag_list *
build_flags(enum pb_imap_flag flag)
{
	struct mailimap_flag_list *list = new_flag_list();
	struct mailimap_flag *one = build_flag(flag);

	if (list != NULL && one != NULL &&
	    mailimap_flag_list_add(list, one) == MAILIMAP_NO_ERROR)
		return list;
	if (one != NULL)
		mailimap_flag_free(one);
	if (list != NULL)
		mailimap_flag_list_free(list);
	return NULL;
}

enum pb_status
pb_imap_write_store(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, const uint32_t *uids, size_t n, bool add,
    enum pb_imap_flag flag)
{
	struct mailimap_set *set = build_set(uids, n);
	struct mailimap_flag_list *flags = build_flags(flag);
	struct mailimap_store_att_flags *store = NULL;
	size_t before = out->len;
	bool built;

	if (flags != NULL)
		store = mailimap_store_att_flags_new(add ? 1 : -1, 1, flags);
	if (flags != NULL && store == NULL)
		mailimap_flag_list_free(flags);
	begin(w, out, tag);
	built = set != NULL && store != NULL;
	if (built)
		mailimap_uid_store_send(w->stream, set, 0, 0, store);
	if (set != NULL)
		mailimap_set_free(set);
	if (store != NULL)
		mailimap_store_att_flags_free(store);
	return built ? end(w, before) : no_memory(w, before);
}

enum pb_status
pb_imap_write_uid_expunge(struct pb_imap_writer *w, struct pb_buffer *out,
    const char *tag, const uint32_t *uids, size_t n)
{
	struct mailimap_set *set = build_set(uids, n);
	size_t before = out->len;

	begin(w, out, tag);
	if (set == NULL)
		return no_memory(w, before);
	mailimap_uid_expunge_send(w->stream, set);
	mailimap_set_free(set);
	return end(w, before);
}

static const char *
key_of(enum pb_imap_search what)
{
	switch (what) {
	case PB_IMAP_SEARCH_ALL:
		return "ALL";
	case PB_IMAP_SEARCH_DELETED:
		return "DELETED";
	case PB_IMAP_SEARCH_POP3_DELETED:
		return "KEYWORD " PB_IMAP_POP3_DELETED;
	}
	return "";
}

/* libetpan has no RETURN. */
enum pb_status
pb_imap_write_search(struct pb_buffer *out, const char *tag,
    enum pb_imap_search what, bool extended)
{
	return pb_buffer_printf(out, "%s UID SEARCH %s%s\r\n", tag,
	    extended ? "RETURN (ALL) " : "", key_of(what));
}
