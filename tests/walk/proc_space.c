/* SPDX-License-Identifier: MIT */
#include "tests/walk/proc_space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* How much of @len bytes at @addr is in front of what is hidden. */
static size_t bytes_to_see(const struct proc_space *p, uint64_t addr, size_t len)
{
	for (size_t i = 0; i < p->nhidden; i++) {
		if (addr >= p->hidden[i].end || addr + len <= p->hidden[i].start)
			continue;
		return addr < p->hidden[i].start ? (size_t)(p->hidden[i].start - addr) : 0;
	}
	return len;
}

static size_t vm_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct proc_space *p = ctx;
	len = bytes_to_see(p, addr, len);
	if (!len)
		return 0;
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(p->pid, &local, 1, &remote, 1, 0);
	return n < 0 ? 0 : (size_t)n;
}

static const struct mem_ops vm_ops = { .read = vm_read };

static int open_map(void *ctx, const struct map *m)
{
	const struct proc_space *p = ctx;
	char path[96];
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)p->pid,
		 m->start, m->end);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		char in_root[4400];
		snprintf(in_root, sizeof(in_root), "/proc/%d/root%s", (int)p->pid, m->path);
		fd = open(in_root, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

static size_t thread_regs(void *ctx, pid_t tid, uint64_t *ret, size_t n)
{
	struct {
		struct user_regs_struct general;
		struct user_fpregs_struct vector;
	} regs;
	(void)ctx;
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs.general) != 0 ||
	    ptrace(PTRACE_GETFPREGS, tid, NULL, &regs.vector) != 0)
		return 0;
	if (n > sizeof(regs) / sizeof(*ret))
		n = sizeof(regs) / sizeof(*ret);
	memcpy(ret, &regs, n * sizeof(*ret));
	return n;
}

static bool dwarf_regs(void *ctx, pid_t tid, struct space_regs *ret)
{
	struct user_regs_struct r;
	(void)ctx;
	if (ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0)
		return false;
	*ret = (struct space_regs){
		.value = { r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9,
			   r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip },
		.known = (1u << SPACE_REGS) - 1,
	};
	return true;
}

static bool thread_syscall(void *ctx, pid_t tid, struct space_syscall *ret)
{
	struct user_regs_struct r;
	(void)ctx;
	if (ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0 || (int64_t)r.orig_rax < 0 ||
	    (int64_t)r.rax < -516 || (int64_t)r.rax > -512)
		return false;
	*ret = (struct space_syscall){ (int64_t)r.orig_rax,
				       { r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9 } };
	return true;
}

static bool known(const struct proc_space *p, pid_t tid)
{
	for (size_t i = 0; i < p->space.nthreads; i++)
		if (p->threads[i].tid == tid)
			return true;
	return false;
}

/*
 * Whether a thread that can't be seized is somebody else's.  It may have ended, or
 * have been born of a thread that we have: then the kernel has seized it for us.
 */
static bool others(pid_t pid, pid_t tid)
{
	char path[64], line[128], state = 'X';
	long tracer = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "State: %c", &state);
		(void)sscanf(line, "TracerPid: %ld", &tracer);
	}
	if (f)
		fclose(f);
	return tracer != getpid() && !strchr("XZ", state);
}

/* Seizes threads not yet known; returns how many there were, or -1. */
static int seize_new(struct proc_space *p)
{
	char path[64];
	int found = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -1;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
		if (tid <= 0 || known(p, tid) || p->space.nthreads == PROC_THREADS_MAX)
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACECLONE) != 0) {
			if (errno == ESRCH || (errno == EPERM && !others(p->pid, tid)))
				continue;
			perror("seizing a thread");
			closedir(dir);
			return -1;
		}
		p->threads[p->space.nthreads++].tid = tid;
		found++;
	}
	closedir(dir);
	return found;
}

bool proc_space_open(struct proc_space *p, pid_t pid)
{
	memset(p, 0, sizeof(*p));
	p->pid = pid;
	if (mem_init(&p->mem, &vm_ops, p, 8))
		return false;
	p->space = (struct space){
		.mem = &p->mem,
		.maps = &p->maps,
		.threads = p->threads,
		.epoch = 1,
		.open_map = open_map,
		.thread_regs = thread_regs,
		.dwarf_regs = dwarf_regs,
		.thread_syscall = thread_syscall,
		.ctx = p,
	};
	int n;
	while ((n = seize_new(p)) > 0)
		;
	return n == 0 && p->space.nthreads;
}

