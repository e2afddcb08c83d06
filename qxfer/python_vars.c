/* SPDX-License-Identifier: MIT */
/* `monitor py-locals', py-bt-full, and the frame that they and others are about. */
#include <inttypes.h>
#include <stdlib.h>

#include "qxfer/python/called.h"
#include "qxfer/python/locals.h"
#include "qxfer/python/sources.h"
#include "qxfer/python_text.h"

#define LOCALS_BYTES (16u << 20) /* of one answer; the frame that reaches it is the last */

/* One line of a stack: a frame, or above it the function of C that it calls. */
struct line {
	const struct py_frame *frame;
	bool call;
};

struct lines {
	struct line *line; /* innermost first */
	size_t n;
};

/* Frames by their depth; those whose place is not known have one all the same. */
static void list_frames(const struct py_snapshot *snap, pid_t tid, const struct py_frame **ret,
			size_t n)
{
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		for (size_t k = 0; t->tid == tid && k < t->nframes; k++) {
			const struct py_frame *f = &snap->frames[t->first_frame + k];
			if (f->depth < n)
				ret[f->depth] = f;
		}
	}
}

static struct err *list_lines(const struct py_snapshot *snap, pid_t tid, struct lines *ret)
{
	size_t n;
	(void)pytext_frame_at(snap, tid, 0, &n);
	const struct py_frame **frame = calloc(n + 1, sizeof(void *));
	ret->line = calloc(2 * n + 1, sizeof(*ret->line));
	ret->n = 0;
	if (!frame || !ret->line) {
		free((void *)frame);
		free(ret->line);
		return &err_nomem;
	}
	list_frames(snap, tid, frame, n);
	for (size_t i = 0; i < n; i++) {
		if (!frame[i])
			continue;
		if (frame[i]->called)
			ret->line[ret->n++] = (struct line){ frame[i], true };
		ret->line[ret->n++] = (struct line){ frame[i], false };
	}
	free((void *)frame);
	return NULL;
}

/* *ret is to be freed by the caller if all went well; it has at least one line then. */
static struct err *read_lines(const struct python_view *view, const struct py_snapshot **snap,
			      struct lines *ret)
{
	const struct py_walk walk = { .tid = view->tid };
	struct err *err = python_walk(view->py, view->space, &walk, snap);
	if (!err)
		err = python_find_called(view->py, view->space, view->tid);
	if (!err)
		err = list_lines(*snap, view->tid, ret);
	if (err || ret->n)
		return err;
	free(ret->line);
	return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)view->tid);
}

static struct err *no_line(const struct python_view *view, size_t n)
{
	return err_new(ERR_NOT_FOUND, "thread %d has no Python frame %zu", (int)view->tid, n);
}

struct err *pytext_walk_to(const struct python_view *view, size_t n,
			   const struct py_snapshot **snap, const struct py_frame **ret)
{
	struct lines lines;
	struct err *err = read_lines(view, snap, &lines);
	if (err)
		return err;
	*ret = n < lines.n ? lines.line[n].frame : NULL;
	free(lines.line);
	return *ret ? NULL : no_line(view, n);
}

static struct err *parse_frame(const char *args, size_t *ret)
{
	char *end;
	unsigned long n = strtoul(args, &end, 10);
	if (*end || *args == '-' || *args == '+')
		return err_new(ERR_BAD_DATA, "py-locals takes the number of a frame, not %.40s",
			       args);
	if (*args)
		*ret = n;
	return NULL;
}

/* libpython.py goes on to the frames that ran the same evaluation loop; as far as that. */
static void put_locals(const struct pytext *w, const struct lines *lines, size_t n, bool alone)
{
	for (size_t i = n; i < lines->n && w->out->len < LOCALS_BYTES; i++) {
		const struct py_frame *f = lines->line[i].frame;
		if (lines->line[i].call)
			continue;
		buf_printf(w->out, "Locals for %s\n", f->name);
		pytext_put_locals(w, f, "");
		if (f->entry || alone)
			break;
	}
}

struct err *python_locals_text(const struct python_view *view, const char *args, struct buf *out)
{
	struct pytext w = { .style = PYTHON_LOCALS, .out = out };
	struct py_values values = { 0 };
	struct lines lines;
	size_t n = view->frame;
	struct err *err = parse_frame(args, &n);
	if (!err)
		err = read_lines(view, &w.snap, &lines);
	if (err)
		return err;
	err = n < lines.n ? pytext_want_values(&w, view->py, view->space, &values)
			  : no_line(view, n);
	if (!err)
		put_locals(&w, &lines, n, *args);
	py_values_end(&values);
	free(lines.line);
	return err;
}

struct variables {
	struct buf *out;
	const char *separator;
};

static void put_variable(void *arg, const struct py_local *local)
{
	struct variables *v = arg;
	if (!*local->repr)
		return;
	buf_puts(v->out, v->separator);
	buf_puts(v->out, local->name);
	buf_puts(v->out, "=");
	buf_puts(v->out, local->repr);
	v->separator = ", ";
}

