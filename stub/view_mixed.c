/* SPDX-License-Identifier: MIT */
/*
 * Python frames in the stack of the real thread that runs them.
 *
 * The return address of each C frame of the evaluation loop is shown as the pc of the first
 * Python frame that this runs.  From there the client unwinds by descriptors
 * (qxfer/synth/synth.h) at the C stack's addresses, and the last one says where C goes on.
 * In the process nothing is different, and what looks into it for the stub sees the
 * true word.
 *
 * A thread whose two stacks do not fit together is shown as it is; so is one with functions
 * that the client has not read yet.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/mixed.h"
#include "stub/conditions.h"
#include "stub/view_priv.h"

#define STACKS_LOW  (1ull << 41) /* descriptors of stacks below would lie in the process */
#define STACKS_HIGH (1ull << 47)
#define NEAR_MAX    7u	 /* so many Python frames lie between the loop and its C caller */
#define READ_MAX    512u /* who reads more wants memory, as for a core file, and no stack */
#define BRIDGE_CALL 2u	 /* bytes into the bridge: a debugger looks up the byte before */
#define LOOPS_MAX   20000u
#define ALL_MAX	    400000u /* descriptors */

/* Beyond that they are far from the C stack, apart from those of other loops. */
#define FAR_FRAMES     0x7e5000000000ull
#define FAR_FRAMES_ALL 0x8000ull /* of one loop: more than VIEW_FRAMES_MAX */
#define FAR_LOOPS      0x1000000ull

/* ---- what a stack is shown with ---- */

/* The stack pointer in the Python frame @i of a loop. */
static uint64_t key_of(uint64_t sp, size_t n, size_t i)
{
	if (!i || n <= NEAR_MAX)
		return sp + i;
	return FAR_FRAMES + (sp / 8 % FAR_LOOPS) * FAR_FRAMES_ALL + i;
}

/* The Python frames of a loop and, if they are several, the bridge. */
static size_t chain_length(size_t n)
{
	return n > 1 ? n + 1 : n;
}

static void fill_chain(const struct view *v, const struct view_loop *l,
		       const struct view_frame *const *frames)
{
	struct synth_descriptor *d = &v->chain[l->first];

	for (size_t i = 0; i < l->n; i++) {
		const struct view_frame *f = frames[i];
		bool last = i + 1 == l->n;
		d[i].locals = f->slots + f->function->code.nvariables * (uint64_t)SYNTH_SLOT;
		d[i].cfa = l->n > 1 ? key_of(l->sp, l->n, i + 1) : l->sp;
		d[i].ra =
			last ? synth_bridge(v->synth) + BRIDGE_CALL
			     : synth_pc(frames[i + 1]->function, frames[i + 1]->frame.lasti, true);
	}
	d[chain_length(l->n) - 1].cfa = l->sp;
	d[chain_length(l->n) - 1].ra = l->ra;
	if (l->n > 1)
		d[l->n].locals = 0;
}

static bool room_for_chain(struct view *v, size_t n)
{
	if (v->nchain + n > ALL_MAX)
		return false;
	while (v->chain_cap < v->nchain + n)
		if (!view_grow((void **)&v->chain, v->chain_cap, &v->chain_cap, sizeof(*v->chain)))
			return false;
	return true;
}

/* What the client can name: a frame of a library that it has read. */
static const struct view_frame *shown_frame(const struct view *v, const struct py_snapshot *snap,
					    const struct py_mixed_item *item)
{
	const struct py_thread *th = &snap->threads[item->thread];
	uint32_t known = synth_generation_at(v->synth, v->announced - 1)->number;
	size_t k = item->index - th->first_frame;

	for (size_t i = 0; i < v->nthreads; i++) {
		const struct view_thread *t = &v->threads[i];
		if (t->tid != th->tid || t->state != th->addr || k >= t->n)
			continue;
		const struct view_frame *f = &v->frames[t->first + k];
		bool same = f->frame.addr == snap->frames[item->index].addr;
		return same && f->function && f->function->generation <= known ? f : NULL;
	}
	return NULL;
}

