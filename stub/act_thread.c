/* SPDX-License-Identifier: MIT */
/*
 * Which thread a script is for, and how that can be made to run it.
 *
 * A thread may be interrupted in a system call only where nothing but Python and one function of
 * the C library is known to be on the way there: others, such as malloc() or getaddrinfo(), may
 * hold a lock meanwhile that the script would wait for.
 */
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "qxfer/python/mixed.h"
#include "stub/act_priv.h"

#define MONITORING 0x030c0000u /* sys.monitoring came with 3.12 */
#define NAME_CUT   40

/* The oldest thread of the first interpreter, unless the process's own is among them. */
static const struct py_thread *main_thread(const struct py_snapshot *s, pid_t pid)
{
	const struct py_thread *oldest = NULL;

	for (size_t i = 0; i < s->ninterps; i++) {
		const struct py_interp *in = &s->interps[i];
		for (size_t k = 0; !in->id && k < in->nthreads; k++) {
			oldest = &s->threads[in->first_thread + k];
			if (oldest->tid == pid)
				return oldest;
		}
	}
	return oldest;
}

static bool is_called(const struct py_thread *th, const char *name)
{
	char *end;
	unsigned long n = strtoul(name, &end, 10);

	if (*name >= '0' && *name <= '9' && !*end)
		return n == (unsigned long)th->tid;
	return th->name && strcmp(th->name, name) == 0;
}

static struct err *find_named(const struct py_snapshot *s, const char *name,
			      const struct py_thread **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < s->nthreads; i++) {
		const struct py_thread *th = &s->threads[i];
		if (!th->tid || th->corrupt || !is_called(th, name))
			continue;
		if (*ret)
			return err_new(ERR_STATE,
				       "%s %.*s: there is more than one, give a thread's id",
				       th->shared ? "interpreters of thread" : "threads called",
				       NAME_CUT, name);
		*ret = th;
	}
	return *ret ? NULL
		    : err_new(ERR_NOT_FOUND, "no thread of Python is called %.*s, or has that id",
			      NAME_CUT, name);
}

static const struct py_interp *interp_of(const struct py_snapshot *s, const struct py_thread *th)
{
	size_t index = (size_t)(th - s->threads);

	for (size_t i = 0; i < s->ninterps; i++)
		if (index - s->interps[i].first_thread < s->interps[i].nthreads)
			return &s->interps[i];
	return NULL;
}

/* ---- where it waits ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool is_wait(const char *name)
{
	static const char *const waits[] = {
		"sem_wait",  "sem_timedwait",	"sem_clockwait",  "cond_wait", "cond_timedwait",
		"nanosleep", "clock_nanosleep", "cond_clockwait", "select",    "pselect",
		"poll",	     "ppoll",		"epoll_wait",	  "recv",      "epoll_pwait",
		"recvfrom",  "recvmsg",		"send",		  "sendto",    "sendmsg",
		"accept",    "accept4",		"connect",	  "read",      "pread",
		"readv",     "write",		"pwrite",	  "writev",    "wait4",
		"waitpid",   "waitid",		"wait3",	  "flock",     "fcntl",
		"lockf",     "sigwait",		"sigwaitinfo",	  "pause",     "sigtimedwait",
		"open",	     "openat",		"sem_wait_slow",
	};
	static const char *const prefixes[] = { "libc_", "GI_", "pthread_", "new_", "old_" };
	size_t n;

	name += strspn(name, "_");
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			name += strlen(prefixes[i]);
		name += strspn(name, "_");
	}
	n = strcspn(name, "@.");
	if (n > 2 && strncmp(name + n - 2, "64", 2) == 0)
		n -= 2;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (strlen(waits[i]) == n && strncmp(name, waits[i], n) == 0)
			return true;
	return false;
}

static bool is_pythons(const char *module, const char *interpreter)
{
	return module && (strcmp(module, interpreter) == 0 || strstr(module, "/lib-dynload/") ||
			  strstr(module, "/build/lib.")); /* of a tree that it was built in */
}

