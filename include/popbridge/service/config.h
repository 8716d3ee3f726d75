#ifndef PB_SERVICE_CONFIG_H
#define PB_SERVICE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/log.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/removal.h"
#include "popbridge/service/locks.h"
#include "popbridge/service/preset.h"
#include "popbridge/service/tls_profile.h"
#include "popbridge/service/url.h"

/*
 * What the administrator wants, as one snapshot: it never changes after
 * pb_config_load has handed it out, is shared by counting, and a reload makes
 * a new one beside it.  service/option.h has the vocabulary.
 */

enum pb_log_format { PB_LOG_FORMAT_TEXT, PB_LOG_FORMAT_JSON };

enum pb_sandbox {
	PB_SANDBOX_NO,
	PB_SANDBOX_TRY,		/* as far as the kernel can */
	PB_SANDBOX_YES,		/* or not at all */
};

enum pb_mark_seen {
	PB_MARK_SEEN_NO,
	PB_MARK_SEEN_QUIT,	/* what was retrieved, at QUIT */
};

/* What QUIT is to remove is written down before, in state_directory. */
enum pb_journal_mode {
	PB_JOURNAL_BEST_EFFORT,	/* where that cannot be, it goes on without */
	PB_JOURNAL_REQUIRED,	/* where that cannot be, nothing is removed */
};

/* Each listener is a socket in every loop. */
#define PB_CONFIG_LISTEN_MAX 16

/* PATH_MAX of Linux; the NUL is in it. */
#define PB_CONFIG_PATH_SIZE 4096

/* More options than there are. */
#define PB_CONFIG_OPTIONS_MAX 64

enum pb_identity {
	PB_IDENTITY_PASS_THROUGH,	/* the IMAP server knows who it is */
	PB_IDENTITY_ACCOUNTS,		/* the table of accounts does */
};

/* Sections of the kind `route`: each is looked at for every login. */
#define PB_CONFIG_ROUTES_MAX 1024

/* Texts, lists and their elements below belong to the config. */
struct pb_text_list {
	const char **text;
	size_t n;
};

struct pb_network;

struct pb_network_list {
	struct pb_network *network;
	size_t n;
};

/* Where POP3 clients come in, and what they may do there. */
struct pb_listener_config {
	const char *name;		/* its URL, if it is one of `listen` */
	struct pb_url url;
	enum pb_tls_profile tls_profile;
	struct pb_text_list tls_cert;	/* the first is the default */
	struct pb_text_list tls_key;	/* same number, same order */
	const char *client_ca;		/* NULL: none; also below */
	unsigned mechanisms;		/* of 1 << enum pb_sasl_mechanism */
	bool apop;
	struct pb_network_list allow;	/* empty: everybody */
	struct pb_network_list deny;	/* wins over allow */
	struct pb_network_list proxy_protocol;
	struct pb_network_list xclient;
	unsigned line;			/* of the section; 0: none */
	unsigned priv_line[PB_CONFIG_OPTIONS_MAX];
};

struct pb_route_map;

/* Which logins go to which IMAP server, and how. */
struct pb_route_config {
	const char *name;	/* "": the last one, of the global options */
	struct pb_text_list match;	/* empty, and no match_file: all */
	const char *match_file;
	struct pb_text_list listeners;	/* names; empty: all */
	const struct pb_preset *preset;	/* NULL: none */
	struct pb_url upstream;	/* host "": discover or match_file tells */
	bool discover;
	const char *upstream_ca;
	enum pb_tls_profile upstream_tls_profile;
	enum pb_upstream_auth upstream_auth;
	enum pb_identity identity;
	const char *master_user;
	const char *master_password_file;
	const char *mailbox;		/* never NULL */
	const char *login_separators;
	bool login_windows_domain;
	bool strip_domain;
	bool revive;
	const char *add_domain;
	enum pb_lock_mode lock;
	enum pb_mark_seen mark_seen;
	enum pb_removal removal;
	const char *delete_folder;	/* NULL: the server names it */
	unsigned max_connections_per_user;	/* 0: no limit */
	unsigned max_upstream_connections;	/* of one user; 0: no limit */
	unsigned upstream_keep;			/* seconds; 0: not at all */
	unsigned line;			/* of the section; 0: none */
	struct pb_route_map *priv_map;	/* own; what match_file says */
	unsigned priv_line[PB_CONFIG_OPTIONS_MAX];
};

/* URLs without a section of their own. */
struct pb_listen_list {
	struct pb_url url[PB_CONFIG_LISTEN_MAX];
	size_t n;
};

struct pb_config_memory;