/* The loop @c with the @n Python frames; false: the stack is not as it seemed. */
static bool add_loop(struct session *s, pid_t tid, const struct native_frame *c,
		     const struct view_frame *const *frames, size_t n)
{
	struct view *v = s->view;
	struct view_loop l = { .tid = tid, .sp = c->cfa, .first = v->nchain, .n = n };

	if (l.sp < STACKS_LOW || l.sp >= STACKS_HIGH - VIEW_PAGE || n >= FAR_FRAMES_ALL - 1)
		return false;
	struct err *err = mem_ptr(&s->target->mem, l.sp - 8, &l.ra);
	bool as_walked = !err && l.ra == c[1].pc;
	err_drop(err);
	if (!as_walked || v->nloops >= LOOPS_MAX || !room_for_chain(v, chain_length(n)) ||
	    !view_grow((void **)&v->loops, v->nloops, &v->loops_cap, sizeof(l)))
		return false;
	l.pc = synth_pc(frames[0]->function, frames[0]->frame.lasti, true);
	v->nchain += chain_length(n);
	v->loops[v->nloops++] = l;
	fill_chain(v, &l, frames);
	return true;
}

static bool add_loops(struct session *s, pid_t tid, const struct py_snapshot *snap,
		      const struct py_mixed *m, const struct view_frame **frames)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct py_mixed_item *item = &m->items[i];
		if (item->kind == PY_MIXED_PYTHON) {
			frames[n] = shown_frame(s->view, snap, item);
			if (!frames[n++])
				return false;
			continue;
		}
		if (!n)
			continue;
		bool fits = item->kind == PY_MIXED_NATIVE && item->loop == (int32_t)n &&
			    item->index + 1 < m->native.n;
		if (!fits || !add_loop(s, tid, &m->native.frames[item->index], frames, n))
			return false;
		n = 0;
	}
	return true;
}

static struct err *mix(struct session *s, pid_t tid)
{
	struct view *v = s->view;
	const struct py_walk walk = { .tid = tid };
	const struct py_snapshot *snap;
	const struct space *space;
	struct py_mixed m;
	size_t nloops = v->nloops, nchain = v->nchain;

	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_walk(s->python, space, &walk, &snap);
	if (!err)
		err = python_mixed(s->python, space, tid, &m);
	if (err || m.mismatch || m.apart)
		return err;
	const struct view_frame **frames = calloc(m.n + 1, sizeof(const struct view_frame *));
	if (!frames)
		return &err_nomem;
	if (!add_loops(s, tid, snap, &m, frames)) {
		v->nloops = nloops;
		v->nchain = nchain;
	}
	free(frames);
	return NULL;
}

/* Whether there is anything to be mixed; the selected thread is then. */
static bool load(struct session *s)
{
	struct view *v = s->view;
	pid_t tid = s->g_tid;

	if (!view_is_on(s) || !v->mixed || s->peer.lldb || !v->announced || !view_load(s))
		return false;
	if (tid <= 0 || view_is_virtual(tid))
		return true;
	for (size_t i = 0; i < v->nmixed_tids; i++)
		if (v->mixed_tids[i] == tid)
			return true;
	if (!view_grow((void **)&v->mixed_tids, v->nmixed_tids, &v->mixed_tids_cap, sizeof(tid)))
		return false;
	v->mixed_tids[v->nmixed_tids++] = tid;
	struct err *err = mix(s, tid);
	if (err)
		session_log(s, DEBUG_GENERAL, "no mixed stack: %s", err->msg);
	err_drop(err); /* C's frames alone are true as well */
	return true;
}

void view_mixed_forget(struct view *v)
{
	v->nloops = v->nchain = v->nmixed_tids = 0;
}

void view_mixed_deinit(struct view *v)
{
	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++)
		free(v->returns[i].chain);
	free(v->loops);
	free(v->chain);
	free(v->mixed_tids);
	free(v->writes);
}

/* ---- memory ---- */

