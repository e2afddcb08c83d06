/* SPDX-License-Identifier: MIT */
/*
 * asyncio's tasks as a tree for people: below each task those that it waits for.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/tasks.h"

/* How deep tasks are drawn below each other; what is deeper begins a tree of its own. */
#define DEPTH_MAX 50u

/* Bytes after which tasks are cut; only garbage makes a text that long. */
#define TEXT_MAX (256u << 20)

/* Escape sequences of ECMA-48, SGR. */
#define BOLD   "\x1b[1m"
#define CYAN   "\x1b[36m"
#define GREEN  "\x1b[32m"
#define YELLOW "\x1b[33m"
#define PLAIN  "\x1b[0m"

struct drawing {
	const struct py_tasks *t;
	unsigned int style; /* enum python_style */
	bool *drawn;	    /* by task */
	struct buf prefix;  /* of the current line */
	unsigned int depth;
	struct buf *out;
};

static void paint(const struct drawing *d, const char *color)
{
	if (d->style & PYTHON_COLOR)
		buf_puts(d->out, color);
}

static void put_prefix(const struct drawing *d)
{
	buf_put(d->out, d->prefix.data, d->prefix.len);
}

static void put_name(struct buf *out, const struct py_task *task)
{
	if (task->name)
		buf_puts(out, task->name);
	else
		buf_printf(out, "%s at 0x%" PRIx64, task->type, task->addr);
}

static void put_waiting(const struct drawing *d, const struct py_task *task)
{
	struct buf *out = d->out;
	buf_puts(out, "waiting for ");
	if (task->what) {
		buf_puts(out, task->what);
	} else if (task->future_task != PY_NO_TASK) {
		put_name(out, &d->t->tasks[task->future_task]);
	} else {
		buf_puts(out, task->future_type ? task->future_type : "something");
		if (task->future)
			buf_printf(out, " at 0x%" PRIx64, task->future);
	}
}

/* Of the thread only what cannot be seen from the heading. */
static void put_headline(const struct drawing *d, const struct py_task *task, size_t loop)
{
	struct buf *out = d->out;
	const struct py_loop *own = &d->t->loops[task->loop];
	paint(d, BOLD);
	put_name(out, task);
	paint(d, PLAIN);
	buf_puts(out, " (");
	buf_puts(out, task->coro);
	buf_puts(out, "): ");
	if (task->state == PY_TASK_WAITING)
		put_waiting(d, task);
	else
		buf_puts(out, task->state == PY_TASK_CREATED ? "not begun"
							     : py_task_state_name(task->state));
	if (task->loop != loop && own->tid)
		buf_printf(out, ", in thread %d", (int)own->tid);
	buf_puts(out, "\n");
}

static void put_corrupt(const struct drawing *d, const char *why)
{
	if (!why)
		return;
	put_prefix(d);
	paint(d, YELLOW);
	buf_puts(d->out, "<corrupt: ");
	buf_puts(d->out, why);
	buf_puts(d->out, ">");
	paint(d, PLAIN);
	buf_puts(d->out, "\n");
}

static void put_place(const struct drawing *d, const struct py_frame *f, const char *name)
{
	struct buf *out = d->out;
	put_prefix(d);
	if (f->corrupt) {
		buf_puts(out, f->name);
		buf_puts(out, "\n");
		return;
	}
	buf_puts(out, "File \"");
	paint(d, CYAN);
	buf_puts(out, f->file);
	paint(d, PLAIN);
	buf_puts(out, "\", line ");
	if (f->pos.line >= 0) {
		paint(d, GREEN);
		buf_printf(out, "%d", f->pos.line);
		paint(d, PLAIN);
	} else {
		buf_puts(out, "?");
	}
	buf_puts(out, ", in ");
	buf_puts(out, name);
	buf_puts(out, "\n");
}

static void put_chain(struct drawing *d, const struct py_task *task, bool rail)
{
	size_t len = d->prefix.len;
	buf_puts(&d->prefix, rail ? "|     " : "      ");
	for (size_t i = 0; i < task->nawaits && d->out->len < TEXT_MAX; i++) {
		const struct py_await *step = &d->t->awaits[task->first_await + i];
		put_place(d, &step->frame, step->qualname);
	}
	put_corrupt(d, task->corrupt);
	d->prefix.len = len;
}

static void put_tree(struct drawing *d, size_t i, size_t loop);

static void put_children(struct drawing *d, const struct py_task *task)
{
	size_t len = d->prefix.len;
	for (size_t k = 0; k < task->nwaited && d->out->len < TEXT_MAX; k++) {
		bool last = k + 1 == task->nwaited;
		size_t child = d->t->edges[task->first_waited + k];
		put_prefix(d);
		buf_puts(d->out, last ? "`-- " : "|-- ");
		if (d->drawn[child] || d->depth >= DEPTH_MAX) {
			put_name(d->out, &d->t->tasks[child]);
			buf_puts(d->out, d->drawn[child] ? " (shown above)\n" : " (shown below)\n");
			continue;
		}
		buf_puts(&d->prefix, last ? "    " : "|   ");
		put_tree(d, child, task->loop);
		d->prefix.len = len;
	}
}

