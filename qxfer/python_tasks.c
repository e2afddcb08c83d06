/* SPDX-License-Identifier: MIT */
/* asyncio's tasks as documents for programs. */
#include "qxfer/python.h"
#include "qxfer/python/tasks.h"
#include "qxfer/tree.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Bytes after which tasks are cut; only garbage makes a document that long. */
#define DOCUMENT_MAX (256u << 20)

static void put_place(struct tree *t, const struct py_frame *f)
{
	if (f->corrupt) {
		tree_text(t, "corrupt", f->name);
		return;
	}
	tree_text(t, "name", f->name);
	tree_text(t, "file", f->file);
	if (f->pos.line >= 0)
		tree_int(t, "line", f->pos.line);
	if (f->pos.line >= 0 && f->pos.column >= 0)
		tree_int(t, "column", f->pos.column);
}

static void put_await(struct tree *t, const struct py_await *step)
{
	tree_open(t, "await");
	tree_text(t, "kind", py_await_kind_name(step->kind));
	put_place(t, &step->frame);
	tree_text(t, "qualname", step->qualname);
	if (step->object)
		tree_address(t, "object", step->object);
	tree_address(t, "frame", step->frame.addr);
	tree_close(t);
}

static void put_heading(struct tree *t, const struct py_task *task)
{
	tree_address(t, "address", task->addr);
	if (task->name)
		tree_text(t, "name", task->name);
	tree_text(t, "type", task->type);
	tree_text(t, "coroutine", task->coro);
	tree_text(t, "state", py_task_state_name(task->state));
	if (task->future) {
		tree_address(t, "future", task->future);
		tree_text(t, "future-type", task->future_type);
		tree_flag(t, "future-is-task", task->future_task != PY_NO_TASK);
	}
	if (task->what)
		tree_text(t, "waits-for", task->what);
}

static void put_task(struct tree *t, const struct py_tasks *tasks, const struct py_task *task)
{
	tree_open(t, "task");
	put_heading(t, task);
	tree_list(t, "awaits");
	for (size_t i = 0; i < task->nawaits; i++)
		put_await(t, &tasks->awaits[task->first_await + i]);
	tree_list_end(t);
	tree_list(t, "awaited-by");
	for (size_t i = 0; i < task->nwaiters; i++) {
		tree_open(t, "awaiter");
		tree_address(t, "task", tasks->tasks[tasks->edges[task->first_waiter + i]].addr);
		tree_close(t);
	}
	tree_list_end(t);
	tree_corrupt(t, task->corrupt);
	tree_close(t);
}

/* The tasks from *@at on that are of loop @i. */
static void put_loop(struct tree *t, const struct py_tasks *tasks, size_t i, size_t *at)
{
	const struct py_loop *loop = &tasks->loops[i];
	bool full = false;
	tree_open(t, "loop");
	tree_address(t, "address", loop->addr);
	tree_text(t, "type", loop->type);
	tree_int(t, "interpreter", loop->interp);
	if (loop->ident)
		tree_address(t, "ident", loop->ident);
	if (loop->tid)
		tree_int(t, "tid", loop->tid);
	if (loop->thread_name)
		tree_text(t, "thread", loop->thread_name);
	tree_list(t, "tasks");
	for (; *at < tasks->ntasks && tasks->tasks[*at].loop == i; ++*at) {
		full = full || t->out->len > DOCUMENT_MAX;
		if (!full)
			put_task(t, tasks, &tasks->tasks[*at]);
	}
	tree_list_end(t);
	tree_corrupt(t, full ? "the document would be too long" : NULL);
	tree_close(t);
}

static void put_cycle(struct tree *t, const struct py_tasks *tasks,
		      const struct py_task_cycle *cycle)
{
	tree_open(t, "cycle");
	tree_list(t, "members");
	for (size_t i = 0; i < cycle->n; i++) {
		const struct py_task *task = &tasks->tasks[tasks->members[cycle->first + i]];
		tree_open(t, "member");
		tree_address(t, "task", task->addr);
		if (task->name)
			tree_text(t, "name", task->name);
		tree_close(t);
	}
	tree_list_end(t);
	tree_close(t);
}

static void put_greenlet(struct tree *t, const struct py_tasks *tasks, const struct py_greenlet *g)
{
	tree_open(t, "greenlet");
	tree_address(t, "address", g->addr);
	tree_text(t, "type", g->type);
	if (g->tid)
		tree_int(t, "tid", g->tid);
	tree_list(t, "frames");
	for (size_t i = 0; i < g->nframes && t->out->len < DOCUMENT_MAX; i++) {
		const struct py_frame *f = &tasks->frames[g->first_frame + i];
		tree_open(t, "frame");
		tree_int(t, "level", (int64_t)i);
		put_place(t, f);
		tree_text(t, "qualname", f->qualname);
		tree_address(t, "address", f->addr);
		tree_close(t);
	}
	tree_list_end(t);
	tree_corrupt(t, g->corrupt);
	tree_close(t);
}

