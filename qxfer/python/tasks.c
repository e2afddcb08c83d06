/* SPDX-License-Identifier: MIT */
/*
 * All tasks of a process: found first, put in order, and then each is asked what
 * it is doing and for whom.
 *
 * Lib/asyncio/tasks.py and futures.py, Modules/_asynciomodule.c, 3.6 to 3.15.
 */
#include "qxfer/python/tasks_priv.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NAME_CHARS    200u
#define TASK_READS    50000u /* of memory, for what one task says of itself */
#define LOOPS_MAX     1000u
#define BASES_MAX     64u
#define TRIES_MAX     5u /* to see an inferior that runs unchanged: all of it is read each time */

const char *py_task_state_name(enum py_task_state state)
{
	static const char *const names[] = {
		[PY_TASK_CREATED] = "created",
		[PY_TASK_READY] = "ready",
		[PY_TASK_WAITING] = "waiting",
		[PY_TASK_RUNNING] = "running",
	};
	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

const char *py_await_kind_name(enum py_await_kind kind)
{
	static const char *const names[] = {
		[PY_AWAIT_COROUTINE] = "coroutine",
		[PY_AWAIT_GENERATOR] = "generator",
		[PY_AWAIT_ASYNC_GENERATOR] = "async-generator",
		[PY_AWAIT_CALL] = "call",
	};
	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

void py_tasks_end(struct py_tasks *t)
{
	free(t->tasks);
	free(t->awaits);
	free(t->loops);
	free(t->edges);
	free(t->cycles);
	free(t->members);
	free(t->greenlets);
	free(t->frames);
	arena_deinit(&t->texts);
	*t = (struct py_tasks){ 0 };
}

/* ---- what the other files use ---- */

static size_t slot_of(const struct task_map *m, uint64_t addr)
{
	return (size_t)((addr * 0x9e3779b97f4a7c15ull) >> 32) & (m->nslots - 1);
}

bool task_map_find(const struct task_map *m, uint64_t addr, size_t *ret)
{
	for (size_t i = m->nslots ? slot_of(m, addr) : 0; m->nslots && m->slot[i].addr;
	     i = (i + 1) & (m->nslots - 1)) {
		if (m->slot[i].addr != addr)
			continue;
		*ret = m->slot[i].value;
		return true;
	}
	return false;
}

static void map_insert(struct task_map *m, uint64_t addr, size_t value)
{
	size_t i = slot_of(m, addr);
	while (m->slot[i].addr)
		i = (i + 1) & (m->nslots - 1);
	m->slot[i] = (struct task_slot){ addr, value };
	m->n++;
}

static struct err *map_grow(struct task_map *m)
{
	struct task_map bigger = { .nslots = m->nslots ? m->nslots * 2 : 64 };
	bigger.slot = calloc(bigger.nslots, sizeof(*bigger.slot));
	if (!bigger.slot)
		return &err_nomem;
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slot[i].addr)
			map_insert(&bigger, m->slot[i].addr, m->slot[i].value);
	free(m->slot);
	*m = bigger;
	return NULL;
}

struct err *task_map_add(struct task_map *m, uint64_t addr, size_t value)
{
	size_t there;
	if (!addr || task_map_find(m, addr, &there))
		return NULL;
	struct err *err = m->n * 2 >= m->nslots ? map_grow(m) : NULL;
	if (!err)
		map_insert(m, addr, value);
	return err;
}

void task_allow(struct task_reader *r)
{
	r->v.reads = TASK_READS;
}

const char *task_text(struct task_reader *r)
{
	return r->scratch.failed ? NULL
				 : arena_strdup(&r->t->texts, r->scratch.data, r->scratch.len);
}

void task_say(struct task_reader *r, const char **where, struct err *err)
{
	if (err && !*where)
		*where = arena_strdup(&r->t->texts, err->msg, strlen(err->msg));
	err_drop(err);
}

const char *task_type_name(struct task_reader *r, uint64_t addr)
{
	const struct py_type *t;
	struct err *err = val_type_of(&r->v, addr, &t);
	err_drop(err);
	return err ? "?" : t->name;
}

/* ---- what is a task ---- */

static enum task_class class_of_base(const struct py_type *t)
{
	static const struct {
		const char *name;
		enum task_class cls;
	} known[] = {
		{ "_asyncio.Task", TASK_C_TASK },
		{ "_asyncio.Future", TASK_C_FUTURE },
	};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(t->tp_name, known[i].name) == 0)
			return known[i].cls;
	return TASK_OTHER;
}

