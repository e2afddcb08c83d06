/* SPDX-License-Identifier: MIT */
/* The words are those of gdb's libpython.py and of Python's traceback module. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/called.h"
#include "qxfer/python/locals.h"
#include "qxfer/python/sources.h"
#include "qxfer/python_text.h"

/* Bytes after which frames are cut; only garbage makes a text that long. */
#define TEXT_MAX   (256u << 20)
/* Lines that are looked for in the program's memory, and how far back one may be the same. */
#define LOOKS_MAX  64u
#define SAME_LINES 64u

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

void pytext_put_name(const struct pytext *w, const char *name)
{
	put_painted(w, BOLD, name);
}

void pytext_put_title(const struct pytext *w, const char *text)
{
	put_painted(w, YELLOW, text);
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

/* Of a deep recursion the same line is wanted again and again. */
static const char *same_line(const struct py_quotes *q, size_t i)
{
	for (size_t k = i; k-- > 0 && i - k <= SAME_LINES;)
		if (q->line[k].file == q->line[i].file && q->line[k].number == q->line[i].number)
			return q->line[k].text;
	return NULL;
}

void pytext_find_lines(struct python *py, const struct space *s, struct py_quotes *quotes)
{
	struct py_values values = { 0 };
	_cleanup_buf_ struct buf b = { 0 };
	struct err *err = NULL;
	bool ready = false;
	for (size_t i = 0, looks = 0; !err && quotes && i < quotes->n && looks < LOOKS_MAX; i++) {
		struct py_quote *line = &quotes->line[i];
		if (line->text || *line->file != '<')
			continue;
		line->text = same_line(quotes, i);
		if (line->text)
			continue;
		if (!ready)
			err = python_values(py, s, NULL, &values);
		ready = true;
		looks++;
		buf_clear(&b);
		struct py_source source;
		if (!err && py_source_open(&values, line->file, &source) &&
		    py_source_put(&source, line->number, false, &b) && !b.failed)
			line->text = arena_strdup(&quotes->arena, b.data, b.len);
	}
	err_drop(err);
	py_values_end(&values);
}

void pytext_put_frame(const struct pytext *w, const struct py_frame *f, const char *prefix)
{
	if (w->called && f->called) {
		buf_puts(w->out, prefix);
		py_called_put(w->called, f, w->out);
		buf_puts(w->out, "\n");
	}
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
	if (t->torn)
		buf_printf(w->out, "  <torn: not clean after %u tries, it ran meanwhile>\n",
			   w->snap->tries);
	if (!t->nframes && !t->corrupt && !t->torn)
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

static void put_gil_wait(const struct pytext *w, const struct py_thread *t,
			 const struct py_interp *in)
{
	const struct py_snapshot *snap = w->snap;
	if (!t->gil_wanted || !in)
		return;
	buf_puts(w->out, ", waiting for the GIL");
	for (size_t i = 0; i < snap->nthreads; i++)
		if (snap->threads[i].addr == in->gil_holder && snap->threads[i].tid)
			buf_printf(w->out, " held by thread %d", (int)snap->threads[i].tid);
}

static void put_gil(const struct pytext *w, const struct py_thread *t)
{
	const struct py_interp *in = pytext_interp_of(w->snap, t);
	if (t->gil)
		buf_puts(w->out, ", holds the GIL");
	put_gil_wait(w, t, in);
	if (t->collects)
		buf_puts(w->out, ", collecting garbage");
	pytext_put_exception(w->out, t);
}

void pytext_put_doing(const struct pytext *w, const struct py_thread *t)
{
	if (t->gil_wanted)
		buf_puts(w->out, "  Waiting for the GIL\n");
	if (t->collects)
		buf_puts(w->out, "  Garbage-collecting\n");
}

static int64_t interp_id(const struct pytext *w, const struct py_thread *t)
{
	const struct py_interp *in = pytext_interp_of(w->snap, t);
	return in ? in->id : 0;
}

/* The threading module of any of its interpreters may know the name of a thread. */
static const char *find_name(const struct py_thread *const *state, size_t n)
{
	while (n && !state[n - 1]->name)
		n--;
	return n ? state[n - 1]->name : NULL;
}

void pytext_put_heading(const struct pytext *w, const struct py_thread *const *state, size_t n,
			const char *end)
{
	const struct py_thread *t = state[0];
	const char *name = find_name(state, n);
	paint(w, YELLOW);
	if (t->tid)
		buf_printf(w->out, "Thread %d", (int)t->tid);
	else
		buf_puts(w->out, "Thread of no live thread");
	if (name) {
		buf_puts(w->out, " \"");
		buf_puts(w->out, name);
		buf_puts(w->out, "\"");
	}
	buf_printf(w->out, " (0x%" PRIx64, t->ident);
	if (n == 1 && interp_id(w, t))
		buf_printf(w->out, ", interpreter %" PRId64, interp_id(w, t));
	if (n == 1)
		put_gil(w, t);
	buf_puts(w->out, ")");
	buf_puts(w->out, end);
	paint(w, PLAIN);
	buf_puts(w->out, "\n");
}

void pytext_put_state(const struct pytext *w, const struct py_thread *t, bool placed)
{
	buf_printf(w->out, "  (interpreter %" PRId64, interp_id(w, t));
	put_gil(w, t);
	buf_puts(w->out, placed ? ")\n" : ", its place among the others is not known)\n");
}

struct place {
	const struct py_thread *thread;
	const struct py_frame *frame;
};

static struct err *put_merged(const struct pytext *w, const struct py_thread *const *state,
			      size_t n)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += state[i]->nframes;
	struct place *place = calloc(total + 1, sizeof(*place));
	if (!place)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < state[i]->nframes; k++) {
			const struct py_frame *f = &w->snap->frames[state[i]->first_frame + k];
			if (f->depth < total)
				place[f->depth] = (struct place){ state[i], f };
		}
	for (size_t i = 0; i < total && w->out->len < TEXT_MAX; i++) {
		if (!place[i].frame)
			continue;
		if (!i || place[i].thread != place[i - 1].thread)
			pytext_put_state(w, place[i].thread, true);
		pytext_put_frame(w, place[i].frame, "  ");
	}
	free(place);
	return NULL;
}

