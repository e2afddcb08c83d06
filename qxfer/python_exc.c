/* SPDX-License-Identifier: MIT */
/* Exceptions: in the document python-frames, and as traceback prints them. */
#include "qxfer/python_exc.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/exceptions.h"

/* Of so many entries that are the same, traceback says the rest in one line. */
#define REPEATS 3u

/* ---- document ---- */

static void put_entries(struct tree *t, const struct py_exception *x)
{
	tree_list(t, "traceback");
	for (size_t i = 0; i < x->nentries; i++) {
		tree_open(t, "entry");
		tree_text(t, "name", x->entry[i].name);
		tree_text(t, "file", x->entry[i].file);
		if (x->entry[i].line >= 0)
			tree_int(t, "line", x->entry[i].line);
		tree_close(t);
	}
	tree_list_end(t);
}

static void put_notes(struct tree *t, const struct py_exception *x)
{
	tree_list(t, "notes");
	for (size_t i = 0; i < x->nnotes; i++) {
		tree_open(t, "note");
		tree_text(t, "text", x->note[i]);
		tree_close(t);
	}
	tree_list_end(t);
}

static void put_corrupt(struct tree *t, const char *why)
{
	if (!why)
		return;
	if (t->json) {
		tree_text(t, "corrupt", why);
		return;
	}
	tree_open(t, "corrupt");
	tree_text(t, "reason", why);
	tree_close(t);
}

static void put_exception(struct tree *t, const struct py_exceptions *e,
			  const struct py_exception *x)
{
	static const char *const after[] = {
		[PY_EXC_CAUSE] = "cause", [PY_EXC_CONTEXT] = "context"
	};
	tree_open(t, "exception");
	tree_text(t, "type", x->type);
	tree_text(t, x->told ? "text" : "repr", x->text);
	if (x->addr)
		tree_address(t, "address", x->addr);
	tree_flag(t, "raising", x->raising);
	if (x->handling >= 0)
		tree_int(t, "handling", x->handling);
	if (x->kind != PY_EXC_NONE)
		tree_address(t, after[x->kind], e->exc[x->next].addr);
	put_entries(t, x);
	put_notes(t, x);
	put_corrupt(t, x->corrupt);
	tree_close(t);
}

void pydoc_put_exceptions(struct tree *t, struct python *py, struct py_values *v,
			  const struct py_thread *th)
{
	struct py_exceptions e;
	struct err *err = py_exceptions_read(py, v, th, &e);
	tree_list(t, "exceptions");
	for (size_t i = 0; !err && i < e.n; i++)
		put_exception(t, &e, &e.exc[i]);
	tree_list_end(t);
	t->out->failed |= err != NULL;
	err_drop(err);
	py_exceptions_end(&e);
}

/* ---- text ---- */

static void put_damage(struct buf *out, const char *why)
{
	if (why)
		buf_printf(out, "  <corrupt: %s>\n", why);
}

/* "ValueError: text" */
static void put_what(struct buf *out, const struct py_exception *x)
{
	buf_puts(out, x->type);
	if (!*x->text)
		return;
	buf_puts(out, x->told ? ": " : ": <str() not run> ");
	buf_puts(out, x->text);
}

static struct err *put_raised(const struct pytext *w, struct python *py, struct py_values *v,
			      const struct py_thread *th)
{
	struct py_exceptions e;
	struct err *err = py_exceptions_read(py, v, th, &e);
	for (size_t i = 0; !err && i < e.n; i++) {
		const struct py_exception *x = &e.exc[i];
		if (!x->raising && x->handling < 0)
			continue;
		buf_puts(w->out, x->raising ? "  raising: " : "  handling: ");
		put_what(w->out, x);
		buf_puts(w->out, "\n");
	}
	py_exceptions_end(&e);
	return err;
}

