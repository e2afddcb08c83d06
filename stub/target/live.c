/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

static void live_destroy(struct target *t)
{
	struct live *l = to_live(t);

	if (t->pid > 0) {
		struct err *err = t->attached ? live_run_ops.detach(t, 0) : live_run_ops.kill(t);
		err_drop(err); /* nobody is left to tell */
	}
	live_release_children(l);
	while (l->first)
		lwp_remove(l, l->first);
	proc_close(l);
	live_leave(l);
	points_deinit(&l->points);
	free(l->gone);
	live_forget_displaced(l);
	arch_free(l->made_arch);
	target_deinit(t);
	free(l);
}

static struct err *live_threads(struct target *t, bool (*visit)(pid_t tid, void *arg), void *arg)
{
	for (struct lwp *p = to_live(t)->first; p; p = p->next)
		if (!p->zombie && !visit(p->tid, arg))
			break;
	return NULL;
}

static const struct target_ops live_ops = {
	.name = "live",
	.destroy = live_destroy,
	.threads = live_threads,
	.thread_info = proc_thread_info,
	.regset_read = live_regset_read,
	.siginfo_read = live_siginfo_read,
	.auxv = proc_auxv,
	.exec_file = proc_exec_file,
	.maps = proc_maps,
	.open_map = proc_open_map,
	.present = proc_present,
	.root_fd = proc_root_fd,
};

struct err *live_new(pid_t pid, struct target *beside, struct live **ret)
{
	struct live *l = calloc(1, sizeof(*l));
	if (!l)
		return &err_nomem;
	l->mem_fd = l->root_fd = l->task_fd = -1;
	l->target = (struct target){
		.ops = &live_ops,
		.run = &live_run_ops,
		.write = &live_write_ops,
		.point = &live_point_ops,
		.call = &live_call_ops,
		.own = &live_own_ops,
		.arch = &arch_x86_64,
		.pid = pid,
		.stops = 1,
		.epoch = ((uint64_t)pid << 32) + 1, /* no two processes' are equal */
	};
	xsave_layout_cpu(&l->cpu);
	l->points.insn = l->target.arch->bp_insn;
	l->points.len = l->target.arch->bp_len;
	struct err *err = mem_init(&l->target.mem, &live_mem_ops, l, 8);
	if (!err) {
		err = live_join(l, beside);
		if (err)
			mem_deinit(&l->target.mem);
	}
	if (err) {
		free(l);
		return err;
	}
	*ret = l;
	return NULL;
}

struct err *live_none(struct target **ret)
{
	struct live *l;
	struct err *err = live_new(0, NULL, &l);
	if (!err)
		*ret = &l->target;
	return err;
}

struct err *live_open_image(struct live *l)
{
	struct err *err = proc_open(l);
	if (!err)
		err = live_detect_arch(l, proc_living(l));
	return err;
}

/* A first thread that has ended before the others stands in the table all the same. */
static struct err *add_dead_leader(struct live *l)
{
	struct lwp *p = lwp_add(l, l->target.pid);
	if (!p)
		return &err_nomem;
	p->zombie = l->leader_untraced = true;
	return NULL;
}

static bool has_other_threads(pid_t pid)
{
	return proc_status_field(pid, "Threads") > 1;
}

static struct err *refused(struct live *l, pid_t tid, int os_errno)
{
	char why[96];
	long tracer;

	if (tid == l->target.pid) {
		if (proc_state(tid, tid) == 'Z' && has_other_threads(tid))
			return add_dead_leader(l);
		proc_explain_denied(tid, os_errno, why, sizeof(why));
		return err_new(ERR_OS, "%s", why);
	}
	/* It has ended, or was born of a thread that we have and so seized by the kernel. */
	tracer = os_errno == EPERM ? proc_status_field(tid, "TracerPid") : 0;
	if (tracer > 0 && tracer != getpid())
		return err_new(ERR_OS, "its thread %d is traced by process %ld", tid, tracer);
	return NULL;
}

/* Seizes one thread, unless it is ours already. */
static struct err *seize(struct live *l, pid_t tid)
{
	if (lwp_find(l, tid))
		return NULL;
	if (ptrace(PTRACE_SEIZE, tid, NULL, (long)LIVE_OPTIONS) != 0)
		return refused(l, tid, errno);
	struct lwp *p = lwp_add(l, tid);
	if (!p) {
		(void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return &err_nomem;
	}
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0)
		p->asked = true;
	return NULL;
}

/* Until a look at the list of threads finds no new one: they may be born while we look. */
static struct err *seize_all(struct live *l)
{
	struct err *err = seize(l, l->target.pid);
	for (size_t before = 0; !err && before != l->nlwps;) {
		before = l->nlwps;
		err = proc_tasks(l->target.pid, seize, l);
		if (!err)
			err = live_wait_stopped(l);
	}
	return err;
}

struct err *live_attach_beside(struct target *beside, pid_t pid, struct target **ret)
{
	struct live *l;
	struct err *err = live_new(pid, beside, &l);
	if (err)
		return err;
	l->target.attached = true;
	live_ask_to_stop(l);
	long leader = proc_status_field(pid, "Tgid");
	if (leader > 0 && leader != pid)
		err = err_new(ERR_STATE, "it is a thread of process %ld; attach to that", leader);
	if (!err)
		err = seize_all(l);
	if (!err && l->exited)
		err = err_new(ERR_STATE, "it ended while it was being attached to");
	if (!err)
		err = live_open_image(l);
	if (err) {
		live_destroy(&l->target);
		return err;
	}
	/* What job control stopped runs when the client lets it; detach leaves it stopped. */
	for (struct lwp *p = l->first; p; p = p->next) {
		l->job_overridden |= p->job_stopped;
		p->job_stopped = false;
	}
	l->phase = LIVE_STOPPED;
	*ret = &l->target;
	return NULL;
}

struct err *live_attach(pid_t pid, struct target **ret)
{
	return live_attach_beside(NULL, pid, ret);
}