void view_mixed_patch(struct session *s, uint64_t addr, uint8_t *buf, size_t len)
{
	struct view *v = s->view;

	if (!len || len > READ_MAX || !v || !v->mixed || !load(s))
		return;
	for (size_t i = 0; i < v->nloops; i++) {
		const struct view_loop *l = &v->loops[i];
		uint8_t word[8];
		memcpy(word, &l->pc, sizeof(word));
		for (size_t k = 0; k < sizeof(word); k++)
			if (l->sp - 8 + k - addr < len)
				buf[l->sp - 8 + k - addr] = word[k];
	}
}

static const struct synth_descriptor *in_chain(const struct synth_descriptor *chain, uint64_t sp,
					       size_t n, uint64_t key)
{
	uint64_t i = key == sp ? 0 : key - key_of(sp, n, 1) + 1;
	return i < chain_length(n) && (i || key == sp) ? &chain[i] : NULL;
}

static const struct synth_descriptor *find_descriptor(const struct view *v, uint64_t key)
{
	const struct view_return *r = v->posed;
	const struct synth_descriptor *d = r ? in_chain(r->chain, r->sp, r->n, key) : NULL;

	for (size_t i = 0; !d && i < v->nloops; i++)
		d = in_chain(&v->chain[v->loops[i].first], v->loops[i].sp, v->loops[i].n, key);
	return d;
}

size_t view_mixed_read(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	const uint64_t unit = 1u << SYNTH_DESCRIPTOR_SHIFT;
	size_t done = 0;

	if (!load(s) && !s->view->posed)
		return 0;
	while (done < len) {
		uint64_t at = addr + done, off = at % unit;
		const struct synth_descriptor *d = find_descriptor(s->view, at / unit);
		uint8_t bytes[1u << SYNTH_DESCRIPTOR_SHIFT] = { 0 };
		if (!d)
			break;
		memcpy(bytes, d, sizeof(*d));
		size_t n = unit - off < len - done ? (size_t)(unit - off) : len - done;
		memcpy(buf + done, bytes + off, n);
		done += n;
	}
	return done;
}

/* The client's own word at @l is to be written: its copy in @bytes, or refused. */
static struct err *translate(const struct view_loop *l, uint64_t addr, uint8_t *bytes, size_t len)
{
	uint64_t word = l->sp - 8, value;

	if (addr > word || len < sizeof(value) || word - addr > len - sizeof(value))
		return err_new(ERR_STATE,
			       "0x%" PRIx64 " is part of a return address that is shown as one of "
			       "Python: only the whole can be written",
			       addr > word ? addr : word);
	memcpy(&value, bytes + (word - addr), sizeof(value));
	if (value == l->pc)
		memcpy(bytes + (word - addr), &l->ra, sizeof(l->ra));
	return NULL;
}

struct err *view_write(struct session *s, uint64_t addr, const void *buf, size_t len)
{
	struct view *v = s->view;
	uint8_t *copy = NULL;
	struct err *err = NULL;

	for (size_t i = 0; v && !err && i < v->nloops; i++) {
		uint64_t word = v->loops[i].sp - 8;
		if (addr >= word + 8 || (addr < word && len <= word - addr))
			continue;
		if (!copy) {
			copy = malloc(len);
			if (!copy)
				return &err_nomem;
			memcpy(copy, buf, len);
		}
		err = translate(&v->loops[i], addr, copy, len);
	}
	if (!err)
		err = mem_write(&s->target->mem, addr, copy ? copy : buf, len);
	/* It may be another address now. */
	if (!err && copy)
		v->nloops = v->nchain = v->nmixed_tids = 0;
	free(copy);
	return err;
}

/* ---- a thread that is shown at a Python frame which C has just returned to ---- */

/* One that nobody waits for, if possible of the same @pc or without any. */
static struct view_return *free_return(struct view *v, uint64_t pc)
{
	struct view_return *found = NULL;

	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++) {
		struct view_return *r = &v->returns[i];
		if (r->inserted || r == v->posed)
			continue;
		if (r->chain && r->pc == pc)
			return r;
		if (!found || !r->chain)
			found = r;
	}
	return found;
}

/* A copy of what @l is shown with, for stops to come; NULL: no room. */
static struct view_return *keep(struct view *v, const struct view_loop *l)
{
	struct view_return *r = free_return(v, l->pc);
	size_t size = chain_length(l->n) * sizeof(struct synth_descriptor);

