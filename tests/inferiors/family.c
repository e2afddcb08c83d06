/* SPDX-License-Identifier: MIT */
/*
 * family fork|vfork|spawn|share|companion TIMES [THREADS]: makes TIMES children, each of which
 * calls work() and ends with status 7 (spawn: is another program), and calls work() itself
 * after each.  The THREADS others call other() all the while.  `bad' counts children that
 * ended otherwise; it is the exit status.  `slow' is how long a vfork child takes, in us.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

volatile unsigned long work_calls, other_calls, bad, slow, done;

__attribute__((noinline)) void work(void)
{
	__atomic_add_fetch(&work_calls, 1, __ATOMIC_SEQ_CST);
}

__attribute__((noinline)) void other(void)
{
	__atomic_add_fetch(&other_calls, 1, __ATOMIC_SEQ_CST);
}

static void *call_other(void *arg)
{
	while (!done) {
		other();
		usleep(200);
	}
	return arg;
}

static pid_t by_fork(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		work();
		_exit(7);
	}
	return pid;
}

static pid_t by_vfork(void)
{
	pid_t pid = vfork();
	if (pid == 0) {
		work();
		if (slow)
			usleep((useconds_t)slow);
		_exit(7);
	}
	return pid;
}

static pid_t by_spawn(void)
{
	static char sh[] = "sh", c[] = "-c", command[] = "exit 7";
	char *argv[] = { sh, c, command, NULL };
	pid_t pid;
	return posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0 ? pid : -1;
}

static int share(void *arg)
{
	(void)arg;
	work();
	return 7;
}

/* A process with our memory that we do not wait for, unlike vfork's. */
static pid_t by_share(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	return clone(share, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
}

/* The same, whose end sends no signal: a tracer is told of it as of a thread. */
static pid_t by_companion(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	return clone(share, stack + sizeof(stack), CLONE_VM, NULL);
}

static const struct {
	const char *name;
	pid_t (*make)(void);
} ways[] = {
	{ "fork", by_fork },   { "vfork", by_vfork },	      { "spawn", by_spawn },
	{ "share", by_share }, { "companion", by_companion },
};

static pid_t make(const char *how)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, how) == 0)
			return ways[i].make();
	return -1;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;
	int threads = argc > 3 ? atoi(argv[3]) : 0;
	pthread_t thread[16];

	for (int i = 0; i < threads && i < 16; i++)
		pthread_create(&thread[i], NULL, call_other, NULL);
	for (int i = 0; i < n; i++) {
		int status = 0;
		pid_t pid = make(argv[1]);
		if (pid < 0 || waitpid(pid, &status, __WALL) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 7)
			bad++;
		work();
	}
	done = 1;
	for (int i = 0; i < threads && i < 16; i++)
		pthread_join(thread[i], NULL);
	return bad > 100 ? 100 : (int)bad;
}
