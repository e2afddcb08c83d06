/* SPDX-License-Identifier: MIT */
/* What the session's handlers ask of the view, for real threads and memory too. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stub/codelib.h"
#include "stub/view_priv.h"

#define SEARCH_SHARE 20u /* looking for functions takes at most one part of so many */

#define NO_PYTHON_PAUSE 100000000u /* ns: between looks at a process without Python */

/* ---- threads ---- */

static int compare_id(const void *key, const void *element)
{
	const pid_t *id = key;
	const struct view_thread *t = element;
	return (*id > t->id) - (*id < t->id);
}

const struct view_thread *view_find_thread(struct session *s, pid_t id)
{
	if (!view_is_virtual(id) || !view_load(s))
		return NULL;
	return bsearch(&id, s->view->threads, s->view->nthreads, sizeof(*s->view->threads),
		       compare_id);
}

bool view_has_thread(struct session *s, pid_t tid)
{
	return view_is_virtual(tid) ? view_find_thread(s, tid) != NULL
				    : target_has_thread(s->target, tid);
}

pid_t view_real_thread(struct session *s, pid_t tid)
{
	if (!view_is_virtual(tid))
		return tid;
	const struct view_thread *t = view_find_thread(s, tid);
	return t ? t->tid : 0;
}

struct visitor {
	bool (*visit)(pid_t tid, void *arg);
	void *arg;
	bool ended;
};

static bool visit_real(pid_t tid, void *arg)
{
	struct visitor *w = arg;
	w->ended = !w->visit(tid, w->arg);
	return !w->ended;
}

struct err *view_threads(struct session *s, bool (*visit)(pid_t tid, void *arg), void *arg)
{
	struct visitor w = { visit, arg, false };
	if (s->view)
		s->view->asked = true;
	struct err *err = s->target->ops->threads(s->target, visit_real, &w);
	if (err || !view_load(s))
		return err;
	for (size_t i = 0; !w.ended && i < s->view->nthreads; i++)
		w.ended = !visit(s->view->threads[i].id, arg);
	return NULL;
}

struct err *view_thread_info(struct session *s, pid_t tid, struct thread_info *ret)
{
	if (!view_is_virtual(tid))
		return s->target->ops->thread_info(s->target, tid, ret);
	const struct view_thread *t = view_find_thread(s, tid);
	if (!t)
		return err_new(ERR_NOT_FOUND, "no thread %d", (int)tid);
	*ret = (struct thread_info){ .core = -1 };
	memcpy(ret->name, t->name, sizeof(t->name));
	return NULL;
}

bool view_describe_thread(struct session *s, pid_t tid, struct buf *name, struct buf *extra)
{
	const struct view_thread *t = view_find_thread(s, tid);
	if (!t)
		return false;
	buf_puts(name, t->name);
	buf_printf(extra, "LWP %d", (int)t->tid);
	return true;
}

/* ---- registers ---- */

/* What a virtual thread has: all else is unknown. */
static struct err *virtual_reg(struct session *s, const struct view_thread *t, const struct reg *r,
			       uint64_t *ret)
{
	const struct view_frame *f = &s->view->frames[t->first];
	const struct arch *a = s->target->arch;
	if (r == &a->regs[a->pc])
		*ret = f->pc;
	else if (r == &a->regs[a->sp])
		*ret = view_frame_sp(t, 0);
	else if (r == &a->regs[a->fp])
		*ret = f->slots;
	else if (r->generic && strcmp(r->generic, "flags") == 0)
		*ret = 0;
	else
		return err_new(ERR_NOT_FOUND, "a Python thread has no %s", r->name);
	return NULL;
}

struct err *view_reg_get(struct session *s, pid_t tid, uint16_t regnum, uint8_t ret[REG_MAX])
{
	uint64_t value;

	if (!view_is_virtual(tid)) {
		struct err *err = target_reg_get(s->target, tid, regnum, ret);
		if (!err && (view_pose_reg(s, tid, regnum, &value) ||
			     view_return_reg(s, tid, regnum, &value)))
			memcpy(ret, &value, sizeof(value));
		return err;
	}
	const struct view_thread *t = view_find_thread(s, tid);
	if (!t || !t->n)
		return err_new(ERR_STATE, "no thread %d", (int)tid);
	if (regnum >= s->target->arch->nregs)
		return err_new(ERR_NOT_FOUND, "no register %u", regnum);
	struct err *err = virtual_reg(s, t, &s->target->arch->regs[regnum], &value);
	if (err)
		return err;
	memset(ret, 0, REG_MAX);
	memcpy(ret, &value, sizeof(value));
	return NULL;
}

struct err *view_reg_uint(struct session *s, pid_t tid, uint16_t regnum, uint64_t *ret)
{
	uint8_t value[REG_MAX] = { 0 };
	struct err *err = view_reg_get(s, tid, regnum, value);
	if (!err)
		memcpy(ret, value, sizeof(*ret));
	return err;
}

