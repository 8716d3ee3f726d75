#include "session_priv.h"

#include <string.h>

#include "popbridge/base/mem.h"

struct pb_slice
pb_session_maildrop_key(const struct pb_session *s)
{
	return pb_slice(s->maildrop_key, s->maildrop_key_len);
}

bool
pb_session_name_maildrop(struct pb_session *s)
{
	const struct pb_bridge_identity *identity = &s->bridge.identity;
	struct pb_slice owner = pb_secret_reveal(&identity->authzid);
	const char *mailbox = s->route->bridge.mailbox;
	char url[PB_URL_TEXT_SIZE];
	struct pb_slice server = pb_session_server_name(s, url);
	size_t mailbox_len = strlen(mailbox);

	if (owner.len == 0)
		owner = pb_secret_reveal(&identity->user);
	pb_free(s->maildrop_key);
	s->maildrop_key_len = server.len + owner.len + mailbox_len + 2;
	/* With a NUL behind it, it is the key of a turn. */
	s->maildrop_key = pb_alloc(s->maildrop_key_len + 1);
	if (s->maildrop_key == NULL)
		return false;
	memcpy(s->maildrop_key, server.data, server.len);
	memcpy(s->maildrop_key + server.len + 1, owner.data, owner.len);
	memcpy(s->maildrop_key + server.len + owner.len + 2, mailbox,
	    mailbox_len);
	return true;
}

bool
pb_session_recall(struct pb_session *s)
{
	struct pb_listings *listings = pb_worker_listings(s->worker);
	struct pb_listing_cache *cache = pb_worker_listing_cache(s->worker);
	struct pb_journal *journal = pb_worker_journal(s->worker);
	struct pb_slice key = pb_session_maildrop_key(s);
	struct pb_listing *listing = pb_listings_find(listings, key);
	struct pb_route_choice choice;

	pb_recall_leave(&s->recall);
	if (listing != NULL) {
		pb_bridge_knows(&s->bridge, listing);
		cache = NULL;
	}
	pb_listing_unref(&listing);
	if (cache != NULL || journal != NULL)
		s->recall = pb_recall_begin(pb_worker_loop(s->worker)->uv,
		    cache, journal, key, pb_session_login(s, &choice),
		    pb_session_ready, s);
	return s->recall != NULL;
}

bool
pb_session_hear_recall(struct pb_session *s)
{
	struct pb_promises *promises;
	struct pb_listing *listing;

	if (s->recall == NULL || !pb_recall_is_done(s->recall))
		return false;
	listing = pb_recall_listing(s->recall);
	if (listing != NULL) {
		pb_bridge_knows(&s->bridge, listing);
		pb_listings_put(pb_worker_listings(s->worker),
		    pb_session_maildrop_key(s), listing);
	}
	promises = pb_recall_take_promises(s->recall);
	pb_bridge_owes(&s->bridge, &promises);
	pb_recall_leave(&s->recall);
	pb_session_connect_known(s);
	return true;
}

void
pb_session_remember(struct pb_session *s)
{
	struct pb_listings *listings = pb_worker_listings(s->worker);
	struct pb_listing_cache *cache = pb_worker_listing_cache(s->worker);
	struct pb_slice key = pb_session_maildrop_key(s);

	/* Else the table would keep it: its UIDNEXT may be the higher one. */
	if (pb_bridge_refutes(&s->bridge))
		pb_listings_forget(listings, key);
	pb_listings_put(listings, key, pb_bridge_listing(&s->bridge));
	if (cache != NULL)
		pb_listing_cache_save(cache, key,
		    pb_bridge_listing(&s->bridge));
}
