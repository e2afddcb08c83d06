/* SPDX-License-Identifier: MIT */
/* Exceptions: in the document python-frames, and as traceback prints them. */
#include "qxfer/python_exc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qxfer/python/exceptions.h"

/* Of so many entries that are the same, traceback says the rest in one line. */
#define REPEATS	    3u
/* Groups further inside than this are not shown, as by traceback. */
#define GROUP_DEPTH 10u

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

static void put_members(struct tree *t, const struct py_exceptions *e, const struct py_exception *x)
{
	if (!x->group)
		return;
	tree_list(t, "members");
	for (size_t i = 0; i < x->nmembers; i++) {
		tree_open(t, "member");
		tree_address(t, "address", e->exc[x->member[i]].addr);
		tree_close(t);
	}
	tree_list_end(t);
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
	put_members(t, e, x);
	tree_corrupt(t, x->corrupt);
	tree_close(t);
}

void pydoc_put_exceptions(struct tree *t, struct python *py, struct py_values *v,
			  const struct py_thread *th)
{
	struct py_exceptions e;
	struct err *err = py_exceptions_read(py, v, th, false, &e);
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
	struct err *err = py_exceptions_read(py, v, th, false, &e);
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

/* What is being printed, as TracebackException.format() goes about it. */
struct printer {
	const struct pytext *w;
	const struct py_exceptions *e;
	unsigned int depth;	  /* of groups one inside the other */
	bool open;		  /* the innermost group's end is still to be printed */
	size_t left;		  /* so many exceptions and entries may be printed yet */
	bool follows[PY_EXC_MAX]; /* what it came after is told of with it */
};

static void put_margin(const struct printer *p, char c)
{
	if (p->depth)
		buf_printf(p->w->out, "%*s%c ", (int)(2 * p->depth), "", c);
}

/* The lines of a text, whose last one need not end. */
static void put_lines(const struct printer *p, const char *text)
{
	do {
		size_t len = strcspn(text, "\n");
		put_margin(p, '|');
		buf_put(p->w->out, text, len);
		buf_puts(p->w->out, "\n");
		text += len;
	} while (*text && *++text);
}

static bool is_same(const struct py_exc_entry *a, const struct py_exc_entry *b)
{
	return a->line == b->line && strcmp(a->name, b->name) == 0 && strcmp(a->file, b->file) == 0;
}

static void put_entry(const struct printer *p, const struct py_exc_entry *entry)
{
	const struct pytext *w = p->w;
	put_margin(p, '|');
	buf_puts(w->out, "  File \"");
	buf_puts(w->out, entry->file);
	if (entry->line >= 0)
		buf_printf(w->out, "\", line %" PRId32 ", in ", entry->line);
	else
		buf_puts(w->out, "\", line ?, in ");
	buf_puts(w->out, entry->name);
	buf_puts(w->out, "\n");
	if (w->quotes)
		w->quotes->margin = 2 * p->depth;
	py_quotes_want(w->quotes, w->out, entry->file, entry->line, NULL);
}

static void put_repeats(const struct printer *p, size_t same)
{
	if (same <= REPEATS)
		return;
	put_margin(p, '|');
	buf_printf(p->w->out, "  [Previous line repeated %zu more time%s]\n", same - REPEATS,
		   same - REPEATS == 1 ? "" : "s");
}

static void put_entries_of(const struct printer *p, const struct py_exception *x)
{
	size_t same = 0;
	for (size_t i = 0; i < x->nentries; i++) {
		if (i && !is_same(&x->entry[i], &x->entry[i - 1])) {
			put_repeats(p, same);
			same = 0;
		}
		if (++same <= REPEATS)
			put_entry(p, &x->entry[i]);
	}
	put_repeats(p, same);
}

/* The exception itself, below its traceback. */
static void put_end(const struct printer *p, const struct py_exception *x)
{
	_cleanup_buf_ struct buf b = { 0 };
	put_damage(&b, x->corrupt);
	if (x->excerpt) {
		buf_puts(&b, x->excerpt);
		buf_printf(&b, "%s: %s", x->type, x->message);
	} else {
		put_what(&b, x);
	}
	buf_puts(&b, "\n");
	for (size_t i = 0; i < x->nnotes; i++) {
		buf_puts(&b, x->note[i]);
		buf_puts(&b, "\n");
	}
	buf_put(&b, "", 1);
	p->w->out->failed |= b.failed;
	if (!b.failed)
		put_lines(p, (const char *)b.data);
}

static void put_chain(struct printer *p, size_t i);

static void put_member(struct printer *p, const struct py_exception *x, size_t i)
{
	if (i < x->nmembers) {
		put_chain(p, x->member[i]);
		return;
	}
	uint64_t rest = x->group_size - i;
	put_margin(p, '|');
	buf_printf(p->w->out, "and %" PRIu64 " more exception%s\n", rest, rest > 1 ? "s" : "");
}

static void put_members_of(struct printer *p, const struct py_exception *x)
{
	struct buf *out = p->w->out;
	size_t n = x->nmembers + (x->nmembers < x->group_size);
	p->open = false;
	for (size_t i = 0; i < n; i++) {
		char title[24] = "...";
		if (i + 1 == n)
			p->open = true; /* unless the last one ends it */
		if (i < x->nmembers)
			snprintf(title, sizeof(title), "%zu", i + 1);
		buf_printf(out, "%*s%s+---------------- %s ----------------\n", (int)(2 * p->depth),
			   "", i ? "  " : "+-", title);
		p->depth++;
		put_member(p, x, i);
		if (i + 1 == n && p->open) {
			buf_printf(out, "%*s+------------------------------------\n",
				   (int)(2 * p->depth), "");
			p->open = false;
		}
		p->depth--;
	}
}

static void put_group(struct printer *p, const struct py_exception *x)
{
	bool top = !p->depth;
	p->depth += top;
	if (x->nentries) {
		put_margin(p, top ? '+' : '|');
		buf_puts(p->w->out, "Exception Group Traceback (most recent call last):\n");
		put_entries_of(p, x);
	}
	put_end(p, x);
	put_members_of(p, x);
	p->depth -= top;
}

static void put_traceback(struct printer *p, const struct py_exception *x)
{
	p->left -= p->left > x->nentries ? x->nentries + 1 : p->left;
	if (x->group && p->depth > GROUP_DEPTH) {
		put_margin(p, '|');
		buf_printf(p->w->out, "... (max_group_depth is %u)\n", GROUP_DEPTH);
		return;
	}
	if (x->group) {
		put_group(p, x);
		return;
	}
	if (x->nentries)
		put_lines(p, "Traceback (most recent call last):");
	put_entries_of(p, x);
	put_end(p, x);
}

/* What it came after comes first. */
static void put_chain(struct printer *p, size_t i)
{
	static const char *const after[] = {
		[PY_EXC_CAUSE] = "\nThe above exception was the direct cause of the following "
				 "exception:\n\n",
		[PY_EXC_CONTEXT] = "\nDuring handling of the above exception, another exception "
				   "occurred:\n\n",
	};
	const struct py_exceptions *e = p->e;
	size_t chain[PY_EXC_MAX], n = 0;
	if (!p->left) {
		put_lines(p, "... (more exceptions than are shown)");
		return;
	}
	chain[n++] = i;
	while (n < PY_EXC_MAX && p->follows[i])
		chain[n++] = i = e->exc[i].next;
	while (n--) {
		put_traceback(p, &e->exc[chain[n]]);
		if (n)
			put_lines(p, after[e->exc[chain[n - 1]].kind]);
	}
}

/*
 * Each is told of once as what another came after, in the order in which traceback
 * looks at them: what is in a group counts as told of.
 */
static void find_chains(struct printer *p, size_t top)
{
	const struct py_exceptions *e = p->e;
	bool seen[PY_EXC_MAX] = { false }, listed[PY_EXC_MAX] = { false };
	size_t stack[PY_EXC_MAX], n = 0;
	seen[top] = listed[top] = true;
	stack[n++] = top;
	while (n) {
		size_t i = stack[--n];
		const struct py_exception *x = &e->exc[i];
		p->follows[i] = x->kind != PY_EXC_NONE && !seen[x->next];
		if (p->follows[i])
			seen[x->next] = true;
		for (size_t k = 0; k < x->nmembers; k++)
			seen[x->member[k]] = true;
		if (p->follows[i] && !listed[x->next]) {
			listed[x->next] = true;
			stack[n++] = x->next;
		}
		for (size_t k = 0; k < x->nmembers; k++) {
			if (listed[x->member[k]])
				continue;
			listed[x->member[k]] = true;
			stack[n++] = x->member[k];
		}
	}
}

struct err *pytext_put_exceptions(const struct pytext *w, struct python *py, struct py_values *v,
				  const struct py_thread *th)
{
	struct py_exceptions e;
	struct err *err = py_exceptions_read(py, v, th, true, &e);
	for (size_t i = 0; !err && i < e.n; i++) {
		const struct py_exception *x = &e.exc[i];
		if (!x->raising && x->handling < 0)
			continue;
		buf_puts(w->out, x->raising ? "raising" : "handling");
		if (x->raising && x->handling >= 0)
			buf_puts(w->out, " again");
		buf_puts(w->out, ":\n");
		struct printer p = { .w = w, .e = &e, .left = PY_EXC_ENTRIES_MAX + PY_EXC_MAX };
		find_chains(&p, i);
		put_chain(&p, i);
		if (w->quotes)
			w->quotes->margin = 0;
	}
	if (!err)
		put_damage(w->out, e.corrupt);
	py_exceptions_end(&e);
	return err;
}
