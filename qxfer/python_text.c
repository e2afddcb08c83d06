/* SPDX-License-Identifier: MIT */
/* The words are those of gdb's libpython.py and of Python's traceback module. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/locals.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Frames asked for when only the innermost one is shown; some may be hidden. */
#define TOP_FRAMES 4u

/* Bytes after which frames are cut; only garbage makes a text that long. */
#define TEXT_MAX (256u << 20)

/* Escape sequences of ECMA-48, SGR. */
#define BOLD   "\x1b[1m"
#define CYAN   "\x1b[36m"
#define GREEN  "\x1b[32m"
#define YELLOW "\x1b[33m"
#define PLAIN  "\x1b[0m"

struct writer {
	const struct py_snapshot *snap;
	unsigned int style;	  /* enum python_style */
	struct py_values *values; /* NULL: no variables */
	struct buf *out;
};

static void paint(const struct writer *w, const char *color)
{
	if (w->style & PYTHON_COLOR)
		buf_puts(w->out, color);
}

static void put_painted(const struct writer *w, const char *color, const char *text)
{
	paint(w, color);
	buf_puts(w->out, text);
	paint(w, PLAIN);
}

static void put_number(struct buf *out, int64_t v)
{
	buf_printf(out, "%" PRId64, v);
}

static void put_details(const struct writer *w, const struct py_frame *f)
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
	const struct writer *w;
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

static void put_locals(const struct writer *w, const struct py_frame *f, const char *indent)
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

/* As traceback prints it. */
static void put_frame(const struct writer *w, const struct py_frame *f)
{
	buf_puts(w->out, "  ");
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
	if (w->style & PYTHON_FULL)
		put_details(w, f);
	if (w->values)
		put_locals(w, f, "    ");
}

static void put_frames(const struct writer *w, const struct py_thread *t)
{
	for (size_t i = 0; i < t->nframes && w->out->len < TEXT_MAX; i++)
		put_frame(w, &w->snap->frames[t->first_frame + i]);
	if (t->corrupt) {
		buf_puts(w->out, "  <corrupt: ");
		buf_puts(w->out, t->corrupt);
		buf_puts(w->out, ">\n");
	}
	if (!t->nframes && !t->corrupt)
		buf_puts(w->out, "  (no Python frames)\n");
}

static const struct py_interp *interp_of(const struct py_snapshot *snap, const struct py_thread *t)
{
	for (size_t i = 0; i < snap->ninterps; i++) {
		const struct py_interp *in = &snap->interps[i];
		size_t at = (size_t)(t - snap->threads);
		if (at >= in->first_thread && at < in->first_thread + in->nthreads)
			return in;
	}
	return NULL;
}

static void put_exception(struct buf *out, const struct py_thread *t)
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

/* "Thread 1234 "worker" (0x7f..., interpreter 1, holds the GIL) (most recent call first):" */
static void put_heading(const struct writer *w, const struct py_thread *t)
{
	const struct py_interp *in = interp_of(w->snap, t);
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
	put_exception(w->out, t);
	buf_puts(w->out, ") (most recent call first):");
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

/* The snapshot's threads by tid, to be freed by the caller; NULL: out of memory. */
static const struct py_thread **sort_threads(const struct py_snapshot *snap)
{
	const struct py_thread **sorted = calloc(snap->nthreads + 1, sizeof(void *));
	if (!sorted)
		return NULL;
	for (size_t i = 0; i < snap->nthreads; i++)
		sorted[i] = &snap->threads[i];
	qsort((void *)sorted, snap->nthreads, sizeof(void *), compare_threads);
	return sorted;
}

static void put_damage(const struct writer *w)
{
	for (size_t i = 0; i < w->snap->ninterps; i++)
		if (w->snap->interps[i].corrupt)
			buf_printf(w->out, "\n<corrupt: %s>\n", w->snap->interps[i].corrupt);
	if (w->snap->corrupt)
		buf_printf(w->out, "\n<corrupt: %s>\n", w->snap->corrupt);
}

static struct err *put_all(const struct writer *w)
{
	const struct py_thread **sorted = sort_threads(w->snap);
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
		put_heading(w, sorted[i]);
		put_frames(w, sorted[i]);
	}
	put_damage(w);
	free((void *)sorted);
	return NULL;
}

