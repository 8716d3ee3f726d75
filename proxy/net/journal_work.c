#include "popbridge/net/journal_work.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"

struct pb_journal_work {
	uv_work_t work;
	struct pb_journal *journal;	/* borrowed */
	/* Own: the promise that is made, or those that are noted. */
	struct pb_promises *promises;
	char *names;		/* own: maildrop and login; NULL: to be noted */
	struct pb_slice maildrop;	/* in it; so is the next */
	struct pb_slice login;
	char session[32];
	char client[64];
	int64_t number;
	struct pb_error error;
	bool done;
	bool revoked;
	void (*ready)(void *owner);
	void *owner;			/* borrowed; NULL once it has left */
};

static void
release(struct pb_journal_work *w)
{
	pb_promises_free(&w->promises);
	pb_free(w->names);
	pb_free(w);
}

static void
on_thread(uv_work_t *work)
{
	struct pb_journal_work *w = work->data;
	struct pb_journal_source source = {
		.maildrop = w->maildrop, .login = w->login,
		.session = w->session, .client = w->client };

	/* The journal says itself when it cannot be noted. */
	if (w->names == NULL)
		(void)!pb_journal_note(w->journal, w->promises, &w->error);
	else if (pb_journal_promise(w->journal, &source, w->promises->list,
	    &w->number, &w->error) != PB_OK)
		w->number = 0;
}

static void on_done(uv_work_t *work, int status);

/* Done, and nobody asks for it any more. */
static void
settle(struct pb_journal_work *w)
{
	if (!w->revoked || w->number == 0) {
		release(w);
		return;
	}
	w->revoked = false;
	w->promises->list[0].number = w->number;
	w->promises->list[0].outcome = PB_PROMISE_VOID;
	pb_free(w->names);
	w->names = NULL;
	if (uv_queue_work(w->work.loop, &w->work, on_thread, on_done) != 0)
		release(w);
}

static void
on_done(uv_work_t *work, int status)
{
	struct pb_journal_work *w = work->data;

	(void)status;
	w->done = true;
	if (w->owner == NULL)
		settle(w);
	else
		w->ready(w->owner);
}

static bool
copy(struct pb_journal_work *w, const struct pb_journal_source *source,
    const struct pb_promise *promise)
{
	size_t len = source->maildrop.len;
	struct pb_promise *own;

	w->promises = pb_promises_new(1);
	w->names = pb_alloc(len + source->login.len);
	if (w->promises == NULL || w->names == NULL)
		return false;
	memcpy(w->names, source->maildrop.data, len);
	memcpy(w->names + len, source->login.data, source->login.len);
	w->maildrop = pb_slice(w->names, len);
	w->login = pb_slice(w->names + len, source->login.len);
	snprintf(w->session, sizeof(w->session), "%s", source->session);
	snprintf(w->client, sizeof(w->client), "%s", source->client);
	own = w->promises->list;
	own->uidvalidity = promise->uidvalidity;
	own->removal = promise->removal;
	own->uids = pb_alloc(promise->n * sizeof(*own->uids));
	if (own->uids == NULL)
		return false;
	memcpy(own->uids, promise->uids, promise->n * sizeof(*own->uids));
	own->n = promise->n;
	return true;
}

struct pb_journal_work *
pb_journal_work_promise(uv_loop_t *loop, struct pb_journal *journal,
    const struct pb_journal_source *source, const struct pb_promise *promise,
    void (*ready)(void *owner), void *owner)
{
	struct pb_journal_work *w = pb_alloc(sizeof(*w));

	if (w == NULL)
		return NULL;
	w->journal = journal;
	w->ready = ready;
	w->owner = owner;
	w->work.data = w;
	if (copy(w, source, promise) &&
	    uv_queue_work(loop, &w->work, on_thread, on_done) == 0)
		return w;
	release(w);
	return NULL;
}

bool
pb_journal_work_is_done(const struct pb_journal_work *w)
{
	return w->done;
}

int64_t
pb_journal_work_number(const struct pb_journal_work *w, struct pb_error *err)
{
	if (w->number == 0)
		*err = w->error;
	return w->number;
}

void
pb_journal_work_leave(struct pb_journal_work **wp)
{
	struct pb_journal_work *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	w->owner = NULL;
	if (w->done)
		settle(w);
}

void
pb_journal_work_revoke(struct pb_journal_work **wp)
{
	if (*wp != NULL)
		(*wp)->revoked = true;
	pb_journal_work_leave(wp);
}

void
pb_journal_work_note(uv_loop_t *loop, struct pb_journal *journal,
    struct pb_promises **promises)
{
	struct pb_journal_work *w = pb_alloc(sizeof(*w));

	if (w == NULL) {
		pb_promises_free(promises);
		return;
	}
	w->journal = journal;
	w->promises = *promises;
	*promises = NULL;
	w->work.data = w;
	if (uv_queue_work(loop, &w->work, on_thread, on_done) != 0)
		release(w);
}