static bool class_has(struct task_reader *r, const struct py_type *t, const char *name)
{
	uint64_t value = 0;
	if (!(t->flags & TYPE_HEAP))
		return false;
	struct err *err = val_class_attr(&r->v, t, name, &value, NULL);
	err_drop(err);
	return !err && value;
}

/* A method of asyncio.tasks' class, in 3.6 by another name. */
static bool has_wakeup(struct task_reader *r, const struct py_type *t)
{
	return class_has(r, t, "_Task__wakeup") ||
	       (PY_MINOR(r->w->off->version_hex) <= 0x0306 && class_has(r, t, "_wakeup"));
}

static enum task_class class_of_python(struct task_reader *r, const struct py_type *t)
{
	if (!class_has(r, t, "_asyncio_future_blocking"))
		return TASK_OTHER;
	return has_wakeup(r, t) ? TASK_TASK : TASK_FUTURE;
}

static struct err *classify(struct task_reader *r, const struct py_type *t, enum task_class *ret)
{
	const struct py_type *at = t;
	*ret = class_of_base(at);
	for (unsigned int i = 0; *ret == TASK_OTHER && at->base && i < BASES_MAX; i++) {
		struct err *err = val_type(&r->v, at->base, &at);
		if (err)
			return err;
		*ret = class_of_base(at);
	}
	/* That the C structure is as big as is known is all that can be checked of it. */
	if (*ret == TASK_C_TASK && at->basicsize != (int64_t)r->lay.task.size)
		return err_new(ERR_BAD_DATA, "asyncio's tasks are not laid out as expected");
	if (*ret == TASK_OTHER)
		*ret = class_of_python(r, t);
	else if (*ret == TASK_C_FUTURE && has_wakeup(r, t))
		*ret = TASK_MIXED;
	return NULL;
}

enum task_class task_class_of(struct task_reader *r, uint64_t addr)
{
	const struct py_type *t;
	enum task_class cls;
	if (!addr || addr % 8)
		return TASK_OTHER;
	struct err *err = val_type_of(&r->v, addr, &t);
	for (size_t i = 0; !err && i < ARRAY_SIZE(r->classes); i++)
		if (r->classes[i].type == t->addr)
			return r->classes[i].cls;
	if (!err)
		err = classify(r, t, &cls);
	if (err) {
		task_say(r, &r->t->corrupt, err);
		return TASK_OTHER;
	}
	size_t i = r->classes_n++ % ARRAY_SIZE(r->classes);
	r->classes[i].type = t->addr;
	r->classes[i].cls = cls;
	return cls;
}

bool task_type_is(struct task_reader *r, const struct py_type *t, const char *tp_name)
{
	for (unsigned int i = 0; i < BASES_MAX; i++) {
		if (strcmp(t->tp_name, tp_name) == 0)
			return true;
		if (!t->base)
			return false;
		struct err *err = val_type(&r->v, t->base, &t);
		err_drop(err);
		if (err)
			return false;
	}
	return false;
}

/* ---- fields ---- */

struct err *task_attr(struct task_reader *r, uint64_t addr, const char *name, uint64_t *ret)
{
	const struct py_type *t;
	*ret = 0;
	struct err *err = val_type_of(&r->v, addr, &t);
	if (!err)
		err = val_attr(&r->v, addr, t, name, ret);
	if (!err && *ret && val_is(&r->v, *ret, "NoneType"))
		*ret = 0;
	return err;
}

