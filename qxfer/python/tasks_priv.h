/* SPDX-License-Identifier: MIT */
/*
 * What the files tasks*.c share.  Functions named task_ belong to them alone.
 *
 * What cannot be read never ends the reading of tasks: it is said where it is
 * missing.  The only error that goes up is ERR_NOMEM.
 */
#ifndef QXFER_PYTHON_TASKS_PRIV_H
#define QXFER_PYTHON_TASKS_PRIV_H

#include "qxfer/python/state.h"
#include "qxfer/python/tasks.h"
#include "qxfer/python/tasks_layout.h"
#include "qxfer/python/values_priv.h"

/* What an object is to asyncio. */
enum task_class {
	TASK_OTHER,
	TASK_C_FUTURE, /* _asyncio.Future or a class of it */
	TASK_C_TASK,   /* _asyncio.Task or a class of it */
	TASK_FUTURE,   /* asyncio.futures' own, written in Python */
	TASK_TASK,     /* and asyncio.tasks' */
	TASK_MIXED,    /* the same on top of _asyncio.Future, as in 3.6 */
};

/* A number by an address; open addressing, a power of two. */
struct task_map {
	struct task_slot {
		uint64_t addr;
		size_t value;
	} * slot;
	size_t nslots, n;
};

/* Which task waits for which future. */
struct task_wait {
	uint64_t future;
	size_t task;
};

struct task_reader {
	struct py_walker *w;
	struct py_values v;
	struct py_task_layout lay;
	struct py_tasks *t;
	struct task_map tasks; /* by the address of a task, or of a task's coroutine */
	struct task_map coros;
	struct task_wait *waits; /* sorted by future */
	size_t nwaits;
	uint32_t classes_n;
	struct {
		uint64_t type;
		enum task_class cls;
	} classes[16];	/* of the types seen last */
	size_t lookups; /* in all threads' frames */
	struct buf scratch;
};

/* ---- tasks.c ---- */

bool task_map_find(const struct task_map *m, uint64_t addr, size_t *ret);
/* Adds it unless it is there. */
struct err *task_map_add(struct task_map *m, uint64_t addr, size_t value) MUST_CHECK;

/* Allows as many reads as one task may cost. */
void task_allow(struct task_reader *r);
/* Takes a text out of the scratch buffer; NULL: out of memory. */
const char *task_text(struct task_reader *r);
/* Keeps why something is missing, unless a reason is there; drops @err. */
void task_say(struct task_reader *r, const char **where, struct err *err);
/* The name of a type an object has, "?" if unreadable. */
const char *task_type_name(struct task_reader *r, uint64_t addr);
enum task_class task_class_of(struct task_reader *r, uint64_t addr);
static inline bool task_is_task(enum task_class c)
{
	return c == TASK_C_TASK || c == TASK_TASK || c == TASK_MIXED;
}
/* Whether what all futures have is in the C structure. */
static inline bool task_in_c(enum task_class c)
{
	return c == TASK_C_TASK || c == TASK_C_FUTURE || c == TASK_MIXED;
}
/* The attribute of an instance, 0 if it has none or it is None. */
struct err *task_attr(struct task_reader *r, uint64_t addr, const char *name,
		      uint64_t *ret) MUST_CHECK;
/* A field of a C task or future, or the attribute @name of a Python one. */
struct err *task_field(struct task_reader *r, uint64_t addr, uint32_t offset, const char *name,
		       uint64_t *ret) MUST_CHECK;
/* Whether @addr is a future or task that is not done. */
bool task_is_pending(struct task_reader *r, uint64_t addr, enum task_class cls);
/* Whether a type or one of its bases has this tp_name. */
bool task_type_is(struct task_reader *r, const struct py_type *t, const char *tp_name);

/* ---- tasks_find.c ---- */

/* A module by its name among those of an interpreter: its dict, 0 if it is not there. */
struct err *task_module(struct task_reader *r, uint64_t interp, const char *name,
			uint64_t *dict) MUST_CHECK;

/* Calls @found for each task of @in, done or not, perhaps more than once. */
typedef struct err *(*task_visitor)(struct task_reader *r, const struct py_interp *in,
				    uint64_t task);
struct err *task_find_all(struct task_reader *r, const struct py_interp *in,
			  task_visitor found) MUST_CHECK;

/* ---- tasks_sets.c ---- */

/* Calls @visit for each object of the set at @addr; a set of weak references is read through. */
struct err *task_set_visit(struct task_reader *r, uint64_t addr,
			   struct err *(*visit)(struct task_reader *r, uint64_t object, void *arg),
			   void *arg) MUST_CHECK;
/* The items of a tuple or list, at most @max; returns how many in *n. */
struct err *task_items(struct task_reader *r, uint64_t addr, uint64_t *items, size_t max,
		       size_t *n) MUST_CHECK;

/* ---- tasks_chain.c ---- */

/* Appends the chain of the coroutine at @coro to the task's. */
struct err *task_chain_read(struct task_reader *r, struct py_task *task, uint64_t coro) MUST_CHECK;

/* ---- tasks_edges.c ---- */

/* Fills in who waits for whom, for all tasks. */
struct err *task_edges_read(struct task_reader *r) MUST_CHECK;

/* ---- greenlets.c ---- */

/* Fills in the greenlets, if there is such a module. */
struct err *task_greenlets_read(struct task_reader *r) MUST_CHECK;

/* ---- tasks_moving.c ---- */

/* Whether any Python ran while tasks were read. */
#define TASK_QUIET_MAX 16u /* interpreters */
struct task_quiet {
	bool whole;
	size_t n;
	struct task_quiet_interp {
		struct py_interp gil;
		uint64_t holder; /* the thread state that had the GIL last */
		pid_t tid;
		uint64_t since; /* of its rest */
	} interp[TASK_QUIET_MAX];
};

/* Before anything of an inferior that runs is read; @snap may be older. */
void task_quiet_begin(struct task_reader *r, const struct py_snapshot *snap, struct task_quiet *q);
/* After all was; true: none ran in between.  To be called after each begin. */
bool task_quiet_end(struct task_reader *r, struct task_quiet *q);

/* ---- tasks_cycles.c ---- */

struct err *task_cycles_find(struct task_reader *r) MUST_CHECK;

#endif
