#include "popbridge/bridge/removal.h"

#include "popbridge/imap/client.h"

#include <string.h>

#include "popbridge/base/check.h"

const char *
pb_removal_name(enum pb_removal removal)
{
	switch (removal) {
	case PB_REMOVAL_EXPUNGE:
		return "expunge";
	case PB_REMOVAL_TRASH:
		return "trash";
	case PB_REMOVAL_ARCHIVE:
		return "archive";
	case PB_REMOVAL_FLAG:
		return "flag";
	case PB_REMOVAL_KEEP:
		return "keep";
	case PB_REMOVAL_REFUSE:
		return "refuse";
	}
	pb_unreachable("a removal that is none");
}

bool
pb_removal_by_name(struct pb_slice name, enum pb_removal *removal)
{
	int i;

	for (i = PB_REMOVAL_EXPUNGE; i <= PB_REMOVAL_REFUSE; i++) {
		const char *other = pb_removal_name((enum pb_removal)i);

		if (name.len != strlen(other) ||
		    memcmp(name.data, other, name.len) != 0)
			continue;
		*removal = (enum pb_removal)i;
		return true;
	}
	return false;
}

/* RFC 4314, section 4: flagging takes t, expunging e. */
static const char *
obstacle_to_expunge(const struct pb_imap_client *imap)
{
	if (imap->has_rights && !imap->may_flag_deleted)
		return "the user has no right to delete messages (t) there";
	if (imap->has_rights && !imap->may_expunge)
		return "the user has no right to expunge (e) there";
	if (imap->has_permanentflags && !imap->keeps_deleted)
		return "the mailbox does not keep the flag \\Deleted "
		    "(PERMANENTFLAGS)";
	return NULL;
}

/* A copy that the server does not name proves nothing (RFC 4315). */
static const char *
obstacle_to_move(const struct pb_imap_client *imap)
{
	if (!pb_imap_client_has_move(imap) &&
	    !pb_imap_client_has_uid_expunge(imap))
		return "the server has neither MOVE nor UIDPLUS, so nothing "
		    "can be moved safely";
	return obstacle_to_expunge(imap);
}

const char *
pb_removal_obstacle(enum pb_removal removal,
    const struct pb_imap_client *imap)
{
	if (removal == PB_REMOVAL_REFUSE)
		return "the configuration says delete = refuse";
	if (imap == NULL)
		return NULL;
	switch (removal) {
	case PB_REMOVAL_EXPUNGE:
		return obstacle_to_expunge(imap);
	case PB_REMOVAL_TRASH:
	case PB_REMOVAL_ARCHIVE:
		return obstacle_to_move(imap);
	case PB_REMOVAL_FLAG:
		return imap->keeps_keywords ? NULL
		    : "the mailbox does not keep keywords (PERMANENTFLAGS)";
	case PB_REMOVAL_KEEP:
	case PB_REMOVAL_REFUSE:
		break;
	}
	return NULL;
}