	struct synth_descriptor *chain = r ? malloc(size) : NULL;
	if (!chain)
		return NULL;
	memcpy(chain, &v->chain[l->first], size);
	/* Its variables are gone when C has returned. */
	for (size_t i = 0; i < chain_length(l->n); i++)
		chain[i].locals = 0;
	free(r->chain);
	*r = (struct view_return){
		.tid = l->tid, .pc = l->pc, .ra = l->ra, .sp = l->sp, .chain = chain, .n = l->n
	};
	return r;
}

static uint64_t reg_of(struct session *s, pid_t tid, uint16_t regnum)
{
	uint8_t value[REG_MAX] = { 0 };
	uint64_t ret = 0;
	struct err *err = target_reg_get(s->target, tid, regnum, value);
	if (!err)
		memcpy(&ret, value, sizeof(ret));
	err_drop(err); /* then it is nowhere */
	return ret;
}

static uint16_t sp_of(const struct session *s)
{
	const struct arch *a = s->target->arch;
	uint16_t i = 0;
	while (i + 1u < a->nregs && a->regs[i].dwarf != (int)SPACE_REG_SP)
		i++;
	return i;
}

bool view_mixed_poses(const struct session *s, pid_t tid, uint64_t *pc)
{
	const struct view_return *r = s->view ? s->view->posed : NULL;
	if (!r || r->tid != tid)
		return false;
	*pc = r->pc;
	return true;
}

void view_mixed_stopped(struct session *s)
{
	struct view *v = s->view;

	if (!view_is_on(s) || s->stop.kind != STOP_SWBREAK)
		return;
	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++) {
		struct view_return *r = &v->returns[i];
		if (r->inserted && r->tid == s->stop.tid &&
		    reg_of(s, r->tid, s->target->arch->pc) == r->ra &&
		    reg_of(s, r->tid, sp_of(s)) == r->sp)
			v->posed = r;
	}
}

/* ---- breakpoints ---- */

static struct view_return *find_return(struct view *v, uint64_t pc)
{
	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++)
		if (v->returns[i].chain && v->returns[i].pc == pc)
			return &v->returns[i];
	return NULL;
}

static const struct view_loop *find_loop(const struct session *s, uint64_t pc)
{
	const struct view *v = s->view;
	const struct view_loop *found = NULL;
	for (size_t i = 0; i < v->nloops; i++)
		if (v->loops[i].pc == pc && (!found || v->loops[i].tid == s->g_tid))
			found = &v->loops[i];
	return found;
}

/* The one of the selected thread, or the one that was meant before: while it has not returned. */
static struct view_return *choose_return(struct session *s, uint64_t pc)
{
	struct view *v = s->view;
	struct view_return *old = find_return(v, pc);
	uint64_t ra;

	if (old && (old->inserted || old == v->posed))
		return old;
	const struct view_loop *l = find_loop(s, pc);
	if (l && (!old || l->tid == s->g_tid))
		return keep(v, l);
	struct err *err = old ? mem_ptr(&s->target->mem, old->sp - 8, &ra) : NULL;
	bool there = old && !err && ra == old->ra;
	err_drop(err);
	return there ? old : NULL;
}

/* Other threads return there, too: "reg rsp; const64 SP; equal; end". */
static struct err *make_condition(struct session *s, const struct view_return *r,
				  struct condition **ret)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct rsp_cursor args;

	buf_printf(&text, ";Xe,26%04x25%016" PRIx64 "1327", (unsigned int)sp_of(s), r->sp);
	if (text.failed)
		return &err_nomem;
	args = (struct rsp_cursor){ .p = (const char *)text.data,
				    .end = (const char *)text.data + text.len };
	return condition_parse(&args, ret);
}