void proc_space_close(struct proc_space *p)
{
	for (size_t i = 0; i < p->space.nthreads; i++) {
		if (ptrace(PTRACE_DETACH, p->threads[i].tid, NULL, NULL) == 0)
			continue;
		ptrace(PTRACE_INTERRUPT, p->threads[i].tid, NULL, NULL);
		waitpid(p->threads[i].tid, NULL, __WALL);
		ptrace(PTRACE_DETACH, p->threads[i].tid, NULL, NULL);
	}
	free(p->hidden);
	maps_deinit(&p->maps);
	mem_deinit(&p->mem);
}

static bool read_maps(struct proc_space *p)
{
	char path[64];
	size_t len = 0;
	static char text[4u << 20];
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)p->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	for (ssize_t n = 1; fd >= 0 && n > 0; len += (size_t)(n > 0 ? n : 0))
		n = read(fd, text + len, sizeof(text) - len);
	if (fd >= 0)
		close(fd);
	struct err *err = maps_parse(text, len, &p->maps);
	err_drop(err);
	return len && !err;
}

static void hide(struct proc_space *p, const struct proc_hidden *range)
{
	struct proc_hidden *more = reallocarray(p->hidden, p->nhidden + 1, sizeof(*more));
	if (!more)
		abort();
	p->hidden = more;
	more[p->nhidden++] = *range;
}

/* proc(5): a file's mapping that the program has written to has anonymous memory. */
void proc_space_hide_files(struct proc_space *p)
{
	char path[64], line[4500];
	struct proc_hidden at = { 0 }, next;
	unsigned long inode = 0, kb;
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)p->pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %*s %lu", &next.start, &next.end,
			   &inode) == 3)
			at = (struct proc_hidden){ next.start + 0x1000, next.end };
		else if (sscanf(line, "Anonymous: %lu", &kb) == 1 && !kb && inode &&
			 at.start < at.end)
			hide(p, &at);
	}
	if (f)
		fclose(f);
	p->space.open_map = NULL;
}

static void remove_thread(struct proc_space *p, size_t i)
{
	p->space.nthreads--;
	memmove(&p->threads[i], &p->threads[i + 1], (p->space.nthreads - i) * sizeof(*p->threads));
}

static int by_tid(const void *a, const void *b)
{
	const struct space_thread *x = a, *y = b;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* A thread that @tid has just made stops before its first instruction. */
static void add_clone(struct proc_space *p, pid_t tid)
{
	unsigned long child = 0;
	if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &child) != 0 ||
	    p->space.nthreads == PROC_THREADS_MAX || known(p, (pid_t)child) ||
	    waitpid((pid_t)child, NULL, __WALL) != (pid_t)child)
		return;
	p->threads[p->space.nthreads++].tid = (pid_t)child;
}

static bool interrupt(struct proc_space *p, pid_t tid)
{
	int status;
	/* One that stopped of itself meanwhile must not get an interrupt for later. */
	pid_t got = waitpid(tid, &status, __WALL | WNOHANG);
	if (got == 0 && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0)
		got = waitpid(tid, &status, __WALL);
	if (got != tid || !WIFSTOPPED(status))
		return false;
	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_CLONE << 8))
		add_clone(p, tid);
	return true;
}

static void stop_threads(struct proc_space *p)
{
	for (size_t i = 0, n = p->space.nthreads; i < p->space.nthreads;) {
		pid_t tid = p->threads[i].tid;
		/* Those behind the first n were stopped when they were found. */
		if (i < n && !interrupt(p, tid)) {
			remove_thread(p, i);
			n--;
			continue;
		}
		errno = 0;
		p->threads[i].tp = (uint64_t)ptrace(
			PTRACE_PEEKUSER, tid, offsetof(struct user_regs_struct, fs_base), NULL);
		i++;
	}
}

bool proc_space_stop(struct proc_space *p)
{
	stop_threads(p);
	qsort(p->threads, p->space.nthreads, sizeof(*p->threads), by_tid);
	mem_invalidate(&p->mem);
	return p->space.nthreads && (p->maps.n || read_maps(p));
}

void proc_space_resume(struct proc_space *p)
{
	for (size_t i = 0; i < p->space.nthreads; i++)
		ptrace(PTRACE_CONT, p->threads[i].tid, NULL, NULL);
}
