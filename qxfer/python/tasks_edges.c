/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom.
 *
 * From 3.14 on a future knows its awaiters (fut_awaited_by). Before, they are at
 * the other end of what it will call when it is done: its task's wakeup, or one of
 * asyncio's own functions, in whose closure or arguments is the future that it
 * completes.  Functions of other people are not asked: what they refer to is not
 * known to wait.
 */
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/tasks_priv.h"

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define CALLBACKS_MAX  256u  /* of one future */
#define AWAITERS_MAX   1000u /* of one task */
#define DEPTH_MAX      16u   /* futures one behind the other */
#define QUALNAME_BYTES 128u

/* functools.partial: struct partialobject, after the object's head. */
enum { PARTIAL_FUNC = 0, PARTIAL_ARGS = 8 };
/* struct BLOCK of Modules/_collectionsmodule.c */
enum { BLOCK_LENGTH = 64, BLOCK_DATA = 8, BLOCK_RIGHT = 8 + 8 * BLOCK_LENGTH };

struct search {
	size_t task; /* whose awaiters are sought */
	unsigned int depth;
	uint64_t budget; /* objects that may still be looked at */
};

static struct err *add_edge(struct task_reader *r, struct search *s, size_t waiter)
{
	struct py_tasks *t = r->t;
	struct py_task *task = &t->tasks[s->task];
	for (size_t i = 0; i < task->nwaiters; i++)
		if (t->edges[task->first_waiter + i] == waiter)
			return NULL;
	if (task->nwaiters >= AWAITERS_MAX || t->nedges >= PY_TASK_EDGES_MAX) {
		task_say(r, &task->corrupt, err_new(ERR_BAD_DATA, "more tasks wait for it"));
		return NULL;
	}
	struct err *err =
		py_array_grow((void **)&t->edges, t->nedges, &t->edges_cap, sizeof(*t->edges));
	if (err)
		return err;
	t->edges[t->nedges++] = waiter;
	task->nwaiters++;
	return NULL;
}

static struct err *add_waits_on(struct task_reader *r, struct search *s, uint64_t future)
{
	size_t lo = 0, hi = r->nwaits;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (r->waits[mid].future < future)
			lo = mid + 1;
		else
			hi = mid;
	}
	struct err *err = NULL;
	for (; !err && lo < r->nwaits && r->waits[lo].future == future; lo++)
		err = add_edge(r, s, r->waits[lo].task);
	return err;
}

static struct err *follow_future(struct task_reader *r, struct search *s, uint64_t future);

/* One behind the other, and not too many of them: memory may lead in circles. */
static struct err *deeper(struct task_reader *r, struct search *s, uint64_t future)
{
	if (s->depth >= DEPTH_MAX || !s->budget)
		return NULL;
	s->budget--;
	s->depth++;
	task_allow(r);
	struct err *err = follow_future(r, s, future);
	s->depth--;
	return err;
}

/* ---- 3.14 and later ---- */

static struct err *visit_awaiter(struct task_reader *r, uint64_t object, void *arg)
{
	struct search *s = arg;
	size_t waiter;
	if (task_map_find(&r->tasks, object, &waiter))
		return add_edge(r, s, waiter);
	return task_class_of(r, object) == TASK_OTHER ? NULL : deeper(r, s, object);
}

static struct err *follow_awaited_by(struct task_reader *r, struct search *s, uint64_t future)
{
	uint64_t by;
	enum task_class cls = task_class_of(r, future);
	uint8_t is_set = 1;
	struct err *err =
		task_field(r, future, r->lay.future.awaited_by, "_Future__asyncio_awaited_by", &by);
	if (!err && by && task_in_c(cls))
		err = val_read(&r->v, future + r->lay.future.awaited_by_is_set, &is_set, 1);
	if (err || !by)
		return err;
	return is_set ? task_set_visit(r, by, visit_awaiter, s) : visit_awaiter(r, by, s);
}

/* ---- before: what is called back ---- */

/* What asyncio's own functions have that completes a future. */
enum callback_kind {
	CALLBACK_CLOSURE,    /* a future in the closure */
	CALLBACK_ARGS,	     /* a future among the arguments of a partial */
	CALLBACK_GROUP,	     /* a TaskGroup: its parent task awaits */
	CALLBACK_QUEUE,	     /* a Queue in the closure: whoever gets from it */
	CALLBACK_SELF_QUEUE, /* the same in self._done */
};

