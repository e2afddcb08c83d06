/* SPDX-License-Identifier: MIT */
#include "stub/target/guard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct guard {
	/*
	 * The stub's as long as it lives.  The kernel hands a robust one on as soon as its
	 * owner begins to end, before its memory, its files and its threads go.
	 */
	pthread_mutex_t lives;
	bool done;
};

static bool init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t how;

	if (pthread_mutexattr_init(&how) != 0)
		return false;
	bool ok = pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED) == 0 &&
		  pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST) == 0 &&
		  pthread_mutex_init(lock, &how) == 0 && pthread_mutex_lock(lock) == 0;
	pthread_mutexattr_destroy(&how);
	return ok;
}

/* Where something else is now, nothing of ours is left. */
static void restore_one(const struct points *ps, const struct point *p, int fd)
{
	uint8_t now[POINT_INSN_MAX];

	if (pread(fd, now, ps->len, (off_t)p->addr) != ps->len)
		return;
	if (p->scratch || memcmp(now, p->trap, ps->len) == 0)
		(void)!pwrite(fd, p->saved, ps->len, (off_t)p->addr);
}

/* The instructions that lead to a trap go before the trap. */
static void restore(const struct points *ps, int fd)
{
	for (int traps = 0; traps < 2; traps++)
		for (size_t i = 0; i < ps->cap && ps->point[i].addr; i++) {
			const struct point *p = &ps->point[i];
			if ((memcmp(p->trap, ps->insn, ps->len) == 0) == traps)
				restore_one(ps, p, fd);
		}
}

/* Holds nothing of the stub's open but the memory, and outlives its terminal. */
static void become_guard(int mem_fd)
{
	const struct sched_param soon = { .sched_priority = 1 };
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	(void)prctl(PR_SET_NAME, "archerfish-grd");
	(void)dup2(mem_fd, 0);
	(void)syscall(SYS_close_range, 1u, ~0u, 0u);
	(void)!chdir("/");
	(void)sched_setscheduler(0, SCHED_FIFO, &soon); /* if it may */
}

static _Noreturn void watch(struct guard *g, const struct points *ps, int mem_fd)
{
	become_guard(mem_fd);
	int got = pthread_mutex_lock(&g->lives);
	if (got == EOWNERDEAD && !g->done)
		restore(ps, 0);
	_exit(0);
}

struct guard *guard_start(const struct points *ps, int mem_fd)
{
	struct guard *g =
		mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (g == MAP_FAILED)
		return NULL;
	pid_t pid = init_lock(&g->lives) ? fork() : -1;
	if (pid < 0) {
		munmap(g, sizeof(*g));
		return NULL;
	}
	if (pid == 0) {
		/* No child of the stub's, which waits for all of those. */
		if (fork() == 0)
			watch(g, ps, mem_fd);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return g;
}

void guard_stop(struct guard *g)
{
	if (!g)
		return;
	g->done = true;
	(void)pthread_mutex_unlock(&g->lives);
	munmap(g, sizeof(*g));
}
