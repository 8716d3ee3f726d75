#include "popbridge/bridge/retrieval.h"

#include <inttypes.h>
#include <string.h>

#include "popbridge/base/log.h"
#include "popbridge/imap/excuse.h"
#include "popbridge/pop3/reply.h"

/*
 * The first part of TOP holds the header of nearly every message, and lines of
 * usual length.  When that is not enough, more is fetched from the beginning
 * again.
 */
#define WINDOW_FIRST (16 * 1024)
#define WINDOW_LINE 80
#define WINDOW_MAX (16 * 1024 * 1024)
#define WINDOW_GROWTH 4

void
pb_retrieval_init(struct pb_retrieval *r, uint32_t msgno, uint32_t uid,
    uint32_t size, bool is_top, uint64_t lines)
{
	uint64_t first = WINDOW_FIRST;

	*r = (struct pb_retrieval){ .msgno = msgno, .uid = uid,
		.announced = size, .is_top = is_top, .lines = lines };
	pb_pop3_stuff_init(&r->stuff, lines);
	pb_fingerprint_init(&r->taken);
	if (lines < WINDOW_MAX / WINDOW_LINE)
		first += lines * WINDOW_LINE;
	else
		first = UINT64_MAX;
	r->window = is_top && size > first ? (uint32_t)first : 0;
}

void
pb_retrieval_ask_part(struct pb_retrieval *r)
{
	r->part_seen = false;
	r->part_nil = false;
	r->doubtful = false;
	r->matched = 0;
	r->part_size = 0;
	r->skip = r->fed;
	pb_fingerprint_init(&r->again);
}

void
pb_retrieval_lost(struct pb_retrieval *r)
{
	if (!r->begun || !r->part_seen || r->part_nil)
		return;
	r->size_known = true;
	r->size = r->part_size;
}

static enum pb_retrieval_verdict
fail(struct pb_retrieval *r, struct pb_error *err, enum pb_error_kind kind,
    const char *what)
{
	pb_error_set(err, kind, PB_SCOPE_MESSAGE, "%s (UID %" PRIu32 ")", what,
	    r->uid);
	return r->begun ? PB_RETRIEVAL_CUT : PB_RETRIEVAL_FAILED;
}

static enum pb_retrieval_verdict
begin_reply(struct pb_retrieval *r, uint64_t size, struct pb_buffer *out,
    struct pb_error *err)
{
	enum pb_status st;

	if (r->window == 0 && size != r->announced)
		pb_log(PB_LOG_WARN, "a message's size is not the listed one",
		    PB_LOG_NUM("uid", r->uid),
		    PB_LOG_NUM("listed", r->announced),
		    PB_LOG_NUM("sent", size));
	r->begun = true;
	st = pb_pop3_reply(out, r->is_top ? PB_REPLY_TOP : PB_REPLY_RETR, size,
	    0);
	return st == PB_OK ? PB_RETRIEVAL_GOES_ON
	    : fail(r, err, PB_ERROR_INTERNAL, "no memory for a reply");
}

/* True: what the client has been sent has come again. */
static bool
pass_over(struct pb_retrieval *r, struct pb_slice *data)
{
	size_t known = data->len < r->skip ? data->len : (size_t)r->skip;

	if (known == 0)
		return true;
	pb_fingerprint_add(&r->again, pb_slice(data->data, known));
	pb_slice_skip(data, known);
	r->skip -= known;
	return r->skip > 0 || pb_fingerprint_value(&r->again) ==
	    pb_fingerprint_value(&r->taken);
}

enum pb_retrieval_verdict
pb_retrieval_begin_part(struct pb_retrieval *r, uint64_t size,
    struct pb_buffer *out, struct pb_error *err)
{
	r->part_seen = true;
	r->part_size = size;
	if (size == 0 && r->announced > 0) {
		/* An empty message in its place would be a lost one. */
		r->part_nil = true;
		return PB_RETRIEVAL_GOES_ON;
	}
	if (size < r->skip || (r->size_known && size != r->size))
		return fail(r, err, PB_ERROR_TEMPORARY,
		    "the IMAP server has another size for a message "
		    "than before");
	if (r->begun)
		return PB_RETRIEVAL_GOES_ON;
	if ((r->excuses || size != r->announced) &&
	    pb_imap_excuse(size).len > 0) {
		r->doubtful = true;
		return PB_RETRIEVAL_GOES_ON;
	}
	return begin_reply(r, size, out, err);
}

