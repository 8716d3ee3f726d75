#include "popbridge/net/recall.h"

#include <string.h>

#include "popbridge/base/mem.h"

struct pb_recall {
	uv_work_t work;
	struct pb_listing_cache *cache;	/* borrowed; or NULL */
	struct pb_journal *journal;	/* the same */
	char *names;			/* own: key and login */
	struct pb_slice key;		/* in it; so is the next */
	struct pb_slice login;
	struct pb_listing *listing;	/* shared */
	struct pb_promises *promises;	/* own */
	bool done;
	void (*ready)(void *owner);
	void *owner;			/* borrowed; NULL once it has left */
};

static void
release(struct pb_recall *r)
{
	pb_listing_unref(&r->listing);
	pb_promises_free(&r->promises);
	pb_free(r->names);
	pb_free(r);
}

static void
on_thread(uv_work_t *work)
{
	struct pb_recall *r = work->data;
	struct pb_error ignored;

	if (r->cache != NULL)
		r->listing = pb_listing_cache_load(r->cache, r->key);
	/* The journal says itself when it cannot be read. */
	if (r->journal != NULL)
		(void)!pb_journal_load(r->journal, r->key, r->login,
		    &r->promises, &ignored);
}

static void
on_done(uv_work_t *work, int status)
{
	struct pb_recall *r = work->data;

	(void)status;
	r->done = true;
	if (r->owner == NULL)
		release(r);
	else
		r->ready(r->owner);
}

struct pb_recall *
pb_recall_begin(uv_loop_t *loop, struct pb_listing_cache *cache,
    struct pb_journal *journal, struct pb_slice key, struct pb_slice login,
    void (*ready)(void *owner), void *owner)
{
	struct pb_recall *r = pb_alloc(sizeof(*r));

	if (r == NULL)
		return NULL;
	r->names = pb_alloc(key.len + login.len);
	if (r->names != NULL) {
		memcpy(r->names, key.data, key.len);
		memcpy(r->names + key.len, login.data, login.len);
		r->key = pb_slice(r->names, key.len);
		r->login = pb_slice(r->names + key.len, login.len);
		r->cache = cache;
		r->journal = journal;
		r->ready = ready;
		r->owner = owner;
		r->work.data = r;
		if (uv_queue_work(loop, &r->work, on_thread, on_done) == 0)
			return r;
	}
	release(r);
	return NULL;
}

bool
pb_recall_is_done(const struct pb_recall *r)
{
	return r->done;
}

struct pb_listing *
pb_recall_listing(const struct pb_recall *r)
{
	return r->listing;
}

struct pb_promises *
pb_recall_take_promises(struct pb_recall *r)
{
	struct pb_promises *promises = r->promises;

	r->promises = NULL;
	return promises;
}

void
pb_recall_leave(struct pb_recall **rp)
{
	struct pb_recall *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	r->owner = NULL;
	if (r->done)
		release(r);
	else
		/* Where it runs already, its callback comes all the same. */
		(void)uv_cancel((uv_req_t *)&r->work);
}