struct err *task_field(struct task_reader *r, uint64_t addr, uint32_t offset, const char *name,
		       uint64_t *ret)
{
	enum task_class cls = task_class_of(r, addr);
	if (cls == TASK_TASK || cls == TASK_FUTURE ||
	    (cls == TASK_MIXED && (offset == PY_NONE || offset >= r->lay.future.size)))
		return task_attr(r, addr, name, ret);
	*ret = 0;
	if (cls == TASK_OTHER || offset == PY_NONE)
		return NULL;
	struct err *err = val_word(&r->v, addr, offset, ret);
	if (!err && *ret && val_is(&r->v, *ret, "NoneType"))
		*ret = 0;
	return err;
}

bool task_is_pending(struct task_reader *r, uint64_t addr, enum task_class cls)
{
	uint32_t state = 0;
	uint64_t text = 0;
	struct err *err = NULL;
	if (task_in_c(cls))
		err = val_read(&r->v, addr + r->lay.future.state, &state, sizeof(state));
	else if (cls != TASK_OTHER) /* an instance has its own from when it is done */
		err = task_attr(r, addr, "_state", &text);
	err_drop(err);
	if (err || cls == TASK_OTHER)
		return false;
	return text ? val_str_is(&r->v, text, "PENDING") : state == 0;
}

/* ---- finding them ---- */

static struct err *add_found(struct task_reader *r, const struct py_interp *in, uint64_t addr)
{
	struct py_tasks *t = r->t;
	size_t there;
	task_allow(r);
	if (task_map_find(&r->tasks, addr, &there))
		return NULL;
	enum task_class cls = task_class_of(r, addr);
	if (!task_is_task(cls) || !task_is_pending(r, addr, cls))
		return NULL;
	if (t->ntasks >= PY_TASKS_MAX) {
		task_say(r, &t->corrupt, err_new(ERR_BAD_DATA, "more tasks than %u", PY_TASKS_MAX));
		return NULL;
	}
	struct err *err =
		py_array_grow((void **)&t->tasks, t->ntasks, &t->tasks_cap, sizeof(*t->tasks));
	if (!err)
		err = task_map_add(&r->tasks, addr, t->ntasks);
	if (err)
		return err;
	/* The interpreter's number stands in for the loop until that is known. */
	t->tasks[t->ntasks++] = (struct py_task){
		.addr = addr,
		.loop = (size_t)(in - t->snap->interps),
		.future_task = PY_NO_TASK,
	};
	return NULL;
}

/* ---- loops ---- */

static const struct py_thread *thread_of_ident(const struct py_tasks *t, uint64_t ident)
{
	for (size_t i = 0; ident && i < t->snap->nthreads; i++)
		if (t->snap->threads[i].ident == ident)
			return &t->snap->threads[i];
	return NULL;
}

/* The thread whose running loop it is, or that the loop itself names. */
static void find_thread(struct task_reader *r, struct py_loop *loop)
{
	const struct py_tasks *t = r->t;
	const struct py_thread *th = NULL;
	uint64_t running, id;
	int64_t ident = 0;
	for (size_t i = 0; !th && i < t->snap->nthreads; i++)
		if (r->lay.tstate.running_loop != PY_NONE && loop->addr &&
		    mem_read_some(r->w->mem, t->snap->threads[i].addr + r->lay.tstate.running_loop,
				  &running, sizeof(running)) == sizeof(running) &&
		    running == loop->addr)
			th = &t->snap->threads[i];
	if (!th) {
		struct err *err = task_attr(r, loop->addr, "_thread_id", &id);
		if (!err && id && val_int(&r->v, id, &ident))
			th = thread_of_ident(t, (uint64_t)ident);
		err_drop(err);
	}
	loop->ident = th ? th->ident : (uint64_t)ident;
	loop->tid = th ? th->tid : 0;
	loop->thread_name = th ? th->name : NULL;
}