void pytext_put_raised(const struct pytext *w, const struct python_view *view,
		       const struct py_thread *const *state, size_t n)
{
	struct py_values values = { 0 };
	struct err *err = NULL;
	bool any = false;
	for (size_t i = 0; i < n; i++)
		any = any || state[i]->raising || state[i]->handling;
	if (!any)
		return;
	err = python_values(view->py, view->space, NULL, &values);
	for (size_t i = 0; !err && i < n; i++)
		err = put_raised(w, view->py, &values, state[i]);
	err_drop(err); /* the types were told already */
	py_values_end(&values);
}

static bool is_same(const struct py_exc_entry *a, const struct py_exc_entry *b)
{
	return a->line == b->line && strcmp(a->name, b->name) == 0 && strcmp(a->file, b->file) == 0;
}

static void put_entry(const struct pytext *w, const struct py_exc_entry *entry)
{
	buf_puts(w->out, "  File \"");
	buf_puts(w->out, entry->file);
	if (entry->line >= 0)
		buf_printf(w->out, "\", line %" PRId32 ", in ", entry->line);
	else
		buf_puts(w->out, "\", line ?, in ");
	buf_puts(w->out, entry->name);
	buf_puts(w->out, "\n");
	py_quotes_want(w->quotes, w->out, entry->file, entry->line, NULL);
}

static void put_repeats(struct buf *out, size_t same)
{
	if (same > REPEATS)
		buf_printf(out, "  [Previous line repeated %zu more time%s]\n", same - REPEATS,
			   same - REPEATS == 1 ? "" : "s");
}

static void put_traceback(const struct pytext *w, const struct py_exception *x)
{
	size_t same = 0;
	if (x->nentries)
		buf_puts(w->out, "Traceback (most recent call last):\n");
	for (size_t i = 0; i < x->nentries; i++) {
		if (i && !is_same(&x->entry[i], &x->entry[i - 1])) {
			put_repeats(w->out, same);
			same = 0;
		}
		if (++same <= REPEATS)
			put_entry(w, &x->entry[i]);
	}
	put_repeats(w->out, same);
	put_damage(w->out, x->corrupt);
	put_what(w->out, x);
	buf_puts(w->out, "\n");
	for (size_t i = 0; i < x->nnotes; i++) {
		buf_puts(w->out, x->note[i]);
		buf_puts(w->out, "\n");
	}
}

/* What it came after comes first; each is told of once. */
static void put_chain(const struct pytext *w, const struct py_exceptions *e, size_t i)
{
	static const char *const after[] = {
		[PY_EXC_CAUSE] = "The above exception was the direct cause of the following "
				 "exception:",
		[PY_EXC_CONTEXT] = "During handling of the above exception, another exception "
				   "occurred:",
	};
	size_t chain[PY_EXC_MAX], n = 0;
	bool seen[PY_EXC_MAX] = { false };
	while (n < PY_EXC_MAX) {
		chain[n++] = i;
		seen[i] = true;
		if (e->exc[i].kind == PY_EXC_NONE || seen[e->exc[i].next])
			break;
		i = e->exc[i].next;
	}
	while (n--) {
		put_traceback(w, &e->exc[chain[n]]);
		if (n)
			buf_printf(w->out, "\n%s\n\n", after[e->exc[chain[n - 1]].kind]);
	}
}

struct err *pytext_put_exceptions(const struct pytext *w, struct python *py, struct py_values *v,
				  const struct py_thread *th)
{
	struct py_exceptions e;
	struct err *err = py_exceptions_read(py, v, th, &e);
	for (size_t i = 0; !err && i < e.n; i++) {
		const struct py_exception *x = &e.exc[i];
		if (!x->raising && x->handling < 0)
			continue;
		buf_puts(w->out, x->raising ? "raising" : "handling");
		if (x->raising && x->handling >= 0)
			buf_puts(w->out, " again");
		buf_puts(w->out, ":\n");
		put_chain(w, &e, i);
	}
	if (!err)
		put_damage(w->out, e.corrupt);
	py_exceptions_end(&e);
	return err;
}
