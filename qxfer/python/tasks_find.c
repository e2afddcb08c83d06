/* SPDX-License-Identifier: MIT */
/*
 * Where asyncio keeps its tasks.
 *
 * 3.14 on: in a list of each thread and one of the interpreter, linked through the
 * tasks; Python-coded ones in asyncio.tasks._scheduled_tasks.
 * 3.12, 3.13: asyncio.tasks._scheduled_tasks and _eager_tasks.
 * 3.7 to 3.11: asyncio.tasks._all_tasks.
 * 3.6: in a static variable of the C module; there, and where the others cannot be
 * read, they are looked for among all objects.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "qxfer/python/gc.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct err *task_module(struct task_reader *r, uint64_t interp, const char *name, uint64_t *dict)
{
	struct py_values *v = &r->v;
	uint64_t modules, module;
	*dict = 0;
	task_allow(r);
	struct err *err = val_word(v, interp, r->w->off->interp.modules, &modules);
	if (!err && modules)
		err = val_dict_find(v, modules, name, &module);
	if (err || !modules || !module || !val_is(v, module, "module"))
		return err;
	return val_word(v, module, v->lay.module.dict, dict);
}

/* ---- linked lists ---- */

struct list {
	const struct py_interp *in;
	task_visitor found;
};

static struct err *walk_list(struct task_reader *r, const struct list *l, uint64_t head)
{
	struct py_brent brent = { 0 };
	uint64_t node = 0;
	struct err *err = mem_ptr(r->w->mem, head, &node);
	/* A thread that has not used asyncio may not have made its list. */
	for (size_t i = 0; !err && node && node != head; i++) {
		if (node % 8 || node < r->lay.task.node || i > PY_TASKS_MAX)
			return err_new(ERR_BAD_DATA, "no list of tasks at 0x%" PRIx64, head);
		if (py_brent_seen(&brent, node, i))
			return err_new(ERR_BAD_DATA, "the tasks form a cycle at 0x%" PRIx64, node);
		err = l->found(r, l->in, node - r->lay.task.node);
		if (!err)
			err = mem_ptr(r->w->mem, node, &node);
	}
	return err;
}

static struct err *note(struct task_reader *r, struct err *err)
{
	if (!err || err->code == ERR_NOMEM)
		return err;
	task_say(r, &r->t->corrupt, err);
	return NULL;
}

static struct err *find_linked(struct task_reader *r, const struct list *l)
{
	const struct py_snapshot *snap = r->t->snap;
	struct err *err = NULL;
	if (r->lay.task.node == PY_NONE || r->lay.tstate.tasks_head == PY_NONE ||
	    r->lay.interp.tasks_head == PY_NONE)
		return NULL;
	for (size_t i = 0; !err && i < l->in->nthreads; i++)
		err = note(r, walk_list(r, l,
					snap->threads[l->in->first_thread + i].addr +
						r->lay.tstate.tasks_head));
	return err ? err : note(r, walk_list(r, l, l->in->addr + r->lay.interp.tasks_head));
}

/* ---- sets of asyncio.tasks ---- */

static struct err *visit_task(struct task_reader *r, uint64_t object, void *arg)
{
	const struct list *l = arg;
	return l->found(r, l->in, object);
}

/* A WeakSet, or the set that is its attribute data. */
static struct err *visit_registry(struct task_reader *r, const struct list *l, uint64_t registry)
{
	struct list copy = *l;
	uint64_t set = registry;
	struct err *err = NULL;
	task_allow(r);
	if (!val_is(&r->v, registry, "set"))
		err = task_attr(r, registry, "data", &set);
	return err || !set ? err : task_set_visit(r, set, visit_task, &copy);
}

static struct err *visit_names(struct task_reader *r, const struct list *l, uint64_t dict)
{
	static const char *const names[] = { "_scheduled_tasks", "_eager_tasks", "_all_tasks" };
	struct err *err = NULL;
	for (size_t i = 0; !err && i < ARRAY_SIZE(names); i++) {
		uint64_t registry;
		task_allow(r);
		err = val_dict_find(&r->v, dict, names[i], &registry);
		/* A function of this name is what 3.7 and later have for compatibility. */
		if (!err && registry && !val_is(&r->v, registry, "function"))
			err = visit_registry(r, l, registry);
		err = note(r, err);
	}
	return err;
}

/* ---- among all objects ---- */

struct among {
	const struct list *list;
	struct task_map types; /* 1: its objects are tasks */
};

static struct err *visit_object(struct task_reader *r, uint64_t object, uint64_t type, void *arg)
{
	struct among *a = arg;
	size_t is = 0;
	if (!type || type % 8)
		return NULL;
	if (!task_map_find(&a->types, type, &is)) {
		task_allow(r);
		is = task_is_task(task_class_of(r, object));
		struct err *err = task_map_add(&a->types, type, is);
		if (err)
			return err;
	}
	return is ? a->list->found(r, a->list->in, object) : NULL;
}

static struct err *find_among_all(struct task_reader *r, const struct list *l)
{
	struct among a = { .list = l };
	struct err *err = note(r, py_gc_visit(r, l->in, visit_object, &a));
	free(a.types.slot);
	return err;
}

struct err *task_find_all(struct task_reader *r, const struct py_interp *in, task_visitor found)
{
	const struct list l = { in, found };
	uint64_t dict;
	struct err *err = find_linked(r, &l);
	if (err)
		return err;
	err = note(r, task_module(r, in->addr, "asyncio.tasks", &dict));
	if (err || !dict)
		return err;
	r->t->imported = true;
	if (PY_MINOR(r->w->off->version_hex) <= 0x0306)
		return find_among_all(r, &l);
	err = visit_names(r, &l, dict);
	return err || !r->t->corrupt ? err : find_among_all(r, &l);
}
