/* SPDX-License-Identifier: MIT */
/* `monitor py-bt': the stack of one thread, or of all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/called.h"
#include "qxfer/python_exc.h"

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
		return err_new(ERR_BAD_DATA, "py-bt takes all, full, native, or a thread, not %.*s",
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
	else if (len == 6 && memcmp(text, "native", 6) == 0)
		r->style |= PYTHON_NATIVE;
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
static struct err *put_one(const struct pytext *w, const struct bt_request *r,
			   const struct python_view *view)
{
	const struct py_thread **sorted = pytext_sort_threads(w->snap);
	struct err *err = NULL;
	bool found = false;
	if (!sorted)
		return &err_nomem;
	for (size_t i = 0, n; i < w->snap->nthreads && !err; i += n) {
		n = pytext_states(w->snap, sorted, i);
		if (r->ident ? sorted[i]->ident != r->ident : sorted[i]->tid != r->tid)
			continue;
		if (!found) {
			pytext_put_doubt(w);
			pytext_put_heading(w, &sorted[i], n, ":");
			pytext_put_raised(w, view, &sorted[i], n);
			buf_puts(w->out, "Traceback (most recent call first):\n");
			pytext_put_doing(w, sorted[i]);
		}
		err = pytext_put_stack(w, &sorted[i], n);
		found = true;
	}
	free((void *)sorted);
	if (!err && !found && w->native && !r->ident &&
	    pynative_has_thread(w->native->space, r->tid)) {
		pytext_put_other(w, r->tid);
		found = true;
	}
	if (found || err)
		return err;
	return r->ident ? err_new(ERR_NOT_FOUND, "no Python thread 0x%" PRIx64, r->ident)
			: err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)r->tid);
}

/* What C functions they call; where native frames are shown these say it. */
static struct err *find_called(struct pytext *w, const struct python_view *view,
			       struct py_values *called)
{
	struct err *err = NULL;
	if (w->native || view->space->tries || !w->snap->nthreads)
		return NULL;
	for (size_t i = 0; i < w->snap->nthreads && !err; i++) {
		const struct py_thread *t = &w->snap->threads[i];
		/* One look serves all states of a thread, which mostly are neighbours. */
		if (t->nframes && (!i || t[-1].tid != t->tid))
			err = python_find_called(view->py, view->space, t->tid);
	}
	w->called = called;
	return err ? err : python_values(view->py, view->space, NULL, called);
}

struct err *python_bt_text(const struct python_view *view, const char *args, struct buf *out)
{
	struct bt_request r = { .tid = view->tid };
	struct err *err = parse_bt(args, &r);
	if (err)
		return err;
	struct pynative native = { .python = view->py, .space = view->space };
	struct pytext w = { .style = r.style,
			    .quotes = view->quotes,
			    .native = r.style & PYTHON_NATIVE ? &native : NULL,
			    .out = out };
	const struct py_walk walk = { .tid = r.all || r.ident ? 0 : r.tid };
	struct py_values values = { 0 }, called = { 0 };
	err = pynative_walk(view->py, view->space, &walk, w.native != NULL, &w.snap);
	if (!err)
		err = pytext_want_values(&w, view->py, view->space, &values);
	if (!err)
		err = find_called(&w, view, &called);
	if (!err)
		err = r.all ? pytext_put_all(&w) : put_one(&w, &r, view);
	if (!err)
		pytext_find_lines(view->py, view->space, view->quotes);
	py_values_end(&values);
	py_values_end(&called);
	return pynative_end(&native, err);
}

struct err *python_exc_text(const struct python_view *view, const char *args, struct buf *out)
{
	struct pytext w = { .style = PYTHON_LOCALS, .quotes = view->quotes, .out = out };
	const struct py_walk walk = { .tid = view->tid };
	struct py_values values = { 0 };
	size_t start = out->len;
	if (*args)
		return err_new(ERR_UNSUPPORTED, "py-exc takes no argument");
	struct err *err = python_walk(view->py, view->space, &walk, &w.snap);
	if (!err && !w.snap->nthreads)
		err = err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)view->tid);
	if (!err)
		err = pytext_want_values(&w, view->py, view->space, &values);
	for (size_t i = 0; !err && i < w.snap->nthreads; i++)
		err = pytext_put_exceptions(&w, view->py, &values, &w.snap->threads[i]);
	if (!err)
		pytext_find_lines(view->py, view->space, view->quotes);
	if (!err && out->len == start)
		buf_printf(out, "thread %d neither raises nor handles an exception\n",
			   (int)view->tid);
	py_values_end(&values);
	return err;
}