/* As long as it is the text in doubt, it is no message. */
static enum pb_retrieval_verdict
take_doubtful(struct pb_retrieval *r, struct pb_slice data,
    struct pb_buffer *out, struct pb_error *err)
{
	struct pb_slice text = pb_imap_excuse(r->part_size);
	struct pb_slice held = pb_slice(text.data, r->matched);
	enum pb_retrieval_verdict verdict;

	if (data.len <= text.len - r->matched &&
	    memcmp(text.data + r->matched, data.data, data.len) == 0) {
		r->matched += data.len;
		return PB_RETRIEVAL_GOES_ON;
	}
	r->doubtful = false;
	verdict = begin_reply(r, r->part_size, out, err);
	if (verdict == PB_RETRIEVAL_GOES_ON && held.len > 0)
		verdict = pb_retrieval_take(r, held, out, err);
	return verdict == PB_RETRIEVAL_GOES_ON
	    ? pb_retrieval_take(r, data, out, err) : verdict;
}

enum pb_retrieval_verdict
pb_retrieval_take(struct pb_retrieval *r, struct pb_slice data,
    struct pb_buffer *out, struct pb_error *err)
{
	if (data.len == 0)
		return PB_RETRIEVAL_GOES_ON;
	if (r->doubtful)
		return take_doubtful(r, data, out, err);
	if (!pass_over(r, &data))
		return fail(r, err, PB_ERROR_TEMPORARY,
		    "the IMAP server has other octets for a message than "
		    "before");
	r->fed += data.len;
	pb_fingerprint_add(&r->taken, data);
	if (pb_pop3_stuff_feed(&r->stuff, &data, out) != PB_OK)
		return fail(r, err, PB_ERROR_INTERNAL,
		    "no memory for a message");
	return PB_RETRIEVAL_GOES_ON;
}

void
pb_retrieval_take_nil(struct pb_retrieval *r)
{
	r->part_seen = true;
	r->part_nil = true;
}

enum pb_retrieval_verdict
pb_retrieval_end_part(struct pb_retrieval *r, const struct pb_imap_event *done,
    struct pb_buffer *out, struct pb_error *err)
{
	if (done->condition != PB_IMAP_OK) {
		*err = done->error;
		return r->begun ? PB_RETRIEVAL_CUT : PB_RETRIEVAL_FAILED;
	}
	if (!r->part_seen)
		return fail(r, err, PB_ERROR_GONE,
		    "the IMAP server has the message no more");
	if (r->doubtful)
		return fail(r, err, PB_ERROR_TEMPORARY,
		    "the IMAP server cannot read the message and sends a text "
		    "of its own in its place");
	if (r->part_nil && done->expunged)
		return fail(r, err, PB_ERROR_GONE,
		    "the IMAP server says that the message was expunged");
	if (r->part_nil && r->announced > 0)
		return fail(r, err, PB_ERROR_TEMPORARY,
		    "the IMAP server sends nothing for a message that has "
		    "octets");
	if (!r->begun && pb_retrieval_begin_part(r, 0, out, err) !=
	    PB_RETRIEVAL_GOES_ON)
		return PB_RETRIEVAL_CUT;
	/* More than was asked for is all there is, too. */
	if (r->stuff.done || r->window == 0 || r->part_size != r->window)
		return pb_pop3_stuff_end(&r->stuff, out) == PB_OK
		    ? PB_RETRIEVAL_DONE
		    : fail(r, err, PB_ERROR_INTERNAL,
			"no memory for a message");
	r->size_known = false;
	r->window *= WINDOW_GROWTH;
	if (r->window > WINDOW_MAX || r->window >= r->announced)
		r->window = 0;
	return PB_RETRIEVAL_MORE;
}
