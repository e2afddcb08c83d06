/* SPDX-License-Identifier: MIT */
/*
 * signals busy|asleep [THREADS]: counts in `handled[signo]' what its handlers get, while
 * it spins or sleeps.  Every signal but those that must not be is handled.  `masked' set
 * blocks SIGUSR2 from then on; `trap' set makes it execute its own int3 once.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile unsigned long handled[65], turns, masked, is_masked, trap, trapped;
volatile long last_pid; /* who sent the last signal */
static int busy;

__attribute__((noinline)) void handler(int signo, siginfo_t *info, void *context)
{
	(void)context;
	last_pid = info->si_pid;
	__atomic_fetch_add(&handled[signo], 1, __ATOMIC_SEQ_CST); /* in several threads at once */
}

__attribute__((noinline)) void turn(void)
{
	turns++;
}

static void *run(void *arg)
{
	(void)arg;
	for (;;) {
		turn();
		if (!busy)
			usleep(2000);
	}
	return NULL;
}

static void obey(void)
{
	sigset_t set;

	if (masked != is_masked) {
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(masked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
		is_masked = masked;
	}
	if (trap) {
		trap = 0;
		__asm__ volatile("int3" ::: "memory");
		trapped++;
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };

	if (argc < 2)
		return 2;
	busy = strcmp(argv[1], "busy") == 0;
	for (int signo = 1; signo < 65; signo++)
		if (signo != SIGSEGV && signo != SIGBUS && signo != SIGTSTP && signo != SIGTTIN &&
		    signo != SIGTTOU && signo != SIGTERM && signo != SIGABRT)
			(void)sigaction(signo, &sa, NULL);
	for (int i = argc > 2 ? atoi(argv[2]) : 0; i > 0; i--) {
		pthread_t thread;
		pthread_create(&thread, NULL, run, NULL);
	}
	for (;;) {
		turn();
		obey();
		if (!busy)
			usleep(2000);
	}
}