static struct err *find_loop(struct task_reader *r, struct py_task *task)
{
	struct py_tasks *t = r->t;
	int64_t interp = t->snap->interps[task->loop].id;
	uint64_t addr;
	struct err *err = task_field(r, task->addr, r->lay.future.loop, "_loop", &addr);
	if (err) {
		task_say(r, &task->corrupt, err);
		addr = 0;
	}
	for (task->loop = 0; task->loop < t->nloops; task->loop++)
		if ((t->loops[task->loop].addr == addr && t->loops[task->loop].interp == interp) ||
		    task->loop == LOOPS_MAX)
			return NULL;
	err = py_array_grow((void **)&t->loops, t->nloops, &t->loops_cap, sizeof(*t->loops));
	if (err)
		return err;
	struct py_loop loop = { .addr = addr, .interp = interp };
	loop.type = addr ? task_type_name(r, addr) : "?";
	loop.type = arena_strdup(&t->texts, loop.type, strlen(loop.type));
	if (!loop.type)
		return &err_nomem;
	find_thread(r, &loop);
	t->loops[t->nloops++] = loop;
	return NULL;
}

/* ---- what a task says of itself ---- */

static struct err *read_name(struct task_reader *r, struct py_task *task)
{
	uint64_t name;
	int64_t number;
	struct err *err = task_field(r, task->addr, r->lay.task.name, "_name", &name);
	buf_clear(&r->scratch);
	if (!err && name && val_is(&r->v, name, "int")) {
		if (val_int(&r->v, name, &number))
			buf_printf(&r->scratch, "Task-%" PRId64, number);
	} else if (!err && name && val_is(&r->v, name, "str")) {
		err = py_text_str(r->w->mem, r->w->off, name, NAME_CHARS, &r->scratch);
	}
	if (err) {
		task_say(r, &task->corrupt, err);
		return NULL;
	}
	if (r->scratch.len && !(task->name = task_text(r)))
		return &err_nomem;
	return NULL;
}

static struct err *read_heading(struct task_reader *r, struct py_task *task)
{
	task_allow(r);
	struct err *err = find_loop(r, task);
	if (!err)
		err = read_name(r, task);
	if (err)
		return err;
	const char *type = task_type_name(r, task->addr);
	task->type = arena_strdup(&r->t->texts, type, strlen(type));
	return task->type ? NULL : &err_nomem;
}

static enum py_task_state state_without_coroutine(struct task_reader *r, const struct py_task *task)
{
	enum task_class cls = task_class_of(r, task->future);
	if (!task->future)
		return PY_TASK_READY;
	return cls == TASK_OTHER || task_is_pending(r, task->future, cls) ? PY_TASK_WAITING
									  : PY_TASK_READY;
}

static struct err *read_future(struct task_reader *r, struct py_task *task)
{
	struct err *err =
		task_field(r, task->addr, r->lay.task.waiter, "_fut_waiter", &task->future);
	if (err)
		task_say(r, &task->corrupt, err);
	if (!task->future)
		return NULL;
	const char *type = task_type_name(r, task->future);
	task->future_type = arena_strdup(&r->t->texts, type, strlen(type));
	if (!task_map_find(&r->tasks, task->future, &task->future_task))
		task->future_task = PY_NO_TASK;
	return task->future_type ? NULL : &err_nomem;
}

static struct err *read_doing(struct task_reader *r, struct py_task *task)
{
	uint64_t coro = 0;
	task_allow(r);
	struct err *err = read_future(r, task);
	if (err)
		return err;
	task->state = state_without_coroutine(r, task);
	task->coro = "?";
	err = task_field(r, task->addr, r->lay.task.coro, "_coro", &coro);
	if (err || !coro) {
		task_say(r, &task->corrupt,
			 err ? err : err_new(ERR_BAD_DATA, "it has no coroutine"));
		return NULL;
	}
	task_allow(r);
	return task_chain_read(r, task, coro);
}

/* ---- their order ---- */

/* As people count: Task-9 before Task-10. */
static int compare_names(const char *a, const char *b)
{
	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			char *enda, *endb;
			unsigned long long x = strtoull(a, &enda, 10), y = strtoull(b, &endb, 10);
			if (x != y)
				return x < y ? -1 : 1;
			a = enda;
			b = endb;
			continue;
		}
		if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		a++;
		b++;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static int compare_tasks(const void *x, const void *y)
{
	const struct py_task *a = x, *b = y;
	if (a->loop != b->loop)
		return a->loop < b->loop ? -1 : 1;
	int order = compare_names(a->name ? a->name : "", b->name ? b->name : "");
	return order ? order : a->addr < b->addr ? -1 : a->addr > b->addr;
}

