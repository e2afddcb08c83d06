/* SPDX-License-Identifier: MIT */
/* Who waits for which lock: the document python-locks and its table. */
#include "qxfer/documents.h"
#include "qxfer/osdata.h"
#include "qxfer/python.h"
#include "qxfer/python/locks.h"
#include "qxfer/tree.h"

static void put_place(struct tree *t, const struct py_frame *f, int32_t line)
{
	if (!f || f->corrupt)
		return;
	tree_text(t, "function", f->qualname);
	tree_text(t, "file", f->file);
	if (line >= 0)
		tree_int(t, "line", line);
}

static void put_thread(struct tree *t, const struct py_thread *th)
{
	if (th->tid)
		tree_int(t, "tid", th->tid);
	if (th->name)
		tree_text(t, "name", th->name);
	tree_address(t, "ident", th->ident);
}

static void put_holder(struct tree *t, const struct py_holder *h)
{
	tree_open(t, "holder");
	put_thread(t, h->thread);
	tree_text(t, "by", py_held_name(h->held));
	put_place(t, h->frame, h->held == PY_HELD_MAYBE && h->frame ? h->frame->pos.line : h->line);
	tree_close(t);
}

static void put_wait(struct tree *t, const struct py_wait *w)
{
	tree_open(t, "wait");
	put_thread(t, w->thread);
	tree_text(t, "for", py_wait_name(w->kind));
	if (w->object)
		tree_address(t, "object", w->object);
	if (*w->text)
		tree_text(t, "text", w->text);
	if (w->lock)
		tree_address(t, "lock", w->lock);
	if (w->owner)
		tree_address(t, "owner", w->owner);
	tree_flag(t, "timed", w->timed);
	put_place(t, w->frame, w->frame ? w->frame->pos.line : -1);
	tree_list(t, "holders");
	for (size_t i = 0; i < w->nholders; i++)
		put_holder(t, &w->holder[i]);
	tree_list_end(t);
	tree_close(t);
}

static void put_cycle(struct tree *t, const struct py_cycle *c)
{
	tree_open(t, "cycle");
	tree_flag(t, "certain", c->certain);
	tree_flag(t, "timed", c->timed);
	tree_list(t, "members");
	for (size_t i = 0; i < c->n; i++) {
		tree_open(t, "member");
		put_thread(t, c->wait[i]->thread);
		tree_close(t);
	}
	tree_list_end(t);
	tree_close(t);
}

static void put_document(struct tree *t, const struct py_locks *l)
{
	tree_open(t, "python-locks");
	tree_text(t, "version", "1.0");
	tree_text(t, "python", l->snap->version);
	if (l->incomplete)
		tree_text(t, "incomplete", l->incomplete);
	tree_list(t, "waits");
	for (size_t i = 0; i < l->nwaits; i++)
		put_wait(t, &l->wait[i]);
	tree_list_end(t);
	tree_list(t, "cycles");
	for (size_t i = 0; i < l->ncycles; i++)
		put_cycle(t, &l->cycle[i]);
	tree_list_end(t);
	tree_close(t);
}

struct err *python_locks_document(struct python *py, const struct space *s, const char *annex,
				  struct buf *out)
{
	struct py_locks locks = { 0 };
	struct tree t;
	bool json = false;
	struct err *err = tree_form("python-locks", annex, &json);
	if (!err)
		err = python_locks(py, s, &locks);
	if (!err) {
		tree_begin(&t, out, json, "python-locks SYSTEM \"python-locks.dtd\"");
		put_document(&t, &locks);
		tree_end(&t);
	}
	py_locks_free(&locks);
	return err;
}

DOCUMENT(build_python_locks)
{
	const struct space *space;
	struct err *err = target_space(ctx->target, &space);
	return err ? err : python_locks_document(ctx->python, space, annex, out);
}

/* ---- osdata ---- */

static void put_row(struct buf *out, const struct py_wait *w, const struct py_holder *h)
{
	const struct py_frame *f = w->frame && !w->frame->corrupt ? w->frame : NULL;
	osdata_item(out);
	osdata_uint(out, "tid", (unsigned long)w->thread->tid);
	osdata_text(out, "name", w->thread->name ? w->thread->name : "");
	osdata_text(out, "waits for", py_wait_name(w->kind));
	osdata_text(out, "object", w->text);
	osdata_text(out, "function", f ? f->qualname : "");
	osdata_text(out, "file", f ? f->file : "");
	osdata_uint(out, "line", f && f->pos.line >= 0 ? (unsigned long)f->pos.line : 0);
	osdata_text(out, "held by", h ? py_held_name(h->held) : "");
	osdata_uint(out, "holder", h ? (unsigned long)h->thread->tid : 0);
	osdata_item_end(out);
}

/* One row for each wait, and for each of several holders of it. */
struct err *python_locks_table(struct python *py, const struct space *s, struct buf *out)
{
	struct py_locks locks = { 0 };
	struct err *err = python_locks(py, s, &locks);
	if (!err) {
		osdata_begin(out, "python-locks");
		for (size_t i = 0; i < locks.nwaits; i++) {
			const struct py_wait *w = &locks.wait[i];
			for (size_t k = 0; k < w->nholders || k == 0; k++)
				put_row(out, w, w->nholders ? &w->holder[k] : NULL);
		}
		osdata_end(out);
	}
	py_locks_free(&locks);
	return err;
}
