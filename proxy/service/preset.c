#include "popbridge/service/preset.h"

/*
 * What the providers and the makers of the servers say of themselves.  Hosts
 * and limits change; a number that is not published is 0.
 */
static const struct pb_preset rows[] = {
	{ .name = "gmail", .url = "imaps://imap.gmail.com",
	    .max_connections_per_user = 15, .max_upstream_connections = 10,
	    .keeps_one = true, .removal = PB_REMOVAL_TRASH,
	    .note = "users need an app password (with 2-step verification) or "
		"a client that can OAuth; deleted messages go to Gmail's Trash, "
		"because expunging may only archive them, by a setting of "
		"each account" },
	{ .name = "google-workspace", .url = "imaps://imap.gmail.com",
	    .max_connections_per_user = 15, .max_upstream_connections = 10,
	    .keeps_one = true, .removal = PB_REMOVAL_TRASH,
	    .note = "an administrator must switch IMAP on; users need an app "
		"password (with 2-step verification) or a client that can "
		"OAuth" },
	{ .name = "microsoft365", .url = "imaps://outlook.office365.com",
	    .auth = PB_UPSTREAM_AUTH_XOAUTH2,
	    .note = "passwords are refused: clients must log in by AUTH "
		"XOAUTH2 or OAUTHBEARER; IMAP must be switched on for the "
		"mailbox; announced sizes may be estimates" },
	{ .name = "outlook.com", .url = "imaps://outlook.office365.com",
	    .auth = PB_UPSTREAM_AUTH_XOAUTH2,
	    .note = "passwords and app passwords are refused: clients must "
		"log in by AUTH XOAUTH2 or OAUTHBEARER; users must switch "
		"IMAP on" },
	{ .name = "icloud", .url = "imaps://imap.mail.me.com",
	    .login_lacks_domain = true,
	    .note = "users need an app-specific password; the login is the "
		"name before the @ of the iCloud address" },
	{ .name = "yahoo", .url = "imaps://imap.mail.yahoo.com",
	    .note = "users need an app password or a client that can OAuth" },
	{ .name = "fastmail", .url = "imaps://imap.fastmail.com",
	    .note = "users need an app password; the login is the whole "
		"address" },
	{ .name = "gmx", .url = "imaps://imap.gmx.net",
	    .note = "users may have to permit POP3 and IMAP in the settings of "
		"their account; for gmx.com give upstream = "
		"\"imaps://imap.gmx.com\"" },
	{ .name = "zoho", .url = "imaps://imap.zoho.com",
	    .note = "users must switch IMAP access on, and need an "
		"application-specific password with two-factor "
		"authentication; for domains of your own, and outside of the "
		"USA, give the upstream that Zoho names" },
	{ .name = "dovecot",
	    .note = "mail_max_userip_connections limits the sessions of one user "
		"from one address, and all of them come from here: set it at "
		"least as high as max-connections-per-user" },
	{ .name = "cyrus" },
	{ .name = "courier",
	    .note = "MAXPERIP limits the connections from one address, and all "
		"of them come from here: set it as high as "
		"max-connections" },
	{ .name = "exchange",
	    .note = "IMAP4 is a service of its own that must be started; "
		"announced sizes may be estimates; logins may be "
		"DOMAIN\\user" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct pb_preset *
pb_presets(size_t *n)
{
	*n = ROWS;
	return rows;
}

const struct pb_preset *
pb_preset_find(struct pb_slice name)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (pb_slice_is(name, rows[i].name))
			return &rows[i];
	}
	return NULL;
}
