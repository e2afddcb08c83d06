/* SPDX-License-Identifier: MIT */
/*
 * Python frames in the stack of the real thread that runs them (stub/mixed.h): whose stack
 * a client reads, and when its frames are looked for.
 *
 * A thread whose two stacks do not fit together is shown as it is; so is one with functions
 * that the client has not read yet.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/view_priv.h"

#define FLOOR_FRAMES 64u /* of the innermost loop; one with more is looked at whole */

/* What the client can name: a frame of a library up to number @newest, which it has read. */
static const struct view_frame *known_frame(const struct view *v, const struct py_snapshot *snap,
					    const struct py_mixed_item *item, uint32_t newest)
{
	const struct py_thread *th = &snap->threads[item->thread];
	size_t k = item->index - th->first_frame;

	for (size_t i = 0; i < v->nthreads; i++) {
		const struct view_thread *t = &v->threads[(v->hint + i) % v->nthreads];
		if (t->tid != th->tid || t->state != th->addr || k >= t->n)
			continue;
		const struct view_frame *f = &v->frames[t->first + k];
		bool same = f->frame.addr == snap->frames[item->index].addr;
		return same && f->function && f->function->generation <= newest ? f : NULL;
	}
	return NULL;
}

struct looker {
	struct view *view;
	const struct py_snapshot *snap;
	uint32_t newest;
};

static bool show_frame(void *ctx, const struct py_mixed_item *item, struct mixed_frame *ret)
{
	const struct looker *l = ctx;
	const struct view_frame *f = known_frame(l->view, l->snap, item, l->newest);

	if (!f)
		return false;
	ret->pc = synth_pc(f->function, f->frame.lasti, true);
	ret->locals = f->slots + f->function->code.nvariables * (uint64_t)SYNTH_SLOT;
	return true;
}

/* @caller: for a thread that poses, of which the client hears when it has read all libraries. */
static struct err *mix(struct session *s, pid_t tid, struct space_regs *caller)
{
	struct view *v = s->view;
	const struct py_walk walk = { .tid = tid };
	const struct space *space;
	struct looker looker = { .view = v, .newest = UINT32_MAX };
	struct py_mixed m;

	if (!caller)
		looker.newest = synth_generation_at(v->synth, v->announced - 1)->number;

	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_walk(s->python, space, &walk, &looker.snap);
	if (!err)
		err = python_mixed(s->python, space, tid, &m);
	if (err)
		return err;
	/*
	 * lldb takes it for an endless stack where a frame of Python alone is between two that have
	 * the same CFA, those of the loop and of the bridge.
	 */
	bool several = looker.snap->version_hex >= 0x030b0000u;
	const struct mixed_source src = {
		.tid = tid,
		.stack = &m,
		.mem = &s->target->mem,
		.bridge = synth_bridge(v->synth) + VIEW_ROOT_CALL,
		.several = several && !s->peer.lldb,
		.innermost = several && caller,
		.caller = caller,
		.frame = show_frame,
		.ctx = &looker,
	};
	return mixed_add(&v->mixed, &src);
}

/* ---- whose stack it is ---- */

static bool is_noted(const uint64_t *array, size_t n, uint64_t what)
{
	for (size_t i = 0; i < n; i++)
		if (array[i] == what)
			return true;
	return false;
}

static void mix_thread(struct session *s, pid_t tid, struct space_regs *caller)
{
	struct view *v = s->view;

	if (is_noted(v->mixed_tids, v->nmixed_tids, (uint64_t)tid) ||
	    !view_grow((void **)&v->mixed_tids, v->nmixed_tids, &v->mixed_tids_cap,
		       sizeof(*v->mixed_tids)))
		return;
	v->mixed_tids[v->nmixed_tids++] = (uint64_t)tid;
	struct err *err = mix(s, tid, caller);
	if (err)
		session_log(s, DEBUG_GENERAL, "thread %d is shown with C's frames alone: %s",
			    (int)tid, err->msg);
	err_drop(err); /* they are true as well */
}

