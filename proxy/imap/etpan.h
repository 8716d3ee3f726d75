#ifndef PB_IMAP_ETPAN_H
#define PB_IMAP_ETPAN_H

#include <libetpan/libetpan.h>

/*
 * Functions that libetpan exports and that no installed header declares:
 * its IMAP grammar, its command senders, base64.  The form is 1.9.4's;
 * configuring runs proxy/imap/probe-libetpan.c, so that another form is found
 * out before anything is built with it.
 *
 * Every parser takes a NULL stream and then never reads: it answers
 * MAILIMAP_ERROR_NEEDS_MORE_DATA.  It is only shown complete responses.
 */

struct mailimap_parser_context;

struct mailimap_parser_context *mailimap_parser_context_new(mailimap *session);
void mailimap_parser_context_free(struct mailimap_parser_context *ctx);

int mailimap_response_data_parse(mailstream *fd, MMAPString *buffer,
    struct mailimap_parser_context *ctx, size_t *indx,
    struct mailimap_response_data **result, size_t progr_rate,
    progress_function *progr_fun);

int mailimap_tag_send(mailstream *fd, const char *tag);
int mailimap_space_send(mailstream *fd);
int mailimap_crlf_send(mailstream *fd);
int mailimap_capability_send(mailstream *fd);
int mailimap_starttls_send(mailstream *fd);
int mailimap_login_send(mailstream *fd, const char *user, const char *pass);
int mailimap_authenticate_send(mailstream *fd, const char *mechanism);
int mailimap_select_send(mailstream *fd, const char *mailbox, int condstore);
int mailimap_uid_fetch_send(mailstream *fd, struct mailimap_set *set,
    struct mailimap_fetch_type *type);
int mailimap_uid_store_send(mailstream *fd, struct mailimap_set *set,
    int use_unchangedsince, uint64_t mod_sequence_valzer,
    struct mailimap_store_att_flags *flags);
int mailimap_uid_expunge_send(mailstream *fd, struct mailimap_set *set);
int mailimap_expunge_send(mailstream *fd);
int mailimap_noop_send(mailstream *fd);
int mailimap_logout_send(mailstream *fd);

char *encode_base64(const char *in, int len);

#endif
