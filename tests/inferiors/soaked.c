/* SPDX-License-Identifier: MIT */
/*
 * soaked [THREADS [GENERATION]]: a program that does a bit of everything for ever, and checks
 * all of it: THREADS workers, threads that are born and end, children by fork, vfork and
 * posix_spawn, signals sent and counted, and now and then an exec of itself by a thread that is
 * not the first.  In every third generation the first thread ends before all others.
 *
 * `rounds' grows in each worker's place.  What is wrong is said on stderr, and kept in `bad'.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX  1000
#define STEPS	     24
#define PAUSE_NS     20000000
#define EXEC_SECONDS 15
#define CHILD_STATUS 7

extern char **environ;

volatile unsigned long rounds[THREADS_MAX], births, children, sent, received, generation, bad;
volatile unsigned long nworkers = 200;
volatile unsigned long hold; /* set by a test: nobody execs while it is not 0 */

static void complain(const char *format, ...)
{
	va_list args;

	__atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
	va_start(args, format);
	fprintf(stderr, "soaked %d: ", getpid());
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
}

#define NEXT(x) ((x)*6364136223846793005ul + 1442695040888963407ul)

__attribute__((noinline)) unsigned long work(unsigned long x)
{
	return NEXT(x);
}

/* Integer and vector registers, the stack, and sleep survive whatever a debugger does. */
static void check_round(unsigned long seed)
{
	unsigned long by_calls = seed, by_hand = seed;
	volatile double halves = 0;
	double sum = 0;

	for (int i = 0; i < STEPS; i++) {
		by_calls = work(by_calls);
		sum += (double)(by_calls & 0xff) / 2;
	}
	for (int i = 0; i < STEPS; i++) {
		by_hand = NEXT(by_hand);
		halves += (double)(by_hand & 0xff) / 2;
	}
	if (by_calls != by_hand || sum != halves)
		complain("%lx, %g instead of %lx, %g", by_calls, sum, by_hand, halves);
}

static void take_a_rest(void)
{
	struct timespec pause = { 0, PAUSE_NS };

	if (nanosleep(&pause, NULL) != 0)
		complain("nanosleep: %s", strerror(errno));
}

static void *worker(void *arg)
{
	volatile unsigned long *mine = arg;

	for (unsigned long seed = (unsigned long)(mine - rounds) + 1;; seed++) {
		check_round(seed);
		(*mine)++;
		take_a_rest();
	}
	return NULL;
}

static bool create(pthread_t *ret, const pthread_attr_t *attr, void *(*what)(void *), void *arg)
{
	int why = pthread_create(ret, attr, what, arg);

	if (why != 0)
		complain("pthread_create: %s", strerror(why));
	return why == 0;
}

static void *one_round(void *arg)
{
	check_round((unsigned long)arg);
	births++;
	return arg;
}

/* Twenty at a time, that end at once. */
static void *breeder(void *arg)
{
	pthread_t thread[20];
	void *ret;

	for (;;) {
		unsigned long n = 0;
		while (n < 20 && create(&thread[n], NULL, one_round, (void *)n))
			n++;
		for (unsigned long i = 0; i < n; i++)
			if (pthread_join(thread[i], &ret) != 0 || ret != (void *)i)
				complain("pthread_join: %p", ret);
		take_a_rest();
	}
	return arg;
}

static void reap(const char *how, pid_t pid)
{
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		complain("%s: %s", how, strerror(errno));
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != CHILD_STATUS)
		complain("%s: a child ended with 0x%x", how, status);
	children++;
}

static void *parent(void *arg)
{
	static char self[] = "/proc/self/exe", child[] = "child";
	char *argv[] = { self, child, NULL };
	pid_t pid;

	for (;;) {
		pid = fork();
		if (pid == 0) {
			check_round(77);
			_exit(bad ? 8 : CHILD_STATUS);
		}
		reap("fork", pid);
		pid = vfork();
		if (pid == 0) {
			(void)work(5);
			_exit(CHILD_STATUS);
		}
		reap("vfork", pid);
		if (posix_spawn(&pid, self, NULL, NULL, argv, environ) != 0)
			complain("posix_spawn");
		reap("posix_spawn", pid);
		take_a_rest();
	}
	return arg;
}

static void on_signal(int signo)
{
	(void)signo;
	received++;
}

static void *sleeper(void *arg)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	for (;;)
		pause();
	return arg;
}

/* Each signal comes, and once. */
static void *signaller(void *arg)
{
	pthread_t to;

	if (!create(&to, NULL, sleeper, NULL))
		return arg;
	for (;;) {
		sent++;
		pthread_kill(to, SIGUSR1);
		for (int i = 0; received < sent && i < 6000; i++)
			take_a_rest();
		take_a_rest();
		if (received != sent)
			complain("%lu signals of %lu have come", received, sent);
	}
	return arg;
}

static void *successor(void *arg)
{
	char self[] = "/proc/thread-self/exe", threads[24], next[24];
	char *argv[] = { self, threads, next, NULL };

	snprintf(threads, sizeof(threads), "%lu", nworkers);
	snprintf(next, sizeof(next), "%lu", generation + 1);
	for (int i = 0; i < EXEC_SECONDS * 50 || hold; i++)
		take_a_rest();
	if (bad)
		abort();
	execv(self, argv);
	complain("execv: %s", strerror(errno));
	return arg;
}

static void start(void *(*what)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 17);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)create(&thread, &attr, what, arg);
	pthread_attr_destroy(&attr);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t one;

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return CHILD_STATUS;
	if (argc > 1)
		nworkers = strtoul(argv[1], NULL, 10);
	if (argc > 2)
		generation = strtoul(argv[2], NULL, 10);
	if (nworkers > THREADS_MAX)
		return 2;
	prctl(PR_SET_NAME, "soaked");
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	for (unsigned long i = 0; i < nworkers; i++)
		start(worker, (void *)&rounds[i]);
	start(breeder, NULL);
	start(parent, NULL);
	start(signaller, NULL);
	start(successor, NULL);
	if (generation % 3 == 2)
		pthread_exit(NULL);
	for (;;)
		take_a_rest();
}
