/* SPDX-License-Identifier: MIT */
/* Tasks that wait for each other in a circle: each such circle once. */
#include <stdlib.h>

#include "qxfer/python/tasks_priv.h"

enum color { UNSEEN, ON_PATH, LEFT };

/* A depth-first search whose stack is the path from where it began. */
struct cycle_search {
	struct py_tasks *t;
	uint8_t *color;
	size_t *path, *next; /* next: which edge of the path's task comes next */
	size_t depth;
};

static struct err *add_member(struct py_tasks *t, size_t task)
{
	struct err *err = py_array_grow((void **)&t->members, t->nmembers, &t->members_cap,
					sizeof(*t->members));
	if (!err)
		t->members[t->nmembers++] = task;
	return err;
}

/* The path from @task to its end is one. */
static struct err *add_cycle(struct cycle_search *s, size_t task)
{
	struct py_tasks *t = s->t;
	size_t from = s->depth;
	while (from > 0 && s->path[--from] != task)
		;
	if (t->ncycles >= PY_TASK_CYCLES_MAX)
		return NULL;
	struct err *err =
		py_array_grow((void **)&t->cycles, t->ncycles, &t->cycles_cap, sizeof(*t->cycles));
	if (err)
		return err;
	t->cycles[t->ncycles++] = (struct py_task_cycle){ t->nmembers, s->depth - from };
	for (; !err && from < s->depth; from++)
		err = add_member(t, s->path[from]);
	return err;
}

static void push(struct cycle_search *s, size_t task)
{
	s->color[task] = ON_PATH;
	s->path[s->depth] = task;
	s->next[s->depth++] = 0;
}

static struct err *search_from(struct cycle_search *s, size_t start)
{
	struct err *err = NULL;
	push(s, start);
	while (!err && s->depth) {
		const struct py_task *at = &s->t->tasks[s->path[s->depth - 1]];
		size_t i = s->next[s->depth - 1]++;
		if (i >= at->nwaited) {
			s->color[s->path[--s->depth]] = LEFT;
			continue;
		}
		size_t task = s->t->edges[at->first_waited + i];
		if (s->color[task] == UNSEEN)
			push(s, task);
		else if (s->color[task] == ON_PATH)
			err = add_cycle(s, task);
	}
	return err;
}

struct err *task_cycles_find(struct task_reader *r)
{
	struct py_tasks *t = r->t;
	size_t n = t->ntasks ? t->ntasks : 1;
	struct cycle_search s = {
		.t = t,
		.color = calloc(n, sizeof(*s.color)),
		.path = calloc(n, sizeof(*s.path)),
		.next = calloc(n, sizeof(*s.next)),
	};
	struct err *err = s.color && s.path && s.next ? NULL : &err_nomem;
	for (size_t i = 0; !err && i < t->ntasks; i++)
		if (s.color[i] == UNSEEN)
			err = search_from(&s, i);
	free(s.color);
	free(s.path);
	free(s.next);
	return err;
}
