/* SPDX-License-Identifier: MIT */
/*
 * Looking without touching.
 *
 * How to know that a thread executed nothing while its memory was read, with no
 * ptrace: it was seen off the processor before and after, and the kernel counted
 * no switch away from it in between (proc(5), status: *_ctxt_switches; so it was
 * not switched to either).  A thread is seen off the processor when the kernel
 * tells its system call, for which it waits until the thread is inactive (proc(5),
 * syscall), or when it belongs to the processor that we ourselves are running on.
 * To the processor of a thread that runs we go as any program might, and compete
 * for it; the thread goes on after us, or elsewhere, and then the look was in vain.
 */
#include "stub/target/look.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define TASK_FILE_MAX 4096u

/* Linux's struct user_regs_struct, in words, for those that /proc/PID/syscall tells. */
enum { R10 = 7, R9 = 8, R8 = 9, RDX = 12, RSI = 13, RDI = 14, ORIG_RAX = 15, RIP = 16, RSP = 19 };
#define REGS_WORDS 27u

struct look {
	struct live live; /* what of it has nothing to do with tracing */
	int pidfd;
	uint64_t image; /* changes with the program that the process runs */

	int processor; /* that we went to, or -1 */
	cpu_set_t own; /* where we may run otherwise */

	uint32_t known; /* bits: the words of the registers read last that are known */
};

static struct look *to_look(struct target *t)
{
	return (struct look *)t; /* the first member of the first member */
}

/* ---- what /proc tells of a thread ---- */

/* The whole file as text; false if the thread is gone, or it may not be read. */
static bool task_file(struct target *t, pid_t tid, const char *name, char text[TASK_FILE_MAX])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", t->pid, tid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, TASK_FILE_MAX - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* What follows "Name:" at the beginning of a line; NULL if there is none. */
static const char *field(const char *text, const char *name)
{
	size_t n = strlen(name);
	while (text && (strncmp(text, name, n) != 0 || text[n] != ':')) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + n + 1 : NULL;
}

/* How often it was switched away from; -1 if it is gone. */
static int64_t count_switches(struct target *t, pid_t tid)
{
	char text[TASK_FILE_MAX];
	if (!task_file(t, tid, "status", text))
		return -1;
	const char *wanted = field(text, "voluntary_ctxt_switches");
	const char *unwanted = field(text, "nonvoluntary_ctxt_switches");
	if (!wanted || !unwanted)
		return -1;
	return strtoll(wanted, NULL, 10) + strtoll(unwanted, NULL, 10);
}

static pid_t look_inner_tid(struct target *t, pid_t tid)
{
	char text[TASK_FILE_MAX];
	const char *ids = task_file(t, tid, "status", text) ? field(text, "NSpid") : NULL;
	long id = 0;
	/* One for each pid namespace that it is in, ours first. */
	for (char *end; ids; ids = end) {
		long next = strtol(ids, &end, 10);
		if (end == ids || *ids == '\n')
			break;
		id = next;
		if (*end == '\n')
			break;
	}
	return (pid_t)id;
}

/* ---- rest ---- */

/* Whether the thread waits in the kernel, and is off its processor. */
static bool is_waiting(struct target *t, pid_t tid)
{
	char text[TASK_FILE_MAX];
	return task_file(t, tid, "syscall", text) && strncmp(text, "running", 7) != 0;
}

static int processor_of(struct target *t, pid_t tid)
{
	struct thread_info info;
	struct err *err = proc_thread_info(t, tid, &info);
	err_drop(err); /* it is gone */
	return err ? -1 : info.core;
}

static void go_home(struct look *l)
{
	if (l->processor >= 0)
		(void)sched_setaffinity(0, sizeof(l->own), &l->own);
	l->processor = -1;
}

/* False if it may not be: another cpuset. */
static bool go_to(struct look *l, int processor)
{
	cpu_set_t set;
	if (processor < 0 || processor >= CPU_SETSIZE)
		return false;
	if (l->processor < 0 && sched_getaffinity(0, sizeof(l->own), &l->own) != 0)
		return false;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return false;
	l->processor = processor;
	return true;
}

/* Whether the thread cannot be running since we are, where it would. */
static bool is_displaced(struct look *l, pid_t tid)
{
	return l->processor >= 0 && processor_of(&l->live.target, tid) == l->processor;
}

