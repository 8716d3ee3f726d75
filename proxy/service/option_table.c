#include "config_priv.h"
#include "option_priv.h"
#include "popbridge/sasl/server.h"

_Static_assert((int)PB_CONFIG_PLAIN == (int)PB_SASL_PLAIN &&
	(int)PB_CONFIG_LOGIN == (int)PB_SASL_LOGIN,
    "mechanisms have one numbering");

#define SAME_SIZE(type) (sizeof(enum type) == sizeof(unsigned))

_Static_assert(SAME_SIZE(pb_log_level) && SAME_SIZE(pb_log_format) &&
	SAME_SIZE(pb_mark_seen) && SAME_SIZE(pb_removal) &&
	SAME_SIZE(pb_journal_mode) && SAME_SIZE(pb_lock_mode) &&
	SAME_SIZE(pb_tls_profile) && SAME_SIZE(pb_upstream_auth) &&
	SAME_SIZE(pb_identity) && SAME_SIZE(pb_sandbox),
    "a WORD is stored as an unsigned");

static const char *const log_levels[] = {
	[PB_LOG_ERROR] = "error", [PB_LOG_WARN] = "warn",
	[PB_LOG_INFO] = "info", [PB_LOG_DEBUG] = "debug", NULL };
static const char *const log_formats[] = {
	[PB_LOG_FORMAT_TEXT] = "text", [PB_LOG_FORMAT_JSON] = "json", NULL };
static const char *const journal_modes[] = {
	[PB_JOURNAL_BEST_EFFORT] = "best-effort",
	[PB_JOURNAL_REQUIRED] = "required", NULL };
static const char *const removals[] = {
	[PB_REMOVAL_EXPUNGE] = "expunge", [PB_REMOVAL_TRASH] = "trash",
	[PB_REMOVAL_ARCHIVE] = "archive", [PB_REMOVAL_FLAG] = "flag",
	[PB_REMOVAL_KEEP] = "keep", [PB_REMOVAL_REFUSE] = "refuse", NULL };
static const char *const mark_seen[] = {
	[PB_MARK_SEEN_NO] = "no", [PB_MARK_SEEN_QUIT] = "quit", NULL };
static const char *const lock_modes[] = {
	[PB_LOCK_NONE] = "none", [PB_LOCK_EXCLUSIVE] = "exclusive",
	[PB_LOCK_TAKEOVER] = "takeover", NULL };
static const char *const tls_profiles[] = {
	[PB_TLS_PROFILE_DEFAULT] = "default",
	[PB_TLS_PROFILE_MODERN] = "modern",
	[PB_TLS_PROFILE_LEGACY] = "legacy", NULL };
static const char *const mechanisms[] = {
	[PB_CONFIG_PLAIN] = "PLAIN", [PB_CONFIG_LOGIN] = "LOGIN",
	[PB_CONFIG_XOAUTH2] = "XOAUTH2",
	[PB_CONFIG_OAUTHBEARER] = "OAUTHBEARER",
	[PB_CONFIG_SCRAM_SHA_256] = "SCRAM-SHA-256",
	[PB_CONFIG_CRAM_MD5] = "CRAM-MD5", [PB_CONFIG_EXTERNAL] = "EXTERNAL",
	NULL };
static const char *const upstream_auths[] = {
	[PB_UPSTREAM_AUTH_AUTO] = "auto", [PB_UPSTREAM_AUTH_PLAIN] = "plain",
	[PB_UPSTREAM_AUTH_LOGIN] = "login",
	[PB_UPSTREAM_AUTH_XOAUTH2] = "xoauth2",
	[PB_UPSTREAM_AUTH_OAUTHBEARER] = "oauthbearer", NULL };
static const char *const sandboxes[] = {
	[PB_SANDBOX_NO] = "no", [PB_SANDBOX_TRY] = "try",
	[PB_SANDBOX_YES] = "yes", NULL };
static const char *const identities[] = {
	[PB_IDENTITY_PASS_THROUGH] = "pass-through",
	[PB_IDENTITY_ACCOUNTS] = "accounts", NULL };