static struct err *insert(struct session *s, struct view_return *r)
{
	struct condition *c = NULL;

	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++)
		if (s->view->returns[i].inserted && s->view->returns[i].ra == r->ra)
			return err_new(ERR_STATE, "a breakpoint waits for that return already");
	struct err *err = make_condition(s, r, &c);
	if (!err)
		err = conditions_set(s->conditions, POINT_SW, r->ra, c);
	if (err) {
		condition_free(c);
		return err;
	}
	err = s->target->point->insert(s->target, POINT_SW, r->ra, 1);
	if (err)
		err_drop(conditions_set(s->conditions, POINT_SW, r->ra, NULL));
	else
		r->inserted = true;
	s->target->judge = conditions_judge(s->conditions);
	return err;
}

bool view_mixed_insert(struct session *s, uint64_t pc)
{
	struct view_return *r = load(s) ? choose_return(s, pc) : NULL;
	struct err *err = r && !r->inserted ? insert(s, r) : NULL;
	bool there = r && !err;

	if (err)
		session_log(s, DEBUG_POINTS, "no breakpoint for a return: %s", err->msg);
	err_drop(err); /* that of Python is left */
	return there;
}

struct err *view_mixed_remove(struct session *s, uint64_t pc)
{
	struct view_return *r = find_return(s->view, pc);

	if (!r || !r->inserted)
		return NULL;
	r->inserted = false;
	struct err *err = s->target->point->remove(s->target, POINT_SW, r->ra, 1);
	if (!err)
		err = conditions_set(s->conditions, POINT_SW, r->ra, NULL);
	s->target->judge = conditions_judge(s->conditions);
	return err;
}

void view_mixed_forget_points(struct view *v)
{
	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++)
		v->returns[i].inserted = false;
}

/* ---- registers ---- */

static struct view_return *return_of(struct session *s, pid_t tid, uint64_t pc, uint64_t sp)
{
	struct view *v = s->view;
	for (size_t i = 0; i < VIEW_RETURNS_MAX; i++) {
		struct view_return *r = &v->returns[i];
		if (r->chain && r->pc == pc && r->tid == tid && r->sp == sp)
			return r;
	}
	for (size_t i = 0; i < v->nloops; i++) {
		const struct view_loop *l = &v->loops[i];
		if (l->pc == pc && l->tid == tid && l->sp == sp)
			return keep(v, l);
	}
	return NULL;
}

struct err *view_mixed_send(struct session *s, pid_t tid, uint64_t pc, bool *done)
{
	struct view *v = s->view;
	uint8_t value[REG_MAX] = { 0 };

	if (!v || !v->mixed)
		return NULL;
	struct view_return *r = return_of(s, tid, pc, reg_of(s, tid, sp_of(s)));
	if (!r)
		return NULL;
	memcpy(value, &r->ra, sizeof(r->ra));
	struct err *err = target_reg_set(s->target, tid, s->target->arch->pc, value);
	*done = !err;
	if (!err)
		v->posed = r;
	return err;
}

/*
 * gdb's `return' sets register after register, the pc late.  Where that is refused those before
 * get back what they had.
 */
void view_note_write(struct session *s, pid_t tid, uint16_t regnum)
{
	struct view *v = s->view;
	struct view_write *w;

	if (!v || !v->mixed || view_is_virtual(tid))
		return;
	if (s->packets != v->wrote_at + 1 || tid != v->wrote_tid)
		v->nwrites = 0;
	v->wrote_at = s->packets;
	v->wrote_tid = tid;
	if (!view_grow((void **)&v->writes, v->nwrites, &v->writes_cap, sizeof(*w)))
		return;
	w = &v->writes[v->nwrites];
	w->regnum = regnum;
	struct err *err = target_reg_get(s->target, tid, regnum, w->value);
	if (!err)
		v->nwrites++;
	err_drop(err); /* nor can it be written then */
}

void view_undo_writes(struct session *s, pid_t tid)
{
	struct view *v = s->view;
	bool moved = false;

	if (!v || v->wrote_at != s->packets || v->wrote_tid != tid)
		return;
	for (size_t i = 0; i < v->nwrites; i++)
		moved |= v->writes[i].regnum == sp_of(s);
	while (moved && v->nwrites) {
		const struct view_write *w = &v->writes[--v->nwrites];
		err_drop(target_reg_set(s->target, tid, w->regnum, w->value));
	}
	v->nwrites = 0;
}