/* Threads that have their stack pointer or their own variables in the mapping @m. */
static void mix_mapping(struct session *s, const struct space *space, const struct map *m)
{
	struct view *v = s->view;
	struct space_regs regs;

	if (is_noted(v->mixed_maps, v->nmixed_maps, m->start) ||
	    !view_grow((void **)&v->mixed_maps, v->nmixed_maps, &v->mixed_maps_cap,
		       sizeof(*v->mixed_maps)))
		return;
	v->mixed_maps[v->nmixed_maps++] = m->start;
	for (size_t i = 0; space->dwarf_regs && i < space->nthreads; i++) {
		const struct space_thread *t = &space->threads[i];
		if (!space->dwarf_regs(space->ctx, t->tid, &regs))
			continue;
		if (maps_find(space->maps, regs.value[SPACE_REG_SP]) == m ||
		    maps_find(space->maps, t->tp) == m)
			mix_thread(s, t->tid, NULL);
	}
}

/* lldb reads memory of no thread in particular. */
static void mix_owners(struct session *s, uint64_t addr)
{
	const struct space *space;

	struct err *err = target_space(s->target, &space);
	const struct map *m = err ? NULL : maps_find(space->maps, addr);
	if (m && m->prot & MAP_W)
		mix_mapping(s, space, m);
	err_drop(err); /* then there are no stacks to be known */
}

/*
 * An address on the stack in front of which no loop returns; 0: not known.  That of the
 * innermost loop is behind what keeps its frames: that is found without C's frames, and
 * without the other threads'.
 */
static uint64_t find_floor(struct session *s, pid_t tid)
{
	const struct py_walk walk = { .tid = tid, .max_frames = FLOOR_FRAMES, .in_passing = true };
	const struct py_snapshot *snap;
	const struct space *space;
	uint64_t floor = UINT64_MAX;

	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_walk(s->python, space, &walk, &snap);
	for (size_t i = 0; !err && i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->tid == tid && t->nframes && t->c_stack < floor)
			floor = t->corrupt ? 0 : t->c_stack;
	}
	bool found = !err && floor != UINT64_MAX;
	err_drop(err); /* then all of it is looked at, which says why */
	return found ? floor : 0;
}

/*
 * A client that shows nothing, as at a breakpoint whose condition is false, reads the innermost
 * frames alone: whether these are of C.
 */
static bool is_in_front(struct session *s, uint64_t addr, size_t len)
{
	struct view *v = s->view;
	pid_t tid = s->g_tid;

	if (s->peer.lldb || tid <= 0 || view_is_virtual(tid) ||
	    is_noted(v->mixed_tids, v->nmixed_tids, (uint64_t)tid))
		return false;
	if (v->floor_stop != v->stop || v->floor_tid != tid) {
		v->floor = find_floor(s, tid);
		v->floor_stop = v->stop;
		v->floor_tid = tid;
	}
	return addr + len <= v->floor && addr + len > view_stack_pointer(s, tid);
}

/* Looks at those whose stack may be at @addr; false: there is nothing to be mixed at all. */
static bool load(struct session *s, uint64_t addr)
{
	struct view *v = s->view;
	pid_t tid = s->g_tid;

	if (!v->mix || !view_can_mix(s) || !v->announced || !view_load(s))
		return false;
	if (s->peer.lldb || tid <= 0)
		mix_owners(s, addr);
	else if (!view_is_virtual(tid))
		mix_thread(s, tid, NULL);
	return true;
}

bool view_mixed_thread(struct session *s, pid_t tid, struct space_regs *caller)
{
	if (!s->view->mix || !view_load(s))
		return false;
	mix_thread(s, tid, caller);
	return true;
}

bool view_mixed_load(struct session *s)
{
	return load(s, 0);
}

void view_mixed_forget(struct view *v)
{
	mixed_forget(&v->mixed);
	v->nmixed_tids = v->nmixed_maps = 0;
}