#define GLOBAL(field) .scopes = PB_OPTION_GLOBAL, \
	.offset = offsetof(struct pb_config, field)
#define LISTENER_ONLY(field) .scopes = PB_OPTION_IN_LISTENER, \
	.offset = offsetof(struct pb_listener_config, field)
#define LISTENER(field) .scopes = PB_OPTION_GLOBAL | PB_OPTION_IN_LISTENER, \
	.offset = offsetof(struct pb_listener_config, field)
#define ROUTE_ONLY(field) .scopes = PB_OPTION_IN_ROUTE, \
	.offset = offsetof(struct pb_route_config, field)
#define ROUTE(field) .scopes = PB_OPTION_GLOBAL | PB_OPTION_IN_ROUTE, \
	.offset = offsetof(struct pb_route_config, field)

/* Another server must not get this one's password, nor need its CA. */
#define SERVER(field) \
	.scopes = PB_OPTION_GLOBAL | PB_OPTION_IN_ROUTE | \
	    PB_OPTION_LAST_ROUTE, \
	.offset = offsetof(struct pb_route_config, field)

#define CERTIFICATES_MAX 64
#define CERTIFICATES_REASON "each is loaded once more for each listener"
#define NETWORKS_MAX 256
#define NETWORKS_REASON "each is compared with the address of each client"