struct err *view_refuse_write(const struct session *s, pid_t tid)
{
	if (!view_is_virtual(tid) && !view_poses(s, tid))
		return NULL;
	return err_new(ERR_STATE, "the registers of a thread that is shown at a Python frame "
				  "cannot be written: they are made to show it");
}

/* ---- memory ---- */

static size_t areas(const struct session *s)
{
	if (!view_is_on(s) || !s->view->synth)
		return 0;
	/* Those of mixed stacks are in reach of AArch64's addresses. */
	bool mix = s->view->mix && view_can_mix(s);
	return mix ? view_nareas : view_nareas - VIEW_MIXED_AREAS;
}

static struct overlay overlay(struct session *s)
{
	return (struct overlay){ .areas = view_areas, .n = areas(s), .ctx = s };
}

size_t view_read_some(struct session *s, uint64_t addr, void *buf, size_t len)
{
	struct overlay o = overlay(s);
	if (!o.n || !overlay_find(&o, addr, len)) {
		size_t n = mem_read_some(&s->target->mem, addr, buf, len);
		if (o.n)
			view_mixed_patch(s, addr, buf, n);
		return n;
	}
	/* A thread may be shown at a Python frame when none is left. */
	if (!view_load(s) && !s->view->posed)
		return 0;
	return overlay_read(&o, &s->target->mem, addr, buf, len);
}

struct err *view_read(struct session *s, uint64_t addr, void *buf, size_t len)
{
	struct overlay o = overlay(s);
	if (!o.n || (!s->view->mix && !overlay_find(&o, addr, len)))
		return mem_read(&s->target->mem, addr, buf, len);
	size_t n = view_read_some(s, addr, buf, len);
	if (n == len)
		return NULL;
	struct err *err =
		err_new(ERR_FAULT, "cannot read memory at 0x%llx", (unsigned long long)(addr + n));
	err->address = addr + n;
	return err;
}

static const struct overlay_area *area_at(const struct session *s, uint64_t addr, uint64_t len)
{
	const struct overlay o = { .areas = view_areas, .n = areas(s) };
	return overlay_find(&o, addr, len);
}

bool view_covers(const struct session *s, uint64_t addr, uint64_t len)
{
	return area_at(s, addr, len) != NULL;
}

struct err *view_refuse_memory(const struct session *s, uint64_t addr, uint64_t len)
{
	const struct overlay_area *a = area_at(s, addr, len);
	if (!a)
		return NULL;
	return err_new(ERR_STATE,
		       "0x%llx is not memory of the program: it shows Python's frames (%s)",
		       (unsigned long long)addr, a->what);
}

/* ---- libraries ---- */

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * Functions come with modules: looked for when the client reads the libraries, and now and
 * then when it shows a stop to its user.
 */
static void search(struct session *s, bool wanted)
{
	struct view *v = s->view;
	uint64_t start = now_ns();

	if (!wanted && start - v->searched_at < v->search_cost * SEARCH_SHARE)
		return;
	if (v->searched == v->stop)
		return;
	view_add_functions(s);
	v->searched = v->stop;
	v->searched_at = now_ns();
	v->search_cost = v->searched_at - start;
}

/* Of the areas' size nothing is asked here: addresses do not change. */
static void put_python(struct session *s, uint64_t lmid, struct buf *out)
{
	struct view *v = s->view;
	const struct synth_generation *g;

	v->listed = true;
	if (!view_load(s))
		return;
	search(s, true);
	struct err *err = synth_commit(v->synth, &g);
	if (err)
		session_log(s, DEBUG_GENERAL, "no library for Python: %s", err->msg);
	err_drop(err); /* frames without names are frames all the same */
	v->announced = synth_generation_count(v->synth);
	for (size_t i = 0; i < v->announced; i++) {
		g = synth_generation_at(v->synth, i);
		buf_puts(out, "<library name=\"");
		view_put_library_name(s, g, out);
		buf_printf(out,
			   "\" lm=\"0x%llx\" l_addr=\"0x%llx\" l_ld=\"0x%llx\" lmid=\"0x%llx\"/>\n",
			   (unsigned long long)g->lm, (unsigned long long)g->l_addr,
			   (unsigned long long)g->l_ld, (unsigned long long)lmid);
	}
}

static void put_libraries(void *arg, uint64_t lmid, struct buf *out)
{
	put_python(arg, lmid, out);
	codelib_put(arg, lmid, out);
}

static bool owns_library(void *arg, uint64_t lm)
{
	(void)arg;
	return (lm >= SYNTH_BASE && lm < VIEW_STACKS) || (lm >= CODELIB_BASE && lm < CODELIB_END);
}

