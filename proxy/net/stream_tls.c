#include "stream_priv.h"

#include "popbridge/base/check.h"

/* One TLS record's plain text. */
#define RECORD (16 * 1024)

void
pb_stream_take_tls_output(struct pb_stream *s)
{
	struct pb_buffer *cipher = pb_tls_out(s->tls);
	struct pb_slice octets = pb_buffer_slice(cipher);

	if (s->out.len == 0)
		pb_buffer_swap(&s->out, cipher);
	else if (pb_buffer_append(&s->out, octets.data, octets.len) != PB_OK)
		pb_stream_fail(s, PB_ERROR_INTERNAL, "no memory to send", 0);
	pb_buffer_release(cipher);
	pb_stream_flush(s);
}

void
pb_stream_drive_handshake(struct pb_stream *s)
{
	struct pb_slice in = s->kept.len > 0 ? pb_buffer_slice(&s->kept)
					     : s->fresh;
	size_t offered = in.len;
	enum pb_status st = pb_tls_handshake(s->tls, &in, &s->error);

	pb_stream_take(s, offered - in.len);
	pb_stream_take_tls_output(s);
	if (st == PB_OK)
		s->secured = true;
	else if (st != PB_AGAIN)
		pb_stream_fail(s, s->error.kind, NULL, 0);
}

void
pb_stream_start_tls(struct pb_stream *s, struct pb_tls *tls)
{
	pb_check(s->tls == NULL);
	s->tls = tls;
	pb_stream_drive_handshake(s);
	/* Nobody can have sent a record already that is for us to decrypt. */
	s->fresh = pb_slice(NULL, 0);
}

void
pb_stream_decrypt(struct pb_stream *s)
{
	size_t room = s->fresh.len + RECORD;
	enum pb_status st = PB_OK;
	char *plain;

	if (pb_buffer_reserve(&s->kept, room, &plain) != PB_OK) {
		pb_stream_fail(s, PB_ERROR_INTERNAL, "no memory to receive", 0);
		return;
	}
	/* There is room for a record: none is left within the engine. */
	while (st == PB_OK && s->fresh.len > 0) {
		size_t len = 0;

		st = pb_tls_read(s->tls, &s->fresh, plain + s->kept.len,
		    room - s->kept.len, &len, &s->error);
		pb_buffer_commit(&s->kept, len);
	}
	if (s->kept.len == 0)
		pb_buffer_release(&s->kept);
	if (pb_tls_out(s->tls)->len > 0)
		pb_stream_take_tls_output(s);
	s->fresh = pb_slice(NULL, 0);
	if (st == PB_EOF)
		s->eof = true;
	else if (st != PB_OK && st != PB_AGAIN)
		s->broken = true;
}
