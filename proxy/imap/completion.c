#include "client_priv.h"

/*
 * Ranges of UIDs after which no more COPYUID is taken, 128 KB; one has at most
 * 256 KB.  A full pipeline asks for 1,280 ranges, and a server may divide them
 * where messages are gone.
 */
#define COPIED_MAX 16384

static const char *
doing(enum pb_imap_command_kind kind)
{
	switch (kind) {
	case PB_IMAP_COMMAND_SELECT:
		return "the IMAP server refuses SELECT";
	case PB_IMAP_COMMAND_UIDS:
	case PB_IMAP_COMMAND_SIZES:
		return "the IMAP server refuses to list the mailbox";
	case PB_IMAP_COMMAND_BODIES:
		return "the IMAP server refuses FETCH";
	case PB_IMAP_COMMAND_STORE:
		return "the IMAP server refuses STORE";
	case PB_IMAP_COMMAND_EXPUNGE:
		return "the IMAP server refuses EXPUNGE";
	case PB_IMAP_COMMAND_SEARCH:
		return "the IMAP server refuses SEARCH";
	case PB_IMAP_COMMAND_COPY:
		return "the IMAP server refuses COPY";
	case PB_IMAP_COMMAND_MOVE:
		return "the IMAP server refuses MOVE";
	case PB_IMAP_COMMAND_CREATE:
		return "the IMAP server refuses CREATE";
	case PB_IMAP_COMMAND_LIST:
		return "the IMAP server refuses LIST";
	case PB_IMAP_COMMAND_MYRIGHTS:
		return "the IMAP server refuses MYRIGHTS";
	case PB_IMAP_COMMAND_STATUS:
		return "the IMAP server refuses STATUS";
	case PB_IMAP_COMMAND_NOOP:
		return "the IMAP server refuses NOOP";
	case PB_IMAP_COMMAND_INTERNAL:
	case PB_IMAP_COMMAND_CAPABILITY:
	case PB_IMAP_COMMAND_STARTTLS:
	case PB_IMAP_COMMAND_LOGIN:
		break;
	}
	return "the IMAP server refuses a command";
}

static enum pb_error_scope
scope_of(enum pb_imap_command_kind kind)
{
	switch (kind) {
	case PB_IMAP_COMMAND_BODIES:
		return PB_SCOPE_MESSAGE;
	case PB_IMAP_COMMAND_SELECT:
	case PB_IMAP_COMMAND_UIDS:
	case PB_IMAP_COMMAND_SIZES:
		return PB_SCOPE_ACCOUNT;
	case PB_IMAP_COMMAND_STORE:
	case PB_IMAP_COMMAND_EXPUNGE:
	case PB_IMAP_COMMAND_SEARCH:
	case PB_IMAP_COMMAND_COPY:
	case PB_IMAP_COMMAND_MOVE:
	case PB_IMAP_COMMAND_CREATE:
	case PB_IMAP_COMMAND_LIST:
	case PB_IMAP_COMMAND_MYRIGHTS:
	case PB_IMAP_COMMAND_STATUS:
	case PB_IMAP_COMMAND_NOOP:
	case PB_IMAP_COMMAND_INTERNAL:
	case PB_IMAP_COMMAND_CAPABILITY:
	case PB_IMAP_COMMAND_STARTTLS:
	case PB_IMAP_COMMAND_LOGIN:
		break;
	}
	return PB_SCOPE_MAILDROP;
}

static bool
puts_elsewhere(enum pb_imap_command_kind kind)
{
	return kind == PB_IMAP_COMMAND_COPY || kind == PB_IMAP_COMMAND_MOVE;
}

void
pb_imap_forget_copied(struct pb_imap_client *c)
{
	if (c->copied.n > 0)
		pb_imap_uid_set_clear(&c->copied);
	if (c->moved.n > 0 &&
	    pb_imap_find_kind(c, PB_IMAP_COMMAND_MOVE) == NULL)
		pb_imap_uid_set_clear(&c->moved);
}

