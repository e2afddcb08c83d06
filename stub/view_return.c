/* SPDX-License-Identifier: MIT */
/*
 * Returns to Python frames that are in the stacks of real threads (stub/view_mixed.c).
 *
 * The client takes such a frame's pc for where C goes on.  Its breakpoint there, as of
 * `finish', is one at each true address that a loop with that frame returns to, for their
 * stack pointers alone.  A thread that stops there, or that the client sends there, is shown
 * at the Python frame: it *poses*.  The bridge is another such place, behind the loop's last
 * frame.  No register is ever given an address that is not the process's.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "stub/conditions.h"
#include "stub/view_priv.h"

#define RETURNS_MAX 8192u

/* ---- what is kept ---- */

static void forget_return(struct view *v, size_t i)
{
	struct view_return *r = v->returns[i];

	v->returns[i] = v->returns[--v->nreturns];
	free(r->chain);
	free(r);
}

/* Makes room where nobody waits; those that have returned are among them. */
static void forget_idle(struct view *v)
{
	for (size_t i = v->nreturns; i-- > 0;)
		if (!v->returns[i]->inserted && v->returns[i] != v->posed)
			forget_return(v, i);
}

static struct view_return *find_return(const struct view *v, pid_t tid, uint64_t pc, uint64_t sp)
{
	for (size_t i = 0; i < v->nreturns; i++) {
		struct view_return *r = v->returns[i];
		if (r->loop.tid == tid && r->pc == pc && r->loop.sp == sp)
			return r;
	}
	return NULL;
}

/* What @l is shown with, for stops to come: its variables are gone when C has returned. */
static struct synth_descriptor *copy_chain(const struct view *v, const struct mixed_loop *l)
{
	size_t n = mixed_length(l);
	struct synth_descriptor *chain = calloc(n, sizeof(*chain));

	if (!chain)
		return NULL;
	memcpy(chain, &v->mixed.chain[l->first], n * sizeof(*chain));
	for (size_t i = 0; i < n; i++)
		chain[i].locals = 0;
	return chain;
}

/* To be shown at @pc; NULL: no room. */
static struct view_return *keep(struct view *v, const struct mixed_loop *l, uint64_t pc)
{
	struct view_return *r = find_return(v, l->tid, pc, l->sp);

	if (v->nreturns == RETURNS_MAX)
		forget_idle(v);
	if (!r && v->nreturns == RETURNS_MAX)
		return NULL;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers */
	if (!r && !view_grow((void **)&v->returns, v->nreturns, &v->returns_cap, sizeof(r)))
		return NULL;
	struct synth_descriptor *chain = copy_chain(v, l);
	bool fresh = !r;
	if (fresh)
		r = chain ? calloc(1, sizeof(*r)) : NULL;
	if (!chain || !r) {
		free(chain);
		return NULL;
	}
	if (fresh)
		v->returns[v->nreturns++] = r;
	free(r->chain);
	r->chain = chain;
	r->loop = *l;
	r->pc = pc;
	return r;
}

