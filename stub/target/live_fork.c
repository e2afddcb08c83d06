/* SPDX-License-Identifier: MIT */
/* Children that the client is told of, and that are traced on. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "stub/target/live_priv.h"

/* Traced already, and stopped at its birth. */
static struct err *adopt_child(struct live *l, pid_t child, struct live **ret)
{
	struct live *born;
	struct err *err = live_new(child, &l->target, &born);

	if (err)
		return err;
	born->target.attached = l->target.attached;
	born->target.catches = l->target.catches;
	struct lwp *p = lwp_add(born, child);
	if (!p) {
		born->target.pid = 0;
		born->target.ops->destroy(&born->target);
		return &err_nomem;
	}
	p->stopped = true;
	if (l->target.alone)
		live_alone_ops.begin(&born->target, child);
	err = live_open_image(born);
	if (!err) {
		*ret = born;
		return NULL;
	}
	/* It is let go by whoever has it. */
	lwp_remove(born, p);
	born->target.pid = 0;
	born->target.ops->destroy(&born->target);
	return err;
}

bool live_tell_fork(struct live *l, struct lwp *p, pid_t child, uint64_t flags)
{
	bool vfork = flags & CLONE_VFORK;
	struct live *born;

	if (!l->target.tells_forks || ((flags & CLONE_VM) && !vfork))
		return false;
	if (!(flags & CLONE_VM))
		live_clean_child(l, child);
	struct err *err = adopt_child(l, child, &born);
	if (err) {
		err_drop(err); /* then it goes its way */
		return false;
	}
	born->borrows_memory = flags & CLONE_VM;
	born->lender = l->target.pid;
	born->sibling = l->children;
	l->children = born;
	live_set_event(p, vfork ? STOP_VFORK : STOP_FORK, SIGTRAP);
	p->event.addr = (uint64_t)child;
	p->tells_done = vfork;
	return true;
}

struct target *live_take_child(struct target *t, pid_t pid)
{
	struct live **at = &to_live(t)->children;

	while (*at && (*at)->target.pid != pid)
		at = &(*at)->sibling;
	struct live *born = *at;
	if (!born)
		return NULL;
	*at = born->sibling;
	born->sibling = NULL;
	return &born->target;
}

void live_release_children(struct live *l)
{
	while (l->children) {
		struct live *born = l->children;
		l->children = born->sibling;
		born->target.attached = true; /* it is let go, not killed */
		born->target.ops->destroy(&born->target);
	}
}