static uint64_t look_rest(struct target *t, pid_t tid)
{
	struct look *l = to_look(t);
	int64_t n = -1;
	if (is_waiting(t, tid) || (go_to(l, processor_of(t, tid)) && is_displaced(l, tid)))
		n = count_switches(t, tid);
	if (n < 0)
		go_home(l);
	return (uint64_t)(n + 1);
}

static bool look_rested(struct target *t, pid_t tid, uint64_t since)
{
	struct look *l = to_look(t);
	bool off = l->processor >= 0 ? is_displaced(l, tid) : is_waiting(t, tid);
	bool rested = off && (uint64_t)(count_switches(t, tid) + 1) == since;
	go_home(l);
	return rested;
}

/* ---- registers ---- */

static void set_word(struct look *l, uint64_t *words, unsigned int word, uint64_t value)
{
	words[word] = value;
	l->known |= 1u << word;
}

/*
 * "NUMBER ARG1..ARG6 SP PC", "-1 SP PC" where it waits but not in a call, or
 * "running".  The arguments are the registers': the kernel keeps them.
 */
static void read_syscall(struct look *l, pid_t tid, uint64_t *words)
{
	static const uint8_t args[] = { RDI, RSI, RDX, R10, R8, R9 };
	char text[TASK_FILE_MAX], *end;
	uint64_t value[9];
	size_t n = 0;

	if (!task_file(&l->live.target, tid, "syscall", text) || strncmp(text, "running", 7) == 0)
		return;
	for (const char *p = text; n < 9; n++, p = end) {
		value[n] = n ? strtoull(p, &end, 16) : (uint64_t)strtoll(p, &end, 10);
		if (end == p)
			break;
	}
	if (n != 3 && n != 9)
		return;
	set_word(l, words, ORIG_RAX, value[0]);
	for (size_t i = 0; n == 9 && i < sizeof(args); i++)
		set_word(l, words, args[i], value[1 + i]);
	set_word(l, words, RSP, value[n - 2]);
	set_word(l, words, RIP, value[n - 1]);
}

static struct err *look_regset_read(struct target *t, pid_t tid, const struct regset *rs, void *buf,
				    size_t *size)
{
	uint64_t words[REGS_WORDS] = { 0 };
	size_t n = rs->size < *size ? rs->size : *size;

	to_look(t)->known = 0;
	if (rs->nt_type == NT_PRSTATUS)
		read_syscall(to_look(t), tid, words);
	memset(buf, 0, n);
	if (rs->nt_type == NT_PRSTATUS)
		memcpy(buf, words, n < sizeof(words) ? n : sizeof(words));
	*size = n;
	return NULL;
}

static bool look_has_reg(struct target *t, const struct reg *r)
{
	return t->arch->regsets[r->set].nt_type == NT_PRSTATUS && r->offset / 8 < REGS_WORDS &&
	       to_look(t)->known >> r->offset / 8 & 1;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is struct target_ops' */
static struct err *look_siginfo_read(struct target *t, pid_t tid, void *buf, size_t *size)
{
	(void)t;
	(void)buf;
	(void)size;
	return err_new(ERR_NOT_FOUND, "no signal has stopped thread %d", tid);
}

/* ---- the process ---- */

/* The leader is listed first, by the kernel too; a dead one has no stack to look at. */
static struct err *look_threads(struct target *t, bool (*visit)(pid_t tid, void *arg), void *arg)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return err_os("opening %s", path);
	for (const struct dirent *d; (d = readdir(dir));) {
		pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);
		if (tid <= 0 || (tid == t->pid && proc_state(tid, tid) == 'Z'))
			continue;
		if (!visit(tid, arg))
			break;
	}
	closedir(dir);
	return NULL;
}

static bool first_thread(pid_t tid, void *arg)
{
	*(pid_t *)arg = tid;
	return false;
}

/* Of a process whose leader is dead another thread tells; see proc_living(). */
static void choose_living(struct look *l)
{
	pid_t tid = 0;
	err_drop(look_threads(&l->live.target, first_thread, &tid));
	while (l->live.first)
		lwp_remove(&l->live, l->live.first);
	if (tid > 0 && tid != l->live.target.pid)
		(void)lwp_add(&l->live, tid);
}