/* As semaphores and conditions wait; locks of the C library's own don't. */
static bool is_semaphore(const struct space_syscall *call)
{
	return (call->nr == SYS_futex || call->nr == SYS_restart_syscall) &&
	       (call->arg[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

/*
 * A function of the C library that waits, called by Python itself.  Of a stripped library
 * only the names of functions are known that others may call.
 */
static bool is_known(const struct native_stack *st, const struct space_syscall *call,
		     const char *interpreter)
{
	const struct native_frame *f = st->frames;

	for (size_t i = 0; i + 1 < st->n; i++) {
		if (!f[i].module || !f[0].module || strcmp(f[i].module, f[0].module) != 0)
			return false;
		if (f[i].symbol && is_wait(f[i].symbol))
			return is_pythons(f[i + 1].module, interpreter);
		if (!f[i].symbol && is_semaphore(call) && is_pythons(f[i + 1].module, interpreter))
			return true;
	}
	return false;
}

static struct err *say_unknown(const struct act *a, const struct native_stack *st,
			       const char *interpreter)
{
	const struct native_frame *f = st->frames;
	size_t i = 0;

	while (i + 1 < st->n && !is_pythons(f[i + 1].module, interpreter))
		i++;
	bool named = i < st->n && f[i].symbol && f[i].module;
	return err_new(ERR_STATE,
		       "thread %d waits in %.30s%s%.20s: it may hold a lock that Python needs",
		       a->worker, named ? f[i].symbol : "code that is not known",
		       named ? " of " : "", named ? base_name(f[i].module) : "");
}

static struct err *check_frames(const struct act *a, struct python *py, const struct space *space,
				const struct space_syscall *call)
{
	const struct map *m = maps_find(space->maps, a->facts.run_string);
	struct py_mixed mixed;

	struct err *err = python_mixed(py, space, a->worker, &mixed);
	if (err)
		return err;
	return m && is_known(&mixed.native, call, m->path)
		       ? NULL
		       : say_unknown(a, &mixed.native, m ? m->path : "");
}

/* ---- the way ---- */

static struct err *choose_for_worker(struct act *a, struct python *py, const struct space *space,
				     const struct py_snapshot *snap, const struct py_thread *th)
{
	struct space_syscall call;
	bool waits = !th->gil && !th->gil_wanted && space->thread_syscall &&
		     space->thread_syscall(space->ctx, th->tid, &call);

	a->way = ACT_BY_DETOUR;
	a->tid = th->tid;
	if (waits && (!a->facts.ensure || !a->facts.release))
		return err_new(ERR_NOT_FOUND, "this Python has no symbol PyGILState_Ensure");
	if (waits)
		return check_frames(a, py, space, &call);
	if (snap->version_hex < MONITORING)
		return err_new(ERR_STATE,
			       "thread %d %s: before 3.12 that can only be the main thread, "
			       "or one that waits for something",
			       th->tid, th->gil_wanted ? "waits for the GIL" : "is running");
	if (!th->nframes)
		return err_new(ERR_STATE, "thread %d runs no Python", th->tid);
	a->way = ACT_AT_LINE;
	a->tid = a->main;
	return NULL;
}

static struct err *choose(struct act *a, struct target *t, struct python *py,
			  const struct space *space, const struct py_snapshot *snap)
{
	const struct py_thread *main = main_thread(snap, t->pid), *th = main;

	if (!main || !main->tid)
		return err_new(ERR_NOT_FOUND, "the main thread of Python is not there any more");
	struct err *err = a->job.thread ? find_named(snap, a->job.thread, &th) : NULL;
	if (err)
		return err;
	const struct py_interp *in = interp_of(snap, th);
	if (!in || in->id)
		return err_new(ERR_STATE, "thread %d is of a subinterpreter", th->tid);
	a->main = main->tid;
	a->worker = a->tid = th->tid;
	a->ident = th->ident;
	a->state = th->addr;
	a->interp = in->addr;
	a->nframes = th->nframes;
	a->top = th->nframes ? snap->frames[th->first_frame].addr : 0;
	a->way = a->job.official ? ACT_OFFICIAL : ACT_AS_HANDLER;
	if (a->job.official)
		return act_official_check(a, t, py);
	return th == main ? NULL : choose_for_worker(a, py, space, snap, th);
}

struct err *act_choose_way(struct act *a, struct target *t, struct python *py)
{
	const struct py_walk walk = { .in_passing = false };
	const struct py_snapshot *snap;
	const struct space *space;

	struct err *err = target_space(t, &space);
	if (!err)
		err = python_walk(py, space, &walk, &snap);
	return err ? err : choose(a, t, py, space, snap);
}
