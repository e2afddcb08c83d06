/* SPDX-License-Identifier: MIT */
#include "qxfer/python.h"

#include <string.h>

#include "qxfer/python/locals.h"
#include "qxfer/python_exc.h"
#include "qxfer/python_native.h"
#include "qxfer/request.h"
#include "qxfer/tree.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Bytes after which a thread's frames are cut; only garbage makes a document that long. */
#define DOCUMENT_MAX (256u << 20)

/* ---- python-frames ---- */

static const char *owner_name(enum py_owner owner)
{
	static const char *const names[] = {
		[PY_OWNER_THREAD] = "thread",
		[PY_OWNER_GENERATOR] = "generator",
		[PY_OWNER_FRAME_OBJECT] = "frame-object",
	};
	return (size_t)owner < ARRAY_SIZE(names) ? names[owner] : "unknown";
}

static void put_position(struct tree *t, const struct py_position *p)
{
	if (p->line < 0)
		return;
	tree_int(t, "line", p->line);
	if (p->end_line >= 0)
		tree_int(t, "end-line", p->end_line);
	if (p->column >= 0)
		tree_int(t, "column", p->column);
	if (p->end_column >= 0)
		tree_int(t, "end-column", p->end_column);
}

static void put_local(void *arg, const struct py_local *local)
{
	struct tree *t = arg;
	tree_open(t, "local");
	tree_text(t, "name", local->name);
	tree_text(t, "kind", py_local_kind_name(local->kind));
	if (local->addr) {
		tree_text(t, "type", local->type);
		tree_address(t, "address", local->addr);
	}
	if (*local->repr)
		tree_text(t, "repr", local->repr);
	tree_close(t);
}

static void put_locals(struct tree *t, const struct py_frame *f, struct py_values *v)
{
	tree_list(t, "locals");
	struct err *err = py_locals_visit(v, f, put_local, t);
	tree_list_end(t);
	tree_corrupt(t, err ? err->msg : NULL);
	err_drop(err);
}

/* @at: its place among all frames of its thread, native ones too; -1: not known. */
static void put_frame(struct tree *t, const struct py_thread *th, const struct py_frame *f,
		      size_t level, int64_t at, struct py_values *v)
{
	tree_open(t, "frame");
	tree_int(t, "level", (int64_t)level);
	if (th->merged)
		tree_int(t, "stack-level", f->depth);
	if (at >= 0)
		tree_int(t, "at", at);
	if (f->corrupt) {
		tree_text(t, "corrupt", f->name);
	} else {
		tree_text(t, "name", f->name);
		if (f->qualified)
			tree_text(t, "qualname", f->qualname);
		tree_text(t, "file", f->file);
		put_position(t, &f->pos);
		tree_int(t, "first-line", f->first_line);
	}
	if (f->lasti >= 0)
		tree_int(t, "lasti", f->lasti);
	tree_address(t, "code", f->code_addr);
	tree_address(t, "address", f->addr);
	tree_text(t, "owner", owner_name(f->owner));
	tree_flag(t, "entry", f->entry);
	tree_flag(t, "incomplete", f->incomplete);
	if (v && !f->corrupt)
		put_locals(t, f, v);
	tree_close(t);
}

/* What goes into a document. */
struct shown {
	struct python *py;
	const struct py_snapshot *snap;
	struct py_values *locals;     /* NULL: not those */
	struct py_values *exceptions; /* NULL: no thread has any */
	struct pynative *native;      /* NULL: no native frames */
};

/* Python's frames alone; false: the document would be too long. */
static bool put_frames(struct tree *t, const struct shown *s, const struct py_thread *th)
{
	for (size_t i = 0; i < th->nframes; i++) {
		put_frame(t, th, &s->snap->frames[th->first_frame + i], i, -1, s->locals);
		if (t->out->len > DOCUMENT_MAX)
			return false;
	}
	return true;
}