static const struct pb_option rows[] = {
	/* Where POP3 clients come in. */
	{ .name = "listen", .type = PB_OPTION_LISTEN, GLOBAL(priv_listen),
	    .argument = "URL", .max = PB_CONFIG_LISTEN_MAX,
	    .reason = "each is a socket in every loop",
	    .help = "serve POP3 here: pop3s://, pop3:// or pop3+plain://; may "
		"be given several times (without it, and without listener "
		"sections, pop3s://0.0.0.0:995 and pop3://0.0.0.0:110 when "
		"there is a certificate, else pop3+plain://127.0.0.1:1110)" },
	{ .name = "url", .type = PB_OPTION_LISTENER, LISTENER_ONLY(url),
	    .argument = "URL",
	    .help = "serve POP3 here: pop3s://, pop3:// or pop3+plain://" },
	{ .name = "tls-cert", .type = PB_OPTION_FILES, LISTENER(tls_cert),
	    .argument = "FILE", .max = CERTIFICATES_MAX,
	    .reason = CERTIFICATES_REASON,
	    .help = "certificate chain for the POP3 side, PEM; may be given "
		"several times, for clients that ask for another name (SNI) "
		"than the first one has" },
	{ .name = "tls-key", .type = PB_OPTION_FILES, LISTENER(tls_key),
	    .argument = "FILE", .max = CERTIFICATES_MAX,
	    .reason = CERTIFICATES_REASON,
	    .help = "private key that belongs to it, PEM; as many, in the "
		"same order" },
	{ .name = "tls-profile", .type = PB_OPTION_WORD,
	    LISTENER(tls_profile), .argument = "PROFILE",
	    .fallback = "default", .words = tls_profiles,
	    .help = "which clients are too old for TLS" },
	{ .name = "client-ca", .type = PB_OPTION_FILE, LISTENER(client_ca),
	    .argument = "FILE",
	    .help = "ask clients for certificates, and trust those that these "
		"CAs have signed, PEM" },
	{ .name = "mechanisms", .type = PB_OPTION_WORDS,
	    LISTENER(mechanisms), .argument = "NAME", .words = mechanisms,
	    .fallback = "PLAIN LOGIN XOAUTH2 OAUTHBEARER",
	    .help = "what AUTH offers; may be given several times" },
	{ .name = "apop", .type = PB_OPTION_FLAG, LISTENER_ONLY(apop),
	    .argument = "YES-OR-NO", .fallback = "no",
	    .help = "let clients log in by APOP" },
	{ .name = "allow", .type = PB_OPTION_NETWORKS, LISTENER_ONLY(allow),
	    .argument = "NETWORK", .max = NETWORKS_MAX,
	    .reason = NETWORKS_REASON,
	    .help = "take clients from these networks only" },
	{ .name = "deny", .type = PB_OPTION_NETWORKS, LISTENER_ONLY(deny),
	    .argument = "NETWORK", .max = NETWORKS_MAX,
	    .reason = NETWORKS_REASON,
	    .help = "take no clients from these networks" },
	{ .name = "proxy-protocol", .type = PB_OPTION_NETWORKS,
	    LISTENER_ONLY(proxy_protocol), .argument = "NETWORK",
	    .max = NETWORKS_MAX, .reason = NETWORKS_REASON,
	    .help = "a PROXY header comes first from these networks" },
	{ .name = "xclient", .type = PB_OPTION_NETWORKS,
	    LISTENER_ONLY(xclient), .argument = "NETWORK",
	    .max = NETWORKS_MAX, .reason = NETWORKS_REASON,
	    .help = "XCLIENT is taken from these networks" },

	/* Where their mail is. */
	{ .name = "upstream", .type = PB_OPTION_UPSTREAM, SERVER(upstream),
	    .argument = "URL",
	    .help = "the IMAP server: imaps://, imap:// (STARTTLS) or "
		"imap+plain://" },
	{ .name = "preset", .type = PB_OPTION_PRESET, SERVER(preset),
	    .argument = "NAME",
	    .help = "what fits this provider or IMAP server; \"popbridge "
		"presets\" shows them" },
	{ .name = "discover", .type = PB_OPTION_FLAG, ROUTE(discover),
	    .argument = "YES-OR-NO", .fallback = "no",
	    .help = "ask DNS for the IMAP server of the login's domain (RFC "
		"6186)" },
	{ .name = "match", .type = PB_OPTION_TEXTS, ROUTE_ONLY(match),
	    .argument = "PATTERN", .max = 256,
	    .reason = "each is tried for each login; more belong into a "
		"match-file",
	    .check = pb_option_check_pattern,
	    .help = "logins that take this route, with * and ?" },
	{ .name = "match-file", .type = PB_OPTION_FILE,
	    ROUTE_ONLY(match_file), .argument = "FILE",
	    .help = "the same, one login a line, each with its IMAP server" },
	{ .name = "listeners", .type = PB_OPTION_TEXTS,
	    ROUTE_ONLY(listeners), .argument = "NAME",
	    .max = PB_CONFIG_LISTEN_MAX,
	    .reason = "there are not more listeners",
	    .check = pb_option_check_section,
	    .help = "the route is for clients of these listeners" },
	{ .name = "upstream-ca", .type = PB_OPTION_FILE, SERVER(upstream_ca),
	    .argument = "FILE",
	    .help = "trust these CAs upstream, PEM, instead of the system's" },
	{ .name = "upstream-tls-profile", .type = PB_OPTION_WORD,
	    ROUTE(upstream_tls_profile), .argument = "PROFILE",
	    .fallback = "default", .words = tls_profiles,
	    .help = "which IMAP servers are too old for TLS" },
	{ .name = "upstream-auth", .type = PB_OPTION_WORD,
	    ROUTE(upstream_auth), .argument = "MECHANISM",
	    .fallback = "auto", .words = upstream_auths,
	    .help = "how to log in at the IMAP server" },
	{ .name = "identity", .type = PB_OPTION_WORD, ROUTE(identity),
	    .argument = "WHO", .fallback = "pass-through",
	    .words = identities,
	    .help = "who knows the users: the IMAP server, to which their "
		"passwords are passed, or the file of accounts" },
	{ .name = "accounts", .type = PB_OPTION_FILE, GLOBAL(accounts),
	    .argument = "FILE", .help = "the file of accounts" },
	{ .name = "accounts-key", .type = PB_OPTION_FILE,
	    GLOBAL(accounts_key), .argument = "FILE",
	    .help = "key for the passwords in it that must be readable" },
	{ .name = "master-user", .type = PB_OPTION_TEXT, SERVER(master_user),
	    .argument = "LOGIN", .check = pb_option_check_login,
	    .help = "log in at the IMAP server as this user, on behalf of the "
		"client" },
	{ .name = "master-password-file", .type = PB_OPTION_FILE,
	    SERVER(master_password_file), .argument = "FILE",
	    .help = "the master user's password, in the first line" },
	{ .name = "login-separators", .type = PB_OPTION_TEXT,
	    ROUTE(login_separators), .argument = "SIGNS",
	    .check = pb_option_check_separators,
	    .help = "each of them means the @ in a login that has none" },
	{ .name = "login-windows-domain", .type = PB_OPTION_FLAG,
	    ROUTE(login_windows_domain), .argument = "YES-OR-NO",
	    .fallback = "no",
	    .help = "a login DOMAIN\\user means user" },
	{ .name = "strip-domain", .type = PB_OPTION_FLAG,
	    ROUTE(strip_domain), .argument = "YES-OR-NO", .fallback = "no",
	    .help = "the IMAP server knows logins without their domains" },
	{ .name = "add-domain", .type = PB_OPTION_TEXT, ROUTE(add_domain),
	    .argument = "DOMAIN", .check = pb_option_check_domain,
	    .help = "the IMAP server knows logins by this domain when they "
		"have none" },
	{ .name = "mailbox", .type = PB_OPTION_TEXT, ROUTE(mailbox),
	    .argument = "NAME", .fallback = "INBOX",
	    .check = pb_option_check_mailbox,
	    .help = "the mailbox that is served" },

	/* What a session does. */
	{ .name = "delete", .type = PB_OPTION_WORD, ROUTE(removal),
	    .argument = "HOW", .fallback = "expunge", .words = removals,
	    .help = "what becomes of deleted messages at QUIT: they go for good, "
		"to the trash or the archive, are flagged or only hidden, or "
		"DELE is refused" },
	{ .name = "delete-folder", .type = PB_OPTION_TEXT,
	    ROUTE(delete_folder), .argument = "NAME",
	    .check = pb_option_check_mailbox,
	    .help = "the folder of delete = trash or archive; without it the "
		"server names it" },
	{ .name = "mark-seen", .type = PB_OPTION_WORD, ROUTE(mark_seen),
	    .argument = "WHEN", .fallback = "no", .words = mark_seen,
	    .help = "mark retrieved messages as \\Seen: never, or at QUIT" },
	{ .name = "revive", .type = PB_OPTION_FLAG, ROUTE(revive),
	    .argument = "YES-OR-NO", .fallback = "yes",
	    .help = "connect again when the IMAP server is lost in a session, "
		"whose password is kept in memory for that" },
	{ .name = "lock", .type = PB_OPTION_WORD, ROUTE(lock),
	    .argument = "MODE", .fallback = "none", .words = lock_modes,
	    .help = "a second session on a maildrop is allowed, refused, or "
		"ends the first" },
	{ .name = "idle-timeout", .type = PB_OPTION_NUMBER,
	    GLOBAL(idle_timeout), .argument = "SECONDS",
	    .fallback = "600", .min = 1, .max = 86400,
	    .reason = "a client that is silent for a day is gone",
	    .help = "end a session, deleting nothing, after this long without "
		"a command" },

	/* Limits and operation. */
	{ .name = "upstream-timeout", .type = PB_OPTION_NUMBER,
	    GLOBAL(upstream_timeout), .argument = "SECONDS",
	    .fallback = "60", .min = 1, .max = 3600,
	    .reason = "no POP3 client waits an hour",
	    .help = "longest silence of the IMAP server while it owes an "
		"answer" },
	{ .name = "connect-timeout", .type = PB_OPTION_NUMBER,
	    GLOBAL(connect_timeout), .argument = "SECONDS",
	    .fallback = "30", .min = 1, .max = 600,
	    .reason = "no POP3 client waits ten minutes for its login",
	    .help = "longest way to the IMAP server, all its addresses "
		"together" },
	{ .name = "drain-timeout", .type = PB_OPTION_NUMBER,
	    GLOBAL(drain_timeout), .argument = "SECONDS",
	    .fallback = "30", .min = 0, .max = 3600,
	    .reason = "a restart that takes an hour is an outage",
	    .help = "how long a shutdown waits for running commands and "
		"commits" },
	{ .name = "login-timeout", .type = PB_OPTION_NUMBER,
	    GLOBAL(login_timeout), .argument = "SECONDS",
	    .fallback = "180", .min = 1, .max = 3600,
	    .reason = "whoever has no password after an hour has none",
	    .help = "longest time from the connection to the login, whatever "
		"the client says meanwhile" },
	{ .name = "client-keepalive", .type = PB_OPTION_NUMBER,
	    GLOBAL(client_keepalive), .argument = "SECONDS",
	    .fallback = "120", .min = 1, .max = 7200,
	    .reason = "a device that is gone keeps its maildrop locked so "
		"long",
	    .help = "ask a client that is silent for so long whether it is "
		"still there (TCP keepalive); 10 s later it is gone" },
	{ .name = "max-connections", .type = PB_OPTION_NUMBER,
	    GLOBAL(max_connections), .argument = "N",
	    .fallback = "20000", .min = 1, .max = 1000000,
	    .reason = "each takes two descriptors",
	    .help = "clients at a time; more are closed at once" },
	{ .name = "max-connections-per-address", .type = PB_OPTION_NUMBER,
	    GLOBAL(max_connections_per_address), .argument = "N",
	    .fallback = "200", .min = 1, .max = 1000000,
	    .reason = "each takes two descriptors",
	    .help = "clients at a time from one IPv4 address or IPv6 /64" },
	/*
	 * No limit unless there is a reason: all devices of an office may share
	 * a mailbox, and IMAP servers have limits of their own.
	 */
	{ .name = "max-connections-per-user", .type = PB_OPTION_NUMBER,
	    ROUTE(max_connections_per_user), .argument = "N",
	    .fallback = "0", .min = 0, .max = 10000,
	    .reason = "one user has not so many devices; 0 is no limit",
	    .help = "sessions at a time of one user; 0 is no limit" },
	{ .name = "max-upstream-connections", .type = PB_OPTION_NUMBER,
	    ROUTE(max_upstream_connections), .argument = "N",
	    .fallback = "10", .min = 0, .max = 10000,
	    .reason = "one user has not so many devices; 0 is no limit",
	    .help = "connections at a time to the IMAP server for one user, "
		"kept ones included; more wait; 0 is no limit" },
	/*
	 * RFC 3501, section 5.4: a server may log out who is silent for 30
	 * minutes, and some think it is 25.
	 */
	{ .name = "upstream-keep", .type = PB_OPTION_NUMBER,
	    ROUTE(upstream_keep), .argument = "SECONDS",
	    .fallback = "120", .min = 0, .max = 1500,
	    .reason = "IMAP servers log out who is silent for longer",
	    .help = "keep a connection to the IMAP server so long for the "
		"user's next session; 0 is not at all" },
	{ .name = "max-kept-connections", .type = PB_OPTION_NUMBER,
	    GLOBAL(max_kept_connections), .argument = "N",
	    .fallback = "1000", .min = 0, .max = 20000,
	    .reason = "each takes a descriptor here and a process at many "
		"servers",
	    .help = "connections to IMAP servers that wait for a session, of "
		"all users together" },
	{ .name = "max-unauthenticated", .type = PB_OPTION_NUMBER,
	    GLOBAL(max_unauthenticated), .argument = "N",
	    .fallback = "5000", .min = 1, .max = 1000000,
	    .reason = "each takes a descriptor",
	    .help = "clients at a time that are not logged in" },
	{ .name = "readahead-memory", .type = PB_OPTION_NUMBER,
	    GLOBAL(readahead_memory), .argument = "MB",
	    .fallback = "64", .min = 0, .max = 65536,
	    .reason = "each download uses 2 MB of it at most",
	    .help = "megabytes for messages fetched before clients ask; 0: none" },
	{ .name = "state-directory", .type = PB_OPTION_FILE,
	    GLOBAL(state_directory), .argument = "DIRECTORY",
	    .help = "remember here what mailboxes held, so that the first "
		"polls after a restart are as fast as later ones, and what "
		"sessions are to remove, until it is removed" },
	{ .name = "journal", .type = PB_OPTION_WORD, GLOBAL(journal),
	    .argument = "MODE", .fallback = "best-effort",
	    .words = journal_modes,
	    .help = "what QUIT does when state-directory cannot take what it "
		"is to remove: go on without, or remove nothing" },
	{ .name = "listing-memory", .type = PB_OPTION_NUMBER,
	    GLOBAL(listing_memory), .argument = "MEGABYTES",
	    .fallback = "64", .min = 0, .max = 65536,
	    .reason = "8 octets a message: 64 GB are eight billion messages",
	    .help = "memory for what mailboxes held, so that a poll asks only "
		"what is new; 0 remembers nothing" },
	/* Without a default, for it depends on what the system allows. */
	{ .name = "memory-soft", .type = PB_OPTION_NUMBER,
	    GLOBAL(memory_soft), .argument = "MEGABYTES",
	    .min = 0, .max = 16777216,
	    .reason = "no machine has more than 16 TB",
	    .help = "let no more clients in, and read nothing ahead, while "
		"the process has more memory; 0 is no limit (without it, 75 % "
		"of what its cgroup may have)" },
	{ .name = "memory-hard", .type = PB_OPTION_NUMBER,
	    GLOBAL(memory_hard), .argument = "MEGABYTES",
	    .min = 0, .max = 16777216,
	    .reason = "no machine has more than 16 TB",
	    .help = "end the sessions that hold most while the process has "
		"more memory; 0 is no limit (without it, 90 % of what its "
		"cgroup may have)" },
	{ .name = "workers", .type = PB_OPTION_NUMBER, GLOBAL(workers),
	    .argument = "N", .fallback = "0", .min = 0, .max = 256,
	    .reason = "each is a thread, and more than cores gain nothing",
	    .help = "event loops; 0 is one for each core" },
	{ .name = "log-level", .type = PB_OPTION_WORD, GLOBAL(log_level),
	    .argument = "LEVEL", .fallback = "info", .words = log_levels,
	    .help = "least weight of what is logged" },
	{ .name = "log-format", .type = PB_OPTION_WORD, GLOBAL(log_format),
	    .argument = "FORMAT", .fallback = "text", .words = log_formats,
	    .help = "how records look on standard error" },
	{ .name = "user", .type = PB_OPTION_TEXT, GLOBAL(user),
	    .argument = "NAME",
	    .help = "when it is started as root and every listener is bound, "
		"become this user for good" },
	{ .name = "group", .type = PB_OPTION_TEXT, GLOBAL(group),
	    .argument = "NAME",
	    .help = "the same, with this group instead of the user's own" },
	{ .name = "sandbox", .type = PB_OPTION_WORD, GLOBAL(sandbox),
	    .argument = "MODE", .fallback = "try", .words = sandboxes,
	    .help = "have the kernel refuse what serving does not need "
		"(seccomp and Landlock): not at all, as far as it can, or not "
		"start where it cannot" },
	{ .name = "core-dumps", .type = PB_OPTION_FLAG, GLOBAL(core_dumps),
	    .argument = "YES-OR-NO", .fallback = "no",
	    .help = "let the kernel dump the memory, passwords included, when "
		"it crashes" },
	{ .name = "ports-file", .type = PB_OPTION_FILE, GLOBAL(ports_file),
	    .argument = "FILE",
	    .help = "when every listener is bound, write their URLs here, one "
		"a line" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(ROWS <= PB_CONFIG_OPTIONS_MAX, "each row has a line number");

const struct pb_option *
pb_options(size_t *n)
{
	*n = ROWS;
	return rows;
}