struct pb_config {
	struct pb_listener_config *listener;
	size_t n_listeners;			/* never 0 */
	struct pb_route_config *route;		/* in the order of trying */
	size_t n_routes;
	const char *accounts;			/* NULL: none; so are these: */
	const char *accounts_key;
	const char *state_directory;
	enum pb_journal_mode journal;
	const char *ports_file;
	const char *user;
	const char *group;
	enum pb_sandbox sandbox;
	bool core_dumps;
	enum pb_log_level log_level;
	enum pb_log_format log_format;
	unsigned workers;			/* 0: one per core */
	unsigned idle_timeout;			/* all in seconds */
	unsigned upstream_timeout;
	unsigned connect_timeout;
	unsigned drain_timeout;
	unsigned login_timeout;
	unsigned client_keepalive;
	unsigned max_connections;
	unsigned max_connections_per_address;
	unsigned max_unauthenticated;
	unsigned max_kept_connections;
	unsigned readahead_memory;	/* MB */
	unsigned listing_memory;		/* in MB; 0: none */
	/* MB; 0: no limit, or, where they are not set, the system's. */
	unsigned memory_soft;
	unsigned memory_hard;

	/*
	 * Holders: the process (the current snapshot, exchanged by a reload),
	 * each worker, and each session for as long as it lives.
	 */
	atomic_uint priv_refs;
	struct pb_config_memory *priv_memory;	/* own; all that is above */
	const char *priv_file;			/* NULL: none */
	struct pb_listen_list priv_listen;
	struct pb_listener_config priv_listener;	/* outside of sections */
	struct pb_route_config priv_route;
	unsigned priv_line[PB_CONFIG_OPTIONS_MAX];
};

/* From any thread. */
struct pb_config *pb_config_ref(struct pb_config *config);
/* Nulls *config; the last one frees.  NULL is harmless. */
void pb_config_unref(struct pb_config **config);

/* Where a value was written. */
struct pb_config_place {
	const char *file;	/* NULL: not in a file; borrowed */
	unsigned line;		/* 0: the file as a whole */
	bool command_line;
};

enum pb_config_severity {
	PB_CONFIG_ERROR,	/* it can not be served like this */
	PB_CONFIG_WARNING,	/* it can, but an administrator should know */
};

struct pb_config_problem {
	enum pb_config_severity severity;
	struct pb_config_place place;
	const char *text;	/* printable; what is wrong, what were right */
};

/* Told of each problem where it is found; must not keep what it is shown. */
struct pb_config_sink {
	void (*problem)(void *ctx, const struct pb_config_problem *problem);
	void *ctx;		/* borrowed */
};

void pb_config_complain(const struct pb_config_sink *sink,
			enum pb_config_severity severity,
			struct pb_config_place place, const char *fmt, ...)
    PB_PRINTF(4, 5);

/* One option of the command line. */
struct pb_config_setting {
	const char *name;	/* borrowed; a row of service/option.h */
	const char *value;	/* borrowed */
};

/* All that a snapshot is made from; kept for the next reload. */
struct pb_config_source {
	const char *file;	/* borrowed; NULL: no file */
	bool file_may_be_missing;
	const struct pb_config_setting *settings;	/* borrowed */
	size_t n_settings;
};

/*
 * Defaults, then the file, then the command line.  It goes on after an error
 * where it can, so that one call finds many.  The caller owns the one
 * reference of *config.
 *
 * Not for two threads at a time: libconfuse has one scanner a process.
 *
 * PB_OK, PB_EINVAL or PB_ENOMEM (the sink was told; *config is untouched).
 */
enum pb_status pb_config_load(const struct pb_config_source *source,
			      const struct pb_config_sink *sink,
			      struct pb_config **config) PB_MUST_CHECK;

/*
 * Whether the values make sense together.  Looks at values only, at no file.
 *
 * PB_OK (perhaps with warnings), PB_EINVAL (the sink was told).
 */
enum pb_status pb_config_judge(const struct pb_config *config,
			       const struct pb_config_sink *sink)
    PB_MUST_CHECK;

/* Where option `name` got its value; valid as long as the config. */
struct pb_config_place pb_config_place(const struct pb_config *config,
				       const char *name);
/*
 * The same for a listener, or a route, of the config; the section's first line
 * when the value comes from nowhere.
 */
struct pb_config_place
pb_config_listener_place(const struct pb_config *config,
			 const struct pb_listener_config *listener,
			 const char *name);
struct pb_config_place
pb_config_route_place(const struct pb_config *config,
		      const struct pb_route_config *route, const char *name);

#endif