void view_return_deinit(struct view *v)
{
	while (v->nreturns)
		forget_return(v, v->nreturns - 1);
	free(v->returns);
	free(v->writes);
	free(v->client_points);
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

uint64_t view_stack_pointer(struct session *s, pid_t tid)
{
	return reg_of(s, tid, sp_of(s));
}

/* ---- hits ---- */

/* The return that @tid, with that pc and stack pointer, has just come from; NULL: none. */
static struct view_return *returned(const struct view *v, pid_t tid, uint64_t pc, uint64_t sp)
{
	for (size_t i = 0; i < v->nreturns; i++) {
		struct view_return *r = v->returns[i];
		if (r->inserted && r->loop.tid == tid && r->loop.ra == pc && r->loop.sp == sp)
			return r;
	}
	return NULL;
}

static bool is_awaited(const struct view *v, uint64_t addr)
{
	for (size_t i = 0; i < v->nreturns; i++)
		if (v->returns[i]->inserted && v->returns[i]->loop.ra == addr)
			return true;
	return false;
}

/*
 * lldb finds the caller of the innermost frame by the word at the stack pointer: that is for a
 * Python frame in its own place, for the bridge the address that C has returned to.
 */
bool view_return_reg(const struct session *s, pid_t tid, uint16_t regnum, uint64_t *ret)
{
	const struct view_return *r = s->view ? s->view->posed : NULL;

	if (!r || r->loop.tid != tid)
		return false;
	if (regnum == s->target->arch->pc)
		*ret = r->pc;
	else if (s->peer.lldb && regnum == sp_of(s))
		*ret = r->pc == r->loop.pc ? mixed_place(&r->loop, 0) : r->loop.sp - 8;
	else
		return false;
	return true;
}

const struct synth_descriptor *view_return_descriptor(const struct view_return *r, uint64_t sp)
{
	/* C's stack pointer, and what lldb sees of it, is that of the frame which is shown there. */
	if (r->pc != r->loop.pc && (sp == r->loop.sp || sp == r->loop.sp - 8))
		sp = mixed_place(&r->loop, r->loop.n);
	return mixed_in_loop(&r->loop, r->chain, sp);
}

void view_return_stopped(struct session *s)
{
	struct view *v = s->view;
	pid_t tid = s->stop.tid;

	if (!view_is_on(s) || s->stop.kind != STOP_SWBREAK || !v->nreturns)
		return;
	v->posed =
		returned(v, tid, reg_of(s, tid, s->target->arch->pc), view_stack_pointer(s, tid));
}

/* Where the client has breakpoints in the process: one there is not ours alone. */
static size_t find_client_point(const struct view *v, uint64_t addr)
{
	size_t low = 0, high = v->nclient_points;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (v->client_points[mid] < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool has_client_point(const struct view *v, uint64_t addr)
{
	size_t i = find_client_point(v, addr);
	return i < v->nclient_points && v->client_points[i] == addr;
}

void view_note_point(struct session *s, uint64_t addr, bool there)
{
	struct view *v = s->view;
	size_t i = v ? find_client_point(v, addr) : 0;

	if (!v)
		return;
	if (there)
		view_pose_await(s, addr);
	else
		view_pose_awaited(v, addr, false);
	if (has_client_point(v, addr) == there)
		return;
	if (there && !view_grow((void **)&v->client_points, v->nclient_points,
				&v->client_points_cap, sizeof(addr)))
		return;
	uint64_t *at = &v->client_points[i];
	size_t behind = (v->nclient_points - i) * sizeof(addr);
	if (there) {
		memmove(at + 1, at, behind);
		*at = addr;
		v->nclient_points++;
	} else {
		memmove(at, at + 1, behind - sizeof(addr));
		v->nclient_points--;
	}
}

bool view_keeps_point(const struct session *s, uint64_t addr)
{
	return s->view && is_awaited(s->view, addr);
}

/* Other threads and other calls return there, too. */
static bool is_told(void *ctx, const struct target_hit *hit)
{
	struct session *s = ctx;
	const struct target_judge *client = conditions_judge(s->conditions);
	const struct view *v = s->view;

	if (hit->type == POINT_SW && is_awaited(v, hit->addr)) {
		if (returned(v, hit->tid, hit->addr, view_stack_pointer(s, hit->tid)))
			return true;
		if (!has_client_point(v, hit->addr))
			return false;
	}
	return client ? client->is_told(client->ctx, hit) : true;
}

const struct target_judge *view_target_judge(struct session *s)
{
	const struct view *v = s->view;

	for (size_t i = 0; v && i < v->nreturns; i++)
		if (v->returns[i]->inserted) {
			s->view->judge = (struct target_judge){ .is_told = is_told, .ctx = s };
			return &s->view->judge;
		}
	return conditions_judge(s->conditions);
}

/* ---- breakpoints ---- */

static bool is_there(struct session *s, const struct mixed_loop *l)
{
	uint64_t ra = 0;
	struct err *err = mem_ptr(&s->target->mem, l->sp - 8, &ra);
	bool there = !err && ra == l->ra;
	err_drop(err);
	return there;
}

/* All loops of this stop that show @pc where they return, beside those kept that still do. */
static void keep_all(struct session *s, uint64_t pc)
{
	struct view *v = s->view;
	bool bridge = pc == synth_bridge(v->synth) + VIEW_ROOT_CALL;

	for (size_t i = v->nreturns; i-- > 0;) {
		struct view_return *r = v->returns[i];
		if (r->pc == pc && !r->inserted && r != v->posed && !is_there(s, &r->loop))
			forget_return(v, i);
	}
	for (size_t i = 0; i < v->mixed.nloops; i++) {
		const struct mixed_loop *l = &v->mixed.loops[i];
		if ((bridge ? l->bridged : l->pc == pc) && !keep(v, l, pc))
			session_log(s, DEBUG_POINTS, "no room for all returns to 0x%llx",
				    (unsigned long long)pc);
	}
}

static struct err *insert(struct session *s, struct view_return *r)
{
	struct err *err = NULL;

	if (!is_awaited(s->view, r->loop.ra) && !has_client_point(s->view, r->loop.ra))
		err = s->target->point->insert(s->target, POINT_SW, r->loop.ra, 1);
	if (!err)
		r->inserted = true;
	return err;
}

bool view_return_insert(struct session *s, uint64_t pc)
{
	struct view *v = s->view;
	bool any = false;

	if (!view_mixed_load(s))
		return false;
	keep_all(s, pc);
	for (size_t i = 0; i < v->nreturns; i++) {
		struct view_return *r = v->returns[i];
		if (r->pc != pc)
			continue;
		struct err *err = insert(s, r);
		any |= !err;
		if (err)
			session_log(s, DEBUG_POINTS, "no breakpoint for a return: %s", err->msg);
		err_drop(err); /* that of Python is left */
	}
	return any;
}

struct err *view_return_remove(struct session *s, uint64_t pc)
{
	struct view *v = s->view;
	struct err *err = NULL;

	for (size_t i = 0; !err && i < v->nreturns; i++) {
		struct view_return *r = v->returns[i];
		if (!r->inserted || r->pc != pc)
			continue;
		r->inserted = false;
		if (!is_awaited(v, r->loop.ra) && !has_client_point(v, r->loop.ra))
			err = s->target->point->remove(s->target, POINT_SW, r->loop.ra, 1);
	}
	return err;
}

void view_return_forget_points(struct view *v)
{
	for (size_t i = 0; i < v->nreturns; i++)
		v->returns[i]->inserted = false;
	v->nclient_points = 0;
}

/* ---- registers ---- */

struct err *view_return_send(struct session *s, pid_t tid, uint64_t pc, bool *done)
{
	struct view *v = s->view;
	uint8_t value[REG_MAX] = { 0 };
	uint64_t sp = view_stack_pointer(s, tid);

	if (!v || !v->mix)
		return NULL;
	const struct mixed_loop *l = mixed_find(&v->mixed, sp);
	struct view_return *r =
		l && l->pc == pc && l->tid == tid ? keep(v, l, pc) : find_return(v, tid, pc, sp);
	if (!r)
		return NULL;
	memcpy(value, &r->loop.ra, sizeof(r->loop.ra));
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

	if (!v || !v->mix || view_is_virtual(tid))
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