/*
 * COPYUID uidvalidity source destination (RFC 4315, section 3).  Where the two
 * sets are not of one size, nobody knows what was copied.
 */
static bool
is_copyuid(struct pb_slice code, struct pb_slice *source)
{
	struct pb_slice rest = code;
	uint64_t n_source;
	uint64_t n_destination;
	uint64_t uidvalidity;

	if (!pb_slice_is(pb_slice_word(&rest), "COPYUID") ||
	    pb_slice_number(pb_slice_word(&rest), UINT32_MAX, &uidvalidity) !=
		PB_OK)
		return false;
	*source = pb_slice_word(&rest);
	return pb_imap_uid_set_count(*source, &n_source) &&
	    pb_imap_uid_set_count(rest, &n_destination) &&
	    n_source == n_destination;
}

/* What does not count as copied is not deleted: that is the safe side. */
enum pb_status
pb_imap_take_copied(struct pb_imap_client *c, struct pb_imap_uid_set *set,
    struct pb_slice code)
{
	struct pb_slice source;

	/* A set that can be counted can be read, if there is memory. */
	if (!is_copyuid(code, &source) || set->n > COPIED_MAX ||
	    pb_imap_uid_set_read(set, source, ',') == PB_OK)
		return PB_OK;
	return pb_imap_break_memory(c);
}

static enum pb_status
complete_transfer(struct pb_imap_client *c, const struct pb_imap_gated *line,
    struct pb_imap_event *event)
{
	struct pb_imap_uid_set *set = event->kind == PB_IMAP_COMMAND_MOVE
	    ? &c->moved : &c->copied;
	enum pb_status st = line->condition == PB_IMAP_OK
	    ? pb_imap_take_copied(c, set, line->code) : PB_OK;

	event->has_copied = set->n > 0;
	event->ranges = set->ranges;
	event->n_ranges = set->n;
	return st;
}

static bool
has_code(const struct pb_imap_gated *line, const char *name)
{
	struct pb_slice code = line->code;

	return pb_slice_is(pb_slice_word(&code), name);
}

/*
 * Cyrus has no code for a mailbox that is there already, and Mailutils has that
 * for one that is not behind other words.
 */
static void
say_refusal(const struct pb_imap_gated *line, struct pb_imap_event *event)
{
	pb_imap_error_of(line, PB_ERROR_TEMPORARY, scope_of(event->kind),
	    doing(event->kind), &event->error);
	/* A full mailbox is no reason to come less often to another one. */
	if ((puts_elsewhere(event->kind) ||
	    event->kind == PB_IMAP_COMMAND_CREATE) &&
	    (has_code(line, "OVERQUOTA") || has_code(line, "LIMIT")))
		event->error.throttled = false;
	if (line->condition != PB_IMAP_NO)
		return;
	event->try_create = has_code(line, "TRYCREATE") ||
	    pb_imap_says(line->text, "[TRYCREATE]");
	event->already_exists = event->kind == PB_IMAP_COMMAND_CREATE &&
	    (has_code(line, "ALREADYEXISTS") ||
		pb_imap_says(line->text, "already exists"));
}

enum pb_status
pb_imap_complete(struct pb_imap_client *c,
    const struct pb_imap_command *command, const struct pb_imap_gated *line,
    struct pb_imap_event *event)
{
	event->type = PB_IMAP_EVENT_DONE;
	event->id = command->id;
	event->kind = command->kind;
	event->condition = line->condition;
	if (command->kind == PB_IMAP_COMMAND_BODIES)
		pb_imap_framer_want_bodies(&c->framer, pb_imap_find_kind(c,
		    PB_IMAP_COMMAND_BODIES) != NULL);
	if (command->kind == PB_IMAP_COMMAND_SEARCH)
		pb_imap_set_limit(c);
	event->expunged = pb_slice_starts(line->code, "EXPUNGEISSUED");
	if (line->condition != PB_IMAP_OK)
		say_refusal(line, event);
	return puts_elsewhere(command->kind)
	    ? complete_transfer(c, line, event) : PB_OK;
}

