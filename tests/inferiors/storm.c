/* SPDX-License-Identifier: MIT */
/*
 * storm CREATORS PAUSE: creators make a thread and wait for its end, over and over,
 * with PAUSE microseconds in between.  Each thread does a sum whose result is known.
 * Ends when `stop' is set; its exit status says whether anything went wrong.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX 16

volatile unsigned long born, ended, errors, stop;
static useconds_t pause_us;

static void *sum(void *arg)
{
	volatile unsigned long total = 0;

	__atomic_add_fetch(&born, 1, __ATOMIC_SEQ_CST);
	for (unsigned long i = 1; i <= 100; i++)
		total += i;
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	return (void *)(total + (uintptr_t)arg);
}

static void *create(void *arg)
{
	(void)arg;
	for (uintptr_t i = 0; !stop; i++) {
		pthread_t thread;
		void *result;

		if (pthread_create(&thread, NULL, sum, (void *)i) != 0 ||
		    pthread_join(thread, &result) != 0 || (uintptr_t)result != 5050 + i)
			__atomic_add_fetch(&errors, 1, __ATOMIC_SEQ_CST);
		if (pause_us)
			usleep(pause_us);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t creator[MAX];
	int n = argc > 2 ? atoi(argv[1]) : 0;

	if (n < 1 || n > MAX)
		return 2;
	pause_us = (useconds_t)atoi(argv[2]);
	for (int i = 0; i < n; i++)
		pthread_create(&creator[i], NULL, create, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(creator[i], NULL);
	return errors || born != ended;
}
