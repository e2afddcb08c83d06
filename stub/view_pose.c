/* SPDX-License-Identifier: MIT */
/*
 * A real thread that is shown at the Python frame where it stopped, as its virtual thread is:
 * it poses, while it is in the loop that runs the frame.
 *
 * That is for a client that works with the real thread.  It finishes one of the Python frames
 * in its stack, goes until or advances from there: then it has breakpoints where its frames
 * wait, and looks for the caller in that very thread.  It steps from where such a thread poses.
 *
 * The loop and what it calls are not shown: the Python frame is the innermost one, and lies
 * where no C can write.  What a frame of C has saved of its caller's registers is shown as it
 * will be when that goes on.  None of them can be written.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/view_priv.h"

#define WAITS_MAX 4096u

/* ---- where frames wait ---- */

static void add_wait(struct view *v, uint64_t pc, pid_t tid)
{
	for (size_t i = 0; i < v->nwaits; i++)
		if (v->waits[i].pc == pc && v->waits[i].tid == tid)
			return;
	for (size_t i = v->nwaits; v->nwaits >= WAITS_MAX && i-- > 0;)
		if (!v->waits[i].inserted)
			v->waits[i] = v->waits[--v->nwaits];
	if (v->nwaits >= WAITS_MAX ||
	    !view_grow((void **)&v->waits, v->nwaits, &v->waits_cap, sizeof(*v->waits)))
		return;
	v->waits[v->nwaits++] = (struct view_wait){ .pc = pc, .tid = tid };
}

/*
 * gdb takes its breakpoints out at each stop and puts them in again, and may not have read the
 * thread's stack in between: so who waited is known until there are too many.
 */
void view_pose_await(struct session *s, uint64_t pc)
{
	struct view *v = s->view;

	for (size_t i = 0; i < v->mixed.nloops; i++)
		if (mixed_waits_at(&v->mixed, &v->mixed.loops[i], pc))
			add_wait(v, pc, v->mixed.loops[i].tid);
	view_pose_awaited(v, pc, true);
}

void view_pose_awaited(struct view *v, uint64_t pc, bool inserted)
{
	for (size_t i = 0; i < v->nwaits; i++)
		if (v->waits[i].pc == pc)
			v->waits[i].inserted = inserted;
}

bool view_pose_awaits(const struct view *v, pid_t tid, uint64_t pc)
{
	for (size_t i = 0; i < v->nwaits; i++)
		if (v->waits[i].inserted && v->waits[i].tid == tid && v->waits[i].pc == pc)
			return true;
	return false;
}

/* Whether the client works with the real thread. */
static bool is_followed(const struct view *v, pid_t tid)
{
	for (size_t i = 0; i < v->nwaits; i++)
		if (v->waits[i].inserted && v->waits[i].tid == tid)
			return true;
	return v->followed == tid;
}

/* ---- posing ---- */

void view_pose_end(struct view *v)
{
	if (v->pose.tid)
		v->followed = v->pose.tid;
	free(v->pose.chain);
	v->pose = (struct view_pose){ 0 };
}

void view_pose_deinit(struct view *v)
{
	view_pose_end(v);
	free(v->waits);
}

/* The innermost one; loops are in the order of their places on stacks. */
static const struct mixed_loop *innermost(const struct view *v, pid_t tid)
{
	for (size_t i = 0; i < v->mixed.nloops; i++)
		if (v->mixed.loops[i].tid == tid)
			return &v->mixed.loops[i];
	return NULL;
}

/*
 * lldb finds the caller of the innermost frame by the word at the stack pointer, which lies
 * beside the frame's own place only where there is a bridge.
 */
bool view_pose(struct session *s, const struct view_thread *t)
{
	struct view *v = s->view;
	struct view_frame *f = &v->frames[t->first];
	struct space_regs regs = { 0 };

	if (!v->mix || !is_followed(v, t->tid) || !view_mixed_thread(s, t->tid, &regs))
		return false;
	const struct mixed_loop *l = innermost(v, t->tid);
	if (!l || (s->peer.lldb && !l->bridged))
		return false;
	struct synth_descriptor *chain = calloc(mixed_length(l), sizeof(*chain));
	if (!chain)
		return false;
	memcpy(chain, &v->mixed.chain[l->first], mixed_length(l) * sizeof(*chain));
	view_pose_end(v);
	v->pose = (struct view_pose){
		.tid = t->tid, .id = t->id, .pc = f->pc, .loop = *l, .chain = chain, .regs = regs
	};
	/* lldb steps every thread off a breakpoint: this one is not at it, then. */
	f->pc += s->peer.lldb;
	return true;
}

void view_pose_stopped(struct session *s)
{
	if (s->view && !s->view->pose.tid)
		s->view->followed = 0;
}

bool view_poses(const struct session *s, pid_t tid)
{
	return s->view && tid && s->view->pose.tid == tid;
}

pid_t view_steps_as(const struct session *s, pid_t tid)
{
	if (view_is_virtual(tid))
		return tid;
	return view_poses(s, tid) ? s->view->pose.id : 0;
}

/* ---- registers ---- */

/* System V ABI, "Register Usage": what a function leaves as it was (rbx, rbp, r12 to r15). */
#define CALLEE_SAVED 0xf048u

bool view_pose_reg(const struct session *s, pid_t tid, uint16_t regnum, uint64_t *ret)
{
	const struct reg *r = &s->target->arch->regs[regnum];
	const struct view_pose *p = &s->view->pose;

	if (!view_poses(s, tid))
		return false;
	if (regnum == s->target->arch->pc)
		*ret = p->pc;
	else if (r->dwarf == (int)SPACE_REG_SP)
		*ret = mixed_place(&p->loop, 0);
	else if (r->dwarf >= 0 && r->dwarf < 16 && CALLEE_SAVED >> r->dwarf & 1 &&
		 p->regs.known >> r->dwarf & 1)
		*ret = p->regs.value[r->dwarf];
	else
		return false;
	return true;
}

/* ---- memory ---- */

/* The stack of such a frame has its return address, as lldb wants it, which reads it by lines. */
size_t view_pose_read(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	size_t done = 0;

	while (done < len && mixed_has_place(&s->view->mixed, addr + done)) {
		uint64_t at = addr + done, off = at % MIXED_STEP;
		const struct synth_descriptor *d = view_mixed_descriptor(s, at - off);
		uint8_t word[MIXED_STEP] = { 0 };
		if (d)
			memcpy(word, &d->ra, sizeof(word));
		size_t n = sizeof(word) - off < len - done ? sizeof(word) - off : len - done;
		memcpy(buf + done, word + off, n);
		done += n;
	}
	return done;
}
