#ifndef PB_IMAP_GATE_H
#define PB_IMAP_GATE_H

#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * What may pass from an IMAP server to the grammar library.
 *
 * The library has crashed on a single hostile line, so it sees only what is
 * asked for and well formed.  Status responses (OK, NO, BAD, BYE, PREAUTH) are
 * taken apart here; of untagged data only the kinds that a bridge needs pass,
 * of FETCH only the items that it asks for or that come unasked every day, and
 * these only with values of their own form.  Everything else is dropped and
 * counted.
 *
 * Looks at one complete response; keeps nothing, allocates nothing.
 */

/* Digits of the longest number in IMAP, a 63-bit mod-sequence. */
#define PB_IMAP_DIGITS_MAX 20

enum pb_imap_kind {
	PB_IMAP_CONTINUE,	/* + */
	PB_IMAP_STATUS,		/* condition, code, text; tag or untagged */
	PB_IMAP_DATA,		/* for the grammar, as it stands */
};

enum pb_imap_condition {
	PB_IMAP_OK,
	PB_IMAP_NO,
	PB_IMAP_BAD,
	PB_IMAP_BYE,
	PB_IMAP_PREAUTH,
};

struct pb_imap_gated {
	enum pb_imap_kind kind;
	enum pb_imap_condition condition;
	struct pb_slice tag;	/* empty when untagged */
	struct pb_slice code;	/* inside the brackets; empty for none */
	struct pb_slice text;	/* for the log only */
};

/*
 * PB_OK      admitted; slices of *out are borrowed from the response.
 * PB_EINVAL  dropped: nothing that we need, or malformed.
 * PB_EPROTO  a tagged line that is no completion, which nobody can wait for.
 */
enum pb_status pb_imap_gate(struct pb_slice response,
			    struct pb_imap_gated *out) PB_MUST_CHECK;

#endif
