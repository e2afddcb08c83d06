/* SPDX-License-Identifier: MIT */
/*
 * checked [THREADS]: every thread counts and checks its own count against a second copy,
 * in memory and in registers, for ever.  `wrong' is how often they differed; `rounds' is
 * how far they are.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

volatile unsigned long rounds, wrong;

__attribute__((noinline)) unsigned long mix(unsigned long x)
{
	return x * 6364136223846793005ul + 1442695040888963407ul;
}

static void *check(void *arg)
{
	unsigned long a = 1, b = 1;
	volatile double x = 1.0;

	for (unsigned long i = 0;; i++) {
		volatile unsigned long kept = mix(a);
		a = kept;
		b = mix(b);
		x = x * 1.000001 + 1.0;
		if (a != b || x < 1.0 || kept != b)
			wrong++;
		if (x > 1e9)
			x = 1.0;
		__atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST);
		if (i % 64 == 0)
			usleep(500);
	}
	return arg;
}

int main(int argc, char **argv)
{
	for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
		pthread_t thread;
		pthread_create(&thread, NULL, check, NULL);
	}
	check(NULL);
}
