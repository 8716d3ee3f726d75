#include "worker_priv.h"

#include <utlist.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/net/loop_reserve.h"

/* Descriptors beside those of sessions. */
#define SPARE_FILES 256

/* What other threads want of this one. */
struct pb_worker_note {
	enum {
		NOTE_USE,
		NOTE_EVICT,
		NOTE_WEIGH,
		NOTE_SHED,
		NOTE_DOUBT,
		NOTE_DRAIN,
		NOTE_ABORT,
	} what;
	struct pb_snapshot *snapshot;	/* own, of NOTE_USE */
	uint64_t session_id;		/* of EVICT, SHED, DOUBT */
	struct pb_worker_weighing *weighing;	/* borrowed, of NOTE_WEIGH */
	bool spare;		/* on its way, and kept for want of memory */
	struct pb_worker_note *next;
};

/* Those of `what`. */
#define NOTE_KINDS (NOTE_ABORT + 1)

const struct pb_upstream_loop *
pb_worker_loop(struct pb_worker *w)
{
	return &w->loop;
}

struct pb_snapshot *
pb_worker_snapshot(struct pb_worker *w)
{
	return w->snapshot;
}

struct pb_locks *
pb_worker_locks(struct pb_worker *w)
{
	return w->locks;
}

struct pb_limits *
pb_worker_limits(struct pb_worker *w)
{
	return w->limits;
}

struct pb_upstreams *
pb_worker_upstreams(struct pb_worker *w)
{
	return w->upstreams;
}

struct pb_pool *
pb_worker_pool(struct pb_worker *w)
{
	return w->pool;
}

struct pb_listings *
pb_worker_listings(struct pb_worker *w)
{
	return w->listings;
}

struct pb_listing_cache *
pb_worker_listing_cache(struct pb_worker *w)
{
	return w->listing_cache;
}

struct pb_journal *
pb_worker_journal(struct pb_worker *w)
{
	return w->journal;
}

void
pb_worker_ask_evict(struct pb_worker *w, uint64_t session_id)
{
	w->evict(w->owner, session_id);
}

void
pb_worker_ask_doubt(struct pb_worker *w, uint64_t session_id)
{
	w->doubt(w->owner, session_id);
}

uint64_t
pb_worker_new_session_id(struct pb_worker *w)
{
	return (uint64_t)w->index << 48 | ++w->last_session;
}

static void read_notes(struct pb_worker *w);

/*
 * The last session of a draining worker lets its loop run out of handles.  Who
 * has asked it for something by then gets the answer.
 */
static void
close_when_idle(struct pb_worker *w)
{
	if (!w->draining || w->sessions != NULL ||
	    uv_is_closing((uv_handle_t *)&w->wake))
		return;
	uv_mutex_lock(&w->mutex);
	w->ended = true;
	uv_mutex_unlock(&w->mutex);
	uv_close((uv_handle_t *)&w->wake, NULL);
	read_notes(w);
}

void
pb_worker_session_gone(struct pb_worker *w, struct pb_worker_entry *entry)
{
	DL_DELETE(w->sessions, entry);
	pb_free(entry);
	close_when_idle(w);
}

static void
drain(struct pb_worker *w, bool at_once)
{
	struct pb_worker_entry *entry;
	struct pb_worker_entry *next;

	w->draining = true;
	pb_worker_stop_listening(w);
	DL_FOREACH_SAFE(w->sessions, entry, next) {
		if (at_once)
			pb_session_abort(entry->session, "shut down");
		else
			pb_session_drain(entry->session);
	}
	close_when_idle(w);
}

/* NULL: it has ended meanwhile. */
static struct pb_session *
find_session(const struct pb_worker *w, uint64_t id)
{
	struct pb_worker_entry *entry;

	DL_FOREACH(w->sessions, entry) {
		if (pb_session_id(entry->session) == id)
			return entry->session;
	}
	return NULL;
}

static void
evict(struct pb_worker *w, uint64_t id)
{
	struct pb_session *session = find_session(w, id);

	if (session != NULL)
		pb_session_stop(session,
		    "another session took the maildrop over");
}

static void
shed(struct pb_worker *w, uint64_t id)
{
	struct pb_session *session = find_session(w, id);

	if (session != NULL)
		pb_session_shed(session);
}

static void
doubt(struct pb_worker *w, uint64_t id)
{
	struct pb_session *session = find_session(w, id);

	if (session != NULL)
		pb_session_doubt(session);
}