static void put_document(struct tree *t, const struct py_tasks *tasks)
{
	const struct py_snapshot *snap = tasks->snap;
	size_t at = 0;
	tree_open(t, "python-tasks");
	tree_text(t, "version", "1.0");
	tree_text(t, "python", snap->version);
	if (t->json)
		tree_flag(t, "verified", snap->verified);
	else
		tree_text(t, "verified", snap->verified ? "yes" : "no");
	tree_flag(t, "asyncio", tasks->imported);
	tree_list(t, "loops");
	for (size_t i = 0; i < tasks->nloops; i++)
		put_loop(t, tasks, i, &at);
	tree_list_end(t);
	tree_list(t, "cycles");
	for (size_t i = 0; i < tasks->ncycles; i++)
		put_cycle(t, tasks, &tasks->cycles[i]);
	tree_list_end(t);
	tree_list(t, "greenlets");
	for (size_t i = 0; i < tasks->ngreenlets; i++)
		put_greenlet(t, tasks, &tasks->greenlets[i]);
	tree_list_end(t);
	tree_corrupt(t, tasks->corrupt ? tasks->corrupt : tasks->no_greenlets);
	tree_close(t);
}

struct err *python_tasks_document(struct python *py, const struct space *s, const char *annex,
				  struct buf *out)
{
	struct py_tasks tasks = { 0 };
	struct tree t;
	bool json = false;
	struct err *err = tree_form("python-tasks", annex, &json);
	if (!err)
		err = python_tasks(py, s, &tasks);
	if (!err) {
		tree_begin(&t, out, json, "python-tasks SYSTEM \"python-tasks.dtd\"");
		put_document(&t, &tasks);
		tree_end(&t);
	}
	py_tasks_end(&tasks);
	return err;
}

/* ---- osdata ---- */

static void column(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<column name=\"%s\">", name);
	buf_put_xml(out, text);
	buf_puts(out, "</column>\n");
}

static void number_column(struct buf *out, const char *name, int64_t value)
{
	buf_printf(out, "<column name=\"%s\">%lld</column>\n", name, (long long)value);
}

static void put_awaiters(struct buf *out, const struct py_tasks *tasks, const struct py_task *task)
{
	buf_puts(out, "<column name=\"awaited by\">");
	for (size_t i = 0; i < task->nwaiters; i++) {
		const struct py_task *by = &tasks->tasks[tasks->edges[task->first_waiter + i]];
		buf_puts(out, i ? ", " : "");
		if (by->name)
			buf_put_xml(out, by->name);
		else
			buf_printf(out, "0x%llx", (unsigned long long)by->addr);
	}
	buf_puts(out, "</column>\n");
}

static void put_row(struct buf *out, const struct py_tasks *tasks, const struct py_task *task)
{
	const struct py_await *in =
		task->nawaits ? &tasks->awaits[task->first_await + task->nawaits - 1] : NULL;
	bool placed = in && !in->frame.corrupt;
	buf_puts(out, "<item>\n");
	number_column(out, "tid", tasks->loops[task->loop].tid);
	column(out, "task", task->name ? task->name : "");
	buf_printf(out, "<column name=\"address\">0x%llx</column>\n",
		   (unsigned long long)task->addr);
	column(out, "coroutine", task->coro);
	column(out, "state", py_task_state_name(task->state));
	column(out, "function", in ? in->qualname : "");
	column(out, "file", placed ? in->frame.file : "");
	if (placed && in->frame.pos.line >= 0)
		number_column(out, "line", in->frame.pos.line);
	else
		column(out, "line", "?");
	column(out, "waits for",
	       task->what	   ? task->what
	       : task->future_type ? task->future_type
				   : "");
	put_awaiters(out, tasks, task);
	buf_puts(out, "</item>\n");
}

struct err *python_tasks_table(struct python *py, const struct space *s, struct buf *out)
{
	struct py_tasks tasks;
	struct err *err = python_tasks(py, s, &tasks);
	if (!err) {
		buf_puts(out, "<?xml version=\"1.0\"?>\n"
			      "<!DOCTYPE target SYSTEM \"osdata.dtd\">\n"
			      "<osdata type=\"python-tasks\">\n");
		for (size_t i = 0; i < tasks.ntasks && out->len < DOCUMENT_MAX; i++)
			put_row(out, &tasks, &tasks.tasks[i]);
		buf_puts(out, "</osdata>\n");
	}
	py_tasks_end(&tasks);
	return err;
}
