/* SPDX-License-Identifier: MIT */
/*
 * ends HOW [N]: the ways a process can end.
 *   exit N          returns N           raise N     kills itself by signal N
 *   thread N        exit(N) from a thread that is not the first
 *   orphans N       the first thread ends at once; one of four others calls exit(N)
 *                   when `go' is set
 *   retire N        four threads end one by one as `go' grows; then exit(N)
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile unsigned long go, turns, retired;
static int number;

__attribute__((noinline)) void leave(int status)
{
	exit(status);
}

static void *exit_from_thread(void *arg)
{
	leave(number);
	return arg;
}

static void *orphan(void *arg)
{
	for (;;) {
		turns++;
		if (go)
			leave(number);
		usleep(1000);
	}
	return arg;
}

static void *retire(void *arg)
{
	while (go <= (unsigned long)arg)
		usleep(1000);
	__atomic_add_fetch(&retired, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start(void *(*run)(void *), int n)
{
	for (long i = 0; i < n; i++) {
		pthread_t thread;
		pthread_create(&thread, NULL, run, (void *)i);
	}
}

static int end_exit(void)
{
	return number;
}

static int end_raise(void)
{
	kill(getpid(), number);
	return pause();
}

static int end_thread(void)
{
	start(exit_from_thread, 1);
	return pause();
}

static int end_orphans(void)
{
	start(orphan, 4);
	pthread_exit(NULL);
}

static int end_retire(void)
{
	start(retire, 4);
	while (retired < 4)
		usleep(1000);
	return number;
}

static const struct {
	const char *name;
	int (*end)(void);
} ways[] = {
	{ "exit", end_exit },	    { "raise", end_raise },   { "thread", end_thread },
	{ "orphans", end_orphans }, { "retire", end_retire },
};

int main(int argc, char **argv)
{
	number = argc > 2 ? atoi(argv[2]) : 0;
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			return ways[i].end();
	return 2;
}