static void
weigh(struct pb_worker *w, struct pb_worker_weighing *weighing)
{
	struct pb_worker_entry *entry;

	uv_mutex_lock(&weighing->mutex);
	DL_FOREACH(w->sessions, entry)
		pb_memory_weigh(&weighing->scales,
		    pb_session_id(entry->session),
		    pb_session_weight(entry->session));
	weighing->done(weighing->owner);
	uv_mutex_unlock(&weighing->mutex);
}

static void
do_note(struct pb_worker *w, struct pb_worker_note *note)
{
	switch (note->what) {
	case NOTE_USE:
		pb_snapshot_unref(&w->snapshot);
		w->snapshot = note->snapshot;
		pb_worker_tune(w);
		break;
	case NOTE_EVICT:
		evict(w, note->session_id);
		break;
	case NOTE_WEIGH:
		weigh(w, note->weighing);
		break;
	case NOTE_SHED:
		shed(w, note->session_id);
		break;
	case NOTE_DOUBT:
		doubt(w, note->session_id);
		break;
	case NOTE_DRAIN:
		drain(w, false);
		break;
	case NOTE_ABORT:
		drain(w, true);
		break;
	}
}

/* In the order in which they were sent. */
static struct pb_worker_note *
take_notes(struct pb_worker *w)
{
	struct pb_worker_note *oldest = NULL;
	struct pb_worker_note *note;

	uv_mutex_lock(&w->mutex);
	note = w->notes;
	w->notes = NULL;
	uv_mutex_unlock(&w->mutex);
	while (note != NULL) {
		struct pb_worker_note *next = note->next;

		note->next = oldest;
		oldest = note;
		note = next;
	}
	return oldest;
}

/* What it says; from then on a spare one may be written again. */
static struct pb_worker_note
open_note(struct pb_worker *w, struct pb_worker_note *note)
{
	struct pb_worker_note copy;

	uv_mutex_lock(&w->mutex);
	copy = *note;
	note->spare = false;
	uv_mutex_unlock(&w->mutex);
	if (!copy.spare)
		pb_free(note);
	return copy;
}

static void
read_notes(struct pb_worker *w)
{
	struct pb_worker_note *next = take_notes(w);

	while (next != NULL) {
		struct pb_worker_note note = open_note(w, next);

		next = note.next;
		do_note(w, &note);
	}
}

static void
on_wake(uv_async_t *async)
{
	read_notes(async->data);
}

/*
 * The one that is kept for its kind.  NULL where that is on its way already:
 * it says the same, or is about another session, whose turn comes again; only
 * of configurations the newest counts.
 */
static struct pb_worker_note *
spare_note(struct pb_worker *w, struct pb_worker_note *note)
{
	struct pb_worker_note *spare = &w->spare_notes[note->what];
	struct pb_snapshot *older = spare->snapshot;

	if (!spare->spare) {
		note->spare = true;
		return spare;
	}
	if (note->what == NOTE_USE) {
		spare->snapshot = note->snapshot;
		pb_snapshot_unref(&older);
	}
	return NULL;
}

/* Under the mutex; `copy` is the note's, or NULL for want of memory. */
static void
queue_note(struct pb_worker *w, struct pb_worker_note note,
    struct pb_worker_note *copy)
{
	if (copy == NULL)
		copy = spare_note(w, &note);
	if (copy == NULL)
		return;
	*copy = note;
	copy->next = w->notes;
	w->notes = copy;
}

/* False: it has ended, and has no sessions. */
static bool
send_note(struct pb_worker *w, struct pb_worker_note note)
{
	struct pb_worker_note *copy = pb_alloc(sizeof(*copy));
	bool ended;

	uv_mutex_lock(&w->mutex);
	ended = w->ended;
	if (!ended)
		queue_note(w, note, copy);
	uv_mutex_unlock(&w->mutex);
	if (ended) {
		pb_snapshot_unref(&note.snapshot);
		pb_free(copy);
		return false;
	}
	pb_check(uv_async_send(&w->wake) == 0);
	return true;
}

void
pb_worker_use(struct pb_worker *w, struct pb_snapshot *snapshot)
{
	(void)send_note(w, (struct pb_worker_note){ .what = NOTE_USE,
		.snapshot = pb_snapshot_ref(snapshot) });
}

void
pb_worker_evict(struct pb_worker *w, uint64_t session_id)
{
	(void)send_note(w, (struct pb_worker_note){ .what = NOTE_EVICT,
		.session_id = session_id });
}

void
pb_worker_weigh(struct pb_worker *w, struct pb_worker_weighing *weighing)
{
	if (send_note(w, (struct pb_worker_note){ .what = NOTE_WEIGH,
		.weighing = weighing }))
		return;
	uv_mutex_lock(&weighing->mutex);
	weighing->done(weighing->owner);
	uv_mutex_unlock(&weighing->mutex);
}