static bool visit_virtual(void *arg, size_t i, struct qxfer_thread *ret)
{
	struct session *s = arg;
	s->view->asked = true;
	if (!view_load(s) || i >= s->view->nthreads)
		return false;
	const struct view_thread *t = &s->view->threads[i];
	*ret = (struct qxfer_thread){ .tid = t->id, .real = t->tid, .name = t->name };
	return true;
}

const struct qxfer_extra *view_extra(struct session *s)
{
	if (!s->view)
		return NULL;
	s->view->extra = (struct qxfer_extra){ .thread = visit_virtual,
					       .libraries = put_libraries,
					       .owns_library = owns_library,
					       .arg = s };
	return &s->view->extra;
}

static const struct synth_generation *find_file(struct session *s, const char *path)
{
	size_t n = strlen(VIEW_FOLDER);
	if (!view_is_on(s) || !s->view->synth || strncmp(path, VIEW_FOLDER, n) != 0)
		return NULL;
	return synth_generation_named(s->view->synth, path + n);
}

int view_memory_file(const char *name, const void *data, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	for (size_t at = 0; fd >= 0 && at < len;) {
		ssize_t n = write(fd, (const uint8_t *)data + at, len - at);
		if (n <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	return fd;
}

int view_open_file(struct session *s, const char *path)
{
	const struct synth_generation *g = find_file(s, path);
	if (!g)
		return codelib_open_file(s, path);
	return view_memory_file(g->name, g->bytes, g->len);
}

/* ---- stops ---- */

/*
 * A client that shows a stop to its user lists the threads: then the next stop is looked at.
 * One that resumes at once, as it does where a breakpoint's condition is false, is not kept:
 * a look may take a fiftieth of the time, and less while there is no Python.
 */
static bool is_due(const struct view *v, uint64_t now)
{
	uint64_t pause = v->asked ? 0 : v->look_cost * 50;
	if (!v->nthreads && !v->asked && pause < NO_PYTHON_PAUSE)
		pause = NO_PYTHON_PAUSE;
	return now - v->looked_at >= pause;
}

static bool is_ordinary(const struct session *s)
{
	enum stop_kind kind = s->stop.kind;
	return s->target->pid > 0 && kind != STOP_EXITED && kind != STOP_KILLED &&
	       kind != STOP_EXEC && kind != STOP_NO_RESUMED;
}

static bool has_python_news(struct session *s)
{
	struct view *v = s->view;
	const struct synth_generation *g;

	if (!view_is_on(s) || !v->listed)
		return false;
	uint64_t start = now_ns();
	if (!is_due(v, start) && !view_steps_as(s, s->stop.tid))
		return false;
	bool any = view_load(s);
	/* What a search takes is no reason to look at frames less often. */
	v->look_cost = now_ns() - start;
	if (any && v->asked)
		search(s, false);
	struct err *err = any ? synth_commit(v->synth, &g) : NULL;
	err_drop(err); /* the next stop tries again */
	v->asked = false;
	v->looked_at = now_ns();
	return any && synth_generation_count(v->synth) != v->announced;
}

bool view_has_news(struct session *s)
{
	if (!s->view || !is_ordinary(s))
		return false;
	bool python = has_python_news(s);
	return codelib_has_news(s) || python;
}

void view_defer(struct session *s)
{
	struct view *v = s->view;
	struct target *t = s->target;

	v->deferred = true;
	v->has_deferred_pc = false;
	if (view_steps_as(s, s->stop.tid))
		return;
	struct err *err = target_reg_uint(t, s->stop.tid, t->arch->pc, &v->deferred_pc);
	v->has_deferred_pc = !err;
	err_drop(err);
}

/*
 * gdb that resumes from the library at a trap of the program's own, such as the one on the
 * stack to which a called function returns, first sets the thread past it: it takes it as
 * reported.  It is not yet.
 */
static void put_pc_back(struct session *s)
{
	const struct view *v = s->view;
	struct target *t = s->target;
	uint64_t pc;

	if (!v->has_deferred_pc)
		return;
	struct err *err = target_reg_uint(t, s->stop.tid, t->arch->pc, &pc);
	if (!err && pc != v->deferred_pc) {
		uint8_t value[REG_MAX] = { 0 };
		memcpy(value, &v->deferred_pc, sizeof(pc));
		err = target_reg_set(t, s->stop.tid, t->arch->pc, value);
	}
	err_drop(err); /* it is being killed */
}

bool view_take_deferred(struct session *s)
{
	bool deferred = s->view && s->view->deferred;
	if (deferred) {
		s->view->deferred = false;
		put_pc_back(s);
		/* Who does not read the list when told to has no use for it. */
		if (s->view->synth && s->view->announced != synth_generation_count(s->view->synth))
			s->view->listed = false;
	}
	return deferred;
}