static struct err *index_tasks(struct task_reader *r)
{
	struct py_tasks *t = r->t;
	struct err *err = NULL;
	if (t->ntasks)
		qsort(t->tasks, t->ntasks, sizeof(*t->tasks), compare_tasks);
	free(r->tasks.slot);
	r->tasks = (struct task_map){ 0 };
	for (size_t i = 0; !err && i < t->ntasks; i++) {
		uint64_t coro = 0;
		task_allow(r);
		err = task_map_add(&r->tasks, t->tasks[i].addr, i);
		if (err)
			return err;
		err = task_field(r, t->tasks[i].addr, r->lay.task.coro, "_coro", &coro);
		err_drop(err); /* it is said where the chain is read */
		err = task_map_add(&r->coros, coro, i);
	}
	return err;
}

/* ---- all of it ---- */

static struct err *read_all(struct task_reader *r)
{
	struct py_tasks *t = r->t;
	struct err *err = NULL;
	for (size_t i = 0; !err && i < t->snap->ninterps; i++)
		err = task_find_all(r, &t->snap->interps[i], add_found);
	for (size_t i = 0; !err && i < t->ntasks; i++)
		err = read_heading(r, &t->tasks[i]);
	if (!err)
		err = index_tasks(r);
	for (size_t i = 0; !err && i < t->ntasks; i++)
		err = read_doing(r, &t->tasks[i]);
	if (!err)
		err = task_edges_read(r);
	if (!err)
		err = task_cycles_find(r);
	if (!err)
		err = task_greenlets_read(r);
	return err;
}

/* All of it once, of an inferior that stands still or, for all that is known, does. */
static struct err *read_once(struct task_reader *r, struct python *py)
{
	struct err *err = python_values(py, r->w->space, NULL, &r->v);
	if (!err)
		err = py_task_layout_find(r->w->space, r->w->off, &r->lay);
	r->v.out = &r->scratch;
	if (!err)
		err = read_all(r);
	py_values_end(&r->v);
	free(r->tasks.slot);
	free(r->coros.slot);
	free(r->waits);
	return err;
}

/* Of one that runs; *clean: nothing changed while it was read. */
static struct err *read_moving(struct task_reader *r, struct python *py, bool *clean)
{
	struct task_quiet quiet;
	struct py_walker *w = r->w;
	const struct space *running = w->space;
	struct space still = *running;
	task_quiet_begin(r, r->t->snap, &quiet);
	still.tries = 0;
	w->space = &still;
	mem_invalidate(w->mem);
	struct err *err = python_walk(py, &still, NULL, &r->t->snap);
	if (!err)
		err = read_once(r, py);
	w->space = running;
	*clean = task_quiet_end(r, &quiet);
	mem_invalidate(w->mem); /* nobody else is to take this walk for one that was checked */
	return err;
}

static struct err *read_tasks(struct python *py, const struct space *space, struct py_tasks *ret,
			      bool *clean)
{
	struct py_walker w = { .py = py, .space = space, .mem = space->mem, .off = &py->rt.off };
	struct task_reader r = { .w = &w, .t = ret };
	struct err *err = space->tries ? read_moving(&r, py, clean) : read_once(&r, py);
	buf_deinit(&r.scratch);
	return err;
}

struct err *python_tasks(struct python *py, const struct space *space, struct py_tasks *ret)
{
	unsigned int tries = space->tries < TRIES_MAX ? space->tries : TRIES_MAX;
	bool clean = !space->tries;
	*ret = (struct py_tasks){ 0 };
	struct err *err = python_walk(py, space, NULL, &ret->snap);
	for (unsigned int i = 0; !err && (i == 0 || (!clean && i < tries)); i++) {
		const struct py_snapshot *snap = ret->snap;
		py_tasks_end(ret);
		ret->snap = snap;
		err = read_tasks(py, space, ret, &clean);
	}
	if (!err && !clean)
		ret->corrupt = "Python ran meanwhile: what is told of tasks may be torn";
	return err;
}
