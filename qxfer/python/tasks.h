/* SPDX-License-Identifier: MIT */
/*
 * asyncio's tasks, from memory alone: what each is doing, down to what it waits
 * for, and who waits for it.
 *
 * Beside them greenlets, which wait in their own way.  Tasks that are done are left out.  All texts are UTF-8 as text.h makes it.
 */
#ifndef QXFER_PYTHON_TASKS_H
#define QXFER_PYTHON_TASKS_H

#include "qxfer/python/python.h"
#include "stub/base/arena.h"

/* Bounds on what is read, whatever the inferior's memory says. */
#define PY_TASKS_MAX	   100000u
#define PY_AWAITS_MAX	   2000u   /* of one task's chain */
#define PY_ALL_AWAITS_MAX  400000u /* of all tasks */
#define PY_TASK_EDGES_MAX  400000u
#define PY_TASK_CYCLES_MAX 100u

#define PY_NO_TASK SIZE_MAX

enum py_task_state {
	PY_TASK_CREATED, /* its coroutine has not begun */
	PY_TASK_READY,	 /* to be run at its loop's next turn */
	PY_TASK_WAITING, /* for a future */
	PY_TASK_RUNNING, /* on a thread's stack at this moment */
};

enum py_await_kind {
	PY_AWAIT_COROUTINE,
	PY_AWAIT_GENERATOR, /* of types.coroutine(), or a class's __await__() */
	PY_AWAIT_ASYNC_GENERATOR,
	PY_AWAIT_CALL, /* of a running task: an ordinary call */
};

/* One step of what a task is in the middle of. */
struct py_await {
	struct py_frame frame;
	enum py_await_kind kind;
	uint64_t object;      /* the coroutine or generator, or 0 */
	const char *qualname; /* as the object has it, or the frame's */
};

struct py_task {
	uint64_t addr;
	const char *name; /* NULL: tasks of this version have none (3.6, 3.7), or unreadable */
	const char *type; /* of the task, "Task" as a rule */
	const char *coro; /* qualified name of its coroutine, or what it is instead */
	enum py_task_state state;
	size_t loop;		       /* in py_tasks.loops */
	size_t first_await, nawaits;   /* in py_tasks.awaits, outermost first */
	uint64_t future;	       /* what it waits for, or 0 */
	const char *future_type;       /* its type's name, or NULL */
	size_t future_task;	       /* the same as a task, or PY_NO_TASK */
	const char *what;	       /* whose future that is: "Lock at 0x..", or NULL */
	size_t first_waiter, nwaiters; /* who waits for it: task numbers in py_tasks.edges */
	size_t first_waited, nwaited;  /* the tasks it waits for: the same */
	const char *corrupt;	       /* why something of it is missing, or NULL */
};

struct py_loop {
	uint64_t addr;	  /* of the event loop object */
	const char *type; /* its type's name */
	int64_t interp;	  /* the interpreter's id */
	uint64_t ident;	  /* of the thread that runs it; 0: not running */
	pid_t tid;	  /* the same thread, or 0 */
	const char *thread_name;
};

/* Tasks that wait for each other: each for the next, the last for the first. */
struct py_task_cycle {
	size_t first, n; /* task numbers in py_tasks.members */
};

/* A greenlet that does not run at this moment, and has not ended. */
struct py_greenlet {
	uint64_t addr;
	const char *type;
	pid_t tid;		     /* the thread that it is of; 0: unknown */
	size_t first_frame, nframes; /* in py_tasks.frames, innermost first */
	const char *corrupt;	     /* why the frames end early, or NULL */
};

struct py_tasks {
	const struct py_snapshot *snap; /* the stacks of the same stop */
	bool imported;			/* some interpreter has asyncio */
	struct py_task *tasks;		/* by loop, then by name */
	size_t ntasks;
	struct py_await *awaits;
	size_t nawaits;
	struct py_loop *loops;
	size_t nloops;
	size_t *edges;
	size_t nedges;
	struct py_task_cycle *cycles;
	size_t ncycles;
	size_t *members;
	size_t nmembers;
	const char *corrupt;	       /* why there may be more tasks, or NULL */
	struct py_greenlet *greenlets; /* by thread */
	size_t ngreenlets;
	struct py_frame *frames;
	size_t nframes;
	const char *no_greenlets; /* why there may be more greenlets, or NULL */

	struct arena texts;
	size_t tasks_cap, awaits_cap, loops_cap, edges_cap, cycles_cap, members_cap;
	size_t greenlets_cap, frames_cap;
};

/*
 * Reads the tasks of @space.  Errors as python_walk(); past that everything that
 * can be read is an answer.  *ret is to be ended in any case; it borrows texts of
 * @py, so it is good until @py is asked something else.
 */
struct err *python_tasks(struct python *py, const struct space *space,
			 struct py_tasks *ret) MUST_CHECK;
void py_tasks_end(struct py_tasks *t);

const char *py_task_state_name(enum py_task_state state);
const char *py_await_kind_name(enum py_await_kind kind);

#endif
