/* SPDX-License-Identifier: MIT */
/* A live process, as the live_*.c files share it.  Nobody else includes this. */
#ifndef STUB_TARGET_LIVE_PRIV_H
#define STUB_TARGET_LIVE_PRIV_H

#include <sys/user.h>

#include "arch/x86_dregs.h"
#include "arch/x86_xsave.h"
#include "stub/target/guard.h"
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
	pid_t group; /* 0, or of a companion its own thread group: see live_companion.c */
	bool stopped;
	bool zombie;	  /* the leader, dead before its threads: not a thread any more */
	bool tells_done;  /* its vfork was told, and so will be the end of it */
	bool vforking;	  /* waits for its vfork child: no interrupt reaches it */
	bool stuck;	  /* nothing stops it now; it counts as stopped, without registers */
	bool asked;	  /* PTRACE_INTERRUPT was sent and its stop has not come */
	bool in_signal;	  /* stopped by a signal: only here PTRACE_CONT can deliver one */
	bool in_exec;	  /* on the way out of execve; a stop there is not told yet */
	uint8_t options;  /* THREAD_TELLS_... */
	bool exec_done;	  /* the end of execve is still to be told, if it is caught */
	bool resumed;	  /* the client wants it to run */
	bool job_stopped; /* in a group stop (SIGSTOP and its like) that we did not undo */
	bool stepping;	  /* and by single steps */
	uint64_t range_start, range_end;
	struct step_flags {
		uint64_t pc;	/* where the step began */
		uint8_t pushed; /* bytes of the instruction, if it pushes the flags; else 0 */
		bool loads;	/* it loads them */
		bool own;	/* the program itself has set the trap flag */
	} flags;
	int deliver;	 /* signal to inject when it next runs */
	int injected;	 /* signal we sent it for the client: to be passed on in silence */
	int last_signal; /* reported to the client, who has not said what becomes of it */
	bool pending;	 /* `event' waits to be reported */
	bool step_done;	 /* and is the end of a step */
	bool unjudged;	 /* and is a hit that target.judge has yet to see */
	bool hop;	 /* judged: it goes on at event_pc, with the trap there out of its way */
	bool hopping;	 /* on its way over it, by a step that the client knows nothing of */
	bool traced;	 /* the hit is one of a tracepoint, `client_hit' of a breakpoint */
	bool client_hit;
	bool seen;     /* the tracepoint at event_pc has been seen to */
	bool followed; /* steps for the judge; see struct target_judge */
	struct stop_event event;
	uint64_t event_pc;	 /* where a breakpoint's event was seen */
	uint64_t slot;		 /* where it executes a copy of what is at event_pc; 0: nowhere */
	uint8_t slot_len;	 /* of that instruction */
	bool slot_calls;	 /* which is a call */
	struct thread_info info; /* as it was at info_moves */
	uint64_t info_moves;	 /* of live.moves, plus 1; 0: it was not read yet */
	uint64_t dregs_seen;	 /* generation of the debug registers it has */
	bool made_up; /* the last report was an interrupt, which the kernel knows nothing of */
	bool told;    /* `event' is what the client was told when it stopped */
	bool newborn; /* its birth is to be told when it has stopped */
	bool wanted;  /* target.alone: the client wants it to stop, by wanted_signo */
	int wanted_signo;
};

#define LWP_BUCKETS 1024u
#define SHARERS_MAX 8u

/* What waitpid() said of a thread, for whoever it concerns. */
struct live_mail {
	struct letter {
		pid_t tid;
		int status;
	} * letter;
	size_t n, cap;
};

struct live_pool; /* live_pool.c */

enum live_phase {
	LIVE_STOPPED, /* every thread is */
	LIVE_RUNNING,
	LIVE_STOPPING, /* something happened; waiting for the rest to stop */
	LIVE_HOPPING,  /* one thread executes one instruction, the rest are stopped */
};

struct live {
	struct target target;
	enum live_phase phase;
	struct lwp *first, *last;
	struct lwp *bucket[LWP_BUCKETS];
	size_t nlwps;

