/* SPDX-License-Identifier: MIT */
/* The words are those of gdb's libpython.py and of Python's traceback module. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/locals.h"
#include "qxfer/python_text.h"

/* Bytes after which frames are cut; only garbage makes a text that long. */
#define TEXT_MAX (256u << 20)

/* Escape sequences of ECMA-48, SGR. */
#define BOLD   "\x1b[1m"
#define CYAN   "\x1b[36m"
#define GREEN  "\x1b[32m"
#define YELLOW "\x1b[33m"
#define PLAIN  "\x1b[0m"

static void paint(const struct pytext *w, const char *color)
{
	if (w->style & PYTHON_COLOR)
		buf_puts(w->out, color);
}

static void put_painted(const struct pytext *w, const char *color, const char *text)
{
	paint(w, color);
	buf_puts(w->out, text);
	paint(w, PLAIN);
}

static void put_number(struct buf *out, int64_t v)
{
	buf_printf(out, "%" PRId64, v);
}

static void put_details(const struct pytext *w, const struct py_frame *f)
{
	struct buf *out = w->out;
	buf_puts(out, "    ");
	buf_puts(out, f->qualname);
	if (f->pos.column >= 0)
		buf_printf(out, ", %d:%d-%d:%d", f->pos.line, f->pos.column, f->pos.end_line,
			   f->pos.end_column);
	buf_printf(out, ", instruction %d, frame 0x%" PRIx64 ", code 0x%" PRIx64, f->lasti, f->addr,
		   f->code_addr);
	if (f->owner == PY_OWNER_GENERATOR)
		buf_puts(out, ", generator");
	if (f->incomplete)
		buf_puts(out, ", not begun");
	buf_puts(out, f->entry ? ", called from C\n" : "\n");
}

struct locals_writer {
	const struct pytext *w;
	const char *indent;
};

static void put_local(void *arg, const struct py_local *local)
{
	const struct locals_writer *l = arg;
	buf_puts(l->w->out, l->indent);
	buf_puts(l->w->out, local->name);
	if (*local->repr) {
		buf_puts(l->w->out, " = ");
		buf_puts(l->w->out, local->repr);
	} else {
		buf_puts(l->w->out, " (not set)");
	}
	buf_puts(l->w->out, "\n");
}

void pytext_put_locals(const struct pytext *w, const struct py_frame *f, const char *indent)
{
	struct locals_writer l = { w, indent };
	if (f->incomplete) {
		buf_puts(w->out, indent);
		buf_puts(w->out, "(locals not yet set)\n");
	}
	struct err *err = py_locals_visit(w->values, f, put_local, &l);
	if (!err)
		return;
	buf_puts(w->out, indent);
	buf_printf(w->out, "<corrupt: %s>\n", err->msg);
	err_drop(err);
}

void pytext_put_frame(const struct pytext *w, const struct py_frame *f, const char *prefix)
{
	buf_puts(w->out, prefix);
	if (f->corrupt) {
		buf_puts(w->out, f->name);
		buf_puts(w->out, "\n");
		return;
	}
	buf_puts(w->out, "File \"");
	put_painted(w, CYAN, f->file);
	buf_puts(w->out, "\", line ");
	paint(w, GREEN);
	if (f->pos.line >= 0)
		put_number(w->out, f->pos.line);
	else
		buf_puts(w->out, "?");
	paint(w, PLAIN);
	buf_puts(w->out, ", in ");
	put_painted(w, BOLD, f->name);
	buf_puts(w->out, "\n");
	py_quotes_want(w->quotes, w->out, f->file, f->pos.line, NULL);
	if (w->style & PYTHON_FULL)
		put_details(w, f);
	if (w->values)
		pytext_put_locals(w, f, "    ");
}

void pytext_put_frames(const struct pytext *w, const struct py_thread *t)
{
	for (size_t i = 0; i < t->nframes && w->out->len < TEXT_MAX; i++)
		pytext_put_frame(w, &w->snap->frames[t->first_frame + i], "  ");
	if (t->corrupt) {
		buf_puts(w->out, "  <corrupt: ");
		buf_puts(w->out, t->corrupt);
		buf_puts(w->out, ">\n");
	}
	if (!t->nframes && !t->corrupt)
		buf_puts(w->out, "  (no Python frames)\n");
}

const struct py_interp *pytext_interp_of(const struct py_snapshot *snap, const struct py_thread *t)
{
	for (size_t i = 0; i < snap->ninterps; i++) {
		const struct py_interp *in = &snap->interps[i];
		size_t at = (size_t)(t - snap->threads);
		if (at >= in->first_thread && at < in->first_thread + in->nthreads)
			return in;
	}
	return NULL;
}