/* "#5 Frame 0x7f.., for file x.py, line 3, in f (a=1)", as libpython.py has it. */
static void put_line(const struct pytext *w, const struct line *line, size_t n)
{
	const struct py_frame *f = line->frame;
	struct variables variables = { w->out, "" };
	buf_printf(w->out, "#%zu ", n);
	if (line->call) {
		py_called_put(w->values, f, w->out);
		buf_puts(w->out, "\n");
		return;
	}
	buf_printf(w->out, "Frame 0x%" PRIx64 ", for file ", f->addr);
	buf_puts(w->out, f->file);
	buf_printf(w->out, ", line %" PRId32 ", in ", f->pos.line);
	buf_puts(w->out, f->name);
	buf_puts(w->out, " (");
	struct err *err = py_locals_visit(w->values, f, put_variable, &variables);
	if (err)
		buf_printf(w->out, "<corrupt: %s>", err->msg);
	err_drop(err);
	buf_puts(w->out, ")\n");
	py_quotes_want(w->quotes, w->out, f->file, f->pos.line, NULL);
}

static struct err *put_lines(const struct python_view *view, size_t first, size_t n,
			     struct buf *out)
{
	struct pytext w = { .style = PYTHON_LOCALS, .quotes = view->quotes, .out = out };
	struct py_values values = { 0 };
	struct lines lines;
	struct err *err = read_lines(view, &w.snap, &lines);
	if (err)
		return err;
	err = first < lines.n ? pytext_want_values(&w, view->py, view->space, &values)
			      : no_line(view, first);
	for (size_t i = first; !err && i < lines.n && i - first < n; i++)
		put_line(&w, &lines.line[i], i);
	py_values_end(&values);
	free(lines.line);
	return err;
}

struct err *python_frame_text(const struct python_view *view, struct buf *out)
{
	return put_lines(view, view->frame, 1, out);
}

struct err *python_bt_full_text(const struct python_view *view, const char *args, struct buf *out)
{
	const struct py_walk walk = { .tid = view->tid };
	struct pytext w = { .out = out };
	if (*args)
		return err_new(ERR_UNSUPPORTED, "py-bt-full takes no argument");
	struct err *err = python_walk(view->py, view->space, &walk, &w.snap);
	const struct py_thread *t = err ? NULL : pytext_find_thread(w.snap, view->tid);
	if (t)
		pytext_put_doing(&w, t);
	return err ? err : put_lines(view, 0, SIZE_MAX, out);
}

struct err *python_frame_move(const struct python_view *view, int64_t by, size_t *ret)
{
	const struct py_snapshot *snap;
	struct lines lines;
	size_t at = view->frame;
	struct err *err = read_lines(view, &snap, &lines);
	if (err)
		return err;
	size_t last = lines.n - 1;
	free(lines.line);
	if (by >= 0 && at >= last)
		return err_new(ERR_NOT_FOUND, "Unable to find an older python frame");
	if (by < 0 && !at)
		return err_new(ERR_NOT_FOUND, "Unable to find a newer python frame");
	if (by >= 0)
		*ret = (uint64_t)by < last - at ? at + (size_t)by : last;
	else
		*ret = 0 - (uint64_t)by < at ? at - (size_t)(0 - (uint64_t)by) : 0;
	return NULL;
}

struct err *python_frame_place(const struct python_view *view, struct python_place *ret)
{
	const struct py_snapshot *snap;
	const struct py_frame *f;
	struct err *err = pytext_walk_to(view, view->frame, &snap, &f);
	if (err)
		return err;
	if (f->corrupt)
		return err_new(ERR_BAD_DATA, "%s", f->name);
	*ret = (struct python_place){ .file = f->file, .name = f->name, .line = f->pos.line };
	return NULL;
}

static struct err *put_source(const struct py_source *s, const struct python_place *at,
			      int64_t first, int64_t last, struct buf *out)
{
	if (first > 0 && (uint64_t)first > s->n)
		return err_new(ERR_NOT_FOUND, "%.80s has only %" PRIu64 " lines", at->file, s->n);
	for (int64_t n = first; n <= last && py_source_put(s, n, true, out); n++)
		buf_puts(out, "\n");
	return NULL;
}

struct err *python_place_lines(const struct python_view *view, const struct python_place *at,
			       int64_t first, int64_t last, struct buf *out)
{
	struct py_values values = { 0 };
	struct py_source source;
	struct err *err = python_values(view->py, view->space, NULL, &values);
	if (!err && !py_source_open(&values, at->file, &source))
		err = err_new(ERR_NOT_FOUND, "%.80s is not a file", at->file);
	if (!err)
		err = put_source(&source, at, first, last, out);
	py_values_end(&values);
	return err;
}