	struct live_pool *pool; /* those that are traced together */
	struct live *pool_next;
	struct live *children; /* that the client has been, or is to be, told of */
	struct live *sibling;  /* the next of its parent's children */
	bool borrows_memory; /* a vfork child that has not exec'ed: traps of ours are its parent's */
	pid_t lender;
	struct live_mail inbox; /* what others were told of our threads */

	struct xsave_layout
		cpu; /* of this machine's registers; asked before anything stands still */
	struct arch *made_arch; /* target.arch, as this process has it */
	struct points points;
	struct live_displaced *displaced; /* live_displace.c; NULL: nothing yet */
	struct guard *guard;		  /* of mem_fd; NULL: there is none (yet) */
	struct x86_dregs dregs;

	/*
	 * Other processes that run in this memory and are not traced: our traps
	 * would kill them, so there are none meanwhile.
	 */
	size_t nvforks;		   /* threads that wait for a vfork child */
	pid_t sharer[SHARERS_MAX]; /* children by CLONE_VM alone, which say nothing when done */
	size_t nsharers;
	bool lifted; /* the traps are out; the table stays */

	pid_t passed;	    /* since it was last cleared this thread had a hit that was not told */
	struct lwp *hopper; /* the trap at its event_pc is out, until it has stopped; or NULL */
	int64_t hopping_since;

	int64_t stopping_since; /* ms of the monotonic clock; of LIVE_STOPPING */
	bool job_overridden;	/* the client lets run what job control stopped before it came */
	bool leader_untraced; /* it had died before we came: the last thread's end is all we see */

	uint64_t moves;	   /* counts whenever a thread goes on */
	unsigned int turn; /* counts steps beside other threads */
	bool more;	   /* waitpid() may have more already */
	bool interrupt;	   /* the client wants a stop */
	int interrupt_signo;
	bool held; /* target.alone: threads count as running that do not yet */
	bool left; /* target.alone: a thread that ran is gone, and that may have been the last */
	struct stop_event *gone; /* STOP_GONE, to be told */
	size_t ngone, gone_cap;
	bool exited; /* the process is gone; `exit' says how, until it is reported */
	struct stop_event exit;
	pid_t last_reported;

	bool reads_only; /* look.c: the memory is not opened for writing */
	int mem_fd;	 /* /proc/PID/mem of the image that is running, or -1 */
	int root_fd;	 /* /proc/PID/root */
	int task_fd;	 /* /proc/PID/task, once a thread's name was asked for */
};

/* live_lwp.c */
struct lwp *lwp_find(struct live *l, pid_t tid);
struct lwp *lwp_add(struct live *l, pid_t tid); /* NULL: no memory */
void lwp_remove(struct live *l, struct lwp *p);
/* Its thread group. */
pid_t lwp_group(const struct live *l, const struct lwp *p);

/* live_companion.c */
/* The process that @p has made is a thread of ours, as far as the client is concerned. */
bool live_is_companion(int event, uint64_t flags);
/* Lets companions go their way, without traps in their memory, which is ours no more. */
void live_release_companions(struct live *l);
/* @p, stopped, has become another program: it goes its way. */
void live_lose_companion(struct live *l, struct lwp *p);
void live_kill_companions(struct live *l);

/* live_pool.c */
/* From now on it is traced together with @beside; NULL: with none. */
struct err *live_join(struct live *l, struct target *beside) MUST_CHECK;
void live_leave(struct live *l);
/* What waitpid() said goes to whoever's thread that is: here, to an inbox, or to the early ones. */
void live_route(struct live *l, pid_t tid, int status);
/* Handles one that others were told; false: there is none. */
bool live_read_mail(struct live *l);
/* The stop of a thread or process that no event had announced yet. */
bool live_take_early(struct live *l, pid_t tid, int *ret);
/* Lets go what has not been announced, when nothing can announce it any more. */
void live_release_early(struct live *l);

/* live_fork.c */
/*
 * @p has made the process @child, which has stopped: whether that is an event, which @p has
 * then.
 */
bool live_tell_fork(struct live *l, struct lwp *p, pid_t child, uint64_t flags);
struct target *live_take_child(struct target *t, pid_t pid);
/* Whose memory it borrows; NULL: nobody's, or it is gone. */
struct live *live_lender(const struct live *l);
/* It is about to run in that memory, or to change it: the traps there are not its own. */
void live_lift_lender(const struct live *l);
/* Lets go those that nobody has taken. */
void live_release_children(struct live *l);