void pytext_put_exception(struct buf *out, const struct py_thread *t)
{
	if (t->raising) {
		buf_puts(out, ", raising ");
		buf_puts(out, t->raising);
	}
	if (t->handling) {
		buf_puts(out, ", handling ");
		buf_puts(out, t->handling);
	}
}

void pytext_put_heading(const struct pytext *w, const struct py_thread *t, const char *end)
{
	const struct py_interp *in = pytext_interp_of(w->snap, t);
	paint(w, YELLOW);
	if (t->tid)
		buf_printf(w->out, "Thread %d", (int)t->tid);
	else
		buf_puts(w->out, "Thread of no live thread");
	if (t->name) {
		buf_puts(w->out, " \"");
		buf_puts(w->out, t->name);
		buf_puts(w->out, "\"");
	}
	buf_printf(w->out, " (0x%" PRIx64, t->ident);
	if (in && in->id)
		buf_printf(w->out, ", interpreter %" PRId64, in->id);
	if (t->gil)
		buf_puts(w->out, ", holds the GIL");
	if (t->gil && in && in->gc)
		buf_puts(w->out, ", collecting garbage");
	pytext_put_exception(w->out, t);
	buf_puts(w->out, ")");
	buf_puts(w->out, end);
	paint(w, PLAIN);
	buf_puts(w->out, "\n");
}

/* Of two states of one thread the one whose C frames are further in comes first. */
static int compare_threads(const void *a, const void *b)
{
	const struct py_thread *x = *(const struct py_thread *const *)a;
	const struct py_thread *y = *(const struct py_thread *const *)b;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->c_stack != y->c_stack)
		return x->c_stack < y->c_stack ? -1 : 1;
	return x < y ? -1 : x > y;
}

const struct py_thread **pytext_sort_threads(const struct py_snapshot *snap)
{
	const struct py_thread **sorted = calloc(snap->nthreads + 1, sizeof(void *));
	if (!sorted)
		return NULL;
	for (size_t i = 0; i < snap->nthreads; i++)
		sorted[i] = &snap->threads[i];
	qsort((void *)sorted, snap->nthreads, sizeof(void *), compare_threads);
	return sorted;
}

static void put_damage(const struct pytext *w)
{
	for (size_t i = 0; i < w->snap->ninterps; i++)
		if (w->snap->interps[i].corrupt)
			buf_printf(w->out, "\n<corrupt: %s>\n", w->snap->interps[i].corrupt);
	if (w->snap->corrupt)
		buf_printf(w->out, "\n<corrupt: %s>\n", w->snap->corrupt);
}

struct err *pytext_put_all(const struct pytext *w)
{
	const struct py_thread **sorted = pytext_sort_threads(w->snap);
	if (!sorted)
		return &err_nomem;
	if (!w->snap->verified)
		buf_printf(
			w->out,
			"Python %s is newer than this archerfish; what follows may be wrong.\n\n",
			w->snap->version);
	for (size_t i = 0; i < w->snap->nthreads; i++) {
		if (i)
			buf_puts(w->out, "\n");
		pytext_put_heading(w, sorted[i], " (most recent call first):");
		pytext_put_frames(w, sorted[i]);
	}
	put_damage(w);
	free((void *)sorted);
	return NULL;
}

struct err *pytext_want_values(struct pytext *w, struct python *py, const struct space *s,
			       struct py_values *values)
{
	if (!(w->style & PYTHON_LOCALS))
		return NULL;
	w->values = values;
	return python_values(py, s, NULL, values);
}

const struct py_thread *pytext_find_thread(const struct py_snapshot *snap, pid_t tid)
{
	const struct py_thread *found = NULL;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->tid == tid && t->nframes && (!found || compare_threads(&t, &found) < 0))
			found = t;
	}
	return found;
}

const struct py_frame *pytext_frame_at(const struct py_snapshot *snap, pid_t tid, size_t n,
				       size_t *nframes)
{
	const struct py_thread **sorted = pytext_sort_threads(snap);
	const struct py_frame *found = NULL;
	*nframes = 0;
	for (size_t i = 0; sorted && i < snap->nthreads; i++) {
		const struct py_thread *t = sorted[i];
		if (t->tid != tid)
			continue;
		if (!found && n - *nframes < t->nframes)
			found = &snap->frames[t->first_frame + n - *nframes];
		*nframes += t->nframes;
	}
	free((void *)sorted);
	return found;
}

struct err *python_stacks_text(struct python *py, const struct space *s, unsigned int style,
			       struct py_quotes *quotes, struct buf *out)
{
	struct pytext w = { .style = style, .quotes = quotes, .out = out };
	struct py_values values = { 0 };
	struct err *err = python_walk(py, s, NULL, &w.snap);
	if (!err)
		err = pytext_want_values(&w, py, s, &values);
	if (!err)
		err = pytext_put_all(&w);
	py_values_end(&values);
	return err;
}
