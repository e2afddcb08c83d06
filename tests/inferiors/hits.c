/* SPDX-License-Identifier: MIT */
/* hits THREADS TIMES: all threads at once call hit() TIMES each; exits 0 if no call is lost. */
#include <pthread.h>
#include <stdlib.h>

#define MAX 64

volatile unsigned long count[MAX][8]; /* a cache line for each thread */
static pthread_barrier_t ready;
static unsigned long times;

__attribute__((noinline)) void hit(volatile unsigned long *mine)
{
	++*mine;
}

static void *call(void *arg)
{
	pthread_barrier_wait(&ready);
	for (unsigned long i = 0; i < times; i++)
		hit(arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[MAX];
	int n = argc > 2 ? atoi(argv[1]) : 0;

	if (n < 1 || n > MAX)
		return 2;
	times = strtoul(argv[2], NULL, 10);
	pthread_barrier_init(&ready, NULL, (unsigned int)n);
	for (int i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, call, (void *)count[i]);
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < n; i++)
		if (count[i][0] != times)
			return 1;
	return 0;
}