/* live_proc.c: what /proc knows */
struct err *proc_open(struct live *l) MUST_CHECK;
void proc_close(struct live *l);
struct err *proc_maps(struct target *t, struct maps *ret) MUST_CHECK;
int proc_open_map(struct target *t, const struct map *m);
void proc_present(struct target *t, uint64_t addr, size_t n, uint8_t *ret);
int proc_root_fd(struct target *t);
struct err *proc_auxv(struct target *t, struct buf *out) MUST_CHECK;
struct err *proc_exec_file(struct target *t, struct buf *out) MUST_CHECK;
struct err *proc_thread_info(struct target *t, pid_t tid, struct thread_info *ret) MUST_CHECK;
/* The state letter of proc(5)'s stat; 0 if there is no such thread. */
char proc_state(pid_t pid, pid_t tid);
/* A thread whose /proc entries tell of memory and files: the leader's are empty once it is dead. */
pid_t proc_living(const struct live *l);
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
/*
 * Takes every trap but our own (target_own_ops) out of our memory, or puts it back; the
 * table stays.
 */
void live_lift_points(struct live *l);
void live_lower_points(struct live *l);
/* Takes out every trap, those of our own too, and forgets them. */
void live_remove_points(struct live *l);
/* The same with one of them; without effect while all are out, or if it is not in the table. */
void live_lift_point(struct live *l, uint64_t addr);
void live_lower_point(struct live *l, uint64_t addr);
/* As live_mem_ops.read, but into a buffer of any length that ends where memory does. */
size_t live_read_code(struct live *l, uint64_t addr, void *buf, size_t len);
/* Takes our traps out of the copy of the memory that a child has. */
void live_clean_child(struct live *l, pid_t child);
/* Whether any process is known to run in our memory; forgets those that are gone. */
bool live_memory_shared(struct live *l);

/* live_own.c */
extern const struct target_own_ops live_own_ops;
/* Before the first point is put into the process. */
void live_guard(struct live *l);

/* live_displace.c */
/*
 * Lets @p, at the trap at its event_pc, do what is under it, elsewhere.  False: it can't be
 * done, and nothing was.
 */
bool live_displace(struct live *l, struct lwp *p);
/* @p has stopped: back to where the program is, if it was elsewhere. */
void live_replace(struct live *l, struct lwp *p);
void live_free_slot(struct live *l, struct lwp *p);
/* @buf was read from @addr: what was there before. */
void live_hide_displaced(const struct live *l, uint64_t addr, void *buf, size_t len);
/* Puts that back, in our memory or a copy of it. */
void live_clean_displaced(const struct live *l, int fd);
/* The memory is another. */
void live_forget_displaced(struct live *l);

/* live_regs.c */
struct err *live_regset_read(struct target *t, pid_t tid, const struct regset *rs, void *buf,
			     size_t *size) MUST_CHECK;
struct err *live_siginfo_read(struct target *t, pid_t tid, void *buf, size_t *size) MUST_CHECK;
extern const struct target_write_ops live_write_ops;
/*
 * Some system calls fail with EINTR when a tracer stops them, or when a signal
 * comes that is then not delivered, though the program has seen no signal.  Such
 * a thread's registers are made to say what they do in all other calls: that
 * the kernel is to begin the call again, unless a handler runs first.
 */
void live_hide_interruption(struct lwp *p, const struct user_regs_struct *r);
/* Whether a trap of its own last instruction waits for a stopped thread. */
bool live_trap_queued(const struct lwp *p);
/* Whether the program itself has a breakpoint instruction that ends at @pc. */
bool live_trap_before(struct live *l, uint64_t pc);
/* The flags of the clone(2) whose event a thread is in. */
uint64_t live_clone_flags(struct live *l, const struct lwp *p);
/*
 * A step sets the trap flag.  An instruction that pushes the flags would leave
 * it in the program's memory, and after one that loads them Linux takes it for
 * the program's own.  To be called before a step, and when the thread has stopped.
 */