/* And with them the native frames of this state of the thread. */
static bool put_mixed(struct tree *t, const struct shown *s, const struct py_thread *th)
{
	const struct py_mixed *m = &s->native->mixed;
	for (size_t i = 0; i < m->n; i++) {
		const struct py_mixed_item *item = &m->items[i];
		int64_t at = m->apart ? -1 : (int64_t)i;
		if (item->thread != (size_t)(th - s->snap->threads))
			continue;
		if (item->kind == PY_MIXED_PYTHON)
			put_frame(t, th, &s->snap->frames[item->index],
				  item->index - th->first_frame, at, s->locals);
		else
			pynative_put(t, s->native, item, at);
		if (t->out->len > DOCUMENT_MAX)
			return false;
	}
	return true;
}

static void put_thread(struct tree *t, const struct shown *s, const struct py_thread *th)
{
	bool mixed = s->native && pynative_read(s->native, th->tid);

	tree_open(t, "thread");
	if (th->tid)
		tree_int(t, "tid", th->tid);
	if (th->name)
		tree_text(t, "name", th->name);
	tree_address(t, "ident", th->ident);
	if (th->native_id)
		tree_int(t, "native-id", (int64_t)th->native_id);
	tree_address(t, "address", th->addr);
	tree_flag(t, "gil", th->gil);
	if (s->snap->tries)
		tree_flag(t, "torn", th->torn);
	if (th->raising)
		tree_text(t, "raising", th->raising);
	if (th->handling)
		tree_text(t, "handling", th->handling);
	if (mixed && s->native->mixed.mismatch)
		tree_text(t, "mismatch", s->native->mixed.mismatch);
	if (s->exceptions && (th->raising || th->handling))
		pydoc_put_exceptions(t, s->py, s->exceptions, th);
	tree_list(t, "frames");
	bool all = mixed ? put_mixed(t, s, th) : put_frames(t, s, th);
	tree_list_end(t);
	tree_corrupt(t, all ? th->corrupt : "the document would be too long");
	tree_close(t);
}

static void put_interp(struct tree *t, const struct shown *s, const struct py_interp *in)
{
	tree_open(t, "interpreter");
	tree_int(t, "id", in->id);
	tree_address(t, "address", in->addr);
	tree_flag(t, "gc", in->gc);
	tree_list(t, "threads");
	for (size_t i = 0; i < in->nthreads; i++)
		put_thread(t, s, &s->snap->threads[in->first_thread + i]);
	tree_list_end(t);
	tree_corrupt(t, in->corrupt);
	tree_close(t);
}

static void put_document(struct tree *t, const struct shown *s)
{
	const struct py_snapshot *snap = s->snap;
	tree_open(t, "python-frames");
	tree_text(t, "version", "1.0");
	tree_text(t, "python", snap->version);
	if (t->json)
		tree_flag(t, "verified", snap->verified);
	else
		tree_text(t, "verified", snap->verified ? "yes" : "no");
	tree_address(t, "runtime", snap->runtime);
	if (snap->tries)
		tree_int(t, "tries", snap->tries);
	tree_list(t, "interpreters");
	for (size_t i = 0; i < snap->ninterps; i++)
		put_interp(t, s, &snap->interps[i]);
	tree_list_end(t);
	if (s->native)
		pynative_put_others(t, s->native, snap, DOCUMENT_MAX);
	tree_corrupt(t, snap->corrupt);
	tree_close(t);
}

static bool has_exceptions(const struct py_snapshot *snap)
{
	for (size_t i = 0; i < snap->nthreads; i++)
		if (snap->threads[i].raising || snap->threads[i].handling)
			return true;
	return false;
}

static struct err *walk(struct python *py, const struct space *s, const struct request *r,
			const struct py_snapshot **ret)
{
	const struct py_walk how = { .tid = r->tid };
	bool native = r->options & REQUEST_NATIVE;
	struct err *err = pynative_walk(py, s, &how, native, ret);
	if (!err && r->tid && !(*ret)->nthreads && !(native && pynative_has_thread(s, r->tid)))
		err = err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)r->tid);
	return err;
}

struct err *python_frames_document(struct python *py, const struct space *s, const char *annex,
				   struct buf *out)
{
	struct request r = { 0 };
	const struct py_snapshot *snap;
	struct tree t;

