/* SPDX-License-Identifier: MIT */
/* Who waits for which lock, for people. */
#include <inttypes.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/locks.h"

/* Bytes after which the text is cut; only garbage makes it that long. */
#define TEXT_MAX (16u << 20)

static void put_thread(struct buf *out, const struct py_thread *t)
{
	if (t->tid)
		buf_printf(out, "%d", (int)t->tid);
	else
		buf_printf(out, "0x%" PRIx64, t->ident);
	if (!t->name)
		return;
	buf_puts(out, " \"");
	buf_puts(out, t->name);
	buf_puts(out, "\"");
}

/* " in dine (philosophers.py:17)" */
static void put_place(struct buf *out, const struct py_frame *f, int32_t line)
{
	if (!f || f->corrupt)
		return;
	const char *slash = strrchr(f->file, '/');
	buf_puts(out, " in ");
	buf_puts(out, f->name);
	buf_puts(out, " (");
	buf_puts(out, slash ? slash + 1 : f->file);
	if (line >= 0)
		buf_printf(out, ":%d", line);
	buf_puts(out, ")");
}

static void put_what(struct buf *out, const struct py_wait *w)
{
	static const struct {
		const char *before, *after;
		bool text;
	} words[] = {
		[PY_WAIT_GIL] = { "the GIL", "", false },
		[PY_WAIT_LOCK] = { "", "", true },
		[PY_WAIT_RLOCK] = { "", "", true },
		[PY_WAIT_THREAD] = { "the end of thread ", "", false },
		[PY_WAIT_IMPORT] = { "the import of ", "", true },
		[PY_WAIT_CONDITION] = { "", " to be notified", true },
		[PY_WAIT_EVENT] = { "", " to be set", true },
		[PY_WAIT_SEMAPHORE] = { "", " to be released", true },
		[PY_WAIT_BARRIER] = { "", " to be full", true },
		[PY_WAIT_QUEUE] = { "", "", true },
		[PY_WAIT_FUTURE] = { "", " to be done", true },
		[PY_WAIT_OTHER] = { "something of C code", "", false },
	};
	if ((size_t)w->kind >= sizeof(words) / sizeof(words[0]))
		return;
	const char *before = words[w->kind].before;
	if (before)
		buf_puts(out, before);
	if (w->kind == PY_WAIT_THREAD && w->nholders)
		put_thread(out, w->holder[0].thread);
	else if (w->kind == PY_WAIT_THREAD)
		buf_puts(out, "(unknown)");
	if (words[w->kind].text)
		buf_puts(out, *w->text ? w->text : "an unknown object");
	if (w->kind == PY_WAIT_OTHER)
		buf_printf(out, " at 0x%" PRIx64, w->lock);
	if (words[w->kind].after)
		buf_puts(out, words[w->kind].after);
	if (w->timed)
		buf_puts(out, ", not for ever");
}

static void put_holder(struct buf *out, const struct py_holder *h)
{
	static const char *const words[] = {
		[PY_HELD_OWNER] = "held by thread ",
		[PY_HELD_WITH] = "held by thread ",
		[PY_HELD_MAYBE] = "maybe held by thread ",
	};
	buf_puts(out, "    ");
	buf_puts(out, words[h->held]);
	put_thread(out, h->thread);
	if (h->held == PY_HELD_MAYBE && h->line < 0 && h->frame) {
		buf_puts(out, ", which has it");
		put_place(out, h->frame, h->frame->pos.line);
	} else if (h->frame) {
		buf_puts(out, ", by the with statement");
		put_place(out, h->frame, h->line);
	}
	buf_puts(out, "\n");
}

static void put_wait(struct buf *out, const struct py_wait *w)
{
	buf_puts(out, "Thread ");
	put_thread(out, w->thread);
	put_place(out, w->frame, w->frame ? w->frame->pos.line : -1);
	buf_puts(out, " waits for ");
	put_what(out, w);
	buf_puts(out, "\n");
	for (size_t i = 0; i < w->nholders; i++)
		if (w->holder[i].held != PY_HELD_ALIVE)
			put_holder(out, &w->holder[i]);
	if (!w->nholders && w->owner)
		buf_printf(out, "    held by thread 0x%" PRIx64 ", which has ended\n", w->owner);
	else if (!w->nholders && (w->kind == PY_WAIT_LOCK || w->kind == PY_WAIT_RLOCK))
		buf_puts(out, "    it is not known who holds it\n");
}

/* "deadlock: 12 "a" -> 13 "b" -> 12 "a"" */
static void put_cycle(struct buf *out, const struct py_cycle *c)
{
	buf_puts(out, c->certain ? "deadlock" : "perhaps a deadlock");
	buf_puts(out, c->timed ? ", until one gives up: " : ": ");
	for (size_t i = 0; i <= c->n; i++) {
		if (i)
			buf_puts(out, " -> ");
		put_thread(out, c->wait[i % c->n]->thread);
	}
	buf_puts(out, "\n");
}

static void put_locks(struct buf *out, const struct py_locks *l)
{
	if (!l->snap->verified)
		buf_printf(
			out,
			"Python %s is newer than this archerfish; what follows may be wrong.\n\n",
			l->snap->version);
	for (size_t i = 0; i < l->nwaits && out->len < TEXT_MAX; i++)
		put_wait(out, &l->wait[i]);
	if (!l->nwaits)
		buf_puts(out, "No thread waits for a lock.\n");
	else if (l->ncycles)
		buf_puts(out, "\n");
	for (size_t i = 0; i < l->ncycles && out->len < TEXT_MAX; i++)
		put_cycle(out, &l->cycle[i]);
	if (l->incomplete)
		buf_printf(out, "<incomplete: %s>\n", l->incomplete);
}

struct err *python_locks_text(struct python *py, const struct space *s, struct buf *out)
{
	struct py_locks locks = { 0 };
	struct err *err = python_locks(py, s, &locks);
	if (!err)
		put_locks(out, &locks);
	py_locks_free(&locks);
	return err;
}