void live_watch_flags(struct live *l, struct lwp *p);
void live_repair_flags(struct live *l, struct lwp *p);
/* Program counter of a stopped thread; false if the thread is gone. */
bool live_get_pc(struct lwp *p, uint64_t *ret);
bool live_set_pc(struct lwp *p, uint64_t pc);
/* Brings a thread's debug registers up to date. */
void live_sync_dregs(struct live *l, struct lwp *p);
void live_clear_dregs(struct lwp *p);
uint64_t live_take_dr6(struct lwp *p);

/* live_i386.c */
/* What the process is; @tid is a thread of it that has stopped. */
struct err *live_detect_arch(struct live *l, pid_t tid) MUST_CHECK;
static inline bool live_is_32(const struct live *l)
{
	return l->target.arch->addr_size == 4;
}
/* The general regset of target.arch, up to @room bytes of it; how many there are. */
size_t live_put_gprs(const struct live *l, const struct user_regs_struct *r, void *buf,
		     size_t room);
struct err *live_write_gprs_32(pid_t tid, const void *buf, size_t size) MUST_CHECK;

/* live_call.c */
#define LIVE_HELD_MAX  64
#define LIVE_USER_CS64 0x33u
#define LIVE_USER_CS32 0x23u
extern const struct target_call_ops live_call_ops;
/* Signals that came while a thread was led by the hand. */
struct live_held {
	int signo[LIVE_HELD_MAX];
	int n;
};
/* They come again. */
void live_send_held(struct live *l, const struct lwp *p, const struct live_held *h);
/* A thread that returns to its own code when it goes on, not to the kernel's. */
bool live_can_call(const struct lwp *p);
struct lwp *live_choose_caller(struct live *l); /* NULL: none can */
/* Where there is a syscall instruction in the process. */
struct err *live_syscall_insn(struct live *l, uint64_t *ret) MUST_CHECK;
/*
 * A step whose trap is blocked makes the kernel unblock it for good, and forget its handler.
 * True: it was blocked, and is not now; @was is for live_remask().
 */
bool live_unmask_trap(const struct lwp *p, uint64_t *was);
void live_remask(pid_t tid, uint64_t was);

/* live_seccomp.c: whether @tid may make that call, at @insn, and live. */
struct err *live_check_seccomp(pid_t tid, const struct space_syscall *call,
			       uint64_t insn) MUST_CHECK;

/*
 * Until @p has stopped, or has ended: *status is as waitpid() has it.  False: it is about to
 * end, and it may be long until waitpid() says so; or it was to be stopped after @limit_ms (0:
 * none), and has been.
 */
bool live_wait(const struct live *l, const struct lwp *p, unsigned int limit_ms, int *status);

/* live_function.c */
struct err *live_function(struct target *t, pid_t tid, uint64_t addr, uint64_t arg) MUST_CHECK;
bool live_wake(struct target *t, pid_t tid);
/* *ret: its registers as they will be if the system call that it was stopped in is interrupted. */
bool live_interrupted(const struct lwp *p, struct user_regs_struct *ret);

/* live_detour.c */
struct err *live_detour(struct target *t, pid_t tid, const struct target_detour *d) MUST_CHECK;

/* live_syscalls.c: the beginning and end of system calls, as events */
/* The request that lets a thread go on until something happens, a caught system call included. */
int live_continue_request(const struct live *l);
/* A stop that such a request led to. */
void live_on_syscall(struct live *l, struct lwp *p);
/* It goes on from the news of an exec: whether the end of the call is news, too. */
void live_exec_returns(struct live *l, struct lwp *p);

/* live_events.c */
/* Stopped for nothing that is to be told: it goes on, unless it is to stand still. */
void live_quiet_stop(struct live *l, struct lwp *p);
/* It has done one instruction, and stops there if that is what the client wants. */
void live_stepped(struct live *l, struct lwp *p, uint64_t pc);
/* What waitpid() said of @tid; updates the table and may leave an event pending. */
void live_handle_status(struct live *l, pid_t tid, int status);
/* Whether the client wants @signo delivered without being told. */
bool live_passes(const struct live *l, int signo);
/* Takes what waitpid() has now. */
void live_drain(struct live *l);