/* If the style has variables, readies @w to show them. */
static struct err *want_values(struct writer *w, struct python *py, const struct space *s,
			       struct py_values *values)
{
	if (!(w->style & PYTHON_LOCALS))
		return NULL;
	w->values = values;
	return python_values(py, s, NULL, values);
}

struct err *python_stacks_text(struct python *py, const struct space *s, unsigned int style,
			       struct buf *out)
{
	struct writer w = { .style = style, .out = out };
	struct py_values values = { 0 };
	struct err *err = python_walk(py, s, NULL, &w.snap);
	if (!err)
		err = want_values(&w, py, s, &values);
	if (!err)
		err = put_all(&w);
	py_values_end(&values);
	return err;
}

/* ---- one thread ---- */

struct bt_request {
	bool all;
	unsigned int style;
	pid_t tid;
	uint64_t ident; /* 0: by tid */
};

static struct err *parse_thread(const char *text, size_t len, struct bt_request *r)
{
	char number[24] = "", *end;
	if (len < sizeof(number))
		memcpy(number, text, len);
	bool hex = number[0] == '0' && number[1] == 'x';
	uint64_t v = strtoull(number, &end, hex ? 16 : 10);
	if (!*number || *end || !v || (!hex && v > INT32_MAX))
		return err_new(ERR_BAD_DATA, "py-bt takes all, full, or a thread, not %.*s",
			       len < 40 ? (int)len : 40, text);
	if (hex)
		r->ident = v;
	else
		r->tid = (pid_t)v;
	return NULL;
}

static struct err *parse_word(const char *text, size_t len, struct bt_request *r)
{
	if (len == 3 && memcmp(text, "all", 3) == 0)
		r->all = true;
	else if (len == 4 && memcmp(text, "full", 4) == 0)
		r->style |= PYTHON_FULL | PYTHON_LOCALS;
	else
		return parse_thread(text, len, r);
	return NULL;
}

static struct err *parse_bt(const char *args, struct bt_request *r)
{
	struct err *err = NULL;
	while (!err && *(args += strspn(args, " \t"))) {
		size_t len = strcspn(args, " \t");
		err = parse_word(args, len, r);
		args += len;
	}
	return err;
}

/* Of a thread with several states, all of them: together they are its Python stack. */
static struct err *put_one(const struct writer *w, const struct bt_request *r)
{
	const struct py_thread **sorted = sort_threads(w->snap);
	bool found = false;
	if (!sorted)
		return &err_nomem;
	for (size_t i = 0; i < w->snap->nthreads; i++) {
		if (r->ident ? sorted[i]->ident != r->ident : sorted[i]->tid != r->tid)
			continue;
		if (!found)
			buf_puts(w->out, "Traceback (most recent call first):\n");
		put_frames(w, sorted[i]);
		found = true;
	}
	free((void *)sorted);
	if (found)
		return NULL;
	return r->ident ? err_new(ERR_NOT_FOUND, "no Python thread 0x%" PRIx64, r->ident)
			: err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)r->tid);
}

struct err *python_bt_text(struct python *py, const struct space *s, pid_t tid, const char *args,
			   struct buf *out)
{
	struct bt_request r = { .tid = tid };
	struct err *err = parse_bt(args, &r);
	if (err)
		return err;
	struct writer w = { .style = r.style, .out = out };
	const struct py_walk walk = { .tid = r.all || r.ident ? 0 : r.tid };
	struct py_values values = { 0 };
	err = python_walk(py, s, &walk, &w.snap);
	if (!err)
		err = want_values(&w, py, s, &values);
	if (!err)
		err = r.all ? put_all(&w) : put_one(&w, &r);
	py_values_end(&values);
	return err;
}