void view_mixed_deinit(struct view *v)
{
	mixed_deinit(&v->mixed);
	free(v->mixed_tids);
	free(v->mixed_maps);
}

/* ---- memory ---- */

void view_mixed_patch(struct session *s, uint64_t addr, uint8_t *buf, size_t len)
{
	struct view *v = s->view;
	bool rest = addr == v->read_end; /* of more than fitted one answer */

	v->read_end = len > MIXED_LINE_MAX || rest ? addr + len : 0;
	bool line = v->mix && v->announced && !rest && mixed_is_line(addr, len);
	if (line && !is_in_front(s, addr, len) && load(s, addr))
		mixed_patch(&v->mixed, addr, buf, len);
}

const struct synth_descriptor *view_mixed_descriptor(struct session *s, uint64_t sp)
{
	const struct view *v = s->view;
	const struct view_return *r = v->posed;
	const struct synth_descriptor *d = r ? view_return_descriptor(r, sp) : NULL;

	if (!d && v->pose.tid)
		d = mixed_in_loop(&v->pose.loop, v->pose.chain, sp);
	return d ? d : mixed_descriptor(&v->mixed, sp);
}

/* lldb reads lines of 512 bytes, which is from one place of a frame to the next. */
static bool is_beside(struct session *s, uint64_t sp)
{
	return mixed_has_place(&s->view->mixed, sp) ||
	       view_mixed_descriptor(s, sp - sp % MIXED_STEP);
}

size_t view_mixed_read(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	const uint64_t unit = 1u << SYNTH_DESCRIPTOR_SHIFT;
	size_t done = 0;

	if (!s->view->posed && !view_load(s))
		return 0;
	while (done < len) {
		uint64_t at = addr + done, off = at % unit;
		const struct synth_descriptor *d = view_mixed_descriptor(s, at / unit);
		uint8_t bytes[1u << SYNTH_DESCRIPTOR_SHIFT] = { 0 };
		if (!d && !is_beside(s, at / unit))
			break;
		if (d)
			memcpy(bytes, d, sizeof(*d));
		size_t n = unit - off < len - done ? (size_t)(unit - off) : len - done;
		memcpy(buf + done, bytes + off, n);
		done += n;
	}
	return done;
}

/* What gdb asks for is as it is but for its unwinder's lines; lldb shows those to its user. */
static struct err *refuse_part(const struct session *s, uint64_t part)
{
	if (!part || !s->peer.lldb)
		return NULL;
	return err_new(ERR_STATE,
		       "0x%llx is a return address that is shown as one of Python: only the whole "
		       "can be written",
		       (unsigned long long)part);
}

/* Whether a client may have been shown any of the words. */
static bool has_shown(const uint8_t *bytes, size_t len)
{
	uint64_t word;

	for (size_t i = 0; i + sizeof(word) <= len; i++) {
		memcpy(&word, bytes + i, sizeof(word));
		if (word >= SYNTH_BASE && word < VIEW_STACKS)
			return true;
	}
	return false;
}

static struct err *write_translated(struct session *s, uint64_t addr, uint8_t *bytes, size_t len)
{
	struct view *v = s->view;
	uint64_t part;

	bool changes = mixed_translate(&v->mixed, addr, bytes, len, &part);
	struct err *err = refuse_part(s, part);
	if (!err)
		err = mem_write(&s->target->mem, addr, bytes, len);
	if (!err && changes)
		view_mixed_forget(v);
	return err;
}

struct err *view_write(struct session *s, uint64_t addr, const void *buf, size_t len)
{
	struct view *v = s->view;

	if (view_is_on(s) && !v->mixed.nloops && has_shown(buf, len))
		load(s, addr);
	if (!v || !v->mixed.nloops)
		return mem_write(&s->target->mem, addr, buf, len);
	uint8_t *copy = malloc(len);
	if (!copy)
		return &err_nomem;
	memcpy(copy, buf, len);
	struct err *err = write_translated(s, addr, copy, len);
	free(copy);
	return err;
}