/* A task, whose line has been begun, and below it what it waits for. */
static void put_tree(struct drawing *d, size_t i, size_t loop)
{
	const struct py_task *task = &d->t->tasks[i];
	d->drawn[i] = true;
	put_headline(d, task, loop);
	put_chain(d, task, task->nwaited != 0);
	d->depth++;
	put_children(d, task);
	d->depth--;
}

static void put_loop(const struct drawing *d, const struct py_loop *loop)
{
	struct buf *out = d->out;
	if (loop->tid)
		buf_printf(out, "Thread %d", (int)loop->tid);
	else if (loop->ident)
		buf_printf(out, "Thread 0x%" PRIx64, loop->ident);
	else
		buf_puts(out, "No thread");
	if (loop->thread_name) {
		buf_puts(out, " (");
		buf_puts(out, loop->thread_name);
		buf_puts(out, ")");
	}
	if (loop->interp)
		buf_printf(out, ", interpreter %" PRId64, loop->interp);
	buf_puts(out, " runs the event loop ");
	buf_puts(out, loop->type);
	buf_printf(out, " at 0x%" PRIx64 ":\n", loop->addr);
}

/* The tasks of a loop that nobody waits for; with @rest those that are left, too. */
static void put_loop_tasks(struct drawing *d, size_t loop, bool rest)
{
	bool begun = false;
	for (size_t i = 0; i < d->t->ntasks && d->out->len < TEXT_MAX; i++) {
		const struct py_task *task = &d->t->tasks[i];
		if (task->loop != loop || d->drawn[i] || (task->nwaiters && !rest))
			continue;
		if (!begun)
			put_loop(d, &d->t->loops[loop]);
		begun = true;
		put_tree(d, i, loop);
	}
}

static void put_cycle(const struct drawing *d, const struct py_task_cycle *cycle)
{
	const struct py_tasks *t = d->t;
	paint(d, YELLOW);
	buf_puts(d->out, "Cycle: ");
	for (size_t i = 0; i <= cycle->n; i++) {
		buf_puts(d->out, i ? " waits for " : "");
		put_name(d->out, &t->tasks[t->members[cycle->first + i % cycle->n]]);
	}
	paint(d, PLAIN);
	buf_puts(d->out, "\n");
}

static void put_greenlet(struct drawing *d, const struct py_greenlet *g)
{
	paint(d, BOLD);
	buf_printf(d->out, "Greenlet at 0x%" PRIx64, g->addr);
	paint(d, PLAIN);
	if (strcmp(g->type, "greenlet") != 0) {
		buf_puts(d->out, " (");
		buf_puts(d->out, g->type);
		buf_puts(d->out, ")");
	}
	if (g->tid)
		buf_printf(d->out, " of thread %d", (int)g->tid);
	buf_puts(d->out, ", most recent call first:\n");
	buf_puts(&d->prefix, "  ");
	for (size_t i = 0; i < g->nframes && d->out->len < TEXT_MAX; i++) {
		const struct py_frame *f = &d->t->frames[g->first_frame + i];
		put_place(d, f, f->qualname);
	}
	put_corrupt(d, g->corrupt);
	buf_clear(&d->prefix);
}

static void draw(struct drawing *d)
{
	const struct py_tasks *t = d->t;
	if (!t->ntasks && !t->ngreenlets)
		buf_puts(d->out, t->imported ? "No asyncio tasks.\n"
					     : "No asyncio tasks: asyncio is not imported.\n");
	for (size_t i = 0; i < t->nloops; i++)
		put_loop_tasks(d, i, false);
	/* What only those wait for that wait for each other in a circle. */
	for (size_t i = 0; i < t->nloops; i++)
		put_loop_tasks(d, i, true);
	for (size_t i = 0; i < t->ncycles; i++)
		put_cycle(d, &t->cycles[i]);
	put_corrupt(d, t->corrupt);
	for (size_t i = 0; i < t->ngreenlets && d->out->len < TEXT_MAX; i++)
		put_greenlet(d, &t->greenlets[i]);
	put_corrupt(d, t->no_greenlets);
}

struct err *python_tasks_text(struct python *py, const struct space *s, unsigned int style,
			      struct buf *out)
{
	struct py_tasks tasks;
	struct drawing d = { .t = &tasks, .style = style, .out = out };
	struct err *err = python_tasks(py, s, &tasks);
	if (!err) {
		d.drawn = calloc(tasks.ntasks ? tasks.ntasks : 1, sizeof(*d.drawn));
		err = d.drawn ? NULL : &err_nomem;
	}
	if (!err)
		draw(&d);
	free(d.drawn);
	buf_deinit(&d.prefix);
	py_tasks_end(&tasks);
	return err;
}