	struct err *err =
		request_parse("python-frames", REQUEST_LOCALS | REQUEST_NATIVE, annex, &r);
	if (!err)
		err = walk(py, s, &r, &snap);
	if (err)
		return err;
	struct py_values values = { 0 };
	struct pynative native = { .python = py, .space = s, .tid = r.tid };
	bool exceptions = has_exceptions(snap);
	bool locals = r.options & REQUEST_LOCALS && snap->nthreads;
	if (locals || exceptions)
		err = python_values(py, s, NULL, &values);
	if (err && !locals) {
		err_drop(err); /* their types are told in any case */
		exceptions = false;
		err = NULL;
	}
	if (!err) {
		const struct shown shown = { .py = py,
					     .snap = snap,
					     .locals = locals ? &values : NULL,
					     .exceptions = exceptions ? &values : NULL,
					     .native =
						     r.options & REQUEST_NATIVE ? &native : NULL };
		tree_begin(&t, out, r.json, "python-frames SYSTEM \"python-frames.dtd\"");
		put_document(&t, &shown);
		tree_end(&t);
	}
	py_values_end(&values);
	return pynative_end(&native, err);
}

/* ---- osdata ---- */

static void column(struct buf *out, const char *name, const char *text)
{
	buf_puts(out, "<column name=\"");
	buf_puts(out, name);
	buf_puts(out, "\">");
	buf_put_xml(out, text);
	buf_puts(out, "</column>\n");
}

static void number_column(struct buf *out, const char *name, int64_t value)
{
	buf_printf(out, "<column name=\"%s\">%lld</column>\n", name, (long long)value);
}

static void begin_table(struct buf *out, const char *type)
{
	buf_puts(out, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"osdata.dtd\">\n");
	buf_printf(out, "<osdata type=\"%s\">\n", type);
}

static void put_place(struct buf *out, const struct py_frame *f)
{
	column(out, "function", f->qualname);
	column(out, "file", f->corrupt ? "" : f->file);
	if (f->pos.line >= 0)
		number_column(out, "line", f->pos.line);
	else
		column(out, "line", "?");
}

static void put_thread_row(struct buf *out, const struct py_snapshot *snap,
			   const struct py_interp *in, const struct py_thread *t)
{
	static const struct py_frame none = { .qualname = "",
					      .file = "",
					      .pos = { -1, -1, -1, -1 } };
	buf_puts(out, "<item>\n");
	number_column(out, "tid", t->tid);
	column(out, "name", t->name ? t->name : "");
	number_column(out, "interpreter", in->id);
	buf_printf(out, "<column name=\"ident\">0x%llx</column>\n", (unsigned long long)t->ident);
	column(out, "gil", t->gil ? "yes" : "no");
	column(out, "exception", t->raising ? t->raising : t->handling ? t->handling : "");
	number_column(out, "frames", (int64_t)t->nframes);
	put_place(out, t->nframes ? &snap->frames[t->first_frame] : &none);
	buf_puts(out, "</item>\n");
}

static void put_frame_rows(struct buf *out, const struct py_snapshot *snap,
			   const struct py_interp *in, const struct py_thread *t)
{
	for (size_t i = 0; i < t->nframes; i++) {
		const struct py_frame *f = &snap->frames[t->first_frame + i];
		buf_puts(out, "<item>\n");
		number_column(out, "tid", t->tid);
		number_column(out, "interpreter", in->id);
		number_column(out, "level", (int64_t)i);
		put_place(out, f);
		buf_puts(out, "</item>\n");
	}
}

typedef void (*row_writer)(struct buf *out, const struct py_snapshot *snap,
			   const struct py_interp *in, const struct py_thread *t);

static struct err *put_table(struct python *py, const struct space *s, const char *type,
			     row_writer row, struct buf *out)
{
	const struct py_snapshot *snap;
	struct err *err = python_walk(py, s, NULL, &snap);
	if (err)
		return err;
	begin_table(out, type);
	for (size_t i = 0; i < snap->ninterps; i++)
		for (size_t k = 0; k < snap->interps[i].nthreads; k++)
			row(out, snap, &snap->interps[i],
			    &snap->threads[snap->interps[i].first_thread + k]);
	buf_puts(out, "</osdata>\n");
	return NULL;
}

struct err *python_threads_table(struct python *py, const struct space *s, struct buf *out)
{
	return put_table(py, s, "python-threads", put_thread_row, out);
}

struct err *python_frames_table(struct python *py, const struct space *s, struct buf *out)
{
	return put_table(py, s, "python-frames", put_frame_rows, out);
}