/* live_hits.c: hits of breakpoints that are judged before anybody is told */
/*
 * @p, stopped, has run into the breakpoint at @at; its `event' says so.  Judges that,
 * now or when all are stopped anyway, and lets it go on if it is not to be told.
 */
void live_take_hit(struct live *l, struct lwp *p, uint64_t at);
/*
 * All are stopped and about to be resumed: judges what was not, and lets one thread
 * hop that has to.  False: there is something to tell, or the rest has to wait.
 */
bool live_settle_hits(struct live *l);
/* @p has to get over the trap at its event_pc, while others run if that can be. */
void live_get_over(struct live *l, struct lwp *p);
/* target.alone, and others run: lets @p go on, unless there is something to tell. */
void live_start_one(struct live *l, struct lwp *p);
/*
 * Hits that are not told come in quick succession: takes some more while they do, so
 * that each doesn't cost a turn of the event loop.
 */
void live_chase_hits(struct live *l);
/* It has made a step that the judge follows. */
void live_follow(struct live *l, struct lwp *p);
/* The one that hops has stopped or is gone. */
void live_end_hop(struct live *l, struct lwp *p);
/* It may wait in the kernel for what only another thread can do: then those go on. */
void live_look_after_hop(struct live *l);

/*
 * Does in @r what the instruction at r->rip does, whose @len bytes (and more) @code are.  False:
 * only the processor can, and nothing is changed.
 */
bool live_emulate(struct live *l, struct lwp *p, const uint8_t *code, size_t len,
		  struct user_regs_struct *r);

/* live_stead.c: steps without the processor */
/* The steps of @p, stopped; true: they have come to an end, and `event' says so. */
bool live_step_in_stead(struct live *l, struct lwp *p);
/* The same of the thread that is to step, before any thread moves. */
bool live_steps_in_stead(struct live *l);
/* A thread steps, and nothing else moves: gives it a moment. */
void live_await_step(struct live *l);

/* Leaves an event of that kind pending. */
void live_set_event(struct lwp *p, enum stop_kind kind, int signo);

/* live_alone.c */
extern const struct target_alone_ops live_alone_ops;
struct err *live_resume_alone(struct live *l, const struct resume_action *actions,
			      size_t n) MUST_CHECK;
void live_interrupt_alone(struct live *l);
struct err *live_event_alone(struct live *l, struct stop_event *ret, bool *more) MUST_CHECK;
/* It has stopped, as the client wants it to. */
void live_tell_wanted(struct live *l, struct lwp *p);

/* live_run.c */
const struct resume_action *live_action_for(const struct resume_action *actions, size_t n,
					    pid_t tid);
void live_apply_action(struct live *l, struct lwp *p, const struct resume_action *a);
/* The end of the process, or of a thread; false: there is none to tell. */
bool live_take_end(struct live *l, struct stop_event *ret);
/* The thread whose event is next, which has been told then; NULL: there is none. */
struct lwp *live_take_next(struct live *l, struct stop_event *ret);
/* Whether all have stopped, as far as they will. */
bool live_reach_stop(struct live *l);
/* What nobody tells us while all goes its way. */
void live_look_after(struct live *l);
bool live_is_dying(struct live *l);
bool live_any_resumed(const struct live *l);
bool live_notice_zombie_leader(struct live *l, struct lwp *p);
int64_t live_now_ms(void); /* of the monotonic clock */
/* All that may run does. */
void live_go_on(struct live *l);
extern const struct target_run_ops live_run_ops;
/* Lets a stopped thread go on as it was going. */
void live_continue_lwp(struct live *l, struct lwp *p, int signo);
void live_ask_to_stop(struct live *l);
bool live_all_stopped(struct live *l);
/* Blocks until every thread has stopped. */
struct err *live_wait_stopped(struct live *l) MUST_CHECK;

/* live.c */
#define LIVE_OPTIONS                                                                           \
	(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACESYSGOOD)
struct err *live_new(pid_t pid, struct target *beside, struct live **ret) MUST_CHECK;
/* Memory, root and architecture of a process that has just stopped. */
struct err *live_open_image(struct live *l) MUST_CHECK;

static inline struct live *to_live(struct target *t)
{
	return (struct live *)t; /* the first member */
}

#endif