static bool known_callback(const char *qualname, enum callback_kind *ret)
{
	static const struct {
		const char *qualname;
		enum callback_kind kind;
	} known[] = {
		{ "gather.<locals>._done_callback", CALLBACK_CLOSURE },
		{ "_gather.<locals>._done_callback", CALLBACK_CLOSURE }, /* 3.9 */
		{ "_wait.<locals>._on_completion", CALLBACK_CLOSURE },
		{ "shield.<locals>._inner_done_callback", CALLBACK_CLOSURE },
		{ "shield.<locals>._done_callback", CALLBACK_CLOSURE },
		{ "_chain_future.<locals>._call_set_state", CALLBACK_CLOSURE },
		{ "_release_waiter", CALLBACK_ARGS },
		{ "TaskGroup._on_task_done", CALLBACK_GROUP },
		{ "as_completed.<locals>._on_completion", CALLBACK_QUEUE },
		{ "_AsCompletedIterator._handle_completion", CALLBACK_SELF_QUEUE },
	};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].qualname, qualname) != 0)
			continue;
		*ret = known[i].kind;
		return true;
	}
	return false;
}

static struct err *function_kind(struct task_reader *r, uint64_t function, bool *known,
				 enum callback_kind *ret)
{
	uint64_t qualname;
	*known = false;
	if (!val_is(&r->v, function, "function"))
		return NULL;
	struct err *err = val_word(&r->v, function, r->v.lay.function.qualname, &qualname);
	if (err)
		return err;
	buf_clear(&r->scratch);
	r->v.out = &r->scratch;
	err = val_put_str(&r->v, qualname);
	buf_put(&r->scratch, "", 1);
	if (!err && !r->scratch.failed && r->scratch.len <= QUALNAME_BYTES)
		*known = known_callback((const char *)r->scratch.data, ret);
	return err;
}

/* Whoever is in Queue.get(): the futures in its deque _getters. */
static struct err *follow_queue(struct task_reader *r, struct search *s, uint64_t queue)
{
	struct py_values *v = &r->v;
	uint64_t getters, n, block, index, item;
	struct err *err = task_attr(r, queue, "_getters", &getters);
	if (err || !getters || !val_is(v, getters, "collections.deque"))
		return err;
	err = val_word(v, getters, v->off->object.var_size, &n);
	if (!err)
		err = val_word(v, getters, v->lay.deque.leftblock, &block);
	if (!err)
		err = val_word(v, getters, v->lay.deque.leftindex, &index);
	for (uint64_t i = 0; !err && i < n && i < CALLBACKS_MAX; i++) {
		if (index >= BLOCK_LENGTH) {
			index = 0;
			err = val_word(v, block, BLOCK_RIGHT, &block);
		}
		if (!err)
			err = val_word(v, block + 8 * index++, BLOCK_DATA, &item);
		if (!err)
			err = deeper(r, s, item);
	}
	return err;
}

static struct err *follow_object(struct task_reader *r, struct search *s, uint64_t object,
				 bool queue)
{
	const struct py_type *t;
	if (!object || object % 8)
		return NULL;
	if (!queue)
		return task_class_of(r, object) == TASK_OTHER ? NULL : deeper(r, s, object);
	struct err *err = val_type_of(&r->v, object, &t);
	if (err || strcmp(t->name, "Queue") != 0)
		return err;
	return follow_queue(r, s, object);
}

static struct err *follow_closure(struct task_reader *r, struct search *s, uint64_t function,
				  bool queue)
{
	uint64_t closure, cells[32], content;
	size_t n;
	struct err *err = val_word(&r->v, function, r->v.lay.function.closure, &closure);
	if (err || !closure)
		return err;
	err = task_items(r, closure, cells, ARRAY_SIZE(cells), &n);
	for (size_t i = 0; !err && i < n; i++) {
		if (!val_is(&r->v, cells[i], "cell"))
			continue;
		err = val_word(&r->v, cells[i], r->v.lay.cell.ref, &content);
		if (!err)
			err = follow_object(r, s, content, queue);
	}
	return err;
}

static struct err *follow_group(struct task_reader *r, struct search *s, uint64_t group)
{
	uint64_t parent;
	size_t waiter;
	struct err *err = task_attr(r, group, "_parent_task", &parent);
	if (err || !task_map_find(&r->tasks, parent, &waiter))
		return err;
	return add_edge(r, s, waiter);
}

static struct err *follow_self_queue(struct task_reader *r, struct search *s, uint64_t self)
{
	uint64_t queue;
	struct err *err = task_attr(r, self, "_done", &queue);
	return err ? err : follow_object(r, s, queue, true);
}

static struct err *follow_args(struct task_reader *r, struct search *s, uint64_t partial)
{
	uint64_t args, items[8];
	size_t n;
	struct err *err = val_word(&r->v, partial + r->v.off->object.var_size, PARTIAL_ARGS, &args);
	if (!err)
		err = task_items(r, args, items, ARRAY_SIZE(items), &n);
	for (size_t i = 0; !err && i < n; i++)
		err = follow_object(r, s, items[i], false);
	return err;
}

/* Takes a method or a partial apart: its function, and what that belongs to. */
static struct err *take_apart(struct task_reader *r, uint64_t callback, uint64_t *function,
			      uint64_t *with)
{
	struct py_values *v = &r->v;
	const struct py_type *t;
	*function = callback;
	*with = 0;
	struct err *err = val_type_of(v, callback, &t);
	if (err)
		return err;
	if (val_is(v, callback, "method")) {
		err = val_word(v, callback, v->lay.method.func, function);
		return err ? err : val_word(v, callback, v->lay.method.self, with);
	}
	if (strcmp(t->tp_name, "functools.partial") != 0)
		return NULL;
	*with = callback;
	return val_word(v, callback + v->off->object.var_size, PARTIAL_FUNC, function);
}