/* ---- lists of threads ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static void put_brief(struct buf *out, const struct py_frame *f)
{
	buf_puts(out, f->name);
	if (f->corrupt)
		return;
	buf_puts(out, " (");
	buf_puts(out, base_name(f->file));
	if (f->pos.line >= 0)
		buf_printf(out, ":%d", f->pos.line);
	buf_puts(out, ")");
}

static struct err *walk_tops(struct python *py, const struct space *s, bool in_passing,
			     const struct py_snapshot **ret)
{
	const struct py_walk walk = { .max_frames = TOP_FRAMES, .in_passing = in_passing };
	return python_walk(py, s, &walk, ret);
}

/* The state of @tid that is furthest in, with a frame; or NULL. */
static const struct py_thread *find_thread(const struct py_snapshot *snap, pid_t tid)
{
	const struct py_thread *found = NULL;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->tid == tid && t->nframes && (!found || compare_threads(&t, &found) < 0))
			found = t;
	}
	return found;
}

struct err *python_thread_text(struct python *py, const struct space *s, pid_t tid, struct buf *out)
{
	const struct py_snapshot *snap;
	struct err *err = walk_tops(py, s, true, &snap);
	if (err)
		return err;
	const struct py_thread *t = find_thread(snap, tid);
	if (!t)
		return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)tid);
	put_brief(out, &snap->frames[t->first_frame]);
	return NULL;
}

struct err *python_threads_text(struct python *py, const struct space *s, pid_t tid,
				struct buf *out)
{
	const struct py_snapshot *snap;
	struct err *err = walk_tops(py, s, false, &snap);
	if (err)
		return err;
	const struct py_thread **sorted = sort_threads(snap);
	if (!sorted)
		return &err_nomem;
	buf_printf(out, "  %-8s %-6s %-4s %-16s %s\n", "Thread", "Interp", "GIL", "Name",
		   "Function");
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = sorted[i];
		const struct py_interp *in = interp_of(snap, t);
		buf_printf(out, "%c %-8d %-6" PRId64 " %-4s %-16.100s ", t->tid == tid ? '*' : ' ',
			   (int)t->tid, in ? in->id : 0, t->gil ? "yes" : "-",
			   t->name ? t->name : "-");
		if (t->nframes)
			put_brief(out, &snap->frames[t->first_frame]);
		else
			buf_puts(out, "-");
		put_exception(out, t);
		buf_puts(out, "\n");
	}
	free((void *)sorted);
	return NULL;
}

/* ---- the variables of one frame ---- */

static struct err *find_frame(const struct py_snapshot *snap, pid_t tid, const char *args,
			      const struct py_frame **ret)
{
	const struct py_thread *t = find_thread(snap, tid);
	char *end;
	unsigned long n = strtoul(args, &end, 10);
	if (*end || *args == '-' || *args == '+')
		return err_new(ERR_BAD_DATA, "py-locals takes the number of a frame, not %.40s",
			       args);
	if (!t)
		return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)tid);
	if (n >= t->nframes)
		return err_new(ERR_NOT_FOUND, "thread %d has no Python frame %lu", (int)tid, n);
	*ret = &snap->frames[t->first_frame + n];
	return NULL;
}

struct err *python_locals_text(struct python *py, const struct space *s, pid_t tid,
			       const char *args, struct buf *out)
{
	struct writer w = { .style = PYTHON_LOCALS, .out = out };
	struct py_values values = { 0 };
	const struct py_walk walk = { .tid = tid };
	const struct py_frame *f;
	struct err *err = python_walk(py, s, &walk, &w.snap);
	if (!err)
		err = find_frame(w.snap, tid, args, &f);
	if (!err)
		err = want_values(&w, py, s, &values);
	if (!err)
		put_locals(&w, f, "");
	py_values_end(&values);
	return err;
}