/* A number for the program that runs: execve makes a new auxiliary vector. */
static uint64_t identify_image(struct target *t)
{
	_cleanup_buf_ struct buf auxv = { 0 };
	uint64_t h = 0xcbf29ce484222325ull;
	struct err *err = proc_auxv(t, &auxv);
	err_drop(err); /* it is ending */
	for (size_t i = 0; i < auxv.len; i++)
		h = (h ^ auxv.data[i]) * 0x100000001b3ull;
	return auxv.len ? h : 0;
}

static bool has_ended(const struct look *l)
{
	struct pollfd p = { .fd = l->pidfd, .events = POLLIN };
	return poll(&p, 1, 0) != 0;
}

static void look_refresh(struct target *t)
{
	struct look *l = to_look(t);

	if (t->pid <= 0)
		return;
	mem_invalidate(&t->mem);
	t->regs.tid = 0;
	t->space_stop = 0;
	choose_living(l);
	if (has_ended(l)) {
		t->pid = 0;
		return;
	}
	uint64_t image = identify_image(t);
	if (!image || image == l->image)
		return;
	l->image = image;
	t->epoch++;
	err_drop(proc_open(&l->live)); /* without its memory there is nothing to read */
}

static void look_destroy(struct target *t)
{
	struct look *l = to_look(t);
	while (l->live.first)
		lwp_remove(&l->live, l->live.first);
	proc_close(&l->live);
	if (l->pidfd >= 0)
		close(l->pidfd);
	target_deinit(t);
	free(l);
}

static const struct target_ops look_ops = {
	.name = "nonblocking",
	.destroy = look_destroy,
	.threads = look_threads,
	.thread_info = proc_thread_info,
	.regset_read = look_regset_read,
	.siginfo_read = look_siginfo_read,
	.auxv = proc_auxv,
	.exec_file = proc_exec_file,
	.maps = proc_maps,
	.open_map = proc_open_map,
	.present = proc_present,
	.root_fd = proc_root_fd,
	.has_reg = look_has_reg,
};

static const struct target_look_ops look_look_ops = {
	.refresh = look_refresh,
	.inner_tid = look_inner_tid,
	.rest = look_rest,
	.rested = look_rested,
};

static struct err *look_new(pid_t pid, unsigned int tries, struct look **ret)
{
	struct look *l = calloc(1, sizeof(*l));
	if (!l)
		return &err_nomem;
	l->pidfd = l->processor = -1;
	l->live.mem_fd = l->live.root_fd = l->live.task_fd = -1;
	l->live.reads_only = true;
	l->live.target = (struct target){
		.ops = &look_ops,
		.look = &look_look_ops,
		.tries = tries,
		.arch = &arch_x86_64,
		.pid = pid,
		.attached = true,
		.stops = 1,
		.epoch = ((uint64_t)pid << 32) + 1,
	};
	struct err *err = mem_init(&l->live.target.mem, &live_mem_ops, &l->live, 8);
	if (err)
		free(l);
	else
		*ret = l;
	return err;
}

static struct err *refused(pid_t pid, struct err *why)
{
	char text[96];
	int os_errno = why->os_errno == EACCES ? EPERM : why->os_errno;
	err_drop(why);
	proc_explain_denied(pid, os_errno, text, sizeof(text));
	return err_new(ERR_OS, "%s", text);
}

static struct err *open_process(struct look *l)
{
	pid_t pid = l->live.target.pid;
	long leader = proc_status_field(pid, "Tgid");
	if (leader > 0 && leader != pid)
		return err_new(ERR_STATE, "it is a thread of process %ld; attach to that", leader);
	l->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (l->pidfd < 0)
		return refused(pid, err_os("opening process %d", pid));
	choose_living(l);
	struct err *err = proc_open(&l->live);
	if (err)
		return refused(pid, err);
	l->image = identify_image(&l->live.target);
	return l->image ? NULL : err_new(ERR_STATE, "it has ended, or is a thread of the kernel");
}

struct err *look_open(pid_t pid, unsigned int tries, struct target **ret)
{
	struct look *l = NULL;
	struct err *err = look_new(pid, tries, &l);
	if (err)
		return err;
	err = open_process(l);
	if (err)
		look_destroy(&l->live.target);
	else
		*ret = &l->live.target;
	return err;
}