struct err *pytext_put_stack(const struct pytext *w, const struct py_thread *const *state, size_t n)
{
	bool merged = true, any = false;
	if (w->native && pynative_read(w->native, state[0]->tid)) {
		pytext_put_mixed(w, state, n);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		any = any || state[i]->nframes;
		merged = merged && (state[i]->merged || (!state[i]->nframes && !state[i]->corrupt));
	}
	if (n > 1 && any && merged)
		return put_merged(w, state, n);
	for (size_t i = 0; i < n; i++) {
		if (any && !state[i]->nframes && !state[i]->corrupt)
			continue;
		if (state[i]->shared)
			pytext_put_state(w, state[i], state[i]->merged);
		pytext_put_frames(w, state[i]);
		if (!any && !state[i]->corrupt)
			break;
	}
	return NULL;
}

size_t pytext_states(const struct py_snapshot *snap, const struct py_thread *const *sorted,
		     size_t i)
{
	size_t n = 1;
	while (sorted[i]->tid && i + n < snap->nthreads && sorted[i + n]->tid == sorted[i]->tid)
		n++;
	return n;
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

size_t pytext_stale(const struct py_snapshot *snap, const struct py_thread *const *sorted)
{
	size_t n = 0;
	while (n < snap->nthreads && !sorted[n]->tid)
		n++;
	return n < snap->nthreads ? n : 0;
}

void pytext_put_stale(struct buf *out, size_t n)
{
	if (n)
		buf_printf(out, "\n(%zu thread state%s of no live thread)\n", n, n == 1 ? "" : "s");
}

void pytext_put_doubt(const struct pytext *w)
{
	if (!w->snap->verified)
		buf_printf(w->out,
			   "Python %s (unverified): this archerfish was never tested with it; "
			   "what follows may be wrong.\n\n",
			   w->snap->version);
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
	struct err *err = NULL;
	const struct py_thread **sorted = pytext_sort_threads(w->snap);
	if (!sorted)
		return &err_nomem;
	pytext_put_doubt(w);
	/* Those of no live thread come first. */
	size_t stale = pytext_stale(w->snap, sorted);
	for (size_t i = stale, n; i < w->snap->nthreads && !err; i += n) {
		if (i > stale)
			buf_puts(w->out, "\n");
		n = pytext_states(w->snap, sorted, i);
		pytext_put_heading(w, &sorted[i], n, " (most recent call first):");
		err = pytext_put_stack(w, &sorted[i], n);
	}
	pytext_put_stale(w->out, stale);
	put_damage(w);
	if (w->native)
		pytext_put_others(w);
	free((void *)sorted);
	return err;
}

struct err *pytext_want_values(struct pytext *w, struct python *py, const struct space *s,
			       struct py_values *values)
{
	if (!(w->style & PYTHON_LOCALS) || !w->snap->nthreads)
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
	const struct py_frame *found = NULL;
	*nframes = 0;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->tid != tid)
			continue;
		for (size_t k = 0; k < t->nframes && !found; k++)
			if (snap->frames[t->first_frame + k].depth == n)
				found = &snap->frames[t->first_frame + k];
		*nframes += t->nframes;
	}
	return found;
}

struct err *python_stacks_text(struct python *py, const struct space *s, unsigned int style,
			       struct py_quotes *quotes, struct buf *out)
{
	struct pynative native = { .python = py, .space = s };
	struct pytext w = { .style = style,
			    .quotes = quotes,
			    .native = style & PYTHON_NATIVE ? &native : NULL,
			    .out = out };
	struct py_values values = { 0 };
	struct err *err = pynative_walk(py, s, NULL, w.native != NULL, &w.snap);
	if (!err)
		err = pytext_want_values(&w, py, s, &values);
	if (!err)
		err = pytext_put_all(&w);
	if (!err)
		pytext_find_lines(py, s, quotes);
	py_values_end(&values);
	return pynative_end(&native, err);
}