static struct err *follow_callback(struct task_reader *r, struct search *s, uint64_t callback)
{
	uint64_t function, with;
	enum callback_kind kind;
	bool known;
	if (!callback || callback % 8)
		return NULL;
	task_allow(r);
	struct err *err = take_apart(r, callback, &function, &with);
	if (!err)
		err = function_kind(r, function, &known, &kind);
	if (err || !known)
		return err;
	switch (kind) {
	case CALLBACK_ARGS:
		return with ? follow_args(r, s, with) : NULL;
	case CALLBACK_GROUP:
		return with ? follow_group(r, s, with) : NULL;
	case CALLBACK_SELF_QUEUE:
		return with ? follow_self_queue(r, s, with) : NULL;
	default:
		return follow_closure(r, s, function, kind == CALLBACK_QUEUE);
	}
}

static struct err *follow_callbacks(struct task_reader *r, struct search *s, uint64_t future)
{
	uint64_t first = 0, list, items[CALLBACKS_MAX], pair[2];
	size_t n, two;
	enum task_class cls = task_class_of(r, future);
	struct err *err = NULL;
	if (task_in_c(cls))
		err = task_field(r, future, r->lay.future.callback0, "", &first);
	if (!err && first)
		err = follow_callback(r, s, first);
	if (!err)
		err = task_field(r, future, r->lay.future.callbacks, "_callbacks", &list);
	if (err || !list)
		return err;
	err = task_items(r, list, items, ARRAY_SIZE(items), &n);
	for (size_t i = 0; !err && i < n; i++) {
		err = task_items(r, items[i], pair, 2, &two);
		if (!err)
			err = follow_callback(r, s, two ? pair[0] : items[i]);
	}
	return err;
}

static struct err *follow_future(struct task_reader *r, struct search *s, uint64_t future)
{
	struct err *err = add_waits_on(r, s, future);
	if (err)
		return err;
	return r->lay.future.awaited_by == PY_NONE ? follow_callbacks(r, s, future)
						   : follow_awaited_by(r, s, future);
}

/* ---- all of them ---- */

static int compare_waits(const void *x, const void *y)
{
	const struct task_wait *a = x, *b = y;
	if (a->future != b->future)
		return a->future < b->future ? -1 : 1;
	return a->task < b->task ? -1 : a->task > b->task;
}

static struct err *index_waits(struct task_reader *r)
{
	const struct py_tasks *t = r->t;
	r->waits = calloc(t->ntasks ? t->ntasks : 1, sizeof(*r->waits));
	if (!r->waits)
		return &err_nomem;
	for (size_t i = 0; i < t->ntasks; i++)
		if (t->tasks[i].future)
			r->waits[r->nwaits++] = (struct task_wait){ t->tasks[i].future, i };
	if (r->nwaits)
		qsort(r->waits, r->nwaits, sizeof(*r->waits), compare_waits);
	return NULL;
}

/* The same edges once more, by the one that waits. */
static struct err *reverse_edges(struct task_reader *r)
{
	struct py_tasks *t = r->t;
	size_t n = t->nedges, at = n;
	size_t *edges = reallocarray(t->edges, n ? 2 * n : 1, sizeof(*edges));
	if (!edges)
		return &err_nomem;
	t->edges = edges;
	t->edges_cap = t->nedges = 2 * n;
	for (size_t i = 0; i < n; i++)
		t->tasks[edges[i]].nwaited++;
	for (size_t i = 0; i < t->ntasks; i++) {
		t->tasks[i].first_waited = at;
		at += t->tasks[i].nwaited;
		t->tasks[i].nwaited = 0;
	}
	for (size_t i = 0; i < t->ntasks; i++)
		for (size_t k = 0; k < t->tasks[i].nwaiters; k++) {
			struct py_task *waiter = &t->tasks[edges[t->tasks[i].first_waiter + k]];
			edges[waiter->first_waited + waiter->nwaited++] = i;
		}
	return NULL;
}

struct err *task_edges_read(struct task_reader *r)
{
	struct py_tasks *t = r->t;
	struct err *err = index_waits(r);
	for (size_t i = 0; !err && i < t->ntasks; i++) {
		struct search s = { .task = i, .budget = 10ul * AWAITERS_MAX };
		t->tasks[i].first_waiter = t->nedges;
		task_allow(r);
		err = follow_future(r, &s, t->tasks[i].addr);
		if (!err || err->code == ERR_NOMEM)
			continue;
		task_say(r, &t->tasks[i].corrupt, err);
		err = NULL;
	}
	return err ? err : reverse_edges(r);
}