void
pb_worker_shed(struct pb_worker *w, uint64_t session_id)
{
	(void)send_note(w, (struct pb_worker_note){ .what = NOTE_SHED,
		.session_id = session_id });
}

void
pb_worker_doubt(struct pb_worker *w, uint64_t session_id)
{
	(void)send_note(w, (struct pb_worker_note){ .what = NOTE_DOUBT,
		.session_id = session_id });
}

void
pb_worker_drain(struct pb_worker *w)
{
	(void)send_note(w, (struct pb_worker_note){ .what = NOTE_DRAIN });
}

void
pb_worker_abort(struct pb_worker *w)
{
	(void)send_note(w, (struct pb_worker_note){ .what = NOTE_ABORT });
}

static void
run(void *arg)
{
	struct pb_worker *w = arg;

	(void)uv_run(&w->uv, UV_RUN_DEFAULT);
}

static enum pb_status
open_loop(struct pb_worker *w, const struct pb_worker_options *o)
{
	size_t i;

	w->loop = (struct pb_upstream_loop){ .uv = &w->uv,
		.scratch = pb_alloc(PB_STREAM_READ_SIZE),
		.grammar = pb_imap_grammar_new(),
		.writer = pb_imap_writer_new() };
	w->listeners = pb_alloc(o->n_sockets * sizeof(*w->listeners));
	if (w->loop.scratch == NULL || w->loop.grammar == NULL ||
	    w->loop.writer == NULL || w->listeners == NULL)
		return PB_ENOMEM;
	for (i = 0; i < o->n_sockets; i++) {
		if (pb_worker_listen_on(w, i, o->sockets[i]) != 0)
			return PB_EIO;
	}
	pb_worker_watch(w);
	/* A client, and its mail server; the rest is files and the like. */
	pb_loop_reserve(&w->uv,
	    2 * (size_t)w->snapshot->config->max_connections + SPARE_FILES);
	return PB_OK;
}

static void
release(struct pb_worker *w)
{
	pb_check(uv_loop_close(&w->uv) == 0);
	uv_mutex_destroy(&w->mutex);
	pb_imap_grammar_free(&w->loop.grammar);
	pb_imap_writer_free(&w->loop.writer);
	pb_free(w->loop.scratch);
	pb_free(w->listeners);
	pb_free(w->spare_notes);
	pb_snapshot_unref(&w->snapshot);
	pb_free(w);
}

enum pb_status
pb_worker_new(const struct pb_worker_options *o, struct pb_worker **out)
{
	struct pb_worker *w = pb_xalloc(sizeof(*w));
	enum pb_status st;

	w->spare_notes = pb_xalloc(NOTE_KINDS * sizeof(*w->spare_notes));
	w->index = o->index;
	w->locks = o->locks;
	w->limits = o->limits;
	w->upstreams = o->upstreams;
	w->pool = o->pool;
	w->listings = o->listings;
	w->listing_cache = o->listing_cache;
	w->journal = o->journal;
	w->snapshot = pb_snapshot_ref(o->snapshot);
	w->evict = o->evict;
	w->doubt = o->doubt;
	w->owner = o->owner;
	pb_check(uv_loop_init(&w->uv) == 0);
	pb_check(uv_mutex_init(&w->mutex) == 0);
	pb_check(uv_async_init(&w->uv, &w->wake, on_wake) == 0);
	w->wake.data = w;
	pb_check(uv_timer_init(&w->uv, &w->pause) == 0);
	w->pause.data = w;
	st = open_loop(w, o);
	if (st == PB_OK)
		*out = w;
	else
		pb_worker_free(&w);
	return st;
}

void
pb_worker_start(struct pb_worker *w)
{
	pb_check(uv_thread_create(&w->thread, run, w) == 0);
	w->started = true;
}

void
pb_worker_wait(struct pb_worker *w)
{
	if (!w->started)
		return;
	pb_check(uv_thread_join(&w->thread) == 0);
}

void
pb_worker_free(struct pb_worker **wp)
{
	struct pb_worker *w = *wp;
	struct pb_worker_note *note = take_notes(w);

	*wp = NULL;
	if (!w->started) {
		drain(w, true);
		run(w);
	}
	/* Came too late; only a snapshot has to be given back. */
	while (note != NULL) {
		struct pb_worker_note *next = note->next;

		pb_snapshot_unref(&note->snapshot);
		pb_free(note);
		note = next;
	}
	release(w);
}
