/* SPDX-License-Identifier: MIT */
/* A live process, as the live_*.c files share it.  Nobody else includes this. */
#ifndef STUB_TARGET_LIVE_PRIV_H
#define STUB_TARGET_LIVE_PRIV_H

#include "arch/x86_dregs.h"
#include "stub/target/live.h"
#include "stub/target/point.h"

/*
 * A thread, as the kernel shows it to its tracer.
 *
 * It runs until waitpid() says that it stopped.  A stop that is nobody's
 * business (a clone, the answer to PTRACE_INTERRUPT) leaves `event' unset; any
 * other one is kept there until it has been reported.
 */
struct lwp {
	struct lwp *next, *prev; /* in order of birth */
	struct lwp *chain;	 /* of its hash bucket */
	pid_t tid;
	bool stopped;
	bool zombie;	  /* the leader, dead before its threads: not a thread any more */
	bool asked;	  /* PTRACE_INTERRUPT was sent and its stop has not come */
	bool resumed;	  /* the client wants it to run */
	bool job_stopped; /* in a group stop (SIGSTOP and its like) that we did not undo */
	bool stepping;	  /* and by single steps */
	bool signal_stop; /* in a signal-delivery-stop, the only one that takes a signal along */
	int sent;	  /* signal that we sent for the client; passed on when it arrives */
	uint64_t range_start, range_end;
	int deliver;	 /* signal to inject when it next runs */
	int last_signal; /* reported to the client, who has not said what becomes of it */
	bool pending;	 /* `event' waits to be reported */
	struct stop_event event;
	uint64_t event_pc;   /* where a breakpoint's event was seen */
	uint64_t dregs_seen; /* generation of the debug registers it has */
	bool made_up; /* the last report was an interrupt, which the kernel knows nothing of */
};

#define LWP_BUCKETS 1024u
#define EARLY_MAX   64u

enum live_phase {
	LIVE_STOPPED, /* every thread is */
	LIVE_RUNNING,
	LIVE_STOPPING, /* something happened; waiting for the rest to stop */
};

struct live {
	struct target target;
	enum live_phase phase;
	struct lwp *first, *last;
	struct lwp *bucket[LWP_BUCKETS];
	size_t nlwps;

	/* Stops of threads that no clone event has announced yet. */
	struct {
		pid_t tid;
		int status;
	} early[EARLY_MAX];
	size_t nearly;

	struct arch *made_arch; /* target.arch, as this process has it */
	struct points points;
	struct x86_dregs dregs;
	pid_t vforked; /* a vfork child borrows the memory: no traps in it now */

	bool interrupt; /* the client wants a stop */
	int interrupt_signo;
	bool exited; /* the process is gone; `exit' says how, until it is reported */
	struct stop_event exit;
	pid_t last_reported;

	int mem_fd;  /* /proc/PID/mem of the image that is running, or -1 */
	int root_fd; /* /proc/PID/root */
};

/* live_lwp.c */
struct lwp *lwp_find(struct live *l, pid_t tid);
struct lwp *lwp_add(struct live *l, pid_t tid); /* NULL: no memory */
void lwp_remove(struct live *l, struct lwp *p);

/* live_proc.c: what /proc knows */
struct err *proc_open(struct live *l) MUST_CHECK;
void proc_close(struct live *l);
struct err *proc_maps(struct target *t, struct maps *ret) MUST_CHECK;
int proc_open_map(struct target *t, const struct map *m);
int proc_root_fd(struct target *t);
struct err *proc_auxv(struct target *t, struct buf *out) MUST_CHECK;
struct err *proc_exec_file(struct target *t, struct buf *out) MUST_CHECK;
struct err *proc_thread_info(struct target *t, pid_t tid, struct thread_info *ret) MUST_CHECK;
/* The state letter of proc(5)'s stat; 0 if there is no such thread. */
char proc_state(pid_t pid, pid_t tid);
/* Calls for each entry of /proc/PID/task. */
struct err *proc_tasks(pid_t pid, struct err *(*visit)(struct live *l, pid_t tid),
		       struct live *l) MUST_CHECK;
/* "Name: VALUE" of /proc/PID/status as a number; -1 if it is not there. */
long proc_status_field(pid_t pid, const char *name);
/* Why ptrace was refused, and the cure, into @ret. */
void proc_explain_denied(pid_t pid, int os_errno, char *ret, size_t size);

/* live_mem.c */
extern const struct mem_ops live_mem_ops;
extern const struct target_point_ops live_point_ops;
/* Takes every trap out of the memory, or puts it back; the table stays. */
void live_lift_points(struct live *l, pid_t pid);
void live_lower_points(struct live *l);

/* live_regs.c */
struct err *live_regset_read(struct target *t, pid_t tid, const struct regset *rs, void *buf,
			     size_t *size) MUST_CHECK;
struct err *live_siginfo_read(struct target *t, pid_t tid, void *buf, size_t *size) MUST_CHECK;
extern const struct target_write_ops live_write_ops;
/* Program counter of a stopped thread; false if the thread is gone. */
bool live_get_pc(struct lwp *p, uint64_t *ret);
bool live_set_pc(struct lwp *p, uint64_t pc);
/* Brings a thread's debug registers up to date. */
void live_sync_dregs(struct live *l, struct lwp *p);
void live_clear_dregs(struct lwp *p);
uint64_t live_take_dr6(struct lwp *p);
struct err *live_detect_arch(struct live *l, pid_t tid) MUST_CHECK;

/* live_events.c */
/* What waitpid() said of @tid; updates the table and may leave an event pending. */
void live_handle_status(struct live *l, pid_t tid, int status);
/* Takes all that waitpid() has now. */
void live_drain(struct live *l);

/* live_run.c */
extern const struct target_run_ops live_run_ops;
/* Lets a stopped thread go on as it was going. */
void live_continue_lwp(struct live *l, struct lwp *p, int signo);
/* The signal to leave a stop with; what the stop does not take along is sent instead. */
int live_take_signal(struct live *l, struct lwp *p, int signo);
void live_ask_to_stop(struct live *l);
bool live_all_stopped(struct live *l);
/* Blocks until every thread has stopped. */
struct err *live_wait_stopped(struct live *l) MUST_CHECK;

/* live.c */
#define LIVE_OPTIONS                                                                           \
	(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_TRACEVFORKDONE)
struct err *live_new(pid_t pid, struct live **ret) MUST_CHECK;
/* Memory, root and architecture of a process that has just stopped. */
struct err *live_open_image(struct live *l) MUST_CHECK;

static inline struct live *to_live(struct target *t)
{
	return (struct live *)t; /* the first member */
}

#endif
